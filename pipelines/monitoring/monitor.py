"""Is the served model still right about the world? What arrives, and what forecasts were worth, against what was usual.

It reads the scores that the service settled, hour by hour, and the latest values of the history; it writes down what it
found, and asks for a training where that would help. It changes nothing that serves.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from data import clock
from data.errors import NotTrained
from data.grid.grid import format_moment
from data.records import drift, jobs, scores
from data.records.drift import Drift
from data.records.jobs import DAY, Allowance, Cause
from data.records.scores import Tally
from data.settings import Settings
from data.store import catalogue, promotions, registry
from data.store.catalogue import Dataset
from data.store.promotions import Promotion
from data.store.registry import ModelRow
from forecasting.rolling.online_scores import SUMS
from pipelines import run_pages
from pipelines.history.history import History, read_history
from pipelines.models import model_store
from pipelines.models.promotion_gate import GateRules
from pipelines.monitoring import detectors, drift_windows
from pipelines.monitoring.detectors import Finding
from pipelines.workspace import Workspace

ERROR_WINDOW = 24  # settled hours
RECENT_HOURS = 72  # settled hours in which a rise is news
WEEK = 7 * DAY
DRIFT = ("ks", "psi", "page_hinkley")  # what a training may help against; a stuck sensor is to be mended


@dataclass(frozen=True)
class Monitored:
    """What was found about one dataset, what was asked for on its account, and where it can be read."""

    dataset: str
    version: int
    at: str
    findings: tuple[Finding, ...]
    stuck: tuple[str, ...]  # series whose sensor repeats itself
    cause: Cause | None  # why a training would help
    asked: str  # what became of the wish
    report: str

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def monitor(workspace: Workspace, name: str) -> Monitored:
    """Look at one dataset, write down what was found, and ask for a training if there is a cause.

    Raises:
        UnknownDataset: there is no such dataset.
        NotTrained: nothing is served.
    """
    dataset = catalogue.dataset(workspace.engine, name)
    served = promotions.served(workspace.engine, dataset.id)
    if served is None:
        raise NotTrained(name)
    history = read_history(workspace, name)
    newest = registry.models(workspace.engine, dataset.id)[-1]
    trained = model_store.load(workspace, dataset, newest.version).manifest.get("evidence") or {}
    scaled = drift_windows.build_windows(
        history, trained
    )  # since the last training, whether or not the gate took what it made
    findings = [*drift_windows.findings(scaled), *score_findings(workspace, dataset, served)]
    cause, why = cause_in_findings(history, findings, scaled)
    if cause is None and not why:
        cause, why = volume_or_age(workspace.settings, history, newest, trained)
    asked = queue_training(workspace, dataset, cause, why)
    path = workspace.settings.runs_path / "reports" / f"drift-{name}.md"
    found = Monitored(
        name, served.version, format_moment(clock.now()), tuple(findings), scaled.stuck, cause, asked, str(path)
    )
    drift.put(workspace.engine, dataset.id, [drift_row(dataset, one) for one in findings])
    record = found.to_dict()
    path.parent.mkdir(parents=True, exist_ok=True)
    run_pages.write_atomically(path, run_pages.monitor(record))
    run_pages.write_atomically(path.with_suffix(".json"), json.dumps(record, indent=1, ensure_ascii=False))
    return found


def monitor_all(workspace: Workspace) -> list[Monitored]:
    """Each dataset that is served; one that cannot be looked at keeps nobody from the others.

    Raises the first error, once all were looked at.
    """
    found: list[Monitored] = []
    errors: list[Exception] = []
    for dataset in catalogue.datasets(workspace.engine):
        if promotions.served(workspace.engine, dataset.id):
            try:
                found.append(monitor(workspace, dataset.name))
            except Exception as error:
                errors.append(error)
    if errors:
        raise errors[0]
    return found


def drift_row(dataset: Dataset, found: Finding) -> Drift:
    """A finding as the store keeps it."""
    words = (found.statistic, found.threshold, found.fired, found.words)
    return Drift(dataset.id, found.detector, found.feature, *words)


def score_findings(workspace: Workspace, dataset: Dataset, served: Promotion) -> list[Finding]:
    """Residuals and coverage of the version that serves, since it was first promoted."""
    hours = settled_hours(workspace, dataset, served.version)
    error = hours[:, 2] / np.maximum(hours[:, 1], 1e-12)
    known, recent = error[hours[:, 1] > 0], hours[hours[:, 0] >= clock.now() - WEEK]
    count = len(known) // ERROR_WINDOW
    windows = np.split(known[len(known) - count * ERROR_WINDOW :], count) if count else [known]
    found = [
        detectors.page_hinkley(known, "error", RECENT_HOURS),
        *detectors.compare_windows(windows[:-1], windows[-1], "error"),
    ]
    return [*found, detectors.coverage(recent[:, 4], recent[:, 3], 80, Rules().coverage_80)]


def settled_hours(workspace: Workspace, dataset: Dataset, version: int) -> np.ndarray:
    """(hours, 5), oldest first: moment in µs; scaled targets and scaled |error|; targets and those inside 80 %."""
    settled, absolute, inside = (SUMS.index(name) for name in ("settled", "absolute", "inside_80"))
    parts = [np.empty((0, 5))]
    for promotion in promotions.decisions(workspace.engine, dataset.id):
        if promotion.version == version and promotion.serves:
            tallies = scores.history(workspace.engine, dataset.id, promotion.id)
            raw, scaled = (sum_buckets(tallies, name) for name in ("raw", "scaled"))
            sums = np.stack([scaled[:, settled], scaled[:, absolute], raw[:, settled], raw[:, inside]], 1)
            hours = np.diff(sums, axis=0, prepend=np.zeros((1, 4)))
            parts.append(np.column_stack([[one.at for one in tallies], hours])[hours[:, 2] > 0])
    return np.concatenate(parts)


def sum_buckets(tallies: Sequence[Tally], name: str) -> np.ndarray:
    """(tallies, sums) running sums over all horizon buckets."""
    return np.array([np.sum(one.totals[name], 0) for one in tallies]).reshape(len(tallies), len(SUMS))


def cause_in_findings(
    history: History, findings: list[Finding], scaled: drift_windows.DriftWindows
) -> tuple[Cause | None, str]:
    """Why a training would help, and the figures that say so; why not, where most sensors are stuck."""
    if 2 * len(scaled.stuck) > len(history.panel):
        return None, f"{len(scaled.stuck)} of {len(history.panel)} series are stuck, and a training would learn that"
    fired = [one for one in findings if one.fired]
    missed, drifted = ([one for one in fired if one.detector in kinds] for kinds in (("coverage",), DRIFT))
    if missed or drifted:
        words = "; ".join(f"{one.detector} of {one.feature}: {one.words}" for one in missed + drifted)
        return "coverage" if missed else "drift", words
    return None, ""


def volume_or_age(
    settings: Settings, history: History, newest: ModelRow, trained: Mapping[str, Any]
) -> tuple[Cause | None, str]:
    """Has the history outgrown the newest version, or has that grown old?"""
    known = np.sum(trained["last"]) - np.sum(trained["first"]) + len(trained["last"]) if trained else 0
    share = history.panel.lengths.sum() / known - 1 if known else 0.0
    if 0 < settings.retrain_growth < share:
        return "volume", f"{share:.0%} more steps than version {newest.version} was trained on"
    days = (clock.now() - newest.created_at) / DAY
    if 0 < settings.retrain_after_days < days:
        return "schedule", f"version {newest.version}, the newest, is {days:.1f} days old"
    return None, "nothing calls for a training"


def queue_training(workspace: Workspace, dataset: Dataset, cause: Cause | None, why: str) -> str:
    """Queue a training within the allowance; what became of that, in words."""
    if cause is None:
        return why
    settings = workspace.settings
    allowance = Allowance(settings.retrain_cooldown_h, settings.retrain_daily)
    return jobs.ask(workspace.engine, dataset.id, cause, why, allowance).words
