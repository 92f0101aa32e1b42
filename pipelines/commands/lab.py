"""`rollcast lab`: experiments that show what a recurrent network does."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from pipelines.commands.options import Json

lab = typer.Typer(
    name="lab",
    help="Understand the network: small experiments, each with a table, and a picture with --out PAGE.html.",
    no_args_is_help=True,
)
Out = Annotated[Path | None, typer.Option(help="Also write an .html page with pictures.")]
Seed = Annotated[int, typer.Option(help="Seed of every random number.", min=0, max=2**32 - 1)]
Cell = Annotated[str, typer.Option(help="rnn, gru, lstm, peephole or coupled.")]
Hidden = Annotated[int, typer.Option(help="Hidden units.", min=1, max=1024)]
Steps = Annotated[int, typer.Option(help="Training steps.", min=1, max=1_000_000)]
CELLS = ("rnn", "gru", "lstm", "peephole", "coupled")


@lab.command("dinner")
def dinner(
    days: Annotated[int, typer.Option(help="Days of the diary, half of them to learn from.", min=40, max=20_000)] = 730,
    unwritten: Annotated[float, typer.Option(help="Share of the days without an entry.", min=0, max=0.9)] = 0.3,
    seed: Seed = 0,
    out: Out = None,
    json: Json = False,
) -> None:
    """Guess tonight's dinner from the calendar, and from yesterday or the prediction of it."""
    check(out)
    from pipelines.lab_reports import dinner as own

    finish(own.experiment(days, unwritten, seed), json, out)


@lab.command("book")
def book(
    weights: Annotated[int, typer.Option(help="Weights of each cell's network, within 5 %.", min=100)] = 1_000,
    steps: Steps = 3_000,
    cells: Annotated[str, typer.Option(help="Cells to train, separated by commas.")] = "rnn,gru,lstm",
    seed: Seed = 0,
    out: Out = None,
    json: Json = False,
) -> None:
    """Count the mistakes of the lecture's own network in a children's book, and those of cells with a memory."""
    check(out, *cells.split(","))
    from pipelines.console import progress
    from pipelines.lab_reports import book as own

    with progress("lab book") as on_progress:
        shown = own.experiment(weights, steps, seed, tuple(cells.split(",")), on_progress)
    finish(shown, json, out)


@lab.command("min-rnn")
def min_rnn(
    text: Annotated[Path | None, typer.Option(help="A text to learn. Default: the children's book.")] = None,
    cell: Annotated[str | None, typer.Option(help="rnn or lstm. Default: both.")] = None,
    steps: Steps = 2_000,
    hidden: Hidden = 48,
    seed: Seed = 0,
    out: Out = None,
    json: Json = False,
) -> None:
    """Let a network on one page of NumPy learn to write, with samples at five points of its training."""
    from data.errors import InvalidInput

    check(out)
    if cell not in (None, "rnn", "lstm"):
        raise InvalidInput(f"--cell is {cell!r}; the page has an rnn and an lstm")
    from pipelines.console import progress
    from pipelines.lab_reports import min_rnn as own

    cells = ("rnn", "lstm") if cell is None else (cell,)
    with progress("lab min-rnn") as on_progress:
        shown = own.experiment(text, cells, steps, hidden, seed, on_progress)
    finish(shown, json, out)


@lab.command("check-gradients")
def check_gradients(json: Json = False) -> None:
    """Compare hand-written gradients of every cell with numeric ones and with torch's, in float64."""
    check(None)
    from pipelines.lab_reports import gradients as own

    shown = own.checks()
    finish(shown, json, None)
    if not shown.more["passed"]:
        raise typer.Exit(1)


@lab.command("weights")
def weights(
    inputs: Annotated[int, typer.Option(help="Inputs a step, or values of the window.", min=1, max=10_000)] = 5,
    hidden: Hidden = 8,
    layers: Annotated[int, typer.Option(help="Hidden layers.", min=1, max=20)] = 1,
    outputs: Annotated[int, typer.Option(help="Outputs.", min=1, max=10_000)] = 5,
    cell: Annotated[str, typer.Option(help="Show it matrix by matrix: a cell, mlp or cnn.")] = "lstm",
    out: Out = None,
    json: Json = False,
) -> None:
    """Count the weights of each network, per matrix and gate, by a formula and in torch's tensors."""
    from data.errors import InvalidInput

    if cell not in (*CELLS, "mlp", "cnn"):
        raise InvalidInput(f"--cell is {cell!r}; choose one of {', '.join(CELLS)}, mlp, cnn")
    check(out)
    from forecasting.lab.weight_count import Sizes
    from pipelines.lab_reports import weights as own

    finish(own.experiment(Sizes(inputs, hidden, layers, outputs), cell), json, out)


