"""What the commands ask for: rows, series or a whole dataset, now or as a dry run; and the list of all deletions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from data import clock
from data.changes import deletions
from data.changes.deletions import DeletionRecord, Kind
from data.errors import Conflict, InvalidInput
from data.grid.stamps import StampReader, format_moment
from data.store import catalogue
from data.store.catalogue import Dataset
from pipelines.deletion import answers, delete_dataset, run
from pipelines.deletion.dry_run import empties, preview_counts
from pipelines.deletion.plan import make_plan
from pipelines.workspace import Workspace

Answer = dict[str, Any]


def delete_rows(
    workspace: Workspace, name: str, series: Sequence[str], first: str | None, last: str | None, dry_run: bool
) -> Answer:
    """Delete the rows of some series, or of all, between two times, both included.

    Raises NotFound, InvalidInput for a time that cannot be read, Busy.
    """
    dataset = catalogue.dataset(workspace.engine, name)
    span = {"first": time_of(dataset, first, "--from"), "last": time_of(dataset, last, "--to")}
    return do(workspace, dataset, "rows", {"series": sorted(set(series)), **span}, dry_run)


def time_of(dataset: Dataset, text: str | None, option: str) -> int | None:
    """A time as a user writes it; from one day up that of the step which contains it. Raises InvalidInput."""
    if text is None:
        return None
    reader = StampReader(dataset.kind, dataset.zone, dataset.memory.get("date_format"), dataset.grid.civil)
    try:
        ds = reader.read(int(text) if dataset.kind == "step" else text)
    except ValueError:
        raise InvalidInput(f"{option} {text!r} is no step; the steps of {dataset.name!r} are integers") from None
    except InvalidInput as error:
        raise InvalidInput(f"{option} {text!r} {error}") from None
    return int(dataset.grid.stamps(dataset.grid.steps([ds]))[0]) if dataset.kind == "date" else ds


def delete_series(workspace: Workspace, name: str, series: Sequence[str], dry_run: bool) -> Answer:
    """Delete series with everything that is stored about them. Raises NotFound, Busy."""
    dataset = catalogue.dataset(workspace.engine, name)
    return do(workspace, dataset, "series", {"series": sorted(set(series))}, dry_run)


def preview_whole(workspace: Workspace, name: str) -> Answer:
    """What the deletion of a dataset would do, or one that was begun has done. Raises UnknownDataset."""
    begun = begun_whole(workspace, name)
    if begun is not None:
        return answers.to_dict(begun)
    return preview(workspace, catalogue.dataset(workspace.engine, name), "dataset", {})


def delete_whole(workspace: Workspace, name: str) -> Answer:
    """Delete a dataset with everything that is stored about it.

    Where a process was killed while it deleted a dataset of this name, that is finished, and nothing else is done.
    Raises UnknownDataset, Busy.
    """
    begun = begun_whole(workspace, name)
    if begun is not None:
        return answers.to_dict(run.run(workspace, begun))
    return do(workspace, catalogue.dataset(workspace.engine, name), "dataset", {}, False)


def begun_whole(workspace: Workspace, name: str) -> DeletionRecord | None:
    """The deletion of a dataset of this name that has taken it out of the store and is not finished."""
    for found in deletions.unfinished(workspace.engine):
        if found.kind == "dataset" and found.applied is not None and found.detail.get("name") == name:
            return found
    return None


def do(workspace: Workspace, dataset: Dataset, kind: Kind, asked: Mapping[str, Any], dry_run: bool) -> Answer:
    """Run a deletion now, or say what it would delete."""
    if dry_run:
        return preview(workspace, dataset, kind, asked)
    done = run.run_now(workspace, dataset, kind, asked)
    if done.state == "failed":
        raise Conflict(f"nothing was deleted: {done.detail['error']}")
    return answers.to_dict(done)


def preview(workspace: Workspace, dataset: Dataset, kind: Kind, asked: Mapping[str, Any]) -> Answer:
    """What a deletion would do now, or one that was begun has done so far. Nothing is changed."""
    begun = run.unfinished(workspace, dataset, kind, asked)
    if begun is not None and begun.applied is not None:
        return answers.to_dict(begun)
    if kind == "dataset":
        found, whole = delete_dataset.counts(workspace, dataset), True
    else:
        plan = make_plan(workspace, dataset, kind, asked)
        found = preview_counts(workspace, plan)
        whole = kind == "ingest" and empties(workspace, plan, found)
    return {
        "number": None,
        "dataset": dataset.name,
        "kind": kind,
        "state": "dry run",
        "asked_at": format_moment(clock.now()),
        "ended_at": None,
        "dry_run": True,
        "deleted": found,
        "dataset_deleted": whole,
        "stays": answers.stays(kind, {"dataset": whole}, dataset.has_symbols),
        "error": None,
    }


def list_all(workspace: Workspace, name: str | None) -> list[Answer]:
    """Every deletion, newest first, of one dataset or of all. Raises UnknownDataset."""
    number = None if name is None else catalogue.dataset(workspace.engine, name).id
    names = {dataset.id: dataset.name for dataset in catalogue.datasets(workspace.engine)}
    found = deletions.deletions(workspace.engine, number)
    return [
        answers.to_dict(own) | {"dataset": own.detail.get("name") or names.get(own.dataset_id, "")}
        for own in found[::-1]
    ]
