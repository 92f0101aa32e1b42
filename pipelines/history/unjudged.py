"""Live values that an earlier version logged without a verdict are checked before anything reads them."""

from __future__ import annotations

from data.records import watermarks
from data.store.catalogue import Dataset
from data.store.migrations import UNJUDGED
from pipelines.workspace import Workspace

LOG = "live log"  # watermark of versions that checked live values here: rows up to this `seq` were checked


def unjudged_rows(workspace: Workspace, dataset: Dataset) -> tuple[int, int]:
    """The rows of the log to check: those after the first `seq` and up to the second. None where that is no later."""
    marks = {mark.source: mark.value for mark in watermarks.watermarks(workspace.engine, dataset.id)}
    return int(marks.get(LOG, 0)), int(marks.get(UNJUDGED, 0))


def check_unjudged(workspace: Workspace, dataset: Dataset) -> None:
    """Quarantine those that break a rule. A log that this version began has none, and no rule is loaded then."""
    after, upto = unjudged_rows(workspace, dataset)
    if upto > after:
        from pipelines.history.quarantine import quarantine_live_values

        quarantine_live_values(workspace, dataset)
