"""`rollcast compact`: hand the live log off to the lake and merge small files."""

from __future__ import annotations

from pipelines.commands.options import DryRun, Json, OneDataset


def compact(name: OneDataset = None, dry_run: DryRun = False, json: Json = False) -> None:
    """Move the old rows of the live log into the lake, then merge the lake's small files."""
    from pipelines.console import progress
    from pipelines.reports import terminal
    from pipelines.upkeep import compact as compaction
    from pipelines.workspace import open_workspace

    with progress("compact") as on_progress:
        done = compaction.compact(open_workspace(), name, dry_run, on_progress)
    rows = [compacted.to_dict() for compacted in done]
    terminal.listing(rows, json, "no dataset yet; `rollcast ingest` makes one")
