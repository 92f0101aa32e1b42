"""What is measured on a job: every column of the field, each kept in a file where a folder is named."""

import argparse
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from benchmarks.jobs import learned, lines, peers, simple
from benchmarks.jobs.job import Job
from benchmarks.jobs.scoring import Taken, figures, rolled, timed
from benchmarks.support.run import Figures
from benchmarks.support.zeroshot_scores import shipped_for
from data.errors import RollcastError
from forecasting.panel import Panel
from forecasting.rolling.bundle import Bundle
from forecasting.universal.universal_roller import UniversalRoller
from pipelines.console import finite, say

MODELS = ("zero_shot", *learned.MODELS)
ON_SAMPLE = "sampled_"


def measure(job: Job, chosen: argparse.Namespace) -> dict[str, Figures]:
    """The figures of every column, by its name; one that could not be measured is left out."""
    found: dict[str, Figures] = {}
    for name, work in columns(job, chosen):
        own = kept(chosen.keep, f"{job.name}.{name}", work)
        if own:
            found[name] = own
            say(f"{job.name}, {name}: MASE {own['sampled_mase']:.3f} on the sample, {own['seconds']:.1f} s")
    return found


def columns(job: Job, chosen: argparse.Namespace) -> Iterator[tuple[str, Callable[[], Figures | None]]]:
    """Name and work of each column, the quick ones first."""
    yield "simple", lambda: best_simple(job)
    yield "zero_shot", lambda: zero_shot(job)
    if chosen.peers is not None:
        for name in peers.NAMES:
            yield name, lambda name=name: fitted_by_peer(job, name, chosen)  # type: ignore[misc]
    if not chosen.skip_training:
        for name in learned.MODELS:
            yield name, lambda name=name: trained(job, name, chosen.minutes)  # type: ignore[misc]


def kept(folder: Path | None, name: str, work: Callable[[], Figures | None]) -> Figures | None:
    """What an earlier run wrote to the folder, or else what is measured now, which is written there unless None."""
    if folder is None:
        return work()
    path = folder / f"{name}.json"
    if path.exists():
        return Figures(json.loads(path.read_text()))
    found = work()
    if found is not None:
        path.write_text(json.dumps(finite(found)))
    return found


def best_simple(job: Job) -> Figures:
    """The simple forecast with the lowest MASE over all origins."""
    with timed() as taken:
        every = simple.every(job)
    found = {name: figures(job, sums) for name, sums in every.items()}
    best = min(found, key=lambda name: found[name]["mase"])
    few = job.sampled()
    sampled = figures(few, simple.every(few)[best])
    return {"which": best} | found[best] | prefixed(sampled) | times(taken)


def zero_shot(job: Job) -> Figures:
    """The shipped version, nothing fitted."""
    bundle = shipped_for(job.file)
    UniversalRoller(bundle).warm_up()
    return of_bundle(job, bundle, None)


def trained(job: Job, name: str, minutes: float | None) -> Figures | None:
    """A column that trains; None where `train` does not take its model yet."""
    model, usual = learned.MODELS[name]
    try:
        with timed() as taken:
            bundle, panel = learned.fitted(job, model, minutes or usual)
    except RollcastError as error:
        say(f"{job.name}, {name}: n/a, {error}")
        return None
    return of_bundle(job, bundle, panel) | times(taken)


def of_bundle(job: Job, bundle: Bundle, panel: Panel | None) -> Figures:
    """A rolling model on all origins, and on the sample."""
    own = job if panel is None else replace(job, file=replace(job.file, panel=panel))
    with timed() as taken:
        sums, watched = rolled(bundle, own)
    few = own.sampled()
    found = figures(own, sums, watched) | prefixed(figures(few, *rolled(bundle, few))) | times(taken)
    return found | lines.judge(own, sums, watched, simple.every(own) if own.lines else {})


def fitted_by_peer(job: Job, name: str, chosen: argparse.Namespace) -> Figures | None:
    """Another library on the sample; nothing where it does not answer in time, None where it fails."""
    few = job.sampled()
    try:
        found = peers.forecast(few, name, chosen.peer_minutes, chosen.peers)
    except RollcastError as error:
        say(f"{job.name}, {name}: n/a, {error}")
        return None
    if found is None:
        say(f"{job.name}, {name}: n/a, the season is too long for it or its time was over")
        return {}
    sums, watched, said = found
    return prefixed(figures(few, sums, watched)) | said


def prefixed(found: Figures) -> Figures:
    """The figures of the sample under their names."""
    return {ON_SAMPLE + name: value for name, value in found.items()}


def times(taken: Taken) -> Figures:
    """Seconds by the clock and of processors."""
    return {"seconds": taken.seconds, "cpu_seconds": taken.cpu_seconds}
