"""The artifact of a model: settings, weights and calibration, with a hash over every byte. Pickle is never used.

A folder (or a zip of it) holds `model.json`, `weights.safetensors`, `calibration.json` and `manifest.json`. The
*fingerprint* covers what determines a state (weights, settings, format); the *digest* also covers the calibration.
Times, environment and metrics are in the manifest and in neither hash, so that equal trainings have equal digests.

Formats from `OLDEST_FORMAT` to `FORMAT` are read, and settings that a file lacks take their defaults.
"""

import hashlib
import io
import json
import os
import zipfile
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load as load_tensors
from safetensors.numpy import save as save_tensors

from data.errors import DamagedArtifact
from forecasting.config import ModelConfig
from forecasting.kernel.kernel import FORMAT, OLDEST_FORMAT
from forecasting.recurrent_options import UPGRADE
from forecasting.rolling.conformal import Calibration
from forecasting.symbol_config import SymbolConfig

HASHED = ("model.json", "weights.safetensors", "calibration.json")
LARGEST = 256 * 1024 * 1024  # most bytes of one file


def canonical(value: Any) -> bytes:
    """Canonical JSON: equal values have equal bytes, and so equal hashes."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@dataclass(frozen=True)
class Bundle:
    """One fitted model. `manifest` has what no hash covers: data snapshot, steps, environment, metrics."""

    config: Any  # a ModelConfig, or a SymbolConfig
    weights: dict[str, np.ndarray]
    calibration: Calibration
    manifest: dict[str, Any] = field(default_factory=dict)

    @cached_property
    def files(self) -> dict[str, bytes]:
        """The hashed files by name: those that were read, in a bundle that was loaded."""
        ordered = {name: np.ascontiguousarray(self.weights[name]) for name in sorted(self.weights)}
        return {
            "model.json": canonical({"kernel_format": FORMAT, "config": self.config.to_dict()}),
            "weights.safetensors": save_tensors(ordered),
            "calibration.json": canonical(self.calibration.to_dict()),
        }

    @cached_property
    def fingerprint(self) -> str:
        """sha256 of weights, settings and format: a state can be restored by a model of the same fingerprint."""
        return sha256("".join(sha256(self.files[name]) for name in HASHED[:2]).encode())

    @cached_property
    def digest(self) -> str:
        """sha256 of everything that determines a forecast."""
        return digest_of({name: sha256(data) for name, data in self.files.items()})

    @property
    def size(self) -> int:
        """Bytes of the hashed files."""
        return sum(len(data) for data in self.files.values())


def digest_of(hashes: dict[str, str]) -> str:
    return sha256("".join(hashes[name] for name in HASHED).encode())


def _all_files(bundle: Bundle) -> dict[str, bytes]:
    hashes = {name: sha256(data) for name, data in bundle.files.items()}
    manifest = {"format": 1, "digest": bundle.digest, "sha256": hashes, **bundle.manifest}
    return {**bundle.files, "manifest.json": json.dumps(manifest, indent=1, sort_keys=True).encode()}


def to_bytes(bundle: Bundle) -> bytes:
    """The artifact as one uncompressed zip."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, data in _all_files(bundle).items():
            archive.writestr(zipfile.ZipInfo(name), data)
    return buffer.getvalue()


def from_bytes(blob: bytes, digest: str) -> Bundle:
    """The bundle in a zip, which must have this digest. Raises DamagedArtifact before anything unverified is parsed."""
    try:
        with zipfile.ZipFile(io.BytesIO(blob)) as archive:
            entries = {info.filename: info for info in archive.infolist()}
            _refuse_unexpected_files(set(entries), {name: info.file_size for name, info in entries.items()})
            if any(info.compress_type != zipfile.ZIP_STORED for info in entries.values()):
                raise zipfile.BadZipFile("an entry is compressed; artifacts are written uncompressed")
            files = {name: archive.read(name) for name in entries}
    except (zipfile.BadZipFile, OSError, ValueError, RuntimeError, EOFError) as error:  # RuntimeError: "encrypted"
        raise DamagedArtifact(
            "The model's artifact is not readable; promote another version or train again."
        ) from error
    return _verified(files, digest)


def save(bundle: Bundle, folder: Path) -> str:
    """Writes the artifact folder atomically: temporary folder, fsync, rename. Returns the digest."""
    temporary = folder.with_name(f".{folder.name}.{os.getpid()}")
    temporary.mkdir(parents=True, exist_ok=True)
    for name, data in _all_files(bundle).items():
        with open(temporary / name, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    os.replace(temporary, folder)
    return bundle.digest


def load(folder: Path, digest: str | None = None) -> Bundle:
    """Reads an artifact folder; `digest` defaults to the one in its manifest. Raises DamagedArtifact."""
    try:
        sizes = {path.name: path.stat().st_size for path in folder.iterdir()}
        _refuse_unexpected_files(set(sizes), sizes)
        files = {name: (folder / name).read_bytes() for name in sizes}
        expected = digest or str(json.loads(files["manifest.json"])["digest"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DamagedArtifact(f"{folder.name}: the artifact is not readable; train and register it again.") from error
    return _verified(files, expected)


def _refuse_unexpected_files(names: set[str], sizes: dict[str, int]) -> None:
    if names != {*HASHED, "manifest.json"}:
        raise DamagedArtifact("The artifact does not hold exactly the files it should; register the model again.")
    if max(sizes.values()) > LARGEST:
        raise DamagedArtifact(
            "A file of the artifact is larger than 256 MiB and was not read; register the model again."
        )


def _verified(files: dict[str, bytes], digest: str) -> Bundle:
    if digest_of({name: sha256(files[name]) for name in HASHED}) != digest:
        raise DamagedArtifact("The artifact does not match its digest; restore it from a backup or train again.")
    model = json.loads(files["model.json"])
    _refuse_format(model["kernel_format"])
    manifest = json.loads(files["manifest.json"])
    own = {name: value for name, value in manifest.items() if name not in ("format", "digest", "sha256")}
    bundle = Bundle(
        read_config(model["config"]),
        load_tensors(files["weights.safetensors"]),
        Calibration.from_dict(json.loads(files["calibration.json"])),
        own,
    )
    # Keeps the bytes that were read: this version may write settings with more fields, which have another digest.
    vars(bundle)["files"] = {name: files[name] for name in HASHED}
    return bundle


def read_config(values: dict[str, Any]) -> ModelConfig | SymbolConfig:
    """The configuration of what a model forecasts, its `target`: numbers where none is said."""
    target = values.get("target", "numbers")
    if target == SymbolConfig.target:
        return SymbolConfig.from_dict(values)
    if target != "numbers":
        raise DamagedArtifact(f"The model forecasts {target!r}, which is unknown to this version; {UPGRADE}")
    return ModelConfig.from_dict(values)


def _refuse_format(found: int) -> None:
    """Raises DamagedArtifact for an artifact that this version cannot read."""
    if found > FORMAT:
        raise DamagedArtifact(f"The model's format {found} is newer than {FORMAT}, the newest known; {UPGRADE}")
    if found < OLDEST_FORMAT:
        raise DamagedArtifact(
            f"The model's format {found} is older than {OLDEST_FORMAT}, the oldest that is still read; train it again."
        )
