"""The commands that begin with a noun: model, series, keys, config, pipelines, schedule."""

from __future__ import annotations

from typing import Annotated

import typer

Name = Annotated[str, typer.Argument(help="Name of the dataset.", metavar="NAME")]
Json = Annotated[bool, typer.Option("--json", help="Print the result as one JSON value.")]

model = typer.Typer(name="model", help="Registered model versions: list, show, history, verify.", no_args_is_help=True)
series = typer.Typer(name="series", help="Series of a dataset: list, show.", no_args_is_help=True)
keys = typer.Typer(name="keys", help="API keys: create, list, revoke, rotate.", no_args_is_help=True)
config = typer.Typer(name="config", help="Settings and where they come from.", no_args_is_help=True)
pipelines = typer.Typer(
    name="pipelines",
    help="The same work as flows, by hand or on schedules: list, run, runs, serve.",
    no_args_is_help=True,
)
schedule = typer.Typer(name="schedule", help="What runs when for a dataset: set, list, remove.", no_args_is_help=True)


def attach(app: typer.Typer) -> None:
    """Add the noun commands to the program."""
    from pipelines.commands.quality import quality, quarantine

    for noun in (model, series, keys, config, pipelines, schedule, quality, quarantine):
        app.add_typer(noun)


@model.command("list")
def model_list(name: Name, json: Json = False) -> None:
    """Every version of a dataset's model, with what was decided about it."""
    from pipelines.reports import terminal
    from pipelines.upkeep import inspection
    from pipelines.workspace import open_workspace

    terminal.versions(inspection.versions(open_workspace(), name), json)


@model.command("show")
def model_show(
    name: Name, version: Annotated[int | None, typer.Option(help="Default: the served one.")] = None, json: Json = False
) -> None:
    """One version: its settings, where it comes from and its scores."""
    from pipelines.reports import terminal
    from pipelines.upkeep import inspection
    from pipelines.workspace import open_workspace

    terminal.facts(inspection.model(open_workspace(), name, version), json)


@model.command("history")
def model_history(name: Name, json: Json = False) -> None:
    """Every decision about a dataset's versions, oldest first, with its evidence in words; --json has all of it."""
    from pipelines.promotion import promotion_history
    from pipelines.reports import terminal
    from pipelines.workspace import open_workspace

    terminal.history(promotion_history.list_decisions(open_workspace(), name), json)


@model.command("verify")
def model_verify(name: Name, json: Json = False) -> None:
    """Check every artifact against its digest, and the chain of promotions; exit 1 on damage."""
    from pipelines.reports import terminal
    from pipelines.upkeep import inspection
    from pipelines.workspace import open_workspace

    terminal.facts(inspection.verify(open_workspace(), name), json)


@series.command("list")
def series_list(name: Name, json: Json = False) -> None:
    """Every series of a dataset: rows, missing steps, first and last time."""
    from pipelines.reports import terminal
    from pipelines.upkeep import inspection
    from pipelines.workspace import open_workspace

    terminal.series(inspection.series(open_workspace(), name), json)


@series.command("show")
def series_show(
    name: Name,
    unique_id: Annotated[str, typer.Argument(help="Id of the series.", metavar="ID")],
    last: Annotated[int, typer.Option(help="How many of the latest steps.")] = 10,
    json: Json = False,
) -> None:
    """The latest values of one series; what came in live is included."""
    from pipelines.reports import terminal
    from pipelines.upkeep import inspection
    from pipelines.workspace import open_workspace

    terminal.facts(inspection.one_series(open_workspace(), name, unique_id, last), json)


KeyId = Annotated[str, typer.Argument(help="The key's eight characters, as `rollcast keys list` shows.", metavar="ID")]


@keys.command("create")
def keys_create(
    name: Annotated[str, typer.Option(help="Who or what will use it.")],
    scope: Annotated[list[str], typer.Option(help="read, observe, forecast or admin (all of them); may be repeated.")],
    series: Annotated[
        list[str] | None, typer.Option(help="DATASET/ID, with * for any characters; may be repeated. Default */*.")
    ] = None,
    days: Annotated[float | None, typer.Option(help="How long it is valid; for ever unless given.")] = None,
    json: Json = False,
) -> None:
    """Make a key. Its text is shown this once: only a digest is kept."""
    from pipelines.commands import keys as keyring
    from pipelines.reports import terminal

    terminal.key(keyring.create(name, scope, series or ["*/*"], days), json)


@keys.command("list")
def keys_list(json: Json = False) -> None:
    """Every key without its secret: rights, end and last use."""
    from pipelines.commands import keys as keyring
    from pipelines.reports import terminal

    terminal.listing(keyring.listed(), json, "no key yet; `rollcast keys create` makes one")


@keys.command("revoke")
def keys_revoke(key_id: KeyId, json: Json = False) -> None:
    """End a key for good; a running service hears of it within a second or so."""
    from pipelines.commands import keys as keyring
    from pipelines.reports import terminal

    terminal.facts(keyring.revoke(key_id), json)


