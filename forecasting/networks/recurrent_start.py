"""How the weights of recurrent layers start, where they do not start as torch draws them.

torch draws every weight uniformly within ±1/√D. Its forget gates are then half open, and what an LSTM read ten steps
ago is nearly gone.
"""

import torch
from torch import Tensor, nn

from forecasting.recurrent_options import RecurrentOptions

WITH_FORGET_GATE = ("LSTM", "PeepholeLSTM", "CoupledLSTM")


def start_weights(cells: nn.Module, options: RecurrentOptions, longest: int) -> None:
    """Starts the weights of some layers as the options say; by default it draws nothing and changes nothing."""
    for layer in getattr(cells, "layers", [cells]):
        _start(layer, options, longest)


def _start(cells: nn.Module, options: RecurrentOptions, longest: int) -> None:
    if options.initial == "orthogonal":
        set_orthogonal(cells)
    if isinstance(options.forget_bias, str):
        set_chrono(cells, longest)
    elif options.forget_bias is not None:
        set_forget_bias(cells, options.forget_bias)


def set_orthogonal(cells: nn.Module) -> None:
    """Recurrent weights that turn the hidden state without stretching it (Saxe et al. 2014), one matrix a gate."""
    for weight in _named(cells, "weight_hh"):
        with torch.no_grad():
            for block in weight.split(weight.shape[1]):
                nn.init.orthogonal_(block)


def set_forget_bias(cells: nn.Module, value: float | Tensor) -> None:
    """Forget gates that start σ(value) open, but for what the weights say: the sum of both biases is `value`, one
    number or one for each unit. Raises ValueError for cells without forget gates."""
    if type(cells).__name__ not in WITH_FORGET_GATE:
        raise ValueError(f"{type(cells).__name__} has no forget gate; only an LSTM has")
    for side, amount in (("bias_ih", value), ("bias_hh", 0.0)):
        for bias in _named(cells, side):
            width = cells.hidden_size
            rows = slice(0, width) if type(cells).__name__ == "CoupledLSTM" else slice(width, 2 * width)  # type: ignore[operator]
            with torch.no_grad():
                bias[rows] = amount


def set_chrono(cells: nn.Module, longest: int) -> None:
    """Forget gates whose memories are spread between 1 and `longest` steps (Tallec and Ollivier 2018)."""
    width = int(cells.hidden_size)  # type: ignore[arg-type]
    steps = 1 + torch.rand(width) * max(1, longest - 2)
    set_forget_bias(cells, torch.log(steps))
    if type(cells).__name__ == "CoupledLSTM":
        return
    for side, amount in (("bias_ih", -torch.log(steps)), ("bias_hh", 0.0)):
        for bias in _named(cells, side):
            with torch.no_grad():
                bias[:width] = amount


def _named(cells: nn.Module, kind: str) -> list[nn.Parameter]:
    return [weight for name, weight in cells.named_parameters() if name.startswith(kind)]
