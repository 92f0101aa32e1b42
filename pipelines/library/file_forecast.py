"""`rollcast forecast --file`: the series of a source are read as `rollcast ingest` reads them, and forecast at once.

Nothing is stored, and no home is needed: the shipped model answers.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import polars as pl

from data.errors import InvalidInput
from data.formats.options import SourceOptions
from data.grid.durations import SECOND
from data.grid.stamps import format_ds
from data.quality.conform import Conformed, conform_all
from data.reading.intake import Intake
from data.schema import SERIES, TIME, TimeKind
from data.settings import load_settings
from data.sources.resolve import open_source
from pipelines.console import ProgressCallback
from pipelines.forecasts.answers import answer, check_horizon, check_levels, column_names
from pipelines.forecasts.batch_forecast import readable_times, write_rows
from pipelines.ingestion.dataset_entry import check_counts
from pipelines.ingestion.source_pieces import report_rows
from pipelines.library.fitted_series import FittedSeries, row_labels
from pipelines.library.frame_history import history_of
from pipelines.library.zero_shot import start_shipped

MODEL = "universal"
UTC = "UTC"  # of times without a zone: steps of equal length


@dataclass(frozen=True)
class FileForecasts:
    """Forecasts of the series of a source; `frame` has a row for each series and step ahead, oldest first.

    Columns: unique_id, int64 ds, the median and the ends of each interval.
    """

    source: str
    kind: TimeKind
    freq: str
    season: int
    horizon: int
    levels: tuple[int, ...]
    digest: str
    context: int  # last steps of a series that are read
    origins: dict[str, int]  # ds of the last value, as its series writes it
    steps: dict[str, int]  # of each series, from its first value to its last
    report: dict[str, Any]  # quality of the source, as `rollcast ingest` gives it
    frame: pl.DataFrame

    def to_dict(self) -> dict[str, Any]:
        """The output of --json, one entry for each series."""
        about = {
            "source": self.source, "model": MODEL, "digest": self.digest, "freq": self.freq, "season": self.season,
            "horizon": self.horizon, "levels": list(self.levels),
        }  # fmt: skip
        entries = [self.entry(str(name), rows) for (name,), rows in self.frame.group_by(SERIES, maintain_order=True)]
        return {**about, "forecasts": entries, "report": self.report}

    def entry(self, name: str, rows: pl.DataFrame) -> dict[str, Any]:
        """One series' forecast, column by column."""
        return {
            SERIES: name,
            "origin": format_ds(self.origins[name], self.kind),
            "steps": self.steps[name],
            "read": min(self.steps[name], self.context),
            TIME: [format_ds(ds, self.kind) for ds in rows[TIME].to_list()],
            **{column: rows[column].to_list() for column in rows.columns if column.startswith(MODEL)},
        }


def forecast_source(
    source: str, options: SourceOptions, levels: tuple[int, ...], progress: ProgressCallback
) -> FileForecasts:
    """Forecast every series of a source. Raises InvalidInput where `rollcast ingest` would."""
    check_counts(options)
    conformed, name = read_source(source, replace(options, tz=options.tz or UTC), progress)
    if not len(conformed.frame):
        raise InvalidInput("no row has a value", source=name)
    labels = dict(conformed.labels)
    history = history_of(conformed, conformed.season, conformed.horizon, labels)
    states = start_shipped(history, labels, options.horizon)
    steps = dict(zip(history.panel.ids, history.panel.lengths.tolist(), strict=True))
    return forecasts_of(states, name, conformed, steps, levels)


def read_source(source: str, options: SourceOptions, progress: ProgressCallback) -> tuple[Conformed, str]:
    """The rows of a source on the grid, and its name."""
    opened = open_source(source)
    with TemporaryDirectory(prefix="rollcast-") as folder:
        scratch = Path(folder)
        intake = Intake(options, scratch / "typed")
        for done, piece in enumerate(opened.pieces):
            intake.on_rows = partial(report_rows, progress, done, len(opened.pieces))
            with TemporaryDirectory(dir=scratch) as own:
                table = piece.fetch(Path(own), options.since if piece.rolling else None)
                if table is not None:
                    intake.add(table)
        if not intake.read:
            raise InvalidInput("there are no rows in it", source=opened.name)
        progress(1, 1, f"checking {intake.read:,} rows")
        tolerance = load_settings().future_tolerance_s * SECOND
        conformed = conform_all(intake, opened.name, None, tolerance=tolerance)
    return conformed, opened.name


def forecasts_of(
    states: FittedSeries, source: str, conformed: Conformed, steps: dict[str, int], levels: tuple[int, ...]
) -> FileForecasts:
    """The forecasts of states at the ends of their series."""
    config, grid, state, ids = states.bundle.config, states.grid, states.state, states.ids
    horizon = check_horizon(None, config)
    values, _ = answer(states.roller, state, horizon, check_levels(levels, config))
    own = row_labels(ids, states.labels)
    ahead = state.origin[:, None] + 1 + np.arange(horizon)
    frame = pl.DataFrame(
        {
            SERIES: pl.Series(ids, dtype=pl.String).gather(np.repeat(np.arange(len(ids)), horizon)),
            TIME: grid.label_stamps(ahead.ravel(), np.repeat(own, horizon)),
            **{name: values[..., i].ravel() for i, name in enumerate(column_names(MODEL, levels))},
        }
    )
    origins = dict(zip(ids, grid.label_stamps(state.origin, own).tolist(), strict=True))
    return FileForecasts(
        source, grid.kind, grid.freq, config.season, horizon, levels, states.bundle.digest, config.context, origins,
        steps, conformed.report.to_dict(), frame,
    )  # fmt: skip


def write(forecasts: FileForecasts, path: Path) -> None:
    """The frame as a file, with times as dates or UTC instants; whole or not at all."""
    write_rows(forecasts.frame.with_columns(readable_times(forecasts.kind)), path)
