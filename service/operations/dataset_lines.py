"""Datasets at a glance: what serves since when, how fresh and how right it is, and what is overdue."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from sqlalchemy import Engine

from data.changes import ingests
from data.grid.stamps import format_ds
from data.records import runs, schedules
from data.records.schedules import NextRun
from data.store import catalogue, observation_log, promotions, registry
from data.store.promotions import Serving
from service.models import trouble_ranking
from service.models.datasets import Directory, Served
from service.operations.hourly_scores import hourly_scores
from service.operations.moments import moment_or_none
from states.champion import Champion
from states.out_of_order import BEGINNING
from states.scores import last_day, summary

LAST_DAY = ("n", "mase", "skill", "coverage_80", "coverage_95")
Successes = Mapping[tuple[str, str | None], int]  # by flow and dataset: when a run last succeeded


class ReadOnce(NamedTuple):
    """What is read once for all datasets; `at` in microseconds since 1970 UTC."""

    at: int
    successes: Successes
    planned: Sequence[NextRun]


def lines(engine: Engine, directory: Directory, at: int) -> list[dict[str, Any]]:
    """A line for each dataset, by name. Figures over all its series are left out where the caller reaches a part."""
    once = ReadOnce(at, runs.last_success(engine), schedules.next_runs(engine))
    found = sorted(directory.datasets.values(), key=lambda served: served.name)
    return [_line(engine, directory, served, once) for served in found]


def _line(engine: Engine, directory: Directory, served: Served, once: ReadOnce) -> dict[str, Any]:
    dataset, champion = served.dataset, served.champion
    serving = promotions.serving(engine, dataset.id)
    whole = directory.reach.covers(served.name)
    series = len(served.series) if whole else directory.page(1, dataset=served.name)[1]
    return {
        "dataset": served.name,
        "freq": dataset.freq,
        "kind": dataset.kind,
        "season": dataset.season,
        "horizon": champion.config.horizon if champion else dataset.horizon,
        "zone": dataset.zone,
        "target": dataset.target,
        "series": series,
        "promotion_id": serving[-1].id if serving else 0,
        **_models(engine, served, serving),
        "trouble": trouble_ranking.counts(directory, served.name),
        "newest": _newest(engine, directory, served, whole),
        "last_row_at": moment_or_none(observation_log.stamp(engine, dataset.id)) if whole else None,
        "last_ingest_at": moment_or_none(_last_ingest(engine, served, once.successes)),
        "overdue": _overdue(served.name, once),
        "quarantined": served.quarantined if whole else None,
        "last_day": _last_day(champion) if champion and whole else None,
        "hours": hourly_scores(engine, dataset, serving, series, once.at) if whole else None,
    }


def _models(engine: Engine, served: Served, serving: Sequence[Serving]) -> dict[str, Any]:
    """What answers, what rolls beside it, and the version to which a rollback returns."""
    champion = served.champion
    before = [decision.version for decision in serving if decision.version != serving[-1].version]
    known = {row.version: row for row in registry.models(engine, served.dataset.id)}
    previous = known.get(before[-1]) if before else None
    return {
        "model": champion.model if champion else None,
        "since": moment_or_none(champion.decided_at) if champion else None,
        "problem": served.problem or served.shadow_problem,
        "shadow": served.shadow.model if served.shadow else None,
        "previous": None
        if previous is None
        else {"kind": previous.kind, "version": previous.version, "digest": previous.digest},
    }


def _newest(engine: Engine, directory: Directory, served: Served, whole: bool) -> str | int | None:
    """The newest step of any series that the caller reaches: of the states, or of what is stored where none serves."""
    grid, champion = served.dataset.grid, served.champion
    if champion is None:
        stored = (catalogue.newest_ds(engine, served.dataset.id), observation_log.newest_ds(engine, served.dataset.id))
        known = [ds for ds in stored if ds is not None]
        newest = int(grid.steps([max(known)])[0]) if known and whole else BEGINNING
    elif whole:
        newest = champion.states.newest
    else:
        numbers = np.array(directory.numbers(served.name), np.int64)
        newest = int(champion.states.origins(numbers).max(initial=BEGINNING))
    return None if newest == BEGINNING else format_ds(int(grid.stamps([newest])[0]), grid.kind)


def _last_ingest(engine: Engine, served: Served, successes: Successes) -> int | None:
    """When the last ingest ended, whether or not it found something new."""
    found = (ingests.last_end(engine, served.dataset.id), successes.get(("ingest", served.name)))
    return max((at for at in found if at is not None), default=None)


def _overdue(name: str, once: ReadOnce) -> list[str]:
    """The flows of a dataset whose schedule is overdue."""
    own = [run for run in once.planned if run.dataset == name]
    return [run.flow for run in own if run.is_overdue(once.successes.get((run.flow, name)), once.at)]


def _last_day(champion: Champion) -> dict[str, Any]:
    found = summary(champion, last_day(champion))
    return {name: found.get(name) for name in LAST_DAY}
