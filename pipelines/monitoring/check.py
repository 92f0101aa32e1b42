"""A check and its verdict: a line of `rollcast doctor`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from data.errors import RollcastError

Verdict = Literal["ok", "warning", "failed"]


@dataclass(frozen=True)
class Check:
    """One check: what was checked, the verdict, and what was found or is to be done."""

    name: str
    verdict: Verdict
    detail: str


def run_check(name: str, describe: Callable[[], str]) -> Check:
    """Ok with what `describe` returns, or failed with the message of the error that it raises."""
    try:
        return Check(name, "ok", describe())
    except RollcastError as error:
        return Check(name, "failed", str(error))


def check_damages(name: str, damages: Iterator[str], describe: Callable[[], str]) -> Check:
    """Failed with the first of the damages and their number; without any, as `run_check`.

    An error while they are searched counts as the last damage.
    """
    found: list[str] = []
    try:
        found.extend(damages)
    except RollcastError as error:
        found.append(str(error))
    if not found:
        return run_check(name, describe)
    more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
    return Check(name, "failed", found[0] + more)
