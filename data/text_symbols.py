"""A text as symbols, and symbols as a text again.

A word is a run of letters, digits and underscores, with single hyphens and apostrophes between them; any other sign
that is no blank is a word of its own.
"""

import re
from collections.abc import Sequence

CHARACTER, WORD = "character", "word"
UNITS = (CHARACTER, WORD)  # what --by takes
A_WORD = re.compile(r"\w+(?:['’-]\w+)*|[^\w\s]")
CLOSING = ".,;:!?…)]}»”%"  # no blank stands before these
OPENING = "([{«“"  # … and none after these


def split(text: str, by: str) -> list[str]:
    """The symbols of a text, in their order."""
    return list(text) if by == CHARACTER else A_WORD.findall(text)


def joined(symbols: Sequence[str], by: str) -> str:
    """Symbols as a text again: of words, blanks stand where a reader expects them."""
    if by == CHARACTER:
        return "".join(symbols)
    text = ""
    for symbol in symbols:
        apart = text and symbol not in CLOSING and text[-1] not in OPENING
        text += f" {symbol}" if apart else symbol
    return text
