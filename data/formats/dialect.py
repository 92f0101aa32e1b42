"""How a text table is written: what the user says of it, and what a reader recognised in it."""

import re
from dataclasses import dataclass, field
from typing import Literal

from data.errors import InvalidInput

Decimal = Literal[",", "."]

SEPARATOR_WORDS = {"tab": "\t", r"\t": "\t", "space": " "}


@dataclass(frozen=True)
class Dialect:
    """What the user says of a text table. What is None is found."""

    separator: str | None = None  # one ASCII character
    decimal: Decimal | None = None
    skipped: tuple[tuple[int, int], ...] = ()  # first and last line of each range that is left out; from 1
    missing: tuple[str, ...] = ()  # words for a missing value, beside the usual ones
    by: str | None = None  # of a text without columns: what its symbols are, `character` or `word`

    def skips(self, line: int) -> bool:
        """Whether the line of this number is left out."""
        return bool(self.skipped) and any(first <= line <= last for first, last in self.skipped)


@dataclass
class Recognised:
    """What a reader recognised in one table. `notes` are for the report, each a few words."""

    separator: str | None = None  # None: not a table of separated columns
    unnamed: tuple[str, ...] = ()  # columns without a name in the header; a reader names them column_1, column_2 …
    notes: list[str] = field(default_factory=list)

    def note(self, words: str) -> None:
        """Add a note, once."""
        if words not in self.notes:
            self.notes.append(words)


def make_dialect(
    separator: str | None,
    decimal: str | None,
    skip_lines: str | None,
    missing: tuple[str, ...],
    by: str | None = None,
) -> Dialect:
    """The dialect of options. Raises InvalidInput for an option that cannot be read."""
    return Dialect(_separator(separator), _decimal(decimal), _line_ranges(skip_lines), missing, by)


def _separator(given: str | None) -> str | None:
    if given is None:
        return None
    separator = SEPARATOR_WORDS.get(given.lower(), given)
    if len(separator) != 1 or not separator.isascii() or separator.isalnum() or separator in '"\r\n\0':
        raise InvalidInput(f"--separator {given!r} is not one sign between columns; give one such as ';' or tab")
    return separator


def _decimal(given: str | None) -> Decimal | None:
    if given is None or given == "," or given == ".":
        return given  # type: ignore[return-value]
    raise InvalidInput(f"--decimal {given!r} is not a decimal sign; give , or .")


def _line_ranges(given: str | None) -> tuple[tuple[int, int], ...]:
    if given is None:
        return ()
    ranges = []
    for part in given.split(","):
        match = re.fullmatch(r"\s*(\d{1,9})(?:-(\d{1,9}))?\s*", part, re.ASCII)
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (0, 0)
        if not 1 <= first <= last:
            raise InvalidInput(f"--skip-lines {given!r} does not count lines from 1; give some such as 2-3 or 1,4-6")
        ranges.append((first, last))
    return tuple(ranges)
