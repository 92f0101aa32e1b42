"""The recurrent layers in torch, over whole sequences: for any network that has them.

`forecasting/kernel/recurrent.py` is the same arithmetic, one step at a time. Functions around torch's own modules, so
that a network's weights keep the names that its artifacts have.
"""

from collections.abc import Callable

from torch import Tensor, nn

from forecasting.networks.recurrent_start import start_weights
from forecasting.networks.stacked_layers import StackedLayers
from forecasting.networks.variant_cells import CoupledLSTM, PeepholeLSTM
from forecasting.recurrent_options import USUAL, RecurrentOptions

State = tuple[Tensor, ...]  # (layers, batch, hidden) each: hidden, and carry where `STATE_ARRAYS` says 2
CELLS: dict[str, Callable[..., nn.Module]] = {
    "lstm": nn.LSTM,
    "gru": nn.GRU,
    "rnn": nn.RNN,
    "peephole": PeepholeLSTM,
    "coupled": CoupledLSTM,
}


def recurrent_layers(
    cell: str,
    inputs: int,
    hidden: int,
    layers: int,
    dropout: float,
    options: RecurrentOptions = USUAL,
    longest: int = 2,
) -> nn.Module:
    """`layers` layers of a cell, (B, T, inputs) -> (B, T, hidden), with dropout between them. `longest` is the longest
    memory in steps that the start `chrono` gives."""
    between, made = dropout if layers > 1 else 0.0, CELLS[cell]
    if options.layered:
        cells: nn.Module = StackedLayers(
            lambda i, d: made(i, d, 1, batch_first=True), inputs, hidden, layers, between, options
        )
    else:
        cells = made(inputs, hidden, layers, batch_first=True, dropout=between)
    start_weights(cells, options, longest)
    return cells


def read(cells: nn.Module, x: Tensor, state: State, seen: Tensor | None = None) -> tuple[Tensor, State]:
    """x (B, T, inputs) and the state before it -> the top layer's output (B, T, hidden), the state after it. `seen`
    (B, T) where steps without a value are masked."""
    if isinstance(cells, StackedLayers):
        return cells(x, state, seen)
    if len(state) > 1:
        u, after = cells(x, state)
        return u, after
    u, hidden = cells(x, state[0])
    return u, (hidden,)
