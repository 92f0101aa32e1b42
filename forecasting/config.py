"""The configuration of a model: its sizes and levels, and their choice from the data."""

from dataclasses import MISSING, asdict, dataclass, field, fields, replace
from typing import Any

import numpy as np

from data.errors import DamagedArtifact, InvalidInput
from forecasting.recurrent_options import UPGRADE, USUAL, RecurrentOptions

LEVELS = (0.025, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.975)
STATE_ARRAYS = {"rnn": 1, "gru": 1, "lstm": 2}  # of each cell: the hidden state, and a carry; other kinds have none
RECURRENT = tuple(STATE_ARRAYS)
VARIANTS = {"peephole": 2, "coupled": 2}  # cells of symbols and of `rollcast lab`, with their arrays
CELL_ARRAYS = STATE_ARRAYS | VARIANTS
NETWORKS = (*RECURRENT, "mlp", "cnn")
BASELINES = ("naive", "seasonal_naive", "drift")
KINDS = (*NETWORKS, *BASELINES)
SHIPPED = ("universal",)  # kinds that need no training: see `forecasting.universal`
BUCKETS = 8  # horizon buckets, each with its own calibration, scores and shrinkage to the baseline
USUAL_WINDOW = 336  # steps, for series with a cycle
CONTEXT_ROUNDS = 5  # rounds of the cycle memory's cycle that the context of a fresh state holds
LARGEST_SEASON = 1024  # a longer season does not fit a window; the last value is repeated instead


