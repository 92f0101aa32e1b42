"""What an experiment of the lab shows: tables, sentences and pictures; printed, or written as a page of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import plotly.graph_objects as go

from data.files import output_file
from pipelines.console import cell, print_json, print_table, say
from pipelines.reports import charts, html_report


class ShownTable(NamedTuple):
    """Rows of plain values under their columns."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]


class Drawn(NamedTuple):
    """A figure, and one sentence that says what it shows."""

    figure: go.Figure
    caption: str


@dataclass(frozen=True)
class Shown:
    """One experiment. `sentences` say what its figures mean; `command` repeats it."""

    name: str
    title: str
    tables: list[ShownTable]
    sentences: list[str]
    pictures: list[Drawn]
    command: str
    more: dict[str, Any] = field(default_factory=dict)  # beside the tables, for --json only

    def to_dict(self) -> dict[str, Any]:
        tables = {t.title: [dict(zip(t.columns, row, strict=True)) for row in t.rows] for t in self.tables}
        return {"experiment": self.name, "tables": tables, "sentences": self.sentences, **self.more}


def show(shown: Shown, json: bool, out: Path | None) -> None:
    """Print an experiment; with `out` also write its page, whole or not at all."""
    if out is not None:
        with output_file(out) as partial:
            partial.write_text(page(shown), encoding="utf-8")
    if json:
        print_json({**shown.to_dict(), **({"out": str(out)} if out else {})})
        return
    for table in shown.tables:
        print_table(table.columns, table.rows, table.title)
    for sentence in shown.sentences:
        say(sentence)
    if out is not None:
        say(f"pictures written to {out}")


def page(shown: Shown) -> str:
    """The whole document, which needs no network."""
    return html_report.render(
        "lab.html",
        title=shown.title,
        sentences=shown.sentences,
        tables=[_content(table) for table in shown.tables],
        pictures=[(charts.html(p.figure, f"picture-{k}"), p.caption) for k, p in enumerate(shown.pictures)],
        command=shown.command,
    )


def _content(table: ShownTable) -> dict[str, Any]:
    """A table for the template: its cells as text, and which columns hold words."""
    words = [any(isinstance(row[k], str) for row in table.rows) for k in range(len(table.columns))]
    rows = [list(zip(map(cell, row), words, strict=True)) for row in table.rows]
    return {"title": table.title, "heads": list(zip(table.columns, words, strict=True)), "rows": rows}
