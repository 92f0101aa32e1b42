"""Recurrent layers in torch with options that torch's own stack lacks: residual layers, norms between, masking.

    x_1 = z,     h_k = cell_k(x_k)     or, with masking, the hidden state before where the step has no value
    y_1 = h_1,   y_k = h_k + x_k with `residual`, else h_k      (k > 1)
    x_(k+1) = norm(y_k) with `layer_norm`, else y_k;     the top reads y_N

`RecurrentStack` in `forecasting/kernel/recurrent.py` is the same arithmetic, one step at a time.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from forecasting.recurrent_options import RecurrentOptions

Layer = Callable[[int, int], nn.Module]  # one layer of a cell, from its inputs and width


class StackedLayers(nn.Module):
    """`layers` layers of one cell, (B, T, inputs) -> (B, T, hidden)."""

    def __init__(self, layer: Layer, inputs: int, hidden: int, layers: int, dropout: float, own: RecurrentOptions):
        super().__init__()
        self.options, self.hidden_size = own, hidden
        self.layers = nn.ModuleList(layer(hidden if k else inputs, hidden) for k in range(layers))
        norms = layers - 1 if own.layer_norm else 0
        self.norms = nn.ModuleList(nn.LayerNorm(hidden) for _ in range(norms))
        self.dropout = nn.Dropout(dropout)

    def forward(
        self, x: Tensor, state: tuple[Tensor, ...], seen: Tensor | None = None
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        """x (B, T, inputs), the state before it, and seen (B, T) where steps are masked -> the top's output (B, T, D)
        and the state after it."""
        ends = []
        for k, layer in enumerate(self.layers):
            own = tuple(part[k : k + 1].contiguous() for part in state)
            h, after = (
                _masked(layer, x, own, seen) if seen is not None and not bool(seen.all()) else _whole(layer, x, own)
            )
            ends.append(after)
            y = h + x if self.options.residual and k else h
            x = y if k == len(self.layers) - 1 else self._handed_on(y, k)
        return y, tuple(torch.cat(parts) for parts in zip(*ends, strict=True))

    def _handed_on(self, y: Tensor, layer: int) -> Tensor:
        """What the next layer reads."""
        normed: Tensor = self.norms[layer](y) if self.options.layer_norm else y
        return self.dropout(normed)

    def exported(self) -> dict[str, Tensor]:
        """The weights, named as torch names those of its own stack; norms as norm_weight_lk and norm_bias_lk."""
        found = {
            name.replace("_l0", f"_l{k}"): weight
            for k, layer in enumerate(self.layers)
            for name, weight in layer.state_dict().items()
        }
        for k, norm in enumerate(self.norms):
            found |= {f"norm_{name}_l{k}": weight for name, weight in norm.state_dict().items()}
        return found


def _whole(layer: nn.Module, x: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, tuple[Tensor, ...]]:
    """One layer over a whole sequence, (1, B, D) states."""
    h, after = layer(x, state if len(state) > 1 else state[0])
    return h, after if isinstance(after, tuple) else (after,)


def _masked(layer: nn.Module, x: Tensor, state: tuple[Tensor, ...], seen: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
    """One layer step by step; the state of a row stays as it is where the step has no value."""
    read = []
    for step in range(x.shape[1]):
        _, after = _whole(layer, x[:, step : step + 1].contiguous(), state)
        alive = seen[None, :, step, None]
        state = tuple(torch.where(alive, new, old) for new, old in zip(after, state, strict=True))
        read.append(state[0][0])
    return torch.stack(read, 1), state
