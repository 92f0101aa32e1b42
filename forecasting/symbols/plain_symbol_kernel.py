"""Networks of symbols whose cell has a plain step only: a peephole LSTM, or one with coupled gates.

The same numbers as `SymbolKernel` computes for the usual cells, with the loop over steps in Python: slower, and for
the lab and for trials. What lies within a step is compiled where it is shared. Shapes as there.
"""

import numpy as np

from forecasting.kernel.cells import STEPS
from forecasting.rolling.recent_scores import DECAY, RECENT
from forecasting.symbol_config import BINS
from forecasting.symbols.symbol_kernel import SymbolKernel, add_product, add_softmax, draw
from forecasting.symbols.symbol_scores import LEAST, SYMBOL_SUMS, score_symbols


class PlainSymbolKernel(SymbolKernel):
    """The interface of `SymbolKernel`; its weights hold the peepholes behind the biases."""

    def step(self, codes: np.ndarray, p: np.ndarray, hidden: np.ndarray, carry: np.ndarray) -> np.ndarray:
        gates, logits = self._room(len(codes))
        table, upper, across, bias, head, head_bias = self.weights
        layers, members, rows, _ = gates.shape
        gates[:] = 0
        for member in range(members):
            for row in range(rows):
                if codes[row] >= 0:
                    gates[0, member, row] = table[member, codes[row]]
                else:
                    add_product(p[row : row + 1], table[member], gates[0, member, row : row + 1])
        for layer in range(layers):
            for member in range(members):
                own = layer + layers * member
                add_product(np.ascontiguousarray(hidden[:, own]), across[member, layer], gates[layer, member])
                if layer > 0:
                    below = np.ascontiguousarray(hidden[:, own - 1])
                    add_product(below, upper[member, layer - 1], gates[layer, member])
            STEPS[self.config.kind](gates[layer], bias[layer], hidden, carry, layer, layers)
        p[:] = 0
        for member in range(members):
            logits[:] = head_bias[member]
            top = np.ascontiguousarray(hidden[:, layers - 1 + layers * member])
            add_product(top, head[member], logits)
            for row in range(rows):
                add_softmax(logits[row], p[row])
        p /= np.float32(members)
        return gates

    def draw_on(
        self, p: np.ndarray, hidden: np.ndarray, carry: np.ndarray, uniforms: np.ndarray, temperature: float = 1.0
    ) -> np.ndarray:
        rows, steps = uniforms.shape
        drawn = np.zeros(uniforms.shape, np.int32)
        for step in range(steps):
            drawn[:, step] = [draw(p[row], float(temperature), uniforms[row, step]) for row in range(rows)]
            if step + 1 < steps:
                self.step(drawn[:, step].copy(), p, hidden, carry)
        return drawn

    def roll_out(
        self, p: np.ndarray, hidden: np.ndarray, carry: np.ndarray, uniforms: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        (paths, steps), symbols = uniforms.shape, p.shape[1]
        marginals, reached = (np.zeros((steps, symbols)) for _ in range(2))
        absent, before = np.ones((paths, symbols), bool), np.zeros(symbols)
        for step in range(steps):
            marginals[step] = p.mean(0, dtype=float)
            before = reached[step] = np.minimum(1.0, before + np.where(absent, p, 0).mean(0, dtype=float))
            codes = np.array([draw(p[path], 1.0, uniforms[path, step]) for path in range(paths)], np.int32)
            absent[np.arange(paths), codes] = False
            if step + 1 < steps:
                self.step(codes, p, hidden, carry)
        return marginals, reached

    def read_on(
        self, codes: np.ndarray, p: np.ndarray, hidden: np.ndarray, carry: np.ndarray, rival: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        rows, steps = codes.shape
        given, recent, every = np.zeros(codes.shape), np.zeros((rows, len(RECENT))), np.arange(rows)
        sums = np.zeros((rows, BINS, len(SYMBOL_SUMS)))
        for step in range(steps):
            read = codes[:, step].copy()
            score_symbols(sums, recent, DECAY, LEAST, every, read, p, rival[:, step].copy(), self.config.top)
            given[:, step] = np.where(read >= 0, p[every, read], np.nan)
            self.step(read, p, hidden, carry)
        return given, sums

    def _room(self, rows: int) -> tuple[np.ndarray, np.ndarray]:
        layers, members = self.weights.bias.shape[:2]
        gates = np.empty((layers, members, rows, self.weights.table.shape[-1]), np.float32)
        return gates, np.empty((rows, self.config.symbols), np.float32)
