"""Rolls states to the log's end and stores them, while no service does.

Without it a forecast would fold ever more rows of the log each time: snapshots are written by the service.
"""

from __future__ import annotations

from sqlalchemy import Engine

from data.service_lock import is_served
from data.store import anchors, catalogue, observation_log, snapshot_store
from data.store.catalogue import Dataset
from data.store.promotions import Promotion
from states import build_champion, folding
from states.snapshots import SnapshotPass


def roll_forward(engine: Engine, dataset: Dataset, promotion: Promotion) -> int:
    """Store the states at the log's end, as a service would, where the stored ones are behind by more rows than there
    are series and no service runs. Returns how many rows were folded for it.

    Raises DamagedArtifact: the model or its contexts are not what was promoted.
    """
    behind = observation_log.count(engine, dataset.id, after=stored_position(engine, dataset.id, promotion))
    if behind <= catalogue.count_series(engine, dataset.id) or is_served(engine):
        return 0
    champion, folded = build_champion.build(engine, dataset, promotion)
    folding.rebuild_deferred(engine, champion)
    current = SnapshotPass(champion)
    while current.step(engine):
        pass
    return folded


def stored_position(engine: Engine, dataset_id: int, promotion: Promotion) -> int:
    """The row of the log up to which the states of a promotion are stored, in snapshots or else in its contexts."""
    anchor = anchors.newest(engine, promotion.id)
    if anchor is None:
        return 0
    markers = snapshot_store.positions(engine, dataset_id, anchor.anchor_id).get(snapshot_store.MARKER)
    return markers[-1] if markers else anchor.log_seq
