"""Issues forecasts of every series of a dataset into the lake, shard by shard; a killed issue is continued."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from data import clock
from data.errors import InvalidInput
from data.grid.durations import HOUR
from data.lake import forecasts
from data.lake.forecasts import Issue, IssuedForecasts
from data.schema import SERIES, TIME
from data.store import catalogue, observation_log
from data.store.catalogue import Dataset
from data.store.promotions import Promotion
from pipelines.console import ProgressCallback
from pipelines.deletion.run import finish_begun_deletions
from pipelines.forecasts.answers import answerers, check_horizon
from pipelines.forecasts.batch_forecast import readable
from pipelines.forecasts.roll_forward import roll_forward
from pipelines.forecasts.served import ServedModel, groups, promoted
from pipelines.workspace import Workspace

LEVELS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
COLUMNS = tuple(f"q{level * 100:.0f}" for level in LEVELS)
RESUMED_WITHIN = HOUR  # µs after its beginning an issue that was killed is still worth ending


@dataclass(frozen=True)
class Issued:
    """What was issued: forecasts of `series` series, in the table at `path`; `resumed` shards were there already."""

    dataset: str
    issue: int
    model: str
    version: int
    horizon: int
    series: int
    rows: int
    resumed: int
    path: str

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def issue(
    workspace: Workspace, name: str, horizon: int | None, progress: ProgressCallback, restart: bool = False
) -> Issued:
    """Forecast every series with the served model, up to the last stored observation, into the lake.

    An issue that was killed within the last hour is finished first, as of its own moment, unless `restart`, another
    horizon or another promotion makes it a different one; its rows are deleted then.

    Raises:
        NotFound: no such dataset.
        Conflict: no model is served, or another process issues forecasts of this dataset.
        InvalidInput: a horizon beyond what the model was trained for.
        Unavailable: the table of forecasts is damaged.
    """
    dataset = catalogue.dataset(workspace.engine, name)
    finish_begun_deletions(workspace, dataset)
    promotion = promoted(workspace, dataset)
    roll_forward(workspace.engine, dataset, promotion)
    served = ServedModel.at(workspace.engine, dataset, promotion)
    steps = check_horizon(horizon, served.config)
    table = IssuedForecasts(workspace.settings.lake_path, dataset.id)
    with table.write_lock():
        current = unfinished(workspace, dataset, promotion, steps, restart) or begin(
            workspace, dataset, promotion, steps
        )
        for given_up in forecasts.issues(workspace.engine, dataset.id)[1:]:
            if given_up.ended_at is None:
                table.drop(given_up)
        resumed = write(workspace, table, current, replace(served, seq=current.log_seq), progress)
        forecasts.end(workspace.engine, current)
    rows = table.count(current)
    return Issued(
        name, current.id, served.config.kind, current.version, steps, rows // steps, rows, resumed, str(table.path)
    )


def check_options(series: str | None, levels: list[int] | None, out: Path | None) -> None:
    """Raises InvalidInput for options that the lake does not take."""
    for option, given in (("--series", series), ("--level", levels), ("--out", out)):
        if given is not None:
            raise InvalidInput(f"--lake takes every series and fixed quantiles; leave {option} out")


def unfinished(
    workspace: Workspace, dataset: Dataset, promotion: Promotion, horizon: int, restart: bool
) -> Issue | None:
    """The newest issue, where it was killed not long ago and would have been the same."""
    newest = next(iter(forecasts.issues(workspace.engine, dataset.id)), None)
    if newest is None or newest.ended_at is not None or restart:
        return None
    same = (newest.promotion_id, newest.horizon) == (promotion.id, horizon)
    return newest if same and clock.now() - newest.issued_at < RESUMED_WITHIN else None


def begin(workspace: Workspace, dataset: Dataset, promotion: Promotion, horizon: int) -> Issue:
    """A new issue, of this very moment."""
    seq = observation_log.last_seq(workspace.engine, dataset.id)
    return forecasts.begin(workspace.engine, dataset.id, promotion.id, promotion.version, horizon, seq)


def write(
    workspace: Workspace, table: IssuedForecasts, current: Issue, served: ServedModel, progress: ProgressCallback
) -> int:
    """Add every shard that is not there yet. Returns how many were."""
    names = dict(catalogue.series(workspace.engine, current.dataset_id))
    shards, reached, done = groups(np.array(list(names), np.int64)), table.newest_shard(current), 0
    for shard, series in shards.items():
        if shard > reached:
            rows = frame(served, current, series, names)
            if not rows.is_empty():
                table.append(current, shard, rows)
        done += len(series)
        progress(done, len(names), "series")
    return sum(shard <= reached for shard in shards)


def frame(served: ServedModel, current: Issue, series: np.ndarray, names: dict[int, str]) -> pl.DataFrame:
    """The rows of some series, ascending: one for each of them that has a value, and step ahead.

    Columns: unique_id, ds, horizon_step (1 is the first step after the origin), origin, q10 … q90 float32,
    answered_by, model_version, issued_at. Times are those at which steps begin, as in all of the lake. float32 keeps
    one part in 16 million of a value. A series' scale is at least a ten-thousandth of its level, so that this is at
    most a thousandth of it, and as a rule a millionth.
    """
    known, state = served.states(series)
    values, answered = served.answers(state, current.horizon, LEVELS)
    ahead, dataset, count = np.arange(1, current.horizon + 1), served.dataset, len(known)
    steps = state.origin[:, None] + ahead
    each = np.repeat(np.arange(count), current.horizon)
    by = pl.Series(answerers(served.config)).gather(answered.astype(np.uint32))
    own = pl.DataFrame(
        {
            SERIES: pl.Series([names[one] for one in known.tolist()], dtype=pl.String),
            TIME: dataset.grid.stamps(state.origin),
            "answered_by": by,
        }
    ).with_columns(readable(dataset).alias("origin"))
    long = own[each].with_columns(
        pl.Series(TIME, dataset.grid.stamps(steps.ravel())),
        pl.Series("horizon_step", np.tile(ahead.astype(np.int16), count)),
        *(pl.Series(name, values[..., i].astype(np.float32).ravel()) for i, name in enumerate(COLUMNS)),
        pl.lit(current.version, pl.Int32).alias("model_version"),
        pl.lit(current.issued_at, pl.Int64).cast(pl.Datetime("us", "UTC")).alias("issued_at"),
    )
    ordered = (SERIES, TIME, "horizon_step", "origin", *COLUMNS, "answered_by", "model_version", "issued_at")
    return long.with_columns(readable(dataset)).select(ordered)
