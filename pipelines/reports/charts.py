"""The report's charts in Plotly: one look for all, colours that stay with a model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from zlib import crc32

import numpy as np
import plotly.graph_objects as go

from forecasting.accuracy import INTERVALS
from forecasting.config import LEVELS
from pipelines.reports.example_forecasts import Fan

COLOURS = {
    "lstm": "#2563eb",
    "gru": "#0d9488",
    "rnn": "#7c3aed",
    "mlp": "#db2777",
    "cnn": "#ea580c",
    "naive": "#64748b",
    "seasonal_naive": "#0f172a",
    "drift": "#a16207",
    "ets": "#16a34a",
    "theta": "#b91c1c",
}
OTHERS = ("#0891b2", "#65a30d", "#c026d3", "#854d0e")  # of kinds that have none of their own
DASHES = {"naive": "dot", "seasonal_naive": "dot", "drift": "dot", "ets": "dash", "theta": "dash"}
ACCENT = "#2563eb"
INK, MUTED, GRID = "#1e293b", "#64748b", "#e2e8f0"
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, Helvetica, Arial, sans-serif"
CONFIG = {"displayModeBar": False, "responsive": True, "showTips": False}
BANDS = {95: 0.14, 80: 0.26}  # opacity of each interval, the wider one first


def colour_of(kind: str) -> str:
    """The colour of a kind of model, the same in every report."""
    return COLOURS.get(kind) or OTHERS[crc32(kind.encode()) % len(OTHERS)]


def html(figure: go.Figure, name: str) -> str:
    """A chart as a fragment of a page that has plotly.js in it."""
    fragment: str = figure.to_html(
        full_html=False, include_plotlyjs=False, div_id=name, config=CONFIG, default_height=f"{figure.layout.height}px"
    )
    return fragment


def dress(figure: go.Figure, height: int, **layout: Any) -> go.Figure:
    """The look that all charts share; nothing is dragged, so that a finger scrolls the page."""
    figure.update_layout(
        template="none",
        height=height,
        margin={"l": 48, "r": 12, "t": 12, "b": 44},
        font={"family": FONT, "size": 12, "color": INK},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        hovermode="x unified",
        dragmode=False,
        **layout,
    )
    figure.update_xaxes(gridcolor=GRID, zeroline=False, fixedrange=True, linecolor=GRID, tickcolor=GRID)
    figure.update_yaxes(gridcolor=GRID, zeroline=False, fixedrange=True)
    return figure


def fan(shown: Fan, leader: str, rival: str | None) -> go.Figure:
    """One forecast: what was known, the median with its 80 % and 95 % intervals, and what came."""
    figure = go.Figure()
    colour = colour_of(leader)
    times = [shown.before[-1], *shown.after]
    last = shown.past[-1]  # the bands open at the last known value

    def from_origin(values: np.ndarray) -> list[float | None]:
        return plain(np.concatenate([[last], values]))

    for percent, opacity in BANDS.items():
        ends = [from_origin(shown.quantiles[:, LEVELS.index(level)]) for level in INTERVALS[percent]]
        hidden = {"mode": "lines", "line": {"width": 0}, "showlegend": False}
        figure.add_scatter(x=times, y=ends[0], hoverinfo="skip", **hidden)
        figure.add_scatter(
            x=times, y=ends[1], fill="tonexty", fillcolor=faint(colour, opacity), hoverinfo="skip", **hidden
        )
    known = {"color": MUTED, "width": 1.5}
    figure.add_scatter(x=shown.before, y=plain(shown.past), mode="lines", line=known, name="known")
    came = {"color": INK, "width": 1.5}
    figure.add_scatter(x=times, y=from_origin(shown.actual), mode="lines", line=came, name="actual")
    if shown.other is not None and rival is not None:
        line = {"color": colour_of(rival), "width": 1.5, "dash": "dot"}
        figure.add_scatter(x=times, y=from_origin(shown.other), mode="lines", line=line, name=rival)
    median = from_origin(shown.quantiles[:, LEVELS.index(0.5)])
    figure.add_scatter(x=times, y=median, mode="lines", line={"color": colour, "width": 2.5}, name=leader)
    return dress(figure, 230, showlegend=False)


def by_step(rows: Mapping[str, Sequence[Mapping[str, Any]]], measure: str, nominal: float | None = None) -> go.Figure:
    """A measure of every model at each step ahead; with `nominal` the share that should have been inside."""
    figure = go.Figure()
    for kind, steps in rows.items():
        figure.add_scatter(
            x=[row["horizon_step"] for row in steps],
            y=[row[measure] for row in steps],
            mode="lines" if len(steps) > 1 else "markers",
            name=kind,
            line={"color": colour_of(kind), "width": 2, "dash": DASHES.get(kind, "solid")},
        )
    percents = nominal is not None
    if percents:
        figure.add_hline(y=nominal, line={"color": INK, "width": 1})
    dress(figure, 300, showlegend=False, hoverlabel={"namelength": -1})
    figure.update_xaxes(title={"text": "steps ahead", "standoff": 8})
    figure.update_yaxes(tickformat=".1%" if percents else None, hoverformat=".1%" if percents else ".3f")
    return figure


def calibration(buckets: Sequence[str], shares: Mapping[int, Sequence[float | None]]) -> go.Figure:
    """The share of values inside each interval (per cent: shares), by how many steps ahead; lines are what they
    should be."""
    figure = go.Figure()
    for percent, colour in zip(shares, (ACCENT, COLOURS["rnn"]), strict=False):
        name, marks = f"{percent} % interval", {"color": colour, "size": 8}
        line = {"color": colour, "width": 2}
        figure.add_scatter(
            x=buckets, y=shares[percent], mode="lines+markers", name=name, marker=marks, line=line, connectgaps=False
        )
        figure.add_hline(y=percent / 100, line={"color": colour, "width": 1, "dash": "dot"})
    known = [share for own in shares.values() for share in own if share is not None]
    dress(figure, 300, showlegend=False, hoverlabel={"namelength": -1})
    figure.update_xaxes(title={"text": "steps ahead", "standoff": 8}, type="category")
    figure.update_yaxes(tickformat=".0%", hoverformat=".1%", range=[min([0.6, *known]) - 0.05, 1.02])
    return figure


def plain(values: np.ndarray) -> list[float | None]:
    """Numbers as JSON has them; a gap is null and breaks the line."""
    return [float(value) if np.isfinite(value) else None for value in values]


def faint(colour: str, opacity: float) -> str:
    """A colour that lets the grid through."""
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},{opacity})"
