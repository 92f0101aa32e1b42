"""The configuration of a model of symbols: its vocabulary and sizes.

A *symbol* is a string, such as a dish, a word or a character; its *code* is its place in the vocabulary. A model of
symbols has probabilities where a model of numbers has levels, and its horizon has no bound that training sets.
"""

from dataclasses import MISSING, asdict, dataclass, field, fields
from typing import Any, ClassVar, TypeGuard

import numpy as np

from data.errors import DamagedArtifact
from forecasting.config import CELL_ARRAYS
from forecasting.recurrent_options import UPGRADE, USUAL, RecurrentOptions

CONTEXT = 512  # steps that a state reads to start
TOP = 5  # symbols of each step that an answer names
BINS = 10  # of the probability of the likeliest symbol, each with its own scores
LECTURE = "lecture"  # the lecture's first network: it sees the last symbol and its own last prediction, and no state
SYMBOL_NETWORKS = (*CELL_ARRAYS, LECTURE)
SYMBOL_BASELINES = ("frequency", "last_symbol")
SYMBOL_KINDS = (*SYMBOL_NETWORKS, *SYMBOL_BASELINES)


@dataclass(frozen=True)
class SymbolConfig:
    """One model of symbols: everything that, with its weights, determines its probabilities."""

    kind: str
    vocabulary: tuple[str, ...]
    horizon: int  # steps ahead that an answer covers unless it is asked for others
    hidden_size: int = 0  # 0 in a baseline
    num_layers: int = 0
    embedding: int = 0  # numbers for each symbol that the layers read; 0: one for each symbol of the vocabulary
    dropout: float = 0.0
    members: int = 1  # networks of this size whose probabilities are averaged
    context: int = CONTEXT  # steps that are read to start a state; a longer silence starts it anew
    top: int = TOP
    paths: int = 256  # roll-outs that an answer averages for the steps after the first
    season: int = 1
    rival: str = "frequency"  # the baseline that skill is measured against, and that answers where the model cannot
    options: RecurrentOptions = field(default_factory=lambda: USUAL)  # of how the layers start and train

    target: ClassVar[str] = "symbols"
    levels: ClassVar[tuple[float, ...]] = ()
    memory: ClassVar[int] = 0
    minimum: ClassVar[int] = 1  # symbols that the model needs to answer

    @property
    def symbols(self) -> int:
        """V, the size of the vocabulary."""
        return len(self.vocabulary)

    @property
    def window(self) -> int:
        """Steps without a symbol after which a series is silent."""
        return self.context

    @property
    def recurrent_layers(self) -> int:
        """Number of recurrent layers of all members together."""
        return self.members * self.num_layers if self.kind in CELL_ARRAYS else 0

    @property
    def carried_layers(self) -> int:
        """Number of those that have a carry."""
        return self.recurrent_layers if CELL_ARRAYS.get(self.kind, 0) > 1 else 0

    @property
    def inputs(self) -> int:
        """Numbers that the first layer reads at each step."""
        return self.embedding or self.symbols

    @property
    def fallback(self) -> str:
        return self.rival

    @property
    def unit_lag(self) -> int:
        return 1

    @property
    def buckets(self) -> int:
        """Scores are added up by the probability of the likeliest symbol, not by the step ahead."""
        return BINS

    def bucket_of_step(self) -> np.ndarray:
        """(BINS,) each bin, in place of the horizon steps of a model of numbers."""
        return np.arange(BINS)

    def to_dict(self) -> dict[str, Any]:
        """Every setting; the options only where there are any, so that the bytes of usual models stay."""
        values = {"target": self.target, **asdict(self)}
        del values["options"]
        return values | ({"options": self.options.to_dict()} if self.options != USUAL else {})

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "SymbolConfig":
        """The config that `to_dict` wrote; a field that is missing takes its default.

        Raises DamagedArtifact for an unknown field or kind, and where a field without a default is missing.
        """
        given = {name: value for name, value in values.items() if name != "target"}
        required = {own.name for own in fields(cls) if own.default is MISSING and own.default_factory is MISSING}
        if unknown := sorted(set(given) - {own.name for own in fields(cls)}):
            raise DamagedArtifact(f"The model has settings unknown to this version: {', '.join(unknown)}; {UPGRADE}")
        if missing := sorted(required - set(given)):
            raise DamagedArtifact(f"The model's settings lack {', '.join(missing)}; train it again.")
        if given["kind"] not in SYMBOL_KINDS:
            raise DamagedArtifact(f"The model's kind {given['kind']!r} is unknown to this version; {UPGRADE}")
        options = RecurrentOptions.from_dict(given.get("options", {}))
        return cls(**{**given, "vocabulary": tuple(given["vocabulary"]), "options": options})


def is_symbols(config: object) -> TypeGuard[SymbolConfig]:
    """Whether a configuration is one of symbols."""
    return isinstance(config, SymbolConfig)
