"""Which series a key may use: patterns such as `plant/*` for `dataset/unique_id`; `*` stands for any characters."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fnmatch import translate
from functools import lru_cache
from glob import escape

from data.errors import InvalidInput

MOST, LONGEST = 32, 300  # patterns of one key, characters of one
EVERYTHING = "*/*"


@dataclass(frozen=True)
class Patterns:
    """The patterns of a key. A series is reached when one of them matches its dataset and its id."""

    texts: tuple[str, ...]

    @classmethod
    def of(cls, texts: Sequence[str]) -> "Patterns":
        """Raises InvalidInput for an invalid pattern, or too many of them."""
        wrong = [text for text in texts if not 3 <= len(text) <= LONGEST or "/" not in text[1:-1]]
        if wrong or not 1 <= len(texts) <= MOST:
            raise InvalidInput(
                f"a key has 1 to {MOST} series patterns, each DATASET/ID with * for any characters, such as plant/*"
            )
        return cls(tuple(texts))

    @property
    def unlimited(self) -> bool:
        return EVERYTHING in self.texts

    def reaches(self, dataset: str, unique_id: str) -> bool:
        """Whether this series is reached."""
        return any(d(dataset) and u(unique_id) for d, u in _compiled(self.texts))

    def reaches_into(self, dataset: str) -> bool:
        """Whether some series of this dataset may be reached."""
        return any(d(dataset) for d, _ in _compiled(self.texts))

    def covers(self, dataset: str) -> bool:
        """Whether every series of this dataset is reached, whatever its id."""
        halves = zip(self.texts, _compiled(self.texts), strict=True)
        return any(matches(dataset) and not text.partition("/")[2].strip("*") for text, (matches, _) in halves)

    def could_reach(self, dataset: str | None, unique_id: str) -> bool:
        """Whether a series of this id may be reached, in this dataset or, without one, in any."""
        return any((dataset is None or d(dataset)) and u(unique_id) for d, u in _compiled(self.texts))


ALL = Patterns((EVERYTHING,))

Matches = Callable[[str], object]


@lru_cache(maxsize=1024)
def _compiled(texts: tuple[str, ...]) -> tuple[tuple[Matches, Matches], ...]:
    halves = (text.split("/", 1) for text in texts)  # a dataset's name has no slash, an id may
    return tuple((_matcher(dataset), _matcher(unique_id)) for dataset, unique_id in halves)


def _matcher(pattern: str) -> Matches:
    """Case matters, and only `*` is special. `translate` makes atomic groups, so that no text makes a match slow."""
    return re.compile(translate("*".join(escape(part) for part in pattern.split("*")))).match
