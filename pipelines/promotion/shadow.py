"""Shadow: a challenger follows the same live values as the champion and is scored on them, but answers no request."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from data.errors import Conflict, NotTrained
from data.records import shadow_pairs
from data.store import catalogue, promotions
from data.store.catalogue import Dataset
from forecasting.rolling.online_scores import SUMS, Totals
from pipelines.models import model_store
from pipelines.models.promotion_gate import ShadowResult
from pipelines.promotion.anchoring import decide_with_anchor
from pipelines.workspace import Workspace

SETTLED, ABSOLUTE = SUMS.index("settled"), SUMS.index("absolute")


@dataclass(frozen=True)
class Shadowed:
    """The version that entered or left the shadow; `promotion_id` is the id of the event in the promotion log."""

    dataset: str
    model: str
    version: int
    promotion_id: int
    sentence: str

    def to_dict(self) -> dict[str, Any]:
        """The output of --json, where `promotion_id` is called `epoch`."""
        fields = asdict(self)
        return {"epoch" if name == "promotion_id" else name: value for name, value in fields.items()}


def shadow(workspace: Workspace, name: str, version: int | None = None, cause: str = "by hand") -> Shadowed:
    """Make a version the challenger, by default the newest candidate. `cause` is recorded with the event.

    Raises:
        NotFound: there is no such dataset or version.
        NotTrained: no version serves that it could be compared with.
        Conflict: the version is the model that serves, or there is no candidate.
    """
    dataset = catalogue.dataset(workspace.engine, name)
    served = promotions.served(workspace.engine, dataset.id)
    if served is None:
        raise NotTrained(name)
    chosen = model_store.newest_candidate(workspace, dataset) if version is None else version
    row = model_store.find(workspace, dataset, chosen)
    if row.digest == model_store.find(workspace, dataset, served.version).digest:
        raise Conflict(f"{row.kind} version {chosen} of {name!r} is the model that serves; choose another version")
    bundle = model_store.load(workspace, dataset, chosen)
    evidence = {"cause": cause, "champion": served.version, "targets": workspace.settings.shadow_targets}
    event = decide_with_anchor(workspace, dataset, chosen, bundle, "shadowed", evidence)
    sentence = (
        f"{row.kind} version {chosen} rolls in shadow beside version {served.version}; after "
        f"{workspace.settings.shadow_targets} live values `rollcast promote {name} --version {chosen}` compares the two"
    )
    return Shadowed(name, row.kind, chosen, event.id, sentence)


def stop_shadow(workspace: Workspace, name: str) -> Shadowed:
    """Stop the challenger. Raises Conflict where there is none."""
    dataset = catalogue.dataset(workspace.engine, name)
    challenger = promotions.shadow(workspace.engine, dataset.id)
    if challenger is None:
        raise Conflict(f"no version of {name!r} rolls in shadow; `rollcast shadow {name}` starts one")
    kind = model_store.find(workspace, dataset, challenger.version).kind
    event = promotions.decide(workspace.engine, dataset.id, challenger.version, "shadow_stopped", {"cause": "by hand"})
    sentence = f"{kind} version {challenger.version} of {name!r} no longer rolls in shadow"
    return Shadowed(name, kind, challenger.version, event.id, sentence)


def final_shadow_result(workspace: Workspace, dataset: Dataset, version: int) -> ShadowResult | None:
    """Errors of a version and the champion in shadow, once there are enough live values; None where it left earlier.

    Raises Conflict while the version rolls in shadow and has forecast too few live values.
    """
    result, required = shadow_result(workspace, dataset, version), workspace.settings.shadow_targets
    challenger = promotions.shadow(workspace.engine, dataset.id)
    if result is not None and result.targets >= required:
        return result
    if challenger is not None and challenger.version == version:
        targets = result.targets if result else 0
        raise Conflict(
            f"version {version} of {dataset.name!r} has forecast {targets} of the {required} live values that it must "
            f"forecast in shadow; wait, or stop it with `rollcast shadow {dataset.name} --stop`"
        )
    return None


def shadow_result(workspace: Workspace, dataset: Dataset, version: int) -> ShadowResult | None:
    """Errors of a version and the champion in shadow so far; None where the service stored no shadow pair."""
    served = promotions.served(workspace.engine, dataset.id)
    if served is None:
        return None
    trials = shadow_pairs.comparisons(workspace.engine, dataset.id, version, served.version)
    challenger = [sums_between(trial.first.shadow, trial.last.shadow) for trial in trials]
    champion = [sums_between(trial.first.champion, trial.last.champion) for trial in trials]
    if not trials:
        return None
    if dataset.has_symbols:
        return replace(compare_errors(pooled(challenger), pooled(champion)), measure="log loss")
    return compare_errors(challenger, champion)


def pooled(sums: Sequence[Totals]) -> list[Totals]:
    """The sums over all bins: those of symbols are by how sure a model is, which differs between two models."""
    return [Totals(total.raw.sum(0, keepdims=True), total.scaled.sum(0, keepdims=True)) for total in sums]


def sums_between(first: dict[str, Any], last: dict[str, Any]) -> Totals:
    """What was added to running sums between two readings."""
    return Totals.from_dict(last).minus(Totals.from_dict(first))


def compare_errors(challenger: Sequence[Totals], champion: Sequence[Totals]) -> ShadowResult:
    """Both mean errors in MASE units; every horizon bucket has the same weight.

    Each model forecasts a value once, but not always from the same number of steps before it. So errors are averaged
    within each horizon bucket, and then over the buckets in which both have errors. Models with different horizons have
    different buckets; their errors are averaged over all steps.
    """
    ours, theirs = (np.sum([total.scaled[:, [SETTLED, ABSOLUTE]] for total in t], 0) for t in (challenger, champion))
    targets = min(int(sum(total.raw[:, SETTLED].sum() for total in t)) for t in (challenger, champion))
    if np.shape(ours) != np.shape(theirs):
        ours, theirs = np.sum(ours, 0, keepdims=True), np.sum(theirs, 0, keepdims=True)
    both = (ours[:, 0] > 0) & (theirs[:, 0] > 0)
    if not both.any():
        return ShadowResult(targets, None, None)
    challenged, served = (float(np.mean(sums[both, 1] / sums[both, 0])) for sums in (ours, theirs))
    return ShadowResult(targets, challenged, served)
