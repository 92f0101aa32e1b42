"""Artifacts: a bundle is loaded as it was saved, or refused before it is parsed."""

import io
import json
import pickle
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.errors import DamagedArtifact
from forecasting.kernel.kernel import FORMAT, OLDEST_FORMAT
from forecasting.kernel.packing import pack, unpack
from forecasting.panel import Panel
from forecasting.rolling.bundle import HASHED, canonical, digest_of, from_bytes, load, save, sha256, to_bytes
from tests.support.forecasting_kit import tiny_bundle, wave

BUNDLE = tiny_bundle("lstm", Panel.of(wave(2)))
BLOB = to_bytes(BUNDLE)


def test_a_bundle_survives_bytes_and_folders(tmp_path: Path) -> None:
    save(BUNDLE, tmp_path / "model")
    for again in (from_bytes(BLOB, BUNDLE.digest), load(tmp_path / "model")):
        assert (again.config, again.manifest, again.digest) == (BUNDLE.config, BUNDLE.manifest, BUNDLE.digest)
        assert all(np.array_equal(again.weights[name], weight) for name, weight in BUNDLE.weights.items())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model"]


def test_the_digest_covers_the_calibration_and_the_fingerprint_does_not() -> None:
    wider = replace(BUNDLE, calibration=replace(BUNDLE.calibration, factors=2 * BUNDLE.calibration.factors))
    dated = replace(BUNDLE, manifest={"when": "today"})
    assert wider.fingerprint == BUNDLE.fingerprint and wider.digest != BUNDLE.digest
    assert (dated.fingerprint, dated.digest) == (BUNDLE.fingerprint, BUNDLE.digest)


@given(position=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_no_flipped_bit_changes_a_number_unnoticed(position: float, bit: int) -> None:
    damaged = bytearray(BLOB)
    damaged[int(position * len(BLOB))] ^= 1 << bit
    try:
        again = from_bytes(bytes(damaged), BUNDLE.digest)
    except DamagedArtifact:
        return
    assert again.files == BUNDLE.files  # the bit was outside the hashed files


@pytest.mark.parametrize("share", [0.0, 0.3, 0.99])
def test_a_truncated_artifact_is_refused(share: float) -> None:
    with pytest.raises(DamagedArtifact):
        from_bytes(BLOB[: int(share * len(BLOB))], BUNDLE.digest)


def test_another_models_bytes_are_refused_under_this_digest() -> None:
    with pytest.raises(DamagedArtifact, match="digest"):
        from_bytes(to_bytes(tiny_bundle("gru", Panel.of(wave(2)))), BUNDLE.digest)


def written(folder: Path, change: Callable[[dict[str, Any]], object], kernel_format: int = FORMAT) -> str:
    """Saves an artifact whose settings were changed, as another version may have written it; returns its digest."""
    save(BUNDLE, folder)
    settings = BUNDLE.config.to_dict()
    change(settings)
    (folder / "model.json").write_bytes(canonical({"kernel_format": kernel_format, "config": settings}))
    return digest_of({name: sha256((folder / name).read_bytes()) for name in HASHED})


def test_missing_settings_take_their_defaults_and_the_digest_stays(tmp_path: Path) -> None:
    digest = written(tmp_path / "old", lambda settings: (settings.pop("memory"), settings.pop("members")))
    old = load(tmp_path / "old", digest)
    assert old.config == BUNDLE.config
    assert old.digest == digest != BUNDLE.digest
    assert from_bytes(to_bytes(old), digest).fingerprint == old.fingerprint != BUNDLE.fingerprint


def test_an_unknown_setting_is_refused(tmp_path: Path) -> None:
    digest = written(tmp_path / "new", lambda settings: settings.update(covariates=2))
    with pytest.raises(DamagedArtifact, match="unknown to this version: covariates; upgrade rollcast"):
        load(tmp_path / "new", digest)


def test_a_setting_without_a_default_is_required(tmp_path: Path) -> None:
    digest = written(tmp_path / "cut", lambda settings: settings.pop("window"))
    with pytest.raises(DamagedArtifact, match="lack window; train it again"):
        load(tmp_path / "cut", digest)


def test_an_unknown_kind_is_refused(tmp_path: Path) -> None:
    digest = written(tmp_path / "new", lambda settings: settings.update(kind="transformer"))
    with pytest.raises(DamagedArtifact, match="kind 'transformer' is unknown to this version; upgrade rollcast"):
        load(tmp_path / "new", digest)


def test_a_newer_format_asks_for_an_upgrade(tmp_path: Path) -> None:
    digest = written(tmp_path / "new", lambda settings: None, FORMAT + 1)
    with pytest.raises(DamagedArtifact, match=f"format {FORMAT + 1} is newer than {FORMAT}.*; upgrade rollcast"):
        load(tmp_path / "new", digest)


def test_a_format_that_is_too_old_asks_for_a_training(tmp_path: Path) -> None:
    digest = written(tmp_path / "old", lambda settings: None, OLDEST_FORMAT - 1)
    with pytest.raises(DamagedArtifact, match=f"format {OLDEST_FORMAT - 1} is older than {OLDEST_FORMAT}.*; train it"):
        load(tmp_path / "old", digest)


def test_every_format_in_the_range_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    digest = written(tmp_path / "old", lambda settings: None)
    monkeypatch.setattr("forecasting.rolling.bundle.FORMAT", FORMAT + 1)  # after the next bump
    old = load(tmp_path / "old", digest)
    assert old.digest == digest
    assert replace(old, manifest={}).digest != digest  # what is written now has the newer format


def test_unexpected_files_are_refused_unread(tmp_path: Path) -> None:
    save(BUNDLE, tmp_path / "model")
    marker = tmp_path / "executed"
    (tmp_path / "model" / "weights.pkl").write_bytes(pickle.dumps(_Trap(str(marker))))
    with pytest.raises(DamagedArtifact, match="exactly"):
        load(tmp_path / "model")
    assert not marker.exists()


class _Trap:
    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str, str]]:
        return open, (self.path, "w")


def test_changed_files_are_refused_under_the_digest_of_the_manifest(tmp_path: Path) -> None:
    save(BUNDLE, tmp_path / "model")
    path = tmp_path / "model" / "calibration.json"
    path.write_text(json.dumps({"factors": [[9.0]], "rate": 0.0}))
    with pytest.raises(DamagedArtifact):
        load(tmp_path / "model")


def test_a_zip_with_a_path_in_a_name_is_refused() -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("../model.json", "{}")
    with pytest.raises(DamagedArtifact):
        from_bytes(buffer.getvalue(), BUNDLE.digest)


@given(position=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_packed_arrays_notice_every_flipped_bit(position: float, bit: int) -> None:
    blob = bytearray(pack({"x": np.arange(10.0)}, {"fingerprint": "f"}))
    blob[int(position * len(blob))] ^= 1 << bit
    with pytest.raises(DamagedArtifact):
        unpack(bytes(blob))


def test_packed_arrays_come_back_with_their_metadata() -> None:
    arrays, words = unpack(pack({"x": np.arange(3), "empty": np.zeros((2, 0))}, {"fingerprint": "f"}))
    assert arrays["x"].tolist() == [0, 1, 2] and arrays["empty"].shape == (2, 0) and words["fingerprint"] == "f"
