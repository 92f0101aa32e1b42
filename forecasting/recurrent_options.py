"""What may be asked of the recurrent layers beyond their usual form. Every default leaves a network as it is."""

from dataclasses import asdict, dataclass, fields
from typing import Any

from data.errors import DamagedArtifact, InvalidInput

WITH_FORGET_GATE = ("lstm", "peephole", "coupled")
WITH_LAYERS = ("rnn", "gru", *WITH_FORGET_GATE)
INITIAL = ("uniform", "orthogonal")
CHRONO = "chrono"
NAMED = {"initial": "init"}  # options whose name on the command line is another
UPGRADE = "upgrade rollcast to the version that made it."  # ends the refusal of an artifact that is too new


@dataclass(frozen=True)
class RecurrentOptions:
    """Options of the recurrent layers, by the names that `rollcast train` gives them."""

    initial: str = "uniform"  # recurrent weights: as torch draws them, or orthogonal
    forget_bias: float | str | None = None  # of an LSTM, both biases together; "chrono" spreads it over many memories
    input_dropout: float = 0.0  # share of what the cells read that is dropped, the same at every step of a chunk
    masking: bool = False  # a step without a value leaves the recurrent state as it is
    residual: bool = False  # from the second layer on, a layer's output is its hidden state plus what it read
    layer_norm: bool = False  # what a layer hands to the next one is normalised
    truncate: int = 0  # steps over which gradients flow back; 0: chosen from the data

    @property
    def layered(self) -> bool:
        """Does an option act between layers or steps, where torch's own layers cannot?"""
        return self.masking or self.residual or self.layer_norm

    def to_dict(self) -> dict[str, Any]:
        """The options that are not at their default."""
        usual = asdict(RecurrentOptions())
        return {name: value for name, value in asdict(self).items() if value != usual[name]}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "RecurrentOptions":
        """The options that `to_dict` wrote. Raises DamagedArtifact for one that is unknown."""
        if unknown := sorted(set(values) - {field.name for field in fields(cls)}):
            raise DamagedArtifact(f"The model has options unknown to this version: {', '.join(unknown)}; {UPGRADE}")
        return cls(**values)

    def check(self, cell: str, layers: int) -> None:
        """Raises InvalidInput for an option that a network of this kind and number of layers cannot have."""
        if cell not in WITH_LAYERS and self != USUAL:
            named = ", ".join(f"--{NAMED.get(name, name).replace('_', '-')}" for name in self.to_dict())
            raise InvalidInput(f"{cell} has no recurrent layers; leave out {named}")
        if self.initial not in INITIAL:
            raise InvalidInput(f"--init is {self.initial!r}; choose one of {', '.join(INITIAL)}")
        if self.forget_bias is not None:
            self._check_forget_bias(cell)
        if not 0 <= self.input_dropout <= 0.9:
            raise InvalidInput(f"--input-dropout is {self.input_dropout:g}; give a share from 0 to 0.9")
        if self.truncate and not 8 <= self.truncate <= 1024:
            raise InvalidInput(f"--truncate is {self.truncate}; give 8 to 1024 steps")
        between = "--residual" if self.residual else "--layer-norm" if self.layer_norm else None
        if between and layers < 2:
            raise InvalidInput(f"{between} acts between recurrent layers, and there is one; add --num-layers 2")

    def check_symbols(self, kind: str, layers: int) -> None:
        """The same for a network of symbols, whose step has no option: how it starts and trains can be chosen."""
        if self.masking:
            raise InvalidInput(
                "--masking is for numbers: in place of a missing symbol a network reads its own expectation; leave it "
                "out"
            )
        if self.residual or self.layer_norm:
            option = "--residual" if self.residual else "--layer-norm"
            raise InvalidInput(
                f"{option} is for numbers: layers of networks of symbols are joined plainly; leave it out"
            )
        self.check(kind, layers)

    def _check_forget_bias(self, cell: str) -> None:
        if cell not in WITH_FORGET_GATE:
            raise InvalidInput(f"--forget-bias is for an lstm: a {cell} has no forget gate; leave it out")
        if isinstance(self.forget_bias, str):
            if self.forget_bias != CHRONO:
                raise InvalidInput(f"--forget-bias is {self.forget_bias!r}; give a number or {CHRONO}")
        elif self.forget_bias is not None and not -20 <= self.forget_bias <= 20:
            raise InvalidInput(f"--forget-bias is {self.forget_bias:g}; give a number from -20 to 20, or {CHRONO}")


def forget_bias_of(text: str | None) -> float | str | None:
    """A forget bias as it is written: a number where it is one."""
    try:
        return None if text is None else float(text)
    except ValueError:
        return text


USUAL = RecurrentOptions()
