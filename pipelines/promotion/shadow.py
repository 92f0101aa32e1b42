"""A challenger in shadow: it rolls on the champion's stream, is scored on the same values, and answers nobody."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from data.errors import Conflict, NotTrained
from data.records import shadow_pairs
from data.store import catalogue, promotions
from data.store.catalogue import Dataset
from forecasting.rolling.online_scores import SUMS, Totals
from pipelines.history.history import History, pack_contexts, read_history
from pipelines.models import model_store
from pipelines.models.promotion_gate import ShadowResult
from pipelines.workspace import Workspace

SETTLED, ABSOLUTE = SUMS.index("settled"), SUMS.index("absolute")


@dataclass(frozen=True)
class Shadowed:
    """Which version rolls in shadow, or does so no longer; `promotion_id` numbers the event in the promotion log."""

    dataset: str
    model: str
    version: int
    promotion_id: int
    sentence: str

    def to_dict(self) -> dict[str, Any]:
        fields = asdict(self)
        return {"epoch" if name == "promotion_id" else name: value for name, value in fields.items()}


def shadow(workspace: Workspace, name: str, version: int | None = None, cause: str = "by hand") -> Shadowed:
    """Let a version roll beside the champion, by default the newest one that nothing was decided about.

    Raises:
        NotFound: no such dataset or version.
        NotTrained: nothing is served that it could be compared with.
        Conflict: it serves already, or no candidate is waiting.
    """
    dataset = catalogue.dataset(workspace.engine, name)
    served = promotions.served(workspace.engine, dataset.id)
    if served is None:
        raise NotTrained(name)
    chosen = model_store.newest_candidate(workspace, dataset) if version is None else version
    row = model_store.find(workspace, dataset, chosen)
    if row.digest == model_store.find(workspace, dataset, served.version).digest:
        raise Conflict(f"{row.kind} version {chosen} of {name!r} is the model that serves; choose another version")
    history = read_history(workspace, name)
    blobs = pack_contexts(history, model_store.load(workspace, dataset, chosen))
    evidence = {"cause": cause, "champion": served.version, "targets": workspace.settings.shadow_targets}
    event = promotions.decide(workspace.engine, dataset.id, chosen, "shadowed", evidence, blobs, history.log_seq)
    sentence = (
        f"{row.kind} version {chosen} rolls in the shadow of version {served.version}; after "
        f"{workspace.settings.shadow_targets} live values `rollcast promote {name} --version {chosen}` weighs the two"
    )
    return Shadowed(name, row.kind, chosen, event.id, sentence)


def stop_shadow(workspace: Workspace, name: str) -> Shadowed:
    """Let the challenger go. Raises Conflict where there is none."""
    dataset = catalogue.dataset(workspace.engine, name)
    challenger = promotions.shadow(workspace.engine, dataset.id)
    if challenger is None:
        raise Conflict(f"nothing rolls in shadow of {name!r}; `rollcast shadow {name}` begins it")
    kind = model_store.find(workspace, dataset, challenger.version).kind
    event = promotions.decide(workspace.engine, dataset.id, challenger.version, "shadow_stopped", {"cause": "by hand"})
    sentence = f"{kind} version {challenger.version} of {name!r} rolls in shadow no longer"
    return Shadowed(name, kind, challenger.version, event.id, sentence)


def reanchor_challenger(workspace: Workspace, history: History, cause: str) -> None:
    """Let a challenger, if there is one, start anew from newer values, as the served model does."""
    dataset = history.dataset
    challenger = promotions.shadow(workspace.engine, dataset.id)
    if challenger is None:
        return
    blobs = pack_contexts(history, model_store.load(workspace, dataset, challenger.version))
    evidence = {**challenger.evidence, "reanchored": cause}
    promotions.decide(workspace.engine, dataset.id, challenger.version, "shadowed", evidence, blobs, history.log_seq)


def final_shadow_result(workspace: Workspace, dataset: Dataset, version: int) -> ShadowResult | None:
    """How a version did in the champion's shadow; None where it never was there for long enough.

    Raises Conflict while it is there and has not met enough values yet.
    """
    found, asked = shadow_result(workspace, dataset, version), workspace.settings.shadow_targets
    challenger = promotions.shadow(workspace.engine, dataset.id)
    if found is not None and found.targets >= asked:
        return found
    if challenger is not None and challenger.version == version:
        met = found.targets if found else 0
        raise Conflict(
            f"version {version} of {dataset.name!r} has met {met} of the {asked} live values it must forecast in "
            f"shadow; wait, or end it with `rollcast shadow {dataset.name} --stop`"
        )
    return None


def shadow_result(workspace: Workspace, dataset: Dataset, version: int) -> ShadowResult | None:
    """The same, however few values there were; None where the service wrote nothing down."""
    served = promotions.served(workspace.engine, dataset.id)
    if served is None:
        return None
    met = shadow_pairs.trials(workspace.engine, dataset.id, version, served.version)
    sums = [
        (sums_between(one.first.shadow, one.last.shadow), sums_between(one.first.champion, one.last.champion))
        for one in met
    ]
    return compare_errors([one for one, _ in sums], [one for _, one in sums]) if sums else None


def sums_between(first: dict[str, Any], last: dict[str, Any]) -> Totals:
    """What was settled between two readings of running sums."""
    return Totals.from_dict(last).minus(Totals.from_dict(first))


def compare_errors(challenger: Sequence[Totals], champion: Sequence[Totals]) -> ShadowResult:
    """Both errors in MASE units, each horizon bucket counting alike.

    A value is aimed at by one forecast of each model, but not always from equally far: so errors are compared within a
    bucket, and the buckets that both have met are averaged. Models with other horizons are compared as they are.
    """
    ours, theirs = (np.sum([one.scaled[:, [SETTLED, ABSOLUTE]] for one in s], 0) for s in (challenger, champion))
    targets = min(int(sum(one.raw[:, SETTLED].sum() for one in s)) for s in (challenger, champion))
    if np.shape(ours) != np.shape(theirs):
        ours, theirs = np.sum(ours, 0, keepdims=True), np.sum(theirs, 0, keepdims=True)
    both = (ours[:, 0] > 0) & (theirs[:, 0] > 0)
    if not both.any():
        return ShadowResult(targets, None, None)
    return ShadowResult(targets, *(float(np.mean(one[both, 1] / one[both, 0])) for one in (ours, theirs)))