@lab.command("gradients")
def gradients(
    name: Annotated[
        str | None, typer.Argument(help="A dataset, whose model's effective memory is added.", metavar="NAME")
    ] = None,
    seeds: Annotated[int, typer.Option(help="Networks of each start; medians are shown.", min=1, max=1_000)] = 10,
    train: Annotated[int, typer.Option(help="Also after so many training steps.", min=0, max=100_000)] = 0,
    hidden: Hidden = 64,
    out: Out = None,
    json: Json = False,
) -> None:
    """Show how much of a gradient is left after 1 to 100 steps, for each cell and way to start its weights."""
    check(out)
    from pipelines.console import progress
    from pipelines.lab_reports import gradients as own
    from pipelines.workspace import open_workspace

    registered = own.effective_memory(open_workspace(), name) if name is not None else None
    with progress("lab gradients") as on_progress:
        shown = own.experiment(seeds, train, hidden, on_progress, registered)
    finish(shown, json, out)


@lab.command("gates")
def gates(
    name: Annotated[str | None, typer.Argument(help="A dataset. Default: the children's book.", metavar="NAME")] = None,
    series: Annotated[str | None, typer.Option(help="Its series. Default: the first.")] = None,
    version: Annotated[int | None, typer.Option(help="A version. Default: the champion, or the newest.")] = None,
    steps: Annotated[int, typer.Option(help="Last steps of the series.", min=1, max=5_000)] = 300,
    cell: Cell = "lstm",
    hidden: Hidden = 16,
    train: Annotated[int, typer.Option(help="Training steps, for the book.", min=1, max=100_000)] = 3_000,
    seed: Seed = 0,
    out: Out = None,
    json: Json = False,
) -> None:
    """Follow the gates of a registered model along a series, or of a small network along the children's book."""
    check(out, cell)
    from pipelines.console import progress
    from pipelines.lab_reports import gates as own
    from pipelines.workspace import open_workspace

    if name is not None:
        return finish(own.along_series(open_workspace(), name, series, version, steps), json, out)
    with progress("lab gates") as on_progress:
        shown = own.along_book(cell, hidden, train, seed, on_progress)
    return finish(shown, json, out)


@lab.command("unroll")
def unroll(
    text: Annotated[str, typer.Option(help="The story so far, in words of the book.")] = "Jane saw Spot. Doug saw",
    cell: Cell = "lstm",
    hidden: Hidden = 16,
    steps: Steps = 3_000,
    seed: Seed = 0,
    out: Out = None,
    json: Json = False,
) -> None:
    """Follow one prediction step by step, in the numbers of a network that was trained on the children's book."""
    check(out, cell)
    from pipelines.console import progress
    from pipelines.lab_reports import unrolled as own

    with progress("lab unroll") as on_progress:
        shown = own.experiment(cell, text, hidden, steps, seed, on_progress)
    finish(shown, json, out)


@lab.command("compare")
def compare(
    name: Annotated[str, typer.Argument(help="Name of the dataset.", metavar="NAME")],
    models: Annotated[str, typer.Option(help="Networks, separated by commas.")] = "lstm,gru,rnn,mlp,cnn",
    weights: Annotated[int | None, typer.Option(help="Weights of each. Default: those of the first.", min=1)] = None,
    steps: Steps = 100,
    seed: Seed = 0,
    out: Out = None,
    json: Json = False,
) -> None:
    """Train networks with equally many weights on a dataset: accuracy against time of training and cost of a step."""
    check(out)
    from pipelines.console import progress
    from pipelines.lab_reports import compare as own
    from pipelines.workspace import open_workspace

    kinds = tuple(dict.fromkeys(models.split(",")))
    with progress(f"lab compare {name}") as on_progress:
        shown = own.experiment(open_workspace(), name, kinds, weights, steps, seed, on_progress)
    finish(shown, json, out)


@lab.command("predict-modes")
def predict_modes(
    ticker: Annotated[str, typer.Option(help="A bundled stock: AAPL, FB, GOOG, IBM or MSFT.")] = "MSFT",
    steps: Steps = 600,
    seed: Seed = 0,
    out: Out = None,
    json: Json = False,
) -> None:
    """Forecast a stock and a sine point by point, in sequences, and as one sequence, beside the honest baseline."""
    check(out)
    from pipelines.console import progress
    from pipelines.lab_reports import modes as own

    with progress("lab predict-modes") as on_progress:
        shown = own.experiment(ticker, steps, seed, on_progress)
    finish(shown, json, out)


def check(out: Path | None, *cells: str) -> None:
    """Before any work. Raises InvalidInput for a file that cannot be written, an unknown cell, and without torch."""
    from importlib.util import find_spec

    from data.errors import InvalidInput

    for cell in cells:
        if cell not in CELLS:
            raise InvalidInput(f"there is no cell {cell!r}; choose among {', '.join(CELLS)}")
    if find_spec("torch") is None:
        raise InvalidInput("the lab needs torch: `pip install -c constraints.txt '.[train,pipelines]'` adds it")
    if out is not None:
        from pipelines.reports import html_report

        html_report.check_path(out)


def finish(shown: Any, json: bool, out: Path | None) -> None:
    """Print an experiment, and write its page."""
    from pipelines.lab_reports.shown import show

    show(shown, json, out)
