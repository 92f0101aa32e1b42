"""`rollcast.Forecaster`: fit, forecast, observe and backtest frames in memory, without a store or a server."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Self, TypeVar

from data.formats.options import SourceOptions
from data.grid.durations import parse_frequency
from pipelines.library.fitted_series import FittedSeries
from pipelines.library.forecaster_error import ForecasterError, forecaster_errors
from pipelines.library.frames import FrameKind, read_frame, write_frame
from pipelines.library.saved_forecaster import SavedForecaster

DataFrame = TypeVar("DataFrame")  # polars.DataFrame or pandas.DataFrame
Progress = Callable[[float, float, str], None]
LEVELS = (80,)

__all__ = ["Forecaster", "ForecasterError"]


def _levels(given: float | Sequence[float]) -> tuple[float, ...]:
    """The levels that are asked for, each once; a number alone is one level."""
    return (given,) if isinstance(given, (int, float)) else tuple(dict.fromkeys(given))


def _quiet(done: float, total: float, stage: str) -> None:
    """Show nothing."""


class Forecaster:
    """A network for all series of a frame, and the rolling state of each of them.

    A frame is a Polars or pandas DataFrame with the columns `unique_id` (text or whole numbers), `ds` (datetimes,
    dates or whole numbers) and `y` (numbers; null or NaN where a value is missing), in any order of rows. Other columns
    are left out. Results are frames of the same kind, with times of the same type, unit and zone.

    Times without a zone count steps of equal length, as in UTC. From a frequency of a day upwards a time is a date.
    A time between two steps belongs to the nearest one.

    The numbers are those that `rollcast train`, `forecast` and `backtest` compute from the same rows.

    Example:
        >>> forecaster = Forecaster(freq="1h", horizon=24, season=24).fit(frame)
        >>> forecaster.forecast(level=[80])  # the columns unique_id, ds, Rollcast, Rollcast-lo-80, Rollcast-hi-80

    Every method raises `ForecasterError`, a ValueError of one sentence, where a frame or an argument is wrong.
    """

    def __init__(
        self,
        freq: str | int | None = None,
        horizon: int | None = None,
        season: int | None = None,
        *,
        keep: str | None = None,
        model: str = "lstm",
        max_minutes: float | None = None,
        steps: int | None = None,
        seed: int = 0,
    ) -> None:
        """Choose what to fit; nothing is computed yet. What is None is found in the frame.

        Args:
            freq: step from one value to the next: "5m", "1h", "1d", "1b" (weekdays), "1w", "1mo", a word of pandas
                such as "MS", an exchange such as "XNYS", or a whole number where `ds` is one.
            horizon: most steps ahead that `forecast` can be asked for.
            season: steps of the usual cycle, such as 24 for hours; 1 for none.
            keep: which of several values of one step counts: last, first, mean, sum, max, min or count. Without it a
                frame with many of them is refused.
            model: lstm, gru, rnn, mlp, cnn, or a baseline: naive, seasonal_naive, drift; or universal, which ships with
                Rollcast and needs no training.
            max_minutes: longest time of a fit; 6 unless given.
            steps: training steps instead of minutes; the same number gives the same model each time.
            seed: of the random numbers of a fit.
        """
        self._arguments: dict[str, Any] = {
            "freq": None if freq is None else str(freq),
            "horizon": horizon,
            "season": season,
            "keep": keep,
            "model": model,
            "max_minutes": max_minutes,
            "steps": steps,
            "seed": seed,
        }
        self._states: FittedSeries | None = None
        self._kind: FrameKind | None = None
        with forecaster_errors():
            if freq is not None:
                parse_frequency(str(freq))

    def __repr__(self) -> str:
        given = ", ".join(f"{name}={value!r}" for name, value in self._arguments.items() if value is not None)
        series = "not fitted" if self._states is None else f"{len(self._states.ids)} series"
        return f"<Forecaster({given}): {series}>"

    @property
    def digest(self) -> str:
        """SHA-256 of the fitted model, as `rollcast model list` shows it."""
        return self._fitted().bundle.digest

    @property
    def warming(self) -> list[str]:
        """Names of the series that have too few values for the network yet: the shipped model answers for them."""
        return self._fitted().warming()

    @forecaster_errors()
    def fit(self, frame: Any, progress: Progress | None = None) -> Self:
        """Fit the model to every value of a frame, and start the state of each series at its last value.

        `progress` is called often with the steps done, the steps in total and the name of the stage.

        Returns this forecaster. What was fitted and observed before is forgotten.
        """
        from pipelines.library.fit_frame import fit_frame

        rows, kind = read_frame(frame)
        self._states = fit_frame(rows, kind, self._options(kind), self._arguments, progress or _quiet)
        self._kind = kind
        return self

    @forecaster_errors()
    def forecast(
        self, h: int | None = None, level: float | Sequence[float] = LEVELS, *, frame: DataFrame | None = None
    ) -> Any:
        """Forecast the `h` steps after the last row of every series; the state does not change.

        Args:
            h: steps ahead, at most `horizon`, which is the default.
            level: intervals in per cent, from 1 to 95; [80] should hold 80 % of the values.
            frame: series to forecast instead of those that were fitted. Without a fit the model that ships with
                Rollcast answers, which needs no training; `h` may then be longer.

        Returns:
            A frame of the same kind: a row for each series and step, with `unique_id`, `ds`, `Rollcast` (the median)
            and, for each level, `Rollcast-lo-80` and `Rollcast-hi-80`, in units of `y`.
        """
        if frame is not None:
            return self._forecast_frame(frame, h, _levels(level))
        states = self._fitted()
        return self._write(states.forecast(h, _levels(level)), states)

    def _forecast_frame(self, frame: Any, h: int | None, levels: tuple[float, ...]) -> Any:
        from pipelines.library.zero_shot import forecast_frame

        rows, kind = read_frame(frame)
        found, grid_kind = forecast_frame(rows, kind, self._options(kind), self._states, h, levels)
        return write_frame(found, kind, grid_kind)

    @forecaster_errors()
    def observe(self, frame: Any) -> Self:
        """Take in new rows: each series' state moves on, its intervals learn from them, and nothing is trained.

        Rows must be after the last row of their series. Steps that are left out count as missing; a series that is new
        begins with its first value. Where a row is wrong, nothing is taken in.

        Returns this forecaster.
        """
        from pipelines.library.fit_frame import check_ids, observe_frame

        states = self._fitted()
        rows, kind = read_frame(frame)
        if self._kind is not None:
            check_ids(kind, self._kind)
        observe_frame(states, rows, kind, self._options(kind))
        return self

    @forecaster_errors()
    def backtest(
        self,
        frame: DataFrame,
        *,
        level: float | Sequence[float] = LEVELS,
        last: float = 0.2,
        origins: int | None = None,
        baselines: Sequence[str] = (),
        progress: Progress | None = None,
    ) -> DataFrame:
        """Forecast at past origins of a frame, by a model that was fitted to nothing after the first of them.

        That is the fitted model where it saw none of the scored part; else a copy of it, fitted to the part before;
        without a fit a new model. This forecaster does not change.

        Args:
            frame: the whole past, the scored part included.
            level: intervals in per cent, from 1 to 95.
            last: share of each series, at its end, that is scored.
            origins: number of origins, evenly spread; None for every step, but at most 20,000 forecasts.
            baselines: models to forecast beside it: naive, seasonal_naive, drift.
            progress: called often with what is done, what is to do, and the name of the stage.

        Returns:
            A frame of the same kind: a row for each forecast step, with `unique_id`, `ds`, `cutoff` (the last time that
            was known), `y` (what came), `Rollcast`, the ends of each interval, and a column for each baseline.
        """
        from pipelines.library.fit_frame import backtest_frame

        rows, kind = read_frame(frame)
        levels = _levels(level)
        found, grid_kind = backtest_frame(
            rows, kind, self._options(kind), self._arguments, self._states, last, origins, levels, tuple(baselines),
            progress or _quiet,
        )  # fmt: skip
        written: DataFrame = write_frame(found, kind, grid_kind)
        return written

    @forecaster_errors()
    def save(self, path: str | Path) -> None:
        """Write model and states to one file, whole or not at all. It holds no code, and no value but the last ones."""
        states, kind = self._fitted(), self._kind
        assert kind is not None  # noqa: S101 it is set with the states
        SavedForecaster(self._arguments, kind, states).write(Path(path))

    @classmethod
    @forecaster_errors()
    def load(cls, path: str | Path) -> Self:
        """The forecaster that `save` wrote: it forecasts the same numbers. A changed file is refused."""
        saved = SavedForecaster.read(Path(path))
        forecaster = cls(**saved.arguments)
        forecaster._states, forecaster._kind = saved.states, saved.kind
        return forecaster

    def _fitted(self) -> FittedSeries:
        if self._states is None:
            raise ForecasterError(
                "this forecaster is not fitted yet; call fit(frame) or Forecaster.load(path), or forecast(frame=…)"
            )
        return self._states

    def _options(self, kind: FrameKind) -> SourceOptions:
        """How a frame is read."""
        from pipelines.library.frame_history import zone_of

        return SourceOptions(
            id_col="unique_id",
            time_col="ds",
            target_col="y",
            tz=zone_of(kind),
            freq=self._arguments["freq"],
            season=self._arguments["season"],
            horizon=self._arguments["horizon"],
            keep=self._arguments["keep"],
        )

    def _write(self, rows: Any, states: FittedSeries) -> Any:
        assert self._kind is not None  # noqa: S101 it is set with the states
        return write_frame(rows, self._kind, states.grid.kind)
