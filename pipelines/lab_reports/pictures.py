"""Figures that several experiments share, in the look of the reports."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from pipelines.reports.charts import COLOURS, GRID, INK, MUTED, OTHERS, dress, plain

PALETTE = ("#2563eb", "#ea580c", "#0d9488", "#7c3aed", "#db2777", "#a16207", "#0f172a", "#16a34a", "#64748b")
BELOW = {
    "orientation": "h",
    "traceorder": "normal",
    "yanchor": "bottom",
    "y": 1.02,
    "x": 0,
    "xanchor": "left",
}  # a legend over the plot
SIGNED = [[0, "#b91c1c"], [0.5, "#f8fafc"], [1, "#1d4ed8"]]  # from -1 by 0 to 1
OPEN = [[0, "#f8fafc"], [1, "#1d4ed8"]]  # from 0 to 1


def lines(
    xs: Sequence[Any],
    ys: Mapping[str, Sequence[float | None]],
    across: str,
    up: str,
    logarithmic: bool = False,
    height: int = 340,
) -> go.Figure:
    """One line for each name."""
    figure = go.Figure()
    for k, (name, values) in enumerate(ys.items()):
        line = {"color": COLOURS.get(name, PALETTE[k % len(PALETTE)]), "width": 2}
        figure.add_scatter(x=list(xs), y=list(values), mode="lines", name=name, line=line)
    dress(figure, height, showlegend=True, legend=BELOW)
    figure.update_layout(margin={"t": 40, "l": 64})
    figure.update_xaxes(title={"text": across, "standoff": 8}, automargin=True)
    figure.update_yaxes(title={"text": up, "standoff": 8})
    if logarithmic:
        figure.update_yaxes(type="log", exponentformat="power", hoverformat=".2e", dtick=5)
    return figure


def stacked(
    names: Sequence[str], parts: Mapping[str, Sequence[float]], up: str, share: bool = False, height: int = 320
) -> go.Figure:
    """One bar for each name, put together of parts."""
    figure = go.Figure()
    for k, (part, values) in enumerate(parts.items()):
        colour = GRID if part in ("right", "biases") else PALETTE[k % len(PALETTE)]
        figure.add_bar(x=list(range(len(names))), y=list(values), name=part, marker={"color": colour})
    dress(figure, height, showlegend=True, legend={**BELOW, "traceorder": "normal"}, barmode="stack")
    figure.update_layout(margin={"t": 44, "l": 64}, hovermode="x")
    figure.update_xaxes(tickmode="array", tickvals=list(range(len(names))), ticktext=list(names))
    figure.update_yaxes(title={"text": up, "standoff": 8}, tickformat=".0%" if share else None)
    if share:
        figure.update_yaxes(range=[0, 1])
    return figure


def maps(
    names: Sequence[str], panels: Mapping[str, np.ndarray], signed: Sequence[str], across: str = "", ticks: int = 40
) -> go.Figure:
    """One heat map (units, steps) below the other; those in `signed` reach from -1 to 1, the others from 0 to 1."""
    figure = make_subplots(len(panels), 1, shared_xaxes=True, vertical_spacing=0.06, subplot_titles=list(panels))
    for row, (name, values) in enumerate(panels.items(), 1):
        both = name in signed
        figure.add_heatmap(
            z=[plain(own) for own in values],
            y0=1,
            zmin=-1 if both else 0,
            zmax=1,
            colorscale=SIGNED if both else OPEN,
            showscale=False,
            xgap=2,
            ygap=2,
            hovertemplate="step %{x}, unit %{y}: %{z:.2f}<extra></extra>",
            row=row,
            col=1,
        )
    dress(figure, 60 + 150 * len(panels))
    figure.update_layout(margin={"t": 28}, hovermode="closest")
    figure.update_annotations(font={"size": 13, "color": INK}, x=0, xanchor="left")
    figure.update_yaxes(title={"text": "unit", "font": {"color": MUTED}}, showgrid=False)
    figure.update_xaxes(showgrid=False)
    shown = len(names) <= ticks
    figure.update_xaxes(
        tickmode="array",
        tickvals=list(range(len(names))) if shown else None,
        ticktext=list(names) if shown else None,
        title={"text": across},
        row=len(panels),
        col=1,
    )
    return figure


def colours_of(names: Sequence[str]) -> dict[str, str]:
    """A colour for each name, the usual one where there is one."""
    spare = iter((*OTHERS, *PALETTE))
    return {name: COLOURS.get(name) or next(spare) for name in names}