@dataclass(frozen=True)
class ModelConfig:
    """One model: everything that, with its weights, determines its forecasts.

    Counts of steps are grid steps of the dataset's frequency. `levels` are increasing and symmetric about 0.5.
    """

    kind: str
    window: int  # last values that the network reads
    warmup: int  # steps rolled after the first full window before a fresh state may answer
    horizon: int  # steps ahead that every forecast covers
    season: int  # the user's season m; 1 when there is none
    level_steps: int  # most recent values whose mean is the level that scaling subtracts
    skip_lag: int  # lag that the fallback repeats: 1 (naive) or the season
    cycles: tuple[int, ...] = ()  # lags, ascending and within the window, at which values repeat, see `experts`
    hidden_size: int = 0  # 0 in a baseline
    num_layers: int = 0
    dropout: float = 0.0
    members: int = 1  # networks of this size whose quantiles are averaged
    memory: int = 0  # steps of the cycle of the cycle memory, see `cycle_memory`; 0 without one
    levels: tuple[float, ...] = LEVELS
    options: RecurrentOptions = field(default_factory=lambda: USUAL)  # of the recurrent layers

    @property
    def context(self) -> int:
        """Number of values that are read to start a state."""
        return max(self.window + self.warmup, CONTEXT_ROUNDS * self.memory)

    @property
    def lags(self) -> tuple[int, ...]:
        """Lags for which the network reads how well the window repeats."""
        return (1, *self.cycles)

    @property
    def features(self) -> int:
        """Number of features that the layers read at each step: the scaled window, three numbers about it, one for each
        lag. The cycle memory comes before them and is read by the experts alone."""
        return self.window + 3 + len(self.lags)

    @property
    def observed(self) -> int:
        """Index, among the features and the cycle memory before them, of whether the last value was observed."""
        return self.memory + self.window + 1

    @property
    def recurrent_layers(self) -> int:
        """Number of recurrent layers of all members together."""
        return self.members * self.num_layers if self.kind in RECURRENT else 0

    @property
    def median(self) -> int:
        """Index of the median among the levels."""
        return len(self.levels) // 2

    @property
    def minimum(self) -> int:
        """Number of observed values that the network needs to answer; with fewer the fallback does."""
        if self.kind in SHIPPED:
            return 1
        return min(self.window, max(2, self.skip_lag + 1, self.window // 4))

    @property
    def fallback(self) -> str:
        """The baseline that answers where the model cannot: the better one on the training part."""
        return "naive" if self.skip_lag == 1 else "seasonal_naive"

    @property
    def unit_lag(self) -> int:
        """Lag of the MASE divisor of a state: the season if the window holds one, else 1."""
        return self.season if self.season <= self.window else 1

    @property
    def buckets(self) -> int:
        return min(BUCKETS, self.horizon)

    def bucket_of_step(self) -> np.ndarray:
        """(horizon,) calibration bucket of each horizon step, near to far."""
        return np.arange(self.horizon) * self.buckets // self.horizon

    def over_horizon(self, values: np.ndarray) -> np.ndarray:
        """(..., buckets) -> (..., horizon): linear between the buckets' centres, constant beyond the outermost."""
        bucket_of, steps = self.bucket_of_step(), np.arange(self.horizon)
        centres = np.bincount(bucket_of, steps) / np.bincount(bucket_of)
        rows = np.reshape(values, (-1, self.buckets))
        spread = np.stack([np.interp(steps, centres, row) for row in rows])
        return spread.reshape(*np.shape(values)[:-1], self.horizon)

    def to_dict(self) -> dict[str, Any]:
        """Every setting; the options only where there are any, so that the bytes of usual models stay."""
        values = asdict(self)
        del values["options"]
        return values | ({"options": self.options.to_dict()} if self.options != USUAL else {})

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "ModelConfig":
        """The config that `to_dict` wrote; a field that is missing takes its default.

        Raises DamagedArtifact for an unknown field or kind, and where a field without a default is missing.
        """
        required = {own.name for own in fields(cls) if own.default is MISSING and own.default_factory is MISSING}
        if unknown := sorted(set(values) - {own.name for own in fields(cls)}):
            raise DamagedArtifact(f"The model has settings unknown to this version: {', '.join(unknown)}; {UPGRADE}")
        if missing := sorted(required - set(values)):
            raise DamagedArtifact(f"The model's settings lack {', '.join(missing)}; train it again.")
        if values["kind"] not in (*KINDS, *SHIPPED):
            raise DamagedArtifact(f"The model's kind {values['kind']!r} is unknown to this version; {UPGRADE}")
        lists: dict[str, Any] = {name: tuple(values[name]) for name in ("cycles", "levels") if name in values}
        options = RecurrentOptions.from_dict(values.get("options", {}))
        return cls(**{**values, **lists, "options": options})


def choose_window(longest_cycle: int, level_steps: int, horizon: int, typical_length: int) -> int:
    """Steps of the window.

    With a longest cycle: whole rounds of it within `USUAL_WINDOW` steps, but no more than a fifth of the typical
    series, so that many windows remain for training. At least one round; a single round gets `level_steps` more, if
    there is room, so that the change of the level since then can be measured. Without a cycle (1): four horizons.
    """
    if longest_cycle > 1:
        room = min(USUAL_WINDOW, max(typical_length // 5, longest_cycle + level_steps), typical_length // 2)
        rounds = max(1, room // longest_cycle)
        return longest_cycle * rounds + (level_steps if rounds == 1 and longest_cycle + level_steps <= room else 0)
    return max(8, min(max(32, min(128, 4 * horizon)), typical_length // 2))


def configure(
    kind: str,
    season: int,
    horizon: int,
    lengths: np.ndarray,
    naive_is_better: bool = False,
    longer: int | None = None,
) -> ModelConfig:
    """The settings of a new model, chosen from the data.

    `lengths` (n,) are the training lengths of the series. With `naive_is_better`, repeating the last value beats
    repeating the last season on the training part: level and fallback then start from the last value. `longer` is a
    lag beyond the season after which changes also repeat, if there is one. A network has a cycle memory of the longest
    cycle if its window holds less than two rounds of it. Raises InvalidInput for an unknown kind, season or horizon.
    """
    if kind not in KINDS:
        raise InvalidInput(f"there is no model named {kind!r}; choose one of {', '.join(KINDS)}")
    if season < 1 or horizon < 1:
        raise InvalidInput("season and horizon are whole numbers of steps, 1 or more")
    lag = 1 if naive_is_better or season > LARGEST_SEASON else season
    typical = int(np.median(lengths)) if len(lengths) else 1
    window = choose_window(longer or lag, lag, horizon, typical)
    if kind == "seasonal_naive":
        window = max(window, season)
    cycles = tuple(cycle for cycle in dict.fromkeys((season, longer or 1)) if 1 < cycle < window)
    config = ModelConfig(kind, window, 128, horizon, season, level_steps=lag, skip_lag=lag)
    if kind in BASELINES:
        return replace(config, warmup=0)
    width = 64 if lengths.sum() < 2_000 else 128  # few values do not suffice for a wide hidden state
    layers = 1 if kind in RECURRENT else 2
    longest = cycles[-1] if cycles else 0
    memory = longest if window < 2 * longest else 0  # two rounds in the window are enough
    return replace(config, cycles=cycles, hidden_size=width, num_layers=layers, dropout=0.25, memory=memory)
