"""`rollcast lab dinner`: a calendar that says nothing, and a yesterday that says all."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go

from forecasting.lab.dinner import DISHES, Dinners, dinners
from pipelines.lab_reports.shown import Drawn, Shown, ShownTable
from pipelines.reports.charts import GRID, INK, dress

SHOWN = 42  # days in the picture
COLOURS = ("#ea580c", "#0d9488", "#a16207")


def experiment(days: int, unwritten: float, seed: int) -> Shown:
    """Two networks guess tonight's dinner."""
    found = dinners(days, unwritten, seed)
    rows = [
        ["day of the week, month, late meeting", 20, found.by_calendar],
        ["yesterday's dinner, or the prediction of it", 3, found.by_yesterday],
    ]
    weights = [[f"yesterday {DISHES[k]}", *row] for k, row in enumerate(found.weights.tolist())]
    return Shown(
        "dinner",
        "What is for dinner?",
        [
            ShownTable("Right, of the days whose dinner was written down",
                       ["the network sees", "inputs", "share right"], rows),
            ShownTable("What the second network learnt: scores of today's dish", ["", *DISHES], weights),
        ],
        _said(found),
        [Drawn(_figure(found), "What the second network expects each day. A ring is a dinner that was written down; "
               "where there is none, the expectation itself is read the next day.")],
        f"rollcast lab dinner --days {days} --unwritten {unwritten} --seed {seed}",
    )  # fmt: skip


def _said(found: Dinners) -> list[str]:
    return [
        f"{found.days} days were scored; of all days in that half {found.unwritten:.0%} were not written down, up to "
        f"{found.longest} in a row.",
        f"The calendar is right on {found.by_calendar:.1%} of them, which is a guess among three: seven days and three "
        "dishes never fall into step.",
        f"Yesterday is right on {found.by_yesterday:.1%}. On a day after an unwritten one, it reads its own prediction "
        "for that day, and before that its prediction for the day before: that is the recurrence.",
    ]


def _figure(found: Dinners) -> go.Figure:
    figure, days = go.Figure(), list(range(1, SHOWN + 1))
    for k, dish in enumerate(DISHES):
        shares = found.fed[:SHOWN, k].tolist()
        figure.add_bar(x=days, y=shares, name=dish, marker={"color": COLOURS[k]}, hovertemplate="%{y:.1%}")
    seen = np.flatnonzero(found.diary.written[:SHOWN])
    height = [float(found.fed[day, : found.diary.eaten[day]].sum() + found.fed[day, found.diary.eaten[day]] / 2)
              for day in seen]  # fmt: skip
    ring = {"color": "rgba(255,255,255,0.9)", "size": 9, "line": {"color": INK, "width": 1.5}}
    figure.add_scatter(x=(seen + 1).tolist(), y=height, mode="markers", name="written down", marker=ring,
                       hoverinfo="skip")  # fmt: skip
    legend = {"orientation": "h", "yanchor": "bottom", "y": 1.02, "x": 0}
    dress(figure, 320, barmode="stack", bargap=0.08, showlegend=True, legend=legend)
    figure.update_layout(margin={"t": 44, "l": 64})
    figure.update_xaxes(title={"text": "day", "standoff": 8}, gridcolor=GRID)
    figure.update_yaxes(title={"text": "chance of each dish", "standoff": 8}, tickformat=".0%", range=[0, 1])
    return figure
