"""Scores of symbols, one step ahead on arrival: each symbol meets the probabilities that were given for it.

For each settled symbol y, with probabilities p and the probability r that its rival gave it, `SYMBOL_SUMS` are added up
by the bin of the likeliest symbol's probability, [0, 0.1) to [0.9, 1]:

    settled 1, log_loss -log p_y, rival -log r, brier Σ (p_k - [k = y])², confidence max p,
    inside_80, inside_95: whether y is among the likeliest symbols that hold 80 or 95 % of the probability, where the
        symbol at the edge counts by its part inside, so that a calibrated model has 0.8 and 0.95 on average,
    hits whether y was the likeliest, among_top whether it was one of the `top` that an answer names

Logarithms are natural; a probability below `LEAST` counts as that. The bins have the places of the horizon buckets in
`forecasting.rolling.online_scores`, and the sums those of its sums, so that `Totals` adds them up; the unit of every
series is 1. The recent sums are those of `recent_scores`, with log loss for the errors.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from forecasting.kernel.compiled import compiled
from forecasting.rolling.online_scores import Totals
from forecasting.rolling.recent_scores import DECAY, RECENT
from forecasting.rolling.vintages import Vintages
from forecasting.symbol_config import BINS

LEAST = 1e-12
SAME = 1e-6  # skill of a model that is its own rival, whose probabilities were rounded elsewhere
SYMBOL_SUMS = (
    "settled", "log_loss", "rival", "brier", "confidence", "inside_80", "inside_95", "hits", "among_top",
)  # fmt: skip


@dataclass(frozen=True)
class SymbolLedger:
    """The sums that a fold adds up for N rows: (N, BINS, len(SYMBOL_SUMS)) float64, and `recent` (N, len(RECENT)).

    closed: empty, because no forecast of symbols is kept open.
    """

    sums: np.ndarray
    recent: np.ndarray
    top: int
    closed: list[Vintages] = field(default_factory=list)

    @classmethod
    def empty(cls, rows: int, top: int) -> "SymbolLedger":
        """A ledger of zeros."""
        return cls(np.zeros((rows, BINS, len(SYMBOL_SUMS))), np.zeros((rows, len(RECENT))), top)

    def settle(self, rows: np.ndarray, codes: np.ndarray, p: np.ndarray, rival: np.ndarray) -> None:
        """Scores codes (k,) of rows (k,), distinct, -1 where there is none: p (k, V), rival (k,) probability of the
        code."""
        score_symbols(self.sums, self.recent, DECAY, LEAST, rows, codes, p, rival, self.top)

    def take(self, rows: np.ndarray) -> "SymbolLedger":
        """A copy of some rows, to be written back with `put`."""
        return SymbolLedger(self.sums[rows], self.recent[rows], self.top)

    def view(self, rows: slice) -> "SymbolLedger":
        """The same sums, not a copy."""
        return SymbolLedger(self.sums[rows], self.recent[rows], self.top)

    def put(self, rows: np.ndarray, part: "SymbolLedger") -> None:
        self.sums[rows], self.recent[rows] = part.sums, part.recent


@compiled
def part_inside(share: float, above: float, level: float) -> float:
    """How much of a symbol lies in the set of a share `level`: `above` are likelier, `share` as likely as it."""
    if above >= level:
        return 0.0
    return min(1.0, (level - above) / share) if share > 0 else 1.0


@compiled
def score_symbols(
    sums: np.ndarray,
    recent: np.ndarray,
    decay: float,
    least: float,
    rows: np.ndarray,
    codes: np.ndarray,
    p: np.ndarray,
    rival: np.ndarray,
    top: int,
) -> None:
    """The loop of `SymbolLedger.settle`."""
    for i, row in enumerate(rows):
        code = codes[i]
        if code < 0:
            continue
        given, highest, above, same, squares = np.float64(p[i, code]), 0.0, 0.0, 0.0, 0.0
        before = likelier = 0
        for k in range(p.shape[1]):
            share = np.float64(p[i, k])
            highest = max(highest, share)
            squares += share * share
            if share > given:
                above += share
                likelier += 1
            elif share == given:
                same += share
                before += k < code
        loss, others = -np.log(max(given, least)), -np.log(max(rival[i], least))
        inside = part_inside(same, above, 0.8)
        found = sums[row, min(int(10 * highest), 9)]
        found[0] += 1
        found[1] += loss
        found[2] += others
        found[3] += squares - 2 * given + 1
        found[4] += highest
        found[5] += inside
        found[6] += part_inside(same, above, 0.95)
        found[7] += likelier + before == 0
        found[8] += likelier + before < top
        late = recent[row]
        late[0] = decay * late[0] + 1
        late[1] = decay * decay * late[1] + 1
        late[2] = decay * late[2] + inside
        late[3] = decay * late[3] + loss
        late[4] = decay * late[4] + others


def summarize_symbols(totals: Totals) -> dict[str, Any]:
    """Every measure over all bins, and `calibration` for each bin; None where undefined."""
    lines: list[dict[str, Any]] = [
        {"from": low / BINS, "to": (low + 1) / BINS, "n": int(raw[0])} | _confidence(raw)
        for low, raw in enumerate(totals.raw)
    ]
    return {**symbol_measures(totals.raw.sum(0)), "calibration": lines}


def symbol_measures(raw: np.ndarray) -> dict[str, float | int | None]:
    """The measures from one row of sums (len(SYMBOL_SUMS),)."""
    total = dict(zip(SYMBOL_SUMS, raw.tolist(), strict=True))
    n = total["settled"]
    loss = total["log_loss"] / n if n else None
    return {
        "n": int(n),
        "log_loss": loss,
        "perplexity": None if loss is None else float(np.exp(loss)),
        "accuracy": total["hits"] / n if n else None,
        "accuracy_top": total["among_top"] / n if n else None,
        "brier": total["brier"] / n if n else None,
        "coverage_80": total["inside_80"] / n if n else None,
        "coverage_95": total["inside_95"] / n if n else None,
        "skill": _skill(total["log_loss"], total["rival"]),
    }


def _skill(loss: float, rival: float) -> float | None:
    """The share of the rival's loss that is saved; 0 where they differ by rounding only."""
    if rival <= 0:
        return None
    skill = 1 - loss / rival
    return 0.0 if abs(skill) < SAME else skill


def _confidence(raw: np.ndarray) -> dict[str, Any]:
    """What a bin claims, and how often it holds."""
    total = dict(zip(SYMBOL_SUMS, raw.tolist(), strict=True))
    n = total["settled"]
    return {"confidence": total["confidence"] / n if n else None, "accuracy": total["hits"] / n if n else None}
