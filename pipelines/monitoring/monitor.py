"""The monitor: looks for drift of the data and of the champion's errors, for missed intervals and for stuck sensors.

It reads the scores that the service stored, hour by hour, and the latest values of the history. It stores what it found
and queues a training where one would help. It does not change what serves.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from data import clock
from data.errors import NotTrained
from data.grid.durations import DAY, WEEK
from data.grid.stamps import format_moment
from data.records import drift, jobs, scores
from data.records.drift import Drift
from data.records.jobs import Cause, TrainingBudget
from data.records.scores import Tally
from data.settings import Settings
from data.store import catalogue, promotions, registry
from data.store.catalogue import Dataset
from data.store.promotions import Promotion
from data.store.registry import ModelRow
from forecasting.rolling.online_scores import SUMS
from pipelines import run_pages
from pipelines.history.calendars import renew_calendar
from pipelines.history.ends import Ends, read_ends
from pipelines.history.limits import make_limits
from pipelines.history.moment import newest_moment
from pipelines.models import model_store
from pipelines.models.promotion_gate import GateRules
from pipelines.monitoring import detectors, drift_windows
from pipelines.monitoring.detectors import Finding
from pipelines.workspace import Workspace

ERROR_WINDOW = 24  # hours with scores
RECENT_HOURS = 72  # with scores, in which a rise of the error counts


@dataclass(frozen=True)
class Monitored:
    """What was found about one dataset, whether a training was queued, and the file of the page."""

    dataset: str
    version: int
    at: str
    findings: tuple[Finding, ...]
    stuck: tuple[str, ...]  # series whose sensor repeats its last value
    cause: Cause | None  # why a training would help
    asked: str  # whether a training was queued, in words
    report: str

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def monitor(workspace: Workspace, name: str) -> Monitored:
    """Check one dataset, store what was found, and queue a training if there is a cause.

    Raises:
        UnknownDataset: there is no such dataset.
        NotTrained: the dataset has no champion.
    """
    dataset = catalogue.dataset(workspace.engine, name)
    served = promotions.served(workspace.engine, dataset.id)
    if served is None:
        raise NotTrained(name)
    dataset = renew_calendar(workspace, dataset)
    if not dataset.has_symbols:
        make_limits(workspace, dataset)  # a series that was too short may have some by now, and levels move
    moment = newest_moment(workspace, dataset)
    ends = read_ends(workspace, dataset, moment.log_seq)
    newest = registry.models(workspace.engine, dataset.id)[-1]
    trained = model_store.load(workspace, dataset, newest.version).manifest.get("evidence") or {}
    # Values since the last training, whether or not the promotion gate passed its version.
    windows = drift_windows.build_windows(workspace, dataset, moment, ends, trained)
    if dataset.has_symbols:  # codes have no distribution to compare, and an idle machine is not stuck
        windows = replace(windows, stuck=())
    values = [] if dataset.has_symbols else drift_windows.findings(windows)
    findings = [*values, *score_findings(workspace, dataset, served)]
    cause, reason = cause_in_findings(ends, findings, windows)
    if cause is None and not reason:
        cause, reason = volume_or_age(workspace.settings, windows.steps, newest, trained)
        reason = reason or nothing_to_do(findings)
    asked = queue_training(workspace, dataset, cause, reason)
    path = workspace.settings.runs_path / "reports" / f"drift-{name}.md"
    found = Monitored(
        name, served.version, format_moment(clock.now()), tuple(findings), windows.stuck, cause, asked, str(path)
    )
    drift.put(workspace.engine, dataset.id, [drift_row(dataset, finding) for finding in findings])
    record = found.to_dict()
    path.parent.mkdir(parents=True, exist_ok=True)
    run_pages.write_atomically(path, run_pages.monitor(record))
    run_pages.write_atomically(path.with_suffix(".json"), json.dumps(record, indent=1, ensure_ascii=False))
    return found


def monitor_all(workspace: Workspace) -> list[Monitored]:
    """Check each dataset that has a champion. An error in one does not stop the others.

    Raises the first error after all were checked.
    """
    found: list[Monitored] = []
    errors: list[Exception] = []
    for dataset in catalogue.datasets(workspace.engine):
        renew_calendar(workspace, dataset)  # of those without a champion too
        if promotions.served(workspace.engine, dataset.id):
            try:
                found.append(monitor(workspace, dataset.name))
            except Exception as error:
                errors.append(error)
    if errors:
        raise errors[0]
    return found


def drift_row(dataset: Dataset, finding: Finding) -> Drift:
    """A finding as a row of the store."""
    values = (finding.statistic, finding.threshold, finding.fired, finding.words)
    return Drift(dataset.id, finding.detector, finding.feature, *values)


def score_findings(workspace: Workspace, dataset: Dataset, served: Promotion) -> list[Finding]:
    """Findings on errors and coverage of the version that serves, since it was first promoted."""
    hours = settled_hours(workspace, dataset, served.version)
    error = hours[:, 2] / np.maximum(hours[:, 1], 1e-12)
    known, recent = error[hours[:, 1] > 0], hours[hours[:, 0] >= clock.now() - WEEK]
    count = len(known) // ERROR_WINDOW
    windows = np.split(known[len(known) - count * ERROR_WINDOW :], count) if count else [known]
    *earlier, latest = windows
    before = earlier.pop() if len(earlier) > detectors.FEWEST_WINDOWS else None
    found = [
        detectors.page_hinkley(known, "error", RECENT_HOURS),
        *detectors.compare_windows(earlier, latest, "error", before),
    ]
    return [*found, detectors.coverage(recent[:, 4], recent[:, 3], 80, GateRules().coverage_80)]


def settled_hours(workspace: Workspace, dataset: Dataset, version: int) -> np.ndarray:
    """(hours, 5), oldest first: time in µs; scaled targets and scaled |error|; targets, and those inside 80 %."""
    settled, absolute, inside = (SUMS.index(name) for name in ("settled", "absolute", "inside_80"))
    parts = [np.empty((0, 5))]
    for promotion in promotions.decisions(workspace.engine, dataset.id):
        if promotion.version == version and promotion.serves:
            tallies = scores.history(workspace.engine, dataset.id, promotion.id)
            raw, scaled = (sum_buckets(tallies, name) for name in ("raw", "scaled"))
            sums = np.stack([scaled[:, settled], scaled[:, absolute], raw[:, settled], raw[:, inside]], 1)
            hours = np.diff(sums, axis=0, prepend=np.zeros((1, 4)))
            parts.append(np.column_stack([[tally.at for tally in tallies], hours])[hours[:, 2] > 0])
    return np.concatenate(parts)


def sum_buckets(tallies: Sequence[Tally], name: str) -> np.ndarray:
    """(tallies, sums) running sums over all horizon buckets."""
    return np.array([np.sum(tally.totals[name], 0) for tally in tallies]).reshape(len(tallies), len(SUMS))


def cause_in_findings(
    ends: Ends, findings: list[Finding], windows: drift_windows.DriftWindows
) -> tuple[Cause | None, str]:
    """The cause for a training and the findings that show it; else None and why a training would not help, or ""."""
    if 2 * len(windows.stuck) > len(ends):
        return None, f"{len(windows.stuck)} of {len(ends)} series are stuck, and a training would learn that"
    counted = sorted(
        (finding for finding in findings if finding.counts), key=lambda found: found.detector != "coverage"
    )
    if counted:
        return "coverage" if counted[0].detector == "coverage" else "drift", "; ".join(map(describe, counted))
    return None, ""


def describe(finding: Finding) -> str:
    """A finding in words."""
    return f"{finding.detector} of {finding.feature}: {finding.words}"


def nothing_to_do(findings: list[Finding]) -> str:
    """The decision where there is no cause; a statistic that is just above its threshold is named."""
    close = [finding for finding in findings if finding.fired and not finding.counts and finding.detector != "stuck"]
    return "; ".join(["nothing calls for a training", *map(describe, close)])


def volume_or_age(
    settings: Settings, steps: int, newest: ModelRow, trained: Mapping[str, Any]
) -> tuple[Cause | None, str]:
    """The cause volume or schedule: the history grew, or the newest version is old; and the figures in words.

    Without a cause, the words are "".
    """
    known = np.sum(trained["last"]) - np.sum(trained["first"]) + len(trained["last"]) if trained else 0
    share = steps / known - 1 if known else 0.0
    if 0 < settings.retrain_growth < share:
        return "volume", f"{share:.0%} more steps than version {newest.version} was trained on"
    days = (clock.now() - newest.created_at) / DAY
    if 0 < settings.retrain_after_days < days:
        return "schedule", f"version {newest.version}, the newest, is {days:.1f} days old"
    return None, ""


def queue_training(workspace: Workspace, dataset: Dataset, cause: Cause | None, reason: str) -> str:
    """Queue a training if there is a cause and the allowance permits; returns what was done, in words."""
    if cause is None:
        return reason
    settings = workspace.settings
    budget = TrainingBudget(settings.retrain_cooldown_h, settings.retrain_daily)
    return jobs.ask(workspace.engine, dataset.id, cause, reason, budget).message
