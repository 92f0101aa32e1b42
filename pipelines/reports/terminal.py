"""Prints each result: as a table for people, or as one JSON value for programs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data.changes import decision_words
from data.errors import counted
from pipelines.console import NOT_KNOWN, cell, print_json, print_table, say

if TYPE_CHECKING:
    from data.errors import GateRefused
    from pipelines.evaluation.backtest import Backtested
    from pipelines.forecasts.batch_forecast import BatchForecasts
    from pipelines.forecasts.issue import Issued
    from pipelines.monitoring.check import Check
    from pipelines.monitoring.monitor import Monitored
    from pipelines.promotion.promote import Promoted
    from pipelines.promotion.retrain import WorkerRun
    from pipelines.promotion.shadow import Shadowed
    from pipelines.training.train import Trained
    from pipelines.upkeep.status import DatasetStatus, Status

SHORT_MEASURES = ("mase", "wql", "coverage_80")
SYMBOL_MEASURES = ("log_loss", "accuracy", "coverage_80")
METRICS = ("mase", "smape", "owa", "wql", "msis", "coverage_80", "coverage_95", "skill")
STATUS = ("name", "freq", "season", "horizon", "series", "rows", "last")
AGE_UNITS = (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1))  # unit and its seconds
SHOWN_STEPS = 12  # of a forecast printed for people; files and JSON hold all of them


def trained(result: Trained, json: bool) -> None:
    """Print a new candidate and its scores on the validation tail."""
    if json:
        print_json(result.to_dict())
        return
    measures = measures_of(result.validation.values())
    scores = [[name, *map(values.get, measures)] for name, values in result.validation.items()]
    print_table(["model", *measures], scores, f"{result.dataset}: validation tail")
    print_table(
        ["dataset", "model", "version", "steps", "seconds", "digest"],
        [[result.dataset, result.model, result.version, result.steps, result.seconds, result.digest]],
    )
    say(f"registered as a candidate; `rollcast promote {result.dataset}` decides whether it serves")


def backtested(result: Backtested, json: bool) -> None:
    """Print scores over past origins, best first; if some models have fewer origins, also all models on those."""
    if json:
        print_json(result.to_dict())
        return
    marked, few = result.misleading, result.same_origins
    scores(result.metrics, f"{result.dataset}: {counted(result.origins, 'origin')}, horizon {result.horizon}", marked)
    if few:
        scores(few["metrics"], f"every model on the same {counted(few['origins'], 'origin')}", marked)
    say(f"skill is against {rivals_text(result.rivals)}")


def rivals_text(rivals: Mapping[str, int]) -> str:
    """The rivals that skill is against, in words; each series has one of them."""
    if len(rivals) == 1:
        return next(iter(rivals))
    each = ", ".join(f"{name} ({series} series)" for name, series in rivals.items())
    return f"each series' own rival: {each}"


def scores(metrics: dict[str, dict[str, Any]], title: str, misleading: Sequence[str] = ()) -> None:
    """Print models as rows; those with fewer origins below, because their figures are not comparable."""
    columns = ("origins", *METRICS)
    heads = [f"{name}*" if name in misleading else name for name in columns]
    print_table(["model", *heads], [[name, *score_cells(row, columns)] for name, row in ranked(metrics)], title)


def ranked(metrics: dict[str, dict[str, Any]]) -> list[tuple[str, dict[str, Any]]]:
    """Most origins first, then lowest MASE."""
    return sorted(metrics.items(), key=lambda item: (-item[1]["origins"], by_mase(item[1]["mase"])))


def score_cells(row: dict[str, Any], columns: Sequence[str]) -> list[Any]:
    """The figures of one model; n/a for all of them where its time ran out."""
    return [row.get(column) if row["origins"] else NOT_KNOWN for column in columns]


def promoted(result: Promoted, json: bool) -> None:
    """Print which version serves now, and why."""
    if json:
        print_json(result.to_dict())
        return
    if result.evidence.get("contenders"):
        contenders(result.evidence)
    say(result.sentence)


def refused(refusal: GateRefused, json: bool) -> None:
    """Print the evidence of a refusal; its sentence follows on standard error."""
    if json:
        print_json({"promoted": False, "reason": str(refusal), "evidence": refusal.evidence})
    else:
        contenders(refusal.evidence)


def contenders(evidence: dict[str, Any]) -> None:
    """Print the models that the promotion gate compared, best first."""
    measures = measures_of(evidence["contenders"])
    columns = ("model", "role", "version", *measures, "gain", "p_value")
    ranked = sorted(evidence["contenders"], key=lambda row: by_mase(row[measures[0]]))
    what = "symbol" if measures is SYMBOL_MEASURES else "origin"
    print_table(
        columns,
        [[row.get(column) for column in columns] for row in ranked],
        f"promotion gate over {counted(evidence['origins'], what)}",
    )
    if evidence.get("long_roll"):
        long_roll(evidence["long_roll"])
    if any((row.get("gain") or 0) > 0 for row in ranked):
        say(f"gain is how much lower the candidate's error is; {decision_words.P_VALUE}")
    for sentence in decision_words.cost_and_shadow(evidence):
        say(sentence)


def measures_of(rows: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
    """The measures that a short table of these models shows; the first of them ranks."""
    return SYMBOL_MEASURES if any("log_loss" in row for row in rows) else SHORT_MEASURES


def long_roll(found: dict[str, Any]) -> None:
    """Print the error of states rolled for long beside that of freshly started states."""
    columns = ("rolled", "fresh", "ratio", "p_value")
    rows = [[name, *map(found[name].get, columns)] for name in ("mase", "pinball") if found[name]]
    if rows:
        print_table(
            ["measure", *columns], rows, f"rolled for {counted(found['steps'], 'step')}, {found['series']} series"
        )
    else:
        say(f"no long roll: {found['note']}")


def by_mase(mase: float | None) -> tuple[bool, float]:
    """Sort key. A series that repeats its season exactly has no MASE, and comes last."""
    return mase is None, mase or 0.0


def forecasted(result: BatchForecasts, out: Path | None, json: bool) -> None:
    """Print the forecast, or where it was written."""
    if out is not None:
        say(f"{counted(result.frame.height, 'row')} of {len(result.origins)} series written to {out}")
    if json:
        print_json(
            {"dataset": result.dataset.name, "rows": result.frame.height, "out": str(out)} if out else result.to_dict()
        )
    elif out is None:
        show_forecast(result)


def show_forecast(result: BatchForecasts) -> None:
    """Print the first steps of the first series, and how to get the rest."""
    if not result.origins:
        say(f"no series of {result.dataset.name} has a value yet")
        return
    entry = result.entry(next(iter(result.origins)), result.frame.head(result.frame["ds"].len() // len(result.origins)))
    columns = ["ds", *(name for name in entry if name.startswith(result.model))]
    rows = list(zip(*(entry[name][:SHOWN_STEPS] for name in columns), strict=True))
    print_table(columns, rows, f"{entry['unique_id']} after {entry['origin']}, {result.model} version {result.version}")
    if entry["warming"]:
        say("too few values for the network yet: seasonal naive forecasts instead (warming)")
    if entry["silent"]:
        say("no value for longer than the model's window: the forecast starts from the last one (silent)")
    if len(result.origins) > 1 or len(entry["ds"]) > SHOWN_STEPS:
        steps = counted(len(entry["ds"]), "step")
        say(f"{len(result.origins)} series × {steps} in all; --json or --out FILE.parquet gives them")


def issued(result: Issued, json: bool) -> None:
    """Print what was issued into the lake, and where."""
    if result.resumed:
        say(f"{counted(result.resumed, 'shard')} of a killed issue kept")
    facts(result.to_dict(), json)


def issues(rows: list[dict[str, Any]], json: bool) -> None:
    """Print the issues of forecasts in the lake."""
    listing(rows, json, "nothing was issued yet; `rollcast forecast NAME --lake` does it")


def status(result: Status, json: bool) -> None:
    """Print the home, its datasets and its flows."""
    if json:
        print_json(result.to_dict())
        return
    say(f"home {result.home}")
    rows = [[*(getattr(dataset, column) for column in STATUS), champion(dataset)] for dataset in result.datasets]
    if rows:
        print_table([*STATUS, "champion"], rows)
        for dataset in result.datasets:
            if dataset.quarantined:
                count, name = dataset.quarantined, dataset.name
                say(f"{name}: {count} in quarantine; see `rollcast quarantine list {name}`")
    else:
        say("no dataset yet; `rollcast ingest FILE --dataset NAME` makes one")
    if result.flows:
        columns = ("flow", "dataset", "schedule")
        print_table(
            [*columns, "last success", "overdue"],
            [
                [*map(row.get, columns), age_text(row["age_s"]), "overdue" if row["overdue"] else ""]
                for row in result.flows
            ],
        )


def age_text(age_s: float | None) -> str | None:
    """An age in its largest whole unit."""
    if age_s is None:
        return None
    return next(f"{age_s / size:.0f} {unit} ago" for unit, size in AGE_UNITS if age_s >= size or unit == "s")


def champion(dataset: DatasetStatus) -> str | None:
    """The champion of a dataset, and for how long it has served."""
    if dataset.age_s is None:
        return None
    age = next(f"{dataset.age_s / size:.0f} {unit}" for unit, size in AGE_UNITS if dataset.age_s >= size or unit == "s")
    return f"{dataset.champion} {dataset.version}, {age}"


def doctor(checks: list[Check], json: bool) -> None:
    """Print every check."""
    if json:
        print_json(
            {"ok": all(check.verdict != "failed" for check in checks), "checks": [asdict(check) for check in checks]}
        )
    else:
        print_table(["check", "verdict", "detail"], [[check.name, check.verdict, check.detail] for check in checks])


def shadowed(result: Shadowed, json: bool) -> None:
    """Print which version rolls in shadow."""
    if json:
        print_json(result.to_dict())
    else:
        say(result.sentence)


def worked(result: WorkerRun, json: bool) -> None:
    """Print what the worker did."""
    if json:
        print_json(result.to_dict())
    else:
        listing(result.to_dict()["done"], False, "nothing was to be done")


def monitored(results: list[Monitored], json: bool) -> None:
    """Print the findings of the monitor for each dataset."""
    if json:
        print_json([result.to_dict() for result in results])
        return
    columns = ("detector", "feature", "fired", "counts", "statistic", "threshold", "words")
    for result in results:
        rows = [[getattr(finding, column) for column in columns] for finding in result.findings]
        print_table(columns, rows, f"{result.dataset}, version {result.version}")
        say(f"{result.cause or 'no cause for a training'}: {result.asked}; page written to {result.report}")
    if not results:
        say("no dataset has a champion yet; `rollcast promote NAME` decides which version serves")


def versions(rows: list[dict[str, Any]], json: bool) -> None:
    """Print registered versions."""
    listing(rows, json, "no version yet; `rollcast train` registers one")


def history(rows: list[dict[str, Any]], json: bool) -> None:
    """Print the promotion log: the evidence as a sentence, or all of it as JSON."""
    if json:
        print_json(rows)
        return
    columns = ("id", "at", "version", "model", "event", "words")
    listing([{name: row[name] for name in columns} for row in rows], json, "nothing was decided yet; see `promote`")


def series(rows: list[dict[str, Any]], json: bool) -> None:
    """Print series."""
    listing(rows, json, "no series yet")


def settings(rows: list[dict[str, Any]], json: bool) -> None:
    """Print settings with their sources."""
    listing(rows, json, "no settings")


def key(made: dict[str, Any], json: bool) -> None:
    """Print a new key with its text."""
    facts(made, json)
    say("keep the key now: only its digest is stored, and nobody can show it again")


def listing(rows: list[dict[str, Any]], json: bool, empty: str) -> None:
    """Print records with the same keys as a table; `empty` where there are none."""
    if json:
        print_json(rows)
    elif rows:
        print_table(list(rows[0]), [[cell_value(value) for value in row.values()] for row in rows])
    else:
        say(empty)


def deleted(answer: dict[str, Any], json: bool) -> None:
    """Print what a deletion took away, or would, and what stays elsewhere."""
    if json:
        print_json(answer)
        return
    verb = "would delete" if answer["dry_run"] else "deleted"
    whole = f"{verb} dataset {answer['dataset']}" if answer["dataset_deleted"] else f"{verb} from {answer['dataset']}"
    rows = [[name.replace("_", " "), count] for name, count in answer["deleted"].items()]
    print_table(["", "count"], rows, whole)
    for sentence in answer["stays"]:
        say(f"note: {sentence}")


def deletions(answers: list[dict[str, Any]], json: bool) -> None:
    """Print the list of deletions."""
    shown = ("number", "dataset", "kind", "state", "asked_at", "ended_at", "deleted", "error")
    rows = answers if json else [{name: answer[name] for name in shown} for answer in answers]
    listing(rows, json, "nothing was deleted yet")


def facts(values: dict[str, Any], json: bool, title: str | None = None) -> None:
    """Print one record, a line for each value."""
    if json:
        print_json(values)
        return
    print_table(["", ""], [[name, cell_value(value)] for name, value in values.items()], title)


def ran(record: dict[str, Any], json: bool) -> None:
    """Print what a flow did: one record, or a table with a record for each dataset."""
    values = list(record.values())
    if json or len(values) != 1 or not isinstance(values[0], list):
        facts(record, json)
    else:
        listing(values[0], json, "nothing was to be done")


def cell_value(value: Any) -> Any:
    """A value for one table cell; a nested one becomes text."""
    if isinstance(value, dict):
        return ", ".join(f"{name} {cell(cell_value(item))}" for name, item in value.items())
    if isinstance(value, (list, tuple)):
        return ", ".join(str(cell_value(item)) for item in value) or "none"
    return value
