"""The mirror in MLflow: versions, digests and aliases, in a database that only one process at a time may make."""

import subprocess
import sys
from pathlib import Path

from forecasting.mlflow_mirror import MlflowMirror
from forecasting.panel import Panel
from forecasting.rolling.bundle import load
from tests.support.forecasting_kit import tiny_bundle, wave


def test_versions_and_aliases_are_mirrored_and_the_artifact_comes_back_whole(tmp_path: Path) -> None:
    registry, bundle = MlflowMirror(tmp_path / "mlflow"), tiny_bundle("lstm", Panel.of(wave(1)))
    for version in (4, 7):
        registry.register("pumps", version, bundle, {"mase": 0.5})
    registry.alias("pumps", "champion", 7)
    registry.alias("pumps", "previous", 4)
    registry.alias("pumps", "champion", 99)  # never mirrored: nothing moves
    assert registry.versions("pumps") == [
        {"version": 4, "digest": bundle.digest, "aliases": ["previous"]},
        {"version": 7, "digest": bundle.digest, "aliases": ["champion"]},
    ]
    stored = next((tmp_path / "mlflow" / "artifacts").rglob("manifest.json")).parent
    assert load(stored).digest == bundle.digest


def test_processes_that_open_a_new_registry_together_all_find_it_whole(tmp_path: Path) -> None:
    opening = f"""
from pathlib import Path
from forecasting.mlflow_mirror import MlflowMirror
MlflowMirror(Path({str(tmp_path)!r}))
"""
    opened = [subprocess.Popen([sys.executable, "-c", opening], stderr=subprocess.PIPE) for _ in range(2)]
    assert [process.wait() for process in opened] == [0, 0], [process.communicate()[1] for process in opened]
