"""A forecaster as one file: its settings, its model and the states of its series. Pickle is never used.

The file is a zip of `forecaster.json`, `model.zip` (an artifact, see `forecasting/rolling/bundle.py`) and
`states.safetensors`. The settings hold the digest of the model and the SHA-256 of the states.
"""

from __future__ import annotations

import io
import json
import zipfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from safetensors.numpy import load as load_tensors
from safetensors.numpy import save as save_tensors

from data.errors import DamagedArtifact, InvalidInput
from data.files import check_folder, output_file
from data.grid.grid import Grid
from forecasting.kinds import model_of
from forecasting.rolling import bundle as artifacts
from forecasting.rolling.bundle import canonical, sha256
from pipelines.library.fitted_series import FittedSeries
from pipelines.library.frames import FrameKind

FORMAT = 1
SETTINGS, MODEL_FILE, STATES = "forecaster.json", "model.zip", "states.safetensors"


@dataclass(frozen=True)
class SavedForecaster:
    """What a file holds; `arguments` are those of the constructor."""

    arguments: dict[str, Any]
    kind: FrameKind
    states: FittedSeries

    def write(self, path: Path) -> None:
        """Write the file whole or not at all. Raises InvalidInput where it cannot be written."""
        states = save_tensors(dict(self.states.state.arrays))
        settings = {
            "format": FORMAT,
            "arguments": self.arguments,
            "frame": asdict(self.kind),
            "grid": self.states.grid.to_json(),
            "ids": self.states.ids,
            "labels": self.states.labels,
            "fitted_until": self.states.fitted_until,
            "digest": self.states.bundle.digest,
            "states": sha256(states),
        }
        check_folder(path)
        with output_file(path) as partial, zipfile.ZipFile(partial, "w", zipfile.ZIP_STORED) as archive:
            archive.writestr(SETTINGS, canonical(settings))
            archive.writestr(MODEL_FILE, artifacts.to_bytes(self.states.bundle))
            archive.writestr(STATES, states)

    @classmethod
    def read(cls, path: Path) -> SavedForecaster:
        """Raises InvalidInput where there is no such file, DamagedArtifact where it is not as it was written."""
        try:
            content = path.read_bytes()
        except OSError as error:
            raise InvalidInput(f"{path} cannot be read ({error.strerror}); name a file that save wrote") from None
        try:
            with zipfile.ZipFile(io.BytesIO(content)) as archive:
                settings, model, states = (archive.read(name) for name in (SETTINGS, MODEL_FILE, STATES))
            return cls._parse(json.loads(settings), model, states)
        except DamagedArtifact as error:
            raise DamagedArtifact(f"{path}: {error}") from error
        except (zipfile.BadZipFile, KeyError, ValueError, TypeError, EOFError) as error:
            raise DamagedArtifact(f"{path} is no whole file of a forecaster; save it again") from error

    @classmethod
    def _parse(cls, settings: dict[str, Any], model: bytes, states: bytes) -> SavedForecaster:
        if settings["format"] > FORMAT:
            raise DamagedArtifact("it was saved by a newer version of Rollcast; install that one")
        if sha256(states) != settings["states"]:
            raise DamagedArtifact("its states do not match their hash; save it again")
        bundle = artifacts.from_bytes(model, settings["digest"])
        arrays, ids = load_tensors(states), settings["ids"]
        rolling = model_of(bundle)
        like = rolling.empty(len(ids)).arrays
        if {name: (array.shape, array.dtype) for name, array in arrays.items()} != {
            name: (array.shape, array.dtype) for name, array in like.items()
        }:
            raise DamagedArtifact("its states do not fit its model; save it again")
        grid = Grid.from_json(settings["grid"])
        series = FittedSeries(
            bundle, grid, ids, settings["labels"], rolling.restore(arrays), int(settings["fitted_until"])
        )
        return cls(settings["arguments"], FrameKind(**settings["frame"]), series)
