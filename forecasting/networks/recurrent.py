"""The recurrent layers in torch, over whole sequences: for any network that has them.

`forecasting/kernel/recurrent.py` is the same arithmetic, one step at a time. Functions around torch's own modules, so
that a network's weights keep the names that its artifacts have.
"""

from collections.abc import Callable

from torch import Tensor, nn

from forecasting.networks.variant_cells import CoupledLSTM, PeepholeLSTM

State = tuple[Tensor, ...]  # (layers, batch, hidden) each: hidden, and carry where `STATE_ARRAYS` says 2
CELLS: dict[str, Callable[..., nn.Module]] = {
    "lstm": nn.LSTM,
    "gru": nn.GRU,
    "rnn": nn.RNN,
    "peephole": PeepholeLSTM,
    "coupled": CoupledLSTM,
}


def recurrent_layers(cell: str, inputs: int, hidden: int, layers: int, dropout: float) -> nn.Module:
    """`layers` layers of a cell, (B, T, inputs) -> (B, T, hidden), with dropout between them."""
    between = dropout if layers > 1 else 0.0
    return CELLS[cell](inputs, hidden, layers, batch_first=True, dropout=between)


def read(cells: nn.Module, x: Tensor, state: State) -> tuple[Tensor, State]:
    """x (B, T, inputs) and the state before it -> the top layer's hidden states (B, T, hidden), the state after it."""
    if len(state) > 1:
        u, after = cells(x, state)
        return u, after
    u, hidden = cells(x, state[0])
    return u, (hidden,)
