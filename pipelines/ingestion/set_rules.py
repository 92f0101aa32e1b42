"""Sets the quality rules of a dataset, or those that wait for the first ingest of one that does not exist yet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from data.errors import InvalidInput
from data.records import dataset_rules
from data.records.dataset_rules import QualityRules
from data.store import catalogue
from pipelines.console import say
from pipelines.ingestion.given_rules import rules_before, store_rules
from pipelines.workspace import Workspace


def change(workspace: Workspace, name: str, changes: Mapping[str, Any] | None) -> QualityRules:
    """Change some rules of a dataset, or with None remove all that are its own; returns the rules that hold then.

    Raises:
        InvalidInput: a rule that cannot hold, a name that no dataset can have, or a dataset of symbols.
        UnknownDataset: there is no such dataset, no rules wait for it, and none are set.
    """
    engine, known = workspace.engine, catalogue.find(workspace.engine, name)
    if known is not None and known.has_symbols:
        raise InvalidInput(
            f"rules are for numbers, and the values of dataset {name!r} are symbols: those outside its vocabulary are "
            "quarantined, and there is nothing to set"
        )
    if known is None and not changes and dataset_rules.first_rules(engine, name) is None:
        catalogue.dataset(engine, name)
    if changes is None:
        dataset_rules.put_first_rules(engine, name, None)
        if known is not None:
            dataset_rules.put(engine, known.id, None)
    elif known is not None and changes:
        store_rules(engine, known, changes)
    elif changes:
        put_waiting(workspace, name, changes)
    return rules_before(engine, name, known)


def put_waiting(workspace: Workspace, name: str, changes: Mapping[str, Any]) -> None:
    """Change the rules that wait for the first ingest of a dataset, and say that they do."""
    waiting = rules_before(workspace.engine, catalogue.check_name(name), None)
    dataset_rules.put_first_rules(workspace.engine, name, replace(waiting, **changes))
    names = ", ".join(dataset.name for dataset in catalogue.datasets(workspace.engine)[:10]) or "none yet"
    say(f"there is no dataset {name!r} (known: {names}): these rules wait for its first ingest")
