"""Columns that are trained: the network of today, and the shipped version tuned to the series it is judged on."""

from pathlib import Path

import numpy as np
import polars as pl

from benchmarks.jobs.job import Job
from benchmarks.support import loop
from data.formats.options import SourceOptions
from data.schema import SERIES, SPLIT, TIME, VALUE
from forecasting.panel import Panel
from forecasting.rolling.bundle import Bundle
from pipelines.history.history import read_history
from pipelines.ingestion.ingest import ingest
from pipelines.models import model_store
from pipelines.training.train import TrainRequest

MODELS = {"tuned": ("universal", 2.0), "trained": ("lstm", 3.0)}  # what `train --model` is given, and minutes
LONG, SHORT = "1970-01-01", "2018-01-01"  # where series of months begin, and all others: a Monday
MONTHS = ("mo", "q", "y")


def fitted(job: Job, model: str, minutes: float) -> tuple[Bundle, Panel]:
    """A model trained as a user would train it, and the job's series on their calendar; no value after the first origin
    is read. Raises as `train` does."""
    with loop.workspace() as place:
        source = write(job, place.settings.home / f"{job.name}.parquet")
        options = SourceOptions(freq=job.file.freq, season=job.cycles[0], horizon=job.file.horizon, tz="UTC")
        ingest(place, str(source), job.name, options)
        done = loop.fitted(place, TrainRequest(job.name, model, max_minutes=minutes))
        history = read_history(place, job.name)
        rows = np.array([history.panel.ids.index(name) for name in job.file.panel.ids])
        return model_store.load(place, history.dataset, done.version), history.panel.select(rows)


def write(job: Job, path: Path) -> Path:
    """The job as a long file whose test part begins at the first origin of each series."""
    panel, parts = job.file.panel, []
    every = stamps(job.file.freq, int(panel.lengths.max()))
    for i, begin in enumerate(job.file.origins.stops[:, 0].tolist()):
        values = panel.series(i)
        split = np.where(np.arange(len(values)) < begin, "train", "test")
        columns = {SERIES: [panel.ids[i]] * len(values), TIME: every[: len(values)], VALUE: values, SPLIT: split}
        parts.append(pl.DataFrame(columns))
    pl.concat(parts).write_parquet(path)
    return path


def stamps(freq: str, count: int) -> pl.Series:
    """So many stamps at a frequency; of business days those of weekdays."""
    steps = np.arange(count)
    if freq == "1b":
        return pl.Series(TIME, np.busday_offset(SHORT, steps, roll="forward")).cast(pl.Datetime("us"))
    digits = freq.rstrip("abcdefghijklmnopqrstuvwxyz")
    unit, begin = freq[len(digits) :], np.datetime64(LONG if freq.endswith(MONTHS) else SHORT, "us")
    moved = pl.Series([f"{step * int(digits)}{unit}" for step in steps.tolist()])
    return pl.Series(TIME, np.full(count, begin)).dt.offset_by(moved)
