"""`rollcast prune`: delete what is no longer needed."""

from __future__ import annotations

from pipelines.commands.options import DryRun, Json


def prune(dry_run: DryRun = False, json: Json = False) -> None:
    """Delete what is no longer needed: unreferenced files, old models' contexts, lapsed keys, old runs."""
    from pipelines.console import progress
    from pipelines.reports import terminal
    from pipelines.upkeep import prune as pruning
    from pipelines.workspace import open_workspace

    with progress("prune") as on_progress:
        deleted = pruning.prune(open_workspace(), dry_run, on_progress)
    terminal.listing([pruned.to_dict() for pruned in deleted], json, "nothing to prune")
