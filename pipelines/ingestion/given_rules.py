"""Quality rules that are given with an ingest: its own rows are judged by them, and they are stored with it.

Rules that were set before a dataset existed wait under its name. The first ingest judges by them and takes them over in
its last transaction, so that an ingest that is killed leaves them waiting.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Engine

from data.errors import InvalidInput
from data.formats.options import SourceOptions
from data.reading.memory import SourceMemory
from data.records import dataset_rules
from data.records.dataset_rules import QualityRules
from data.schema import SYMBOLS
from data.store.catalogue import Dataset
from pipelines.workspace import Workspace

if TYPE_CHECKING:
    from data.reading.intake import Intake

RULES = ("low", "high", "max_jump", "max_stale")


def given_rules(options: SourceOptions) -> dict[str, Any]:
    """The rules that the options set, by their field of `QualityRules`."""
    own = dataset_rules.of_symbols() if options.kind == SYMBOLS else {}
    return own | {rule: value for rule in RULES if (value := getattr(options, rule)) is not None}


def rules_before(engine: Engine, name: str, known: Dataset | None) -> QualityRules:
    """The rules that were set for a dataset, or wait for its first ingest; else the default ones."""
    own = dataset_rules.own_rules(engine, known.id) if known else None
    return own or dataset_rules.first_rules(engine, name) or QualityRules()


def rules_with(
    workspace: Workspace, name: str, known: Dataset | None, options: SourceOptions, memory: SourceMemory
) -> QualityRules:
    """The rules that judge an ingest: the dataset's or the default ones, with those that are given.

    Without a rule for it, the unit is the remembered one. Raises InvalidInput for a rule that cannot hold.
    """
    rules = rules_before(workspace.engine, name, known)
    return replace(rules, **given_rules(options), unit=rules.unit or memory.unit)


def refuse_foreign_unit(intake: Intake, rules: QualityRules, source: str) -> None:
    """Raises InvalidInput where every unit that the rows state is another than the dataset's."""
    if rules.unit is not None and intake.unit not in (None, rules.unit):
        raise InvalidInput(
            f"its values are in {intake.unit}, those of the dataset in {rules.unit}; convert them, or ingest under "
            "another name",
            source=source,
            column="unit",
        )


def store_rules(
    engine: Engine, dataset: Dataset, given: Mapping[str, Any], connection: Connection | None = None
) -> None:
    """Change the given rules of a dataset; its others stay. Rules that waited for its first ingest become its own.

    connection: of a transaction that this becomes a part of.
    """
    if given or dataset_rules.first_rules(engine, dataset.name):
        stored = rules_before(engine, dataset.name, dataset)
        dataset_rules.put(engine, dataset.id, replace(stored, **given), connection)
        dataset_rules.put_first_rules(engine, dataset.name, None, connection)
