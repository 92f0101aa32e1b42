"""What a deletion reports: what it deleted, or would, and what stays in places that it cannot reach."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from data.changes.deletions import DeletionRecord
from data.grid.stamps import format_moment

BACKUPS = "backups that were made before still have the rows; they end with ROLLCAST_BACKUP_KEEP newer ones"
DELTA_LOG = "the log of the lake's table still has names of files, smallest and largest values and this deletion"
MODELS = "models that were trained on the rows stay as they are; train again to forget them"
JUDGED = "values that were judged beside the rows keep their verdict"
CARRIED = (
    "intervals and cycle memory of the series start anew, and score sums from before stay: those rows have left the log"
)
ISSUED = "issued forecasts stay: they are what was said then"
VOCABULARY = (
    "the vocabulary stays: other rows or models have codes of it; `rollcast dataset delete` would free the name"
)
REPEATED = "a value that a later file only repeated goes too; ingest that file again to have it back"
DECISIONS = "the decisions of the promotion log stay, without the models, so that it still verifies"
LOGS = "logs of the processes may still name it"


def stays(kind: str, detail: Mapping[str, Any], symbols: bool = False) -> list[str]:
    """A sentence for each place where something of what was deleted is left. symbols: had the dataset a vocabulary?"""
    if kind == "dataset":
        return [BACKUPS, DECISIONS, LOGS]
    found = [BACKUPS, DELTA_LOG, MODELS, JUDGED]
    if detail.get("carried"):
        found.append(CARRIED)
    if kind == "ingest":
        found += [ISSUED, REPEATED]
        found += [VOCABULARY] if symbols and not detail.get("dataset") else []
    return found


def to_dict(deletion: DeletionRecord) -> dict[str, Any]:
    """One deletion as listings and --json show it."""
    detail = deletion.detail
    return {
        "number": deletion.id,
        "dataset": detail.get("name", ""),
        "kind": deletion.kind,
        "state": deletion.state,
        "asked_at": format_moment(deletion.asked_at),
        "ended_at": None if deletion.ended_at is None else format_moment(deletion.ended_at),
        "dry_run": False,
        "deleted": detail.get("deleted", {}),
        "dataset_deleted": deletion.kind == "dataset" or bool(detail.get("dataset")),
        "stays": detail.get("stays", []),
        "error": detail.get("error"),
    }
