"""Prints values in quarantine: first how many by rule, then the values."""

from __future__ import annotations

from typing import Any

from pipelines.console import print_json, print_table, say
from pipelines.reports import terminal

SHOWN = 50  # values printed for people; JSON has all of them


def quarantine_list(rows: list[dict[str, Any]], json: bool, name: str, released: bool) -> None:
    """Print the values of a dataset that are in quarantine, or those that were released."""
    if not json and rows:
        state = "released from quarantine" if released else "in quarantine"
        print_table(["rule", "values", "series", "first", "last"], summary(rows), f"{name}: {len(rows):,} {state}")
    shown = rows if json else rows[:SHOWN]
    if json:
        print_json(shown)
        return
    terminal.listing(shown, False, f"nothing of {name} {'was released' if released else 'is in quarantine'}")
    if len(rows) > SHOWN:
        say(f"{len(rows) - SHOWN:,} more; --json lists all of them")
    if rows and not released:
        say(f"`rollcast quarantine release {name}` with --id, --rule, --series or --all lets values in")


def summary(rows: list[dict[str, Any]]) -> list[list[Any]]:
    """For each rule the number of values and series, and the first and last time; most values first."""
    by_rule: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        by_rule.setdefault(row["rule"], []).append(row)
    lines = []
    for rule, own in by_rule.items():
        times = [row["ds"] for row in own]
        lines.append([rule, len(own), len({row["unique_id"] for row in own}), min(times), max(times)])
    return sorted(lines, key=lambda line: -line[1])
