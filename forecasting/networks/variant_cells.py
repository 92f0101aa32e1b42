"""Two variants of the LSTM in torch, over whole sequences, with the interface of `nn.LSTM`.

    peephole  i = σ(… + p_i c),  f = σ(… + p_f c),  o = σ(… + p_o c')     (Gers and Schmidhuber 2000)
    coupled   i = 1 - f: what is let in is what is forgotten              (Greff et al. 2017)

`forecasting/kernel/variant_cells.py` is the same arithmetic, one step at a time. For symbols and for `rollcast lab`.
"""

import math

import torch
from torch import Tensor, nn

Carried = tuple[Tensor, Tensor]  # hidden and carry, (layers, B, D) each


class VariantLayers(nn.Module):
    """Layers of one variant. Weights are named as torch names those of its own layers; the rows of `blocks` gates."""

    blocks = 4

    def __init__(
        self, inputs: int, hidden: int, layers: int = 1, batch_first: bool = True, dropout: float = 0.0
    ) -> None:
        super().__init__()
        if not batch_first:
            raise ValueError("only sequences (B, T, inputs) are read; leave batch_first at True")
        self.hidden_size, self.num_layers, self.dropout = hidden, layers, nn.Dropout(dropout)
        for layer in range(layers):
            for name, shape in self.shapes(inputs if layer == 0 else hidden).items():
                self.register_parameter(f"{name}_l{layer}", nn.Parameter(torch.empty(shape)))
        for parameter in self.parameters():
            nn.init.uniform_(parameter, -1 / math.sqrt(hidden), 1 / math.sqrt(hidden))

    def shapes(self, inputs: int) -> dict[str, tuple[int, ...]]:
        """The weights of one layer."""
        rows = self.blocks * self.hidden_size
        weights: dict[str, tuple[int, ...]] = {"weight_ih": (rows, inputs), "weight_hh": (rows, self.hidden_size)}
        return weights | {"bias_ih": (rows,), "bias_hh": (rows,)}

    def forward(self, x: Tensor, state: Carried) -> tuple[Tensor, Carried]:
        """x (B, T, inputs) and the state before it -> the top layer's hidden states (B, T, D), the state after it."""
        ends: list[Carried] = []
        for layer in range(self.num_layers):
            if layer:
                x = self.dropout(x)
            h, c = state[0][layer], state[1][layer]
            from_x = x @ self.own("weight_ih", layer).T + self.own("bias_ih", layer) + self.own("bias_hh", layer)
            read = []
            for step in from_x.unbind(1):
                h, c = self.step(step + h @ self.own("weight_hh", layer).T, c, layer)
                read.append(h)
            x = torch.stack(read, 1)
            ends.append((h, c))
        hidden, carry = zip(*ends, strict=True)
        return x, (torch.stack(hidden), torch.stack(carry))

    def own(self, name: str, layer: int) -> Tensor:
        """A weight of one layer."""
        return self.get_parameter(f"{name}_l{layer}")

    def step(self, z: Tensor, c: Tensor, layer: int) -> Carried:
        """The next hidden state and carry (B, D) from W [x, h] + b (B, blocks D) and the carry."""
        raise NotImplementedError


class PeepholeLSTM(VariantLayers):
    """An LSTM whose gates also see the carry. Rows i, f, g, o; `peephole_lk` (3 D,) for i, f, o."""

    def shapes(self, inputs: int) -> dict[str, tuple[int, ...]]:
        return super().shapes(inputs) | {"peephole": (3 * self.hidden_size,)}

    def step(self, z: Tensor, c: Tensor, layer: int) -> Carried:
        zi, zf, zg, zo = z.chunk(4, -1)
        to_i, to_f, to_o = self.own("peephole", layer).chunk(3)
        kept = torch.sigmoid(zf + to_f * c) * c + torch.sigmoid(zi + to_i * c) * torch.tanh(zg)
        return torch.sigmoid(zo + to_o * kept) * torch.tanh(kept), kept


class CoupledLSTM(VariantLayers):
    """An LSTM without an input gate of its own. Rows f, g, o."""

    blocks = 3

    def step(self, z: Tensor, c: Tensor, layer: int) -> Carried:  # every layer steps alike
        zf, zg, zo = z.chunk(3, -1)
        f = torch.sigmoid(zf)
        kept = f * c + (1 - f) * torch.tanh(zg)
        return torch.sigmoid(zo) * torch.tanh(kept), kept
