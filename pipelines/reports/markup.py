"""Pieces of the report's HTML. What they are given is HTML already: the user's own text comes escaped."""

from __future__ import annotations

from collections.abc import Sequence

from pipelines.reports.charts import COLOURS


def section(name: str, title: str, note: str, *parts: str) -> str:
    """One part of the page under its heading."""
    return f'<section id="{name}"><h2>{title}</h2><p class="note">{note}</p>{"".join(parts)}</section>'


def card(content: str, caption: str = "") -> str:
    """A chart on its sheet."""
    words = f"<figcaption>{caption}</figcaption>" if caption else ""
    return f'<figure class="card">{words}{content}</figure>'


def side_by_side(columns: str, cards: Sequence[str]) -> str:
    """Cards in "two" or "three" columns, in one on a narrow screen."""
    return f'<div class="{columns}">{"".join(cards)}</div>'


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A wide table scrolls by itself, and its first column stays."""
    head = "".join(f'<th scope="col">{name}</th>' for name in heads)
    body = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def name_cell(kind: str) -> str:
    """A model's name in its colour."""
    return f'<span class="disc" style="--colour:{COLOURS[kind]}"></span>{kind}'


def number(value: float | None) -> str:
    """A figure as the tables show it: three places, fewer of a large one; a dash for what is not known."""
    if value is None:
        return "–"
    places = 0 if isinstance(value, int) or abs(value) >= 10_000 else 1 if abs(value) >= 100 else 3
    return f"{round(value, places) + 0:,.{places}f}".replace(",", "\u202f")  # + 0 makes of -0.0 a plain zero


def line_key(colour: str, words: str, dash: str = "solid") -> str:
    """A line in a legend."""
    return f'<span class="line {dash}" style="--colour:{colour}"></span>{words}'


def band_key(colour: str, words: str) -> str:
    """A filled band in a legend."""
    return f'<span class="band" style="--colour:{colour}"></span>{words}'


def legend(keys: Sequence[str]) -> str:
    """Keys beside each other, breaking where the page ends."""
    return f'<p class="legend">{"".join(f"<span>{key}</span>" for key in keys)}</p>'
