"""Long files of a folder as panels on their grids, with the horizon and the season that `horizons.json` names."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from data.errors import InvalidInput
from data.schema import SPLIT
from forecasting.evaluation.backtest import Origins
from forecasting.panel import Panel

HORIZONS = "horizons.json"
ONLY = {"sensors": 300}  # of this file only the series of this many seconds a step
MOST_ORIGINS = 200
UNITS = ((1, "s"), (60, "m"), (3_600, "h"), (86_400, "d"), (604_800, "w"))
MONTHS = {1: "1mo", 3: "1q", 12: "1y"}


@dataclass(frozen=True)
class LongFile:
    """One file: its series, how they are judged, and the frequency of their stamps ("1" without any)."""

    name: str
    panel: Panel
    origins: Origins
    horizon: int
    season: int
    freq: str


def read_folder(folder: Path) -> tuple[list[LongFile], list[str]]:
    """Every file that `horizons.json` names, and the names of the long files without an entry.

    Raises InvalidInput without `horizons.json` or without a file that it names.
    """
    try:
        entries = json.loads((folder / HORIZONS).read_text())
    except (OSError, ValueError) as error:
        raise InvalidInput(
            f"{folder} has no readable {HORIZONS}, which names horizon and season of each file"
        ) from error
    files = {path.stem: path for path in sorted(folder.glob("*.parquet"))}
    named = {name: entry for name, entry in entries.items() if name in files}
    if not named:
        raise InvalidInput(f"{folder} holds no parquet file that its {HORIZONS} names; add one, or its entry")
    read = [read_file(files[name], int(entry["horizon"]), int(entry["seasonality"])) for name, entry in named.items()]
    return read, [name for name, path in files.items() if name not in named and _is_long(path)]


def _is_long(path: Path) -> bool:
    columns = pl.scan_parquet(path).collect_schema().names()
    return {"unique_id", "y"} <= set(columns)


def read_file(path: Path, horizon: int, season: int) -> LongFile:
    """One long file. Origins: every horizon of the test part, or of the last fifth; at most 200."""
    frame = pl.read_parquet(path)
    time = "ds" if "ds" in frame.columns else "t"
    columns = ["unique_id", time, "y", *([SPLIT] if SPLIT in frame.columns else [])]
    frame = frame.select(columns).sort("unique_id", time, maintain_order=True)
    series = [own for _, own in frame.group_by("unique_id", maintain_order=True)]
    freq, step = ("1", 1) if time == "t" else _frequency(series)
    if path.stem in ONLY:
        series = [own for own in series if _typical(own["ds"]) == ONLY[path.stem]]
        freq, step = _frequency(series)
    grids = [_on_grid(own, time, step) for own in series]
    panel = Panel.of([values for values, _ in grids], [own["unique_id"][0] for own in series])
    tested = [test for _, test in grids]
    return LongFile(path.stem, panel, _origins(panel, tested, horizon), horizon, season, freq)


def _typical(stamps: pl.Series) -> int:
    """Seconds of the most frequent step."""
    steps = stamps.diff().drop_nulls().dt.total_seconds()
    return int(steps.mode().sort()[0]) if len(steps) else 1


def _frequency(series: list[pl.DataFrame]) -> tuple[str, int]:
    """The frequency, and seconds a step; 0 where rows are steps: sessions of weekdays, months, quarters, years."""
    stamps = series[0]["ds"]
    typical = int(np.median([_typical(own["ds"]) for own in series]))
    if typical == 86_400 and max(int(own["ds"].dt.weekday().max()) for own in series) <= 5:  # type: ignore[arg-type]
        return "1b", 0
    if typical >= 28 * 86_400:
        months = round((stamps[-1] - stamps[0]).total_seconds() / 2_629_800 / max(1, len(stamps) - 1))
        return MONTHS.get(months, "1"), 0
    size, unit = [(size, unit) for size, unit in UNITS if typical % size == 0][-1]
    return f"{typical // size}{unit}", typical


def _on_grid(own: pl.DataFrame, time: str, step: int) -> tuple[np.ndarray, int]:
    """Values on the grid, NaN where missing, up to the last one that is used; and where the test part begins."""
    split = own[SPLIT].to_list() if SPLIT in own.columns else None
    values = own["y"].to_numpy().astype(np.float64)
    if time == "t":
        place = own["t"].to_numpy() - own["t"][0]
    elif step:
        seconds = own["ds"].cast(pl.Datetime("us")).dt.epoch("s").to_numpy()
        place = np.rint((seconds - seconds[0]) / step).astype(np.int64)
    else:
        place = np.arange(len(values))
    kept = np.ones(len(values), bool) if split is None else np.array([part != "unused" for part in split])
    grid = np.full(int(place[kept][-1]) + 1, np.nan)
    grid[place[kept]] = values[kept]
    begin = len(grid) - max(1, len(grid) // 5)
    if split is not None and "test" in split:
        begin = int(place[split.index("test")])
    return grid, begin


def _origins(panel: Panel, tested: list[int], horizon: int) -> Origins:
    """An origin every horizon from where each test part begins, at most 200, evenly spread where there are more."""
    rows = []
    for length, begin in zip(panel.lengths.tolist(), tested, strict=True):
        begin = max(1, min(begin, length - 1))
        stops = np.arange(begin, max(begin + 1, length - horizon + 1), horizon)
        chosen = np.unique(np.rint(np.linspace(0, len(stops) - 1, min(MOST_ORIGINS, len(stops)))).astype(int))
        rows.append(stops[chosen])
    most = max(len(row) for row in rows)
    return Origins.of(np.stack([np.pad(row, (0, most - len(row)), mode="edge") for row in rows]))
