"""The MLflow mirror: versions, digests and aliases, in a database that only one process may create."""

import subprocess
import sys
from pathlib import Path

from forecasting.mlflow_mirror import MlflowMirror
from forecasting.panel import Panel
from forecasting.rolling.bundle import load
from tests.support.forecasting_kit import tiny_bundle, wave


def test_versions_aliases_and_artifacts_are_mirrored(tmp_path: Path) -> None:
    mirror, bundle = MlflowMirror(tmp_path / "mlflow"), tiny_bundle("lstm", Panel.of(wave(1)))
    for version in (4, 7):
        mirror.register("pumps", version, bundle, {"mase": 0.5})
    mirror.alias("pumps", "champion", 7)
    mirror.alias("pumps", "previous", 4)
    mirror.alias("pumps", "champion", 99)  # never mirrored: nothing changes
    assert mirror.versions("pumps") == [
        {"version": 4, "digest": bundle.digest, "aliases": ["previous"]},
        {"version": 7, "digest": bundle.digest, "aliases": ["champion"]},
    ]
    stored = next((tmp_path / "mlflow" / "artifacts").rglob("manifest.json")).parent
    assert load(stored).digest == bundle.digest


def test_processes_can_open_a_new_mirror_at_once(tmp_path: Path) -> None:
    code = f"""
from pathlib import Path
from forecasting.mlflow_mirror import MlflowMirror
MlflowMirror(Path({str(tmp_path)!r}))
"""
    opened = [subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE) for _ in range(2)]
    assert [process.wait() for process in opened] == [0, 0], [process.communicate()[1] for process in opened]
