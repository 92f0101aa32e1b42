"""Auto config: chooses a network's settings from the data, with the reason for each in one line.

Nothing is tuned per dataset by hand. The settings follow from the stated season and horizon and from what is measured
on the training part alone: whether naive or seasonal naive does better, whether changes repeat after a longer cycle,
and how many values there are.
"""

from dataclasses import dataclass, replace

from data.errors import InvalidInput
from forecasting.baselines import naive_is_better
from forecasting.config import ModelConfig, configure
from forecasting.cycles import longer_cycle
from forecasting.panel import Panel
from forecasting.recurrent_options import RecurrentOptions


@dataclass(frozen=True)
class Choice:
    """Settings, and the reasons for them in one sentence each."""

    config: ModelConfig
    reasons: tuple[str, ...]

    def shaped(
        self,
        options: RecurrentOptions,
        hidden_size: int | None = None,
        num_layers: int | None = None,
        dropout: float | None = None,
    ) -> "Choice":
        """The same settings with a size and options that were asked for; the last reason then says so.

        Raises InvalidInput for options that such a network cannot have.
        """
        usual = self.config
        config = replace(
            usual,
            hidden_size=hidden_size or usual.hidden_size,
            num_layers=num_layers or usual.num_layers,
            dropout=usual.dropout if dropout is None else dropout,
            options=options,
        )
        if config == usual:
            return self
        options.check(config.kind, config.num_layers)
        own = options.to_dict() | ({} if dropout is None else {"dropout": dropout})
        asked = "".join(f", {name.replace('_', ' ')} {value}" for name, value in own.items())
        return Choice(config, (*self.reasons[:-1], f"{_shape(config)}{asked}: as asked for"))


def choose(past: Panel, kind: str, season: int, horizon: int) -> Choice:
    """The settings for a network of a kind, from the training part of a panel.

    Raises InvalidInput when the panel has too few values for a network.
    """
    known = past.known
    if known < 8 or int(past.lengths.max(initial=0)) < 4:
        raise InvalidInput(
            f"there are too few values for a network ({known} before the validation tail); ingest more, or train a "
            "baseline: --model naive"
        )
    longer = longer_cycle(past, season, horizon)
    config = configure(kind, season, horizon, past.lengths, naive_is_better(past, season, horizon), longer)
    return Choice(config, _reasons(config, longer, len(past), known))


def _reasons(config: ModelConfig, longer: int | None, series: int, known: int) -> tuple[str, ...]:
    window = f"window {config.window}: {_window(config)}"
    return _start(config), _cycles(config, longer), window, _size(config, series, known)


def _start(config: ModelConfig) -> str:
    if config.season == 1:
        return "starts from the last value: no season was stated"
    if config.skip_lag == 1:
        return (
            f"starts from the last value: on the training part it forecasts better than repeating {config.season} steps"
        )
    season = f"the last season of {config.season}"
    return f"starts from {season}: on the training part it forecasts no worse than the last value"


def _cycles(config: ModelConfig, longer: int | None) -> str:
    if not config.cycles and config.season > 1:
        return f"no cycle: a season of {config.season} steps does not fit a window of {config.window}"
    if not config.cycles:
        return "no cycle: none was found"
    name = "cycles " if len(config.cycles) > 1 else "cycle "
    name += " and ".join(str(cycle) for cycle in config.cycles)
    kept = f"; a state keeps the mean round of {config.memory} steps" if config.memory else ""
    if longer in config.cycles:
        return f"{name}: changes were found to repeat after {longer} steps{kept}"
    return f"{name}: as stated; a longer cycle was not found{kept}"


def _window(config: ModelConfig) -> str:
    if not config.cycles:
        return f"from the horizon of {config.horizon} and the typical length"
    rounds, more = divmod(config.window, config.cycles[-1])
    text = f"{rounds} {'round' if rounds == 1 else 'rounds'} of {config.cycles[-1]} steps"
    return text + (f", and {more} more for the level before them" if more else "")


def _size(config: ModelConfig, series: int, known: int) -> str:
    enough = f"the usual size for {known:,} values in {series:,} series"
    few = f"{known:,} values are too few for a wider hidden state"
    return f"{_shape(config)}: {enough if config.hidden_size > 64 else few}"


def _shape(config: ModelConfig) -> str:
    layers = "1 layer" if config.num_layers == 1 else f"{config.num_layers} layers"
    return f"{config.kind}, {layers} of {config.hidden_size}"
