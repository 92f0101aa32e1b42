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
            help="lstm, gru, rnn, mlp or cnn; of symbols lstm, gru, rnn or lecture. The name of a baseline registers "
            "that baseline."
        ),
    ] = "lstm",
    max_minutes: Annotated[float | None, typer.Option(help="Minutes to train. Default 6, without --steps.")] = None,
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
        int | None, typer.Option(help="Units of each layer of a network of symbols. Default: from the data.")
    ] = None,
    num_layers: Annotated[int | None, typer.Option(help="Layers of a network of symbols. Default 1.")] = None,
    dropout: Annotated[float | None, typer.Option(help="Dropout in a network of symbols. Default 0.")] = None,
    json: Json = False,
) -> None:
    """Train a model on a dataset and register it as a candidate."""
    from pipelines.console import progress
    from pipelines.reports import terminal
    from pipelines.training import train as training
    from pipelines.workspace import open_workspace

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
    )
    if training.run_as_helper(request):
        return  # the first process of this training registers and prints the result
    with progress(f"train {name} {model}") as on_progress:
        result = training.train(open_workspace(), request, on_progress)
    terminal.trained(result, json)
