"""Pages that are run: the fenced blocks of a page in order, and the comparison of what is shown with what was printed.

A shown line is found in what was printed, in order; lines between may be left out. In it `…` stands for anything, but
not before a number with decimals. Words and whole numbers are equal; a number with decimals, which a network may have
computed, is near.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

FENCE = re.compile(r"^```(\w*)[^\n]*\n(.*?)^```", flags=re.MULTILINE | re.DOTALL)
DECIMAL = re.compile(r"-?\d+\.\d+(?![.\d])")
NEAR = 0.25  # of a shown number; kernels differ between processors


@dataclass(frozen=True)
class Step:
    """A block that is run, and the blocks of output that the page shows after it."""

    language: str
    code: str
    shown: tuple[str, ...]


def steps_of(page: Path, language: str, until: str | None = None) -> Iterator[Step]:
    """The blocks of a language before the heading `until`, each with the `text` blocks that follow it."""
    text = page.read_text()
    blocks = FENCE.findall(text if until is None else text[: text.index(f"\n## {until}\n")])
    for at, (name, code) in enumerate(blocks):
        if name == language:
            after = [text for _, text in takewhile_text(blocks[at + 1 :])]
            yield Step(name, code, tuple(after))


def takewhile_text(blocks: list[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """The `text` blocks before the first of another language."""
    for name, text in blocks:
        if name != "text":
            return
        yield name, text


def check_shown(shown: str, printed: str) -> None:
    """Every shown line is among the printed ones, in order."""
    left = printed.replace("\ufeff", "").splitlines()  # a byte-order mark cannot be seen
    for line in filter(None, map(str.strip, shown.splitlines())):
        if line == "…":
            continue
        at = next((at for at, candidate in enumerate(left) if is_same(line, candidate)), None)
        assert at is not None, f"not printed: {line}\nprinted, after the lines before it:\n" + "\n".join(left)
        left = left[at + 1 :]


def is_same(shown: str, printed: str) -> bool:
    """Whether a printed line is what a shown line says."""
    parts = re.split(rf"({DECIMAL.pattern}|…|[─═]+|\s+)", shown.strip())
    pattern = "".join(pattern_of(part) for part in parts if part)
    found = re.fullmatch(rf"\s*{pattern}\s*", printed)
    if not found:
        return False
    numbers = [float(part) for part in parts if part and DECIMAL.fullmatch(part)]
    return all(
        float(group) == pytest.approx(number, rel=NEAR, abs=0.05)
        for group, number in zip(found.groups(), numbers, strict=True)
    )


def pattern_of(part: str) -> str:
    if part == "…":
        return ".*"
    if DECIMAL.fullmatch(part):
        return r"(-?\d+\.\d+)"
    if part[0] in "─═":  # the lines of a table are as wide as its numbers
        return "[─═]+"
    return r"\s+" if part.isspace() else re.escape(part)
