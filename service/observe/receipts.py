"""The result of one observe request, as it is answered and as it is stored for an idempotent repeat."""

from collections import Counter
from dataclasses import dataclass
from typing import Any

import orjson

from service.base.outcomes import Outcome

LETTERS = {outcome: outcome.value[0] for outcome in Outcome}
OUTCOMES = {letter: outcome for outcome, letter in LETTERS.items()}


@dataclass(frozen=True)
class Receipt:
    """An outcome for each row, the reasons of the first rejected ones, and the position of the log after them.

    shifts: series whose held values were let in with one of the rows; see `service/models/verdicts.py`.
    """

    outcomes: list[Outcome]
    errors: list[dict[str, str]]
    snapped: int
    sequence: int
    shifts: int = 0

    @property
    def body(self) -> dict[str, Any]:
        counts = Counter(self.outcomes)
        return {
            "received": len(self.outcomes),
            "counts": {outcome.value: counts[outcome] for outcome in Outcome},
            "outcomes": self.outcomes,
            "errors": self.errors,
            "snapped": self.snapped,
            "shifts": self.shifts,
            "sequence": self.sequence,
        }

    def packed(self) -> str:
        """Everything but the sequence, which is known only after the rows are stored."""
        outcomes = "".join(LETTERS[outcome] for outcome in self.outcomes)
        return orjson.dumps([outcomes, self.errors, self.snapped, self.shifts]).decode()

    @classmethod
    def unpack(cls, text: str, sequence: int) -> "Receipt":
        letters, errors, snapped, *shifts = orjson.loads(text)  # version 5 did not write the last one
        return cls([OUTCOMES[letter] for letter in letters], errors, snapped, sequence, *shifts)
