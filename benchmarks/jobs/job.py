"""A job of the field: series as users have them, with the origins at which every column forecasts."""

from dataclasses import dataclass, field, replace

import numpy as np

from benchmarks.support.long_files import LongFile
from forecasting.evaluation.backtest import Origins, spread
from forecasting.panel import Panel

SAMPLED_SERIES, SAMPLED = 20, 100  # fewest series, most forecasts, for models that are fitted at each origin


@dataclass(frozen=True)
class Job:
    """Series with the judgement of them; `cycles` are those that a baseline may repeat, the first one is the season.

    lines: which lines of the issue's table the job judges, see `benchmarks.jobs.lines`.
    """

    file: LongFile
    cycles: tuple[int, ...]
    source: str
    lines: tuple[str, ...] = field(default=())

    @property
    def name(self) -> str:
        """The job's name, as `--only` has it."""
        return self.file.name

    def sampled(self) -> "Job":
        """The same with at most so many forecasts, evenly spread; of series with few origins all of these."""
        panel, origins = self.file.panel, self.file.origins
        rows = panel.evenly(max(SAMPLED_SERIES, SAMPLED // len(origins)))
        few = origins.of_series(rows).at(spread(len(origins), SAMPLED // len(rows)))
        return replace(self, file=replace(self.file, panel=panel.select(rows), origins=few))


def job(
    name: str,
    series: list[np.ndarray],
    freq: str,
    horizon: int,
    cycles: tuple[int, ...],
    tested: int,
    every: int,
    source: str,
    lines: tuple[str, ...] = (),
) -> Job:
    """A job whose origins begin `tested` values before each series' end and follow each other after `every` values."""
    panel = Panel.of(series, [f"{name}_{i:03d}" for i in range(len(series))])
    ahead = np.arange(0, tested - horizon + 1, every)
    origins = Origins.of(panel.lengths[:, None] - tested + ahead)
    return Job(LongFile(name, panel, origins, horizon, cycles[0], freq), cycles, source, lines)
