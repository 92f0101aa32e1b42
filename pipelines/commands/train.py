"""`rollcast train`: train a model and register it as a candidate."""

from __future__ import annotations

from typing import Annotated

import typer

from pipelines.commands.options import Json, Name


def train(
    name: Name,
    model: Annotated[
        str,
        typer.Option(
            help="lstm, gru, rnn, mlp or cnn; universal tunes the model that ships; of symbols lstm, gru, rnn or "
            "lecture. The name of a baseline registers that baseline."
        ),
    ] = "lstm",
    max_minutes: Annotated[
        float | None, typer.Option(help="Minutes to train. Default 6, or 2 of universal, without --steps.")
    ] = None,
    steps: Annotated[
        int | None, typer.Option(help="Take exactly this many training steps; reproducible bit for bit.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of every random number.")] = 0,
    holdout: Annotated[
        float | None, typer.Option(help="Keep this last share of each series out of training, such as 0.2.")
    ] = None,
    max_values: Annotated[
        int, typer.Option(help="Read at most this many values: of longer series the latest.")
    ] = 20_000_000,
    resume: Annotated[
        bool, typer.Option("--resume", help="Continue from the last checkpoint of an interrupted run.")
    ] = False,
    accelerator: Annotated[str, typer.Option(help="auto, cpu or gpu.")] = "auto",
    devices: Annotated[int, typer.Option(help="Processes on this machine, one for each GPU.")] = 1,
    num_nodes: Annotated[
        int,
        typer.Option(help="Machines; run this command on each, with NODE_RANK, MASTER_ADDR and MASTER_PORT set."),
    ] = 1,
    strategy: Annotated[str, typer.Option(help="auto or ddp; auto takes ddp for several processes.")] = "auto",
    hidden_size: Annotated[
        int | None, typer.Option(help="Units of each layer of a network. Default: from the data.")
    ] = None,
    num_layers: Annotated[int | None, typer.Option(help="Layers of a network. Default: from the data.")] = None,
    dropout: Annotated[float | None, typer.Option(help="Dropout of a network. Default: the usual share.")] = None,
    init: Annotated[str, typer.Option(help="How recurrent weights start: uniform or orthogonal.")] = "uniform",
    forget_bias: Annotated[
        str | None, typer.Option(help="Of an lstm's forget gates at the start: a number, or chrono.")
    ] = None,
    input_dropout: Annotated[
        float, typer.Option(help="Share of the cells' inputs to drop, the same ones at every step.")
    ] = 0.0,
    masking: Annotated[
        bool, typer.Option("--masking", help="A step without a value leaves the recurrent state as it is.")
    ] = False,
    residual: Annotated[
        bool, typer.Option("--residual", help="From the second layer on, add what a layer read to its output.")
    ] = False,
    layer_norm: Annotated[
        bool, typer.Option("--layer-norm", help="Normalise what a layer hands to the next one.")
    ] = False,
    truncate: Annotated[int, typer.Option(help="Steps that gradients flow back. Default: from the data.")] = 0,
    bidirectional: Annotated[bool, typer.Option("--bidirectional", hidden=True)] = False,
    json: Json = False,
) -> None:
    """Train a model on a dataset and register it as a candidate."""
    from data.errors import InvalidInput
    from forecasting import recurrent_options
    from pipelines.console import progress
    from pipelines.reports import terminal
    from pipelines.training import train as training
    from pipelines.workspace import open_workspace

    if bidirectional:
        raise InvalidInput(
            "a bidirectional layer reads a series from its end too: its state could not be advanced by a new value, "
            "and a forecast has no end to read from; leave out --bidirectional"
        )
    bias = recurrent_options.forget_bias_of(forget_bias)
    options = recurrent_options.RecurrentOptions(init, bias, input_dropout, masking, residual, layer_norm, truncate)
    request = training.TrainRequest(
        name,
        model,
        max_minutes,
        steps,
        seed,
        holdout,
        resume,
        accelerator,
        devices,
        num_nodes,
        strategy,
        max_values,
        hidden_size,
        num_layers,
        dropout,
        options,
    )
    if training.run_as_helper(request):
        return  # the first process of this training registers and prints the result
    with progress(f"train {name} {model}") as on_progress:
        result = training.train(open_workspace(), request, on_progress)
    terminal.trained(result, json)
