"""What a look at one thing found: a line of `rollcast doctor`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from data.errors import RollcastError

Verdict = Literal["ok", "warning", "failed"]


@dataclass(frozen=True)
class Check:
    """One thing looked at."""

    name: str
    verdict: Verdict
    detail: str


def run_check(name: str, look: Callable[[], str]) -> Check:
    """A check that fails with the words of the error it meets."""
    try:
        return Check(name, "ok", look())
    except RollcastError as error:
        return Check(name, "failed", str(error))


def check_damages(name: str, damages: Iterator[str], words: Callable[[], str]) -> Check:
    """Failed with the first damage, if there is any; one that keeps us from looking on is the last."""
    found: list[str] = []
    try:
        found.extend(damages)
    except RollcastError as error:
        found.append(str(error))
    if not found:
        return run_check(name, words)
    more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
    return Check(name, "failed", found[0] + more)
