"""The last backtest of each dataset, as one JSON file in the folder of reports: what the report of a dataset shows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data import clock
from data.errors import first_line
from data.files import whole_file
from data.grid.stamps import format_moment
from data.settings import Settings
from data.store.catalogue import Dataset
from pipelines.console import finite, say
from pipelines.workspace import Workspace

if TYPE_CHECKING:
    from pipelines.evaluation.backtest import Backtested

Record = dict[str, Any]


def path_of(settings: Settings, dataset: str) -> Path:
    """Where the last backtest of a dataset is kept."""
    return settings.runs_path / "reports" / f"backtest-{dataset}.json"


def store(workspace: Workspace, result: Backtested) -> None:
    """Keep a result in place of the one before. It is complete by now: a folder that refuses it is only said."""
    path = path_of(workspace.settings, result.dataset)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(path) as partial:
            partial.write_text(json.dumps(finite(record_of(result)), ensure_ascii=False), encoding="utf-8")
    except OSError as error:
        say(f"this backtest was not kept for reports ({error.strerror or first_line(error)})")


def record_of(result: Backtested) -> Record:
    """The output of --json, with when and on what it was made, and each model's error by step."""
    leader = result.comparison.leader()
    about = {"dataset_id": result.history.dataset.id, "at": format_moment(clock.now())}
    about |= {"snapshot": result.history.snapshot, "command": result.command, "by_step": result.comparison.by_step()}
    return {**result.to_dict(), **about, "leader": leader.kind if leader else None}


def load(workspace: Workspace, dataset: Dataset) -> Record | None:
    """The last backtest of a dataset; None where there is none, or its file is damaged."""
    try:
        found = json.loads(path_of(workspace.settings, dataset.name).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) and found.get("dataset_id") == dataset.id else None
