"""The model that ships with Rollcast: it serves a dataset from its first ingest on, without the promotion gate.

Nothing is trained. A version is registered like any other, so that the gate compares candidates with it and a rollback
may go back to it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from sqlalchemy import Engine

from data.errors import Conflict
from data.files import file_lock
from data.records import watermarks
from data.store import catalogue, observation_log, promotions
from data.store.catalogue import Dataset
from data.store.promotions import Promotion, PromotionMoved
from forecasting.kinds import values_held
from forecasting.rivals import Rivals
from forecasting.rolling.bundle import Bundle
from forecasting.zero_shot.shipped_model import panel_of_contexts, shipped_for
from pipelines.console import say
from pipelines.history.history import Tails, read_tails
from pipelines.models import model_store
from pipelines.promotion.promote import Promoted, registered_version, serve
from pipelines.workspace import Workspace

BEHIND = "contexts of the shipped model"  # watermark: the version of the lake that they must have
WHY = ": it ships with Rollcast, and nothing was trained"


def serve_shipped(workspace: Workspace, name: str) -> Promoted | None:
    """Let the shipped model serve a dataset where nothing does, or again where season or horizon are others now.

    None where nothing is to be done: another version serves, the dataset has no value yet or is one of symbols, or the
    setting is off.
    """
    dataset = catalogue.find(workspace.engine, name)
    if not workspace.settings.shipped_model or dataset is None or dataset.has_symbols:
        return None
    if not is_due(workspace, dataset):
        return None
    with file_lock(workspace.shipping_lock(dataset.id)):
        if not is_due(workspace, dataset) or not has_values(workspace, dataset):
            return None
        try:
            return register_and_serve(workspace, dataset)
        except PromotionMoved:
            return None
        except Conflict as error:
            say(f"the shipped model does not serve {name!r} yet ({error}); the next ingest tries again")
            return None


def is_due(workspace: Workspace, dataset: Dataset) -> bool:
    """Whether nothing serves, or the shipped model does, for another season or horizon than the dataset has, or from
    contexts that lack what an ingest stored since."""
    served = promotions.served(workspace.engine, dataset.id)
    return served is None or (served.event == "shipped" and is_outdated(workspace.engine, served, dataset))


def is_outdated(engine: Engine, served: Promotion, dataset: Dataset) -> bool:
    """Whether the shipped model has to be made anew."""
    made_for = served.evidence.get("season"), served.evidence.get("horizon")
    marks = {mark.source: mark.value for mark in watermarks.watermarks(engine, dataset.id)}
    behind = int(marks.get(BEHIND, -1)) > int(served.evidence.get("lake") or 0)
    return behind or made_for != (dataset.season, dataset.horizon)


def may_begin_anew(engine: Engine, dataset: Dataset) -> bool:
    """Whether the shipped model serves, no other version has states, and no value ever came live: then its states may
    begin again from new contexts, and a long history need not go through the log."""
    served = promotions.served(engine, dataset.id)
    if served is None or served.event != "shipped" or observation_log.last_seq(engine, dataset.id) > 0:
        return False
    return promotions.previous(engine, dataset.id) is None and promotions.shadow(engine, dataset.id) is None


def has_values(workspace: Workspace, dataset: Dataset) -> bool:
    """Whether some series has a value to start from."""
    try:
        return bool(read_tails(workspace, dataset.name, 1).ids)
    except Conflict:
        return False


def register_and_serve(workspace: Workspace, dataset: Dataset) -> Promoted:
    """Register the shipped model for a dataset, unless the same one is registered already, and serve it.

    Raises PromotionMoved where another version serves by now, Conflict where ingests go on all the time.
    """
    seen = promotions.served(workspace.engine, dataset.id)
    bundle, tails = make_bundle(workspace, dataset)
    version = registered_version(workspace, dataset, bundle)
    if version is None:
        version = model_store.register(workspace, dataset, bundle, {})
    evidence = {"season": dataset.season, "horizon": dataset.horizon, "series": len(tails.ids)}
    evidence |= {"lake": tails.moment.lake or 0}
    return serve(workspace, dataset, version, bundle, "shipped", evidence, WHY, tails, seen.id if seen else 0)


def make_bundle(workspace: Workspace, dataset: Dataset) -> tuple[Bundle, Tails]:
    """The shipped model for a dataset, and the contexts from which its states start."""
    found: list[Tails] = []

    def read(steps: int) -> np.ndarray:
        found.append(read_tails(workspace, dataset.name, steps))
        return found[-1].values

    bundle, _ = shipped_for(dataset.freq, dataset.horizon, dataset.season, read)
    return replace(bundle, manifest={**bundle.manifest, **about(dataset, found[-1], bundle)}), found[-1]


def about(dataset: Dataset, tails: Tails, bundle: Bundle) -> dict[str, Any]:
    """What the manifest says: the history that was there, and each series' rival, chosen on its context."""
    panel = panel_of_contexts(tails.values, tails.ids, tails.last)
    rivals = Rivals.choose(panel, bundle.config, values_held(bundle))
    source = {"dataset": dataset.name, "snapshot": str(tails.moment), "rule": in_words(bundle)}
    return {**source, **rivals.to_manifest()}


def in_words(bundle: Bundle) -> list[str]:
    """What the model is, a sentence each, as `model show` and the dataset's report print it."""
    cycles = " and ".join(map(str, bundle.config.cycles))
    return [
        "it ships with Rollcast: nothing of it was trained on this dataset",
        f"it follows cycles of {cycles} steps" if cycles else "it follows no cycle: neither season nor series show one",
        f"each series starts from its last {bundle.config.context:,} steps; what lies before is forgotten",
    ]
