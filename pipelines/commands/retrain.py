"""`rollcast retrain`: queue a training."""

from __future__ import annotations

from pipelines.commands.options import Json, Name


def retrain(name: Name, json: Json = False) -> None:
    """Queue a training of a dataset: a job, which `rollcast jobs run` or the scheduled flow `jobs` runs."""
    from pipelines.promotion import retrain as retraining
    from pipelines.reports import terminal
    from pipelines.workspace import open_workspace

    terminal.facts(retraining.retrain(open_workspace(), name).to_dict(), json)
