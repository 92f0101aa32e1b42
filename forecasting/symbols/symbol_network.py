"""The networks of symbols in torch, over whole sequences, for training. `symbol_kernel.py` is the same arithmetic, one
step at a time.

x_t = one-hot of the symbol, or its embedding      where it is missing: the mix of these by p_(t-1)
u_t = recurrent layers over x
p_t = softmax(W u_t + b)                           the probabilities of the next symbol

The lecture's network has u_t = tanh(R [x_t, o_t] + c) in place of the layers, where o_t is the one-hot of the likeliest
symbol of p_(t-1): what it predicted, fed back without a gradient. It has no hidden state.
"""

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as fn

from forecasting.config import CELL_ARRAYS
from forecasting.networks.recurrent import State, read, recurrent_layers
from forecasting.symbol_config import LECTURE, SymbolConfig


class SymbolNetwork(nn.Module):
    """One network over sequences of codes. It gives the logits of the next symbol at every step."""

    def __init__(self, config: SymbolConfig) -> None:
        super().__init__()
        self.config, width = config, config.hidden_size
        if config.embedding:
            self.embedding = nn.Embedding(config.symbols, config.embedding)
        if config.kind == LECTURE:
            self.read = nn.Linear(config.inputs + config.symbols, width)
        else:
            self.cells = recurrent_layers(
                config.kind, config.inputs, width, config.num_layers, config.dropout, config.options, config.context
            )
            if config.kind == "lstm" and config.options.forget_bias is None:
                self._remember()
        self.dropout = nn.Dropout(config.dropout)
        self.head = nn.Linear(width, config.symbols)

    def _remember(self) -> None:
        """Opens the forget gates at first: their bias begins near 1 (Jozefowicz et al. 2015)."""
        for name, bias in self.cells.named_parameters():
            if name.startswith("bias_ih"):
                with torch.no_grad():
                    bias[self.config.hidden_size : 2 * self.config.hidden_size] += 1

    def fresh(self, batch: int) -> State:
        """The state of zeros, before the first symbol."""
        zeros = self.head.weight.new_zeros(self.config.num_layers, batch, self.config.hidden_size)
        return tuple(zeros.clone() for _ in range(CELL_ARRAYS.get(self.config.kind, 0)))

    def forward(self, codes: Tensor, state: State, p: Tensor) -> tuple[Tensor, State, Tensor]:
        """codes (B, T) int64, -1 where missing, the state before them, and the probabilities p (B, V) that were given
        for the first -> logits (B, T, V), the state and the probabilities after the last.

        Steps are read one by one only where a symbol is missing, and by the lecture's network.
        """
        found: list[Tensor] = []
        kept = self._kept(len(codes))
        for part in self._stretches(codes):
            logits, state = self._stretch(codes[:, part], state, p, kept)
            found.append(logits)
            p = logits[:, -1].softmax(-1)
        return torch.cat(found, 1), state, p

    def _kept(self, batch: int) -> Tensor | None:
        """What the first layer reads is multiplied by it in training: (B, 1, I), the same at every step."""
        share = self.config.options.input_dropout
        if not (share and self.training):
            return None
        return fn.dropout(self.head.weight.new_ones(batch, 1, self.config.inputs), share)

    def _stretches(self, codes: Tensor) -> list[slice]:
        """Steps that can be read at once: a step with a missing symbol needs the probabilities before it."""
        alone = (codes < 0).any(0).tolist() if self.config.kind != LECTURE else [True] * codes.shape[1]
        begins = [t for t in range(len(alone)) if t == 0 or alone[t]]
        return [slice(begin, stop) for begin, stop in zip(begins, [*begins[1:], len(alone)], strict=True)]

    def _stretch(self, codes: Tensor, state: State, p: Tensor, kept: Tensor | None) -> tuple[Tensor, State]:
        """Logits (B, T, V) of steps of which only the first has missing symbols."""
        x = self._vectors(codes.clamp(min=0))
        if (codes[:, 0] < 0).any():
            mixed = p @ self.embedding.weight if self.config.embedding else p
            x = torch.cat([torch.where(codes[:, :1] < 0, mixed, x[:, 0])[:, None], x[:, 1:]], 1)
        if self.config.kind == LECTURE:
            predicted = fn.one_hot(p.detach().argmax(-1), self.config.symbols).float()
            return self.head(torch.tanh(self.read(torch.cat([x[:, 0], predicted], -1))))[:, None], state
        u, state = read(self.cells, x if kept is None else x * kept, state)
        return self.head(self.dropout(u)), state

    def _vectors(self, codes: Tensor) -> Tensor:
        if self.config.embedding:
            return self.embedding(codes)
        return fn.one_hot(codes, self.config.symbols).to(self.head.weight.dtype)

    def export(self) -> dict[str, np.ndarray]:
        """The weights as float32 arrays with torch's names, for `SymbolKernel`."""
        return {name: tensor.detach().cpu().numpy().copy() for name, tensor in self.state_dict().items()}
