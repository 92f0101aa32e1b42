"""`rollcast lab predict-modes`: three ways to show the forecasts of one network, each beside the honest baseline."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import plotly.graph_objects as go

from data.errors import InvalidInput
from forecasting.lab.predict_modes import AHEAD, Modes, predict_modes, sine
from pipelines.console import ProgressCallback
from pipelines.lab_reports.pictures import BELOW, PALETTE
from pipelines.lab_reports.samples import stock, tickers
from pipelines.lab_reports.shown import Drawn, Shown, ShownTable
from pipelines.reports.charts import COLOURS, INK, dress, plain

EACH = f"{AHEAD} steps each"
LEARNT = 0.5  # skill on a sine, of a network that has learnt it
CLOSE = 80  # steps of the close look at point by point


def experiment(ticker: str, steps: int, seed: int, progress: ProgressCallback) -> Shown:
    """The bundled stock and a sine, in each mode."""
    found = [predict_modes(name, values(), steps, seed, progress) for name, values in _series(ticker).items()]
    rows = [
        [modes.name, own.mode, own.network, own.naive, own.skill, own.direction, own.up]
        for modes in found
        for own in modes.scores
    ]
    columns = ["series", "mode", "network's error", "naive error", "skill", "direction right", "went up"]
    pictures = [picture for modes in found for picture in _pictures(modes)]
    return Shown(
        "predict-modes",
        "Three ways to show a forecast",
        [ShownTable("Mean absolute error over the last fifth, which training did not see", columns, rows)],
        _said(found),
        pictures,
        f"rollcast lab predict-modes --ticker {ticker} --steps {steps} --seed {seed}",
    )


def _series(ticker: str) -> dict[str, Callable[[], np.ndarray]]:
    if ticker not in tickers():
        raise InvalidInput(f"there is no stock {ticker!r} among the samples; choose one of {', '.join(tickers())}")
    return {"sine": sine, ticker: lambda: stock(ticker)}


def _said(found: list[Modes]) -> list[str]:
    wave, shares = found
    points, whole = shares.scores[0], shares.scores[2]
    return [
        f"Sine: the network saves {wave.scores[0].skill:.1%} of the naive error one step ahead and "
        f"{wave.scores[2].skill:.0%} where it reads nothing but itself for {len(wave.actual)} steps"
        + (": there is something to learn." if wave.scores[2].skill > LEARNT else "; train it for more --steps."),
        f"{shares.name}, point by point: the line lies close to the truth, and saves {points.skill:.1%} of the error "
        f"of repeating the last value. It was right about the direction of {points.direction:.1%} of the steps; a coin "
        f"would be right about 50 % of them, give or take {100 / math.sqrt(len(shares.actual)):.0f} %.",
        f"{shares.name}, full sequence: {whole.skill:.1%}. Point by point looks good because every point starts from "
        "the real value one step before.",
    ]


def _pictures(modes: Modes) -> list[Drawn]:
    close = slice(len(modes.actual) - CLOSE, None)
    after = list(range(len(modes.actual)))
    near = _figure(after[close], {"actual": modes.actual[close], "point by point": modes.points[close],
                                  "naive": modes.naive[close]})  # fmt: skip
    repeated = np.repeat(modes.naive[: AHEAD * len(modes.sequences) : AHEAD], AHEAD)
    several = _figure(after, {"actual": modes.actual, "naive": repeated})
    for k, own in enumerate(modes.sequences):
        line = {"color": PALETTE[1], "width": 2}
        steps = list(range(k * AHEAD, k * AHEAD + AHEAD))
        several.add_scatter(x=steps, y=plain(own), mode="lines", line=line, showlegend=k == 0, name=EACH)
    full = _figure(after, {"actual": modes.actual, "full sequence": modes.full,
                           "naive": np.repeat(modes.naive[:1], len(after))})  # fmt: skip
    return [
        Drawn(near, f"{modes.name}, point by point, the last {CLOSE} steps: where the network only repeats the last "
              "value, its line is the dotted one."),
        Drawn(several, f"{modes.name}, several sequences: each begins at the truth and then reads its own forecasts; "
              "naive repeats the value before it."),
        Drawn(full, f"{modes.name}, full sequence: the truth is never seen again after the start, nor by naive."),
    ]  # fmt: skip


def _figure(steps: list[int], curves: dict[str, np.ndarray]) -> go.Figure:
    figure, looks = go.Figure(), {"actual": (INK, "solid"), "naive": (COLOURS["naive"], "dot")}
    for name, values in curves.items():  # a curve may end before the others
        colour, dash = looks.get(name, (PALETTE[1], "solid"))
        figure.add_scatter(
            x=steps[: len(values)],
            y=plain(values),
            mode="lines",
            name=name,
            line={"color": colour, "width": 2, "dash": dash},
        )
    dress(figure, 280, showlegend=True, legend=BELOW)
    figure.update_layout(margin={"t": 40, "l": 64})
    figure.update_yaxes(title={"text": "value", "standoff": 8})
    figure.update_xaxes(title={"text": "step of the last fifth", "standoff": 8})
    return figure
