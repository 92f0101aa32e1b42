"""What the report of a dataset is made of: the stored facts, and the states of the model that serves."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from data.errors import DamagedArtifact
from data.records import quarantine
from data.records.quarantine import LIVE, QuarantinedValue
from data.store import catalogue, promotions
from data.store.catalogue import Dataset
from data.store.promotions import Promotion
from pipelines.evaluation import stored_backtest
from pipelines.history.ends import Ends, read_ends
from pipelines.history.unjudged import check_unjudged
from pipelines.workspace import Workspace
from states import build_champion, folding
from states.champion import Champion
from states.views import trouble
from states.views.trouble import Troubles


@dataclass(frozen=True)
class DatasetNow:
    """One dataset as it is now. `champion` is None where no model serves, or `problem` says why it cannot."""

    workspace: Workspace
    dataset: Dataset
    ends: Ends
    held: tuple[QuarantinedValue, ...]  # values in quarantine, oldest first
    promotion: Promotion | None
    champion: Champion | None
    problem: str | None
    backtest: dict[str, Any] | None = field(repr=False)

    @property
    def name(self) -> str:
        return self.dataset.name

    @cached_property
    def names(self) -> dict[int, str]:
        """The unique_id of each series by its number."""
        return dict(catalogue.series(self.workspace.engine, self.dataset.id))

    @cached_property
    def trouble(self) -> Troubles | None:
        """What is wrong with each series; None where no model serves."""
        return None if self.champion is None else trouble.trouble(self.champion, waiting(self.champion, self.held))


def find(workspace: Workspace, name: str) -> DatasetNow:
    """Read what is known of a dataset. Raises UnknownDataset."""
    dataset = catalogue.dataset(workspace.engine, name)
    check_unjudged(workspace, dataset)
    promotion = promotions.served(workspace.engine, dataset.id)
    champion, problem = None, None
    if promotion is not None:
        try:
            champion, _ = build_champion.build(workspace.engine, dataset, promotion)
            folding.rebuild_deferred(workspace.engine, champion)
        except DamagedArtifact as damage:
            problem = str(damage)
    held = tuple(quarantine.values(workspace.engine, dataset.id))
    ends, backtest = read_ends(workspace, dataset), stored_backtest.load(workspace, dataset)
    return DatasetNow(workspace, dataset, ends, held, promotion, champion, problem, backtest)


def waiting(champion: Champion, held: tuple[QuarantinedValue, ...]) -> dict[int, int]:
    """By series: how many live values in quarantine came after its last value that counts."""
    live = [value for value in held if value.source == LIVE and value.series_id in champion.states]
    if not live:
        return {}
    series = np.unique([value.series_id for value in live])
    state, _ = champion.states.copy(champion.states.rows_of(series))
    last = state.origin - champion.roller.silence(state, np.arange(len(series)))
    newest = dict(zip(series.tolist(), last.tolist(), strict=True))
    steps = champion.grid.steps(np.array([value.ds for value in live])).tolist()
    late = [value.series_id for value, step in zip(live, steps, strict=True) if step > newest[value.series_id]]
    return {number: late.count(number) for number in set(late)}