@keys.command("rotate")
def keys_rotate(
    key_id: KeyId,
    overlap_hours: Annotated[float, typer.Option(help="How long the old key goes on beside the new one.")] = 24.0,
    json: Json = False,
) -> None:
    """Make a key's successor, with the same rights and lifetime, and let the old one end after the overlap."""
    from pipelines.commands import keys as keyring
    from pipelines.reports import terminal

    terminal.key(keyring.rotate(key_id, overlap_hours), json)


@config.command("show")
def config_show(json: Json = False) -> None:
    """Every setting, its value and its source; secrets masked."""
    from pipelines.reports import terminal
    from pipelines.upkeep import inspection

    terminal.settings(inspection.settings(), json)


Parameters = Annotated[
    list[str] | None, typer.Option("--param", "-p", help="A parameter, as NAME=VALUE; may be repeated.")
]


@pipelines.command("run")
def pipelines_run(
    flow: Annotated[
        str | None, typer.Argument(help="Which; without it, all flows and their parameters are listed.", metavar="FLOW")
    ] = None,
    parameter: Parameters = None,
    json: Json = False,
) -> None:
    """Run one flow here and now, recorded like any other; needs no server. Exit 3 when the gate refused."""
    from pipelines.flows import prefect_settings
    from pipelines.reports import terminal

    prefect_settings.configure()
    from pipelines.flows import flows

    if flow is None:
        terminal.listing(flows.described(), json, "no flows")
        return
    prefect_settings.end_in_order()
    record = flows.run_here(flow, parameter or [])
    terminal.ran(record, json)
    if record.get("refused"):
        raise typer.Exit(3)


@pipelines.command("serve")
def pipelines_serve(
    port: Annotated[int | None, typer.Option(help="Of Prefect's server on 127.0.0.1; 0 takes a free one.")] = None,
) -> None:
    """Run every flow when its schedule says so, until stopped; Prefect's server is started and watched here."""
    from data.settings import load_settings
    from pipelines.flows import supervisor

    supervisor.serve(load_settings(), port)


@pipelines.command("list")
def pipelines_list(
    check: Annotated[bool, typer.Option("--check", help="Exit 1 when something is overdue.")] = False,
    json: Json = False,
) -> None:
    """Every schedule: when its flow last succeeded, when it is due next, and whether that is overdue."""
    from pipelines.monitoring import flow_history
    from pipelines.reports import terminal
    from pipelines.workspace import open_workspace

    rows = flow_history.listed(open_workspace())
    terminal.listing(rows, json, "nothing is scheduled; `rollcast schedule set` does it")
    if check and any(row["overdue"] for row in rows):
        raise typer.Exit(1)


@pipelines.command("runs")
def pipelines_runs(
    flow: Annotated[str | None, typer.Option(help="Only of this flow.")] = None,
    dataset: Annotated[str | None, typer.Option(help="Only of this dataset.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many.")] = 20,
    json: Json = False,
) -> None:
    """What ran, newest first, and how it ended."""
    from pipelines.monitoring import flow_history
    from pipelines.reports import terminal
    from pipelines.workspace import open_workspace

    terminal.listing(flow_history.history(open_workspace(), flow, dataset, limit), json, "nothing ran yet")


@schedule.command("set")
def schedule_set(
    name: Name,
    flow: Annotated[
        str, typer.Argument(help="ingest, train, backtest, promote, retrain or batch-forecast.", metavar="FLOW")
    ],
    cron: Annotated[str | None, typer.Option(help="Five fields of cron, such as '0 18 * * 1-5'.")] = None,
    tz: Annotated[
        str | None, typer.Option(help="Zone that cron is read in, such as America/New_York; else UTC.")
    ] = None,
    every: Annotated[str | None, typer.Option(help="An interval, such as 15m: a number and s, m, h or d.")] = None,
    parameter: Parameters = None,
    json: Json = False,
) -> None:
    """Run a flow for a dataset at these times, in place of those it had; `rollcast pipelines serve` takes it up."""
    from pipelines.flows import prefect_settings
    from pipelines.reports import terminal

    prefect_settings.configure()
    from data.records.schedules import Schedule
    from pipelines.flows import flows, set_schedule
    from pipelines.workspace import open_workspace

    when = set_schedule.timetable(cron, tz, every)
    given = dict(flows.pair(text) for text in parameter or [])
    terminal.facts(set_schedule.put(open_workspace(), Schedule(flow, when, name, given)), json)


@schedule.command("list")
def schedule_list(json: Json = False) -> None:
    """The same as `rollcast pipelines list`."""
    pipelines_list(json=json)


@schedule.command("remove")
def schedule_remove(
    name: Name,
    flow: Annotated[str, typer.Argument(help="The flow that shall no longer run by itself.", metavar="FLOW")],
    json: Json = False,
) -> None:
    """End a schedule; a run under way ends by itself."""
    from data.records import schedules
    from pipelines.reports import terminal
    from pipelines.workspace import open_workspace

    schedules.remove(open_workspace().engine, name, flow)
    terminal.facts({"dataset": name, "flow": flow, "schedule": None}, json)
