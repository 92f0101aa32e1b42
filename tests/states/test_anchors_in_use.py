"""No state goes on from an anchor that a deletion has made void, so its contexts need not be kept."""

from data.store import anchors, snapshot_store
from data.store.database import writing
from data.store.registry import MODELS_LOCK
from states import anchors_in_use
from tests.support.service_kit import World, baseline, panel_of

PANEL = panel_of("a")


def test_an_anchor_before_a_deletion_is_in_use_no_more(tmp_path):
    world, bundle = World.at(tmp_path), baseline(PANEL)
    dataset = world.ingest("sensors", "a")
    promotion_id = world.promote(dataset, bundle, PANEL)
    old = anchors.newest(world.engine, promotion_id)
    snapshot_store.put(world.engine, dataset.id, old.anchor_id, 0, 1, b"states")
    assert anchors_in_use.in_use(world.engine, dataset.id) == [old]
    blobs = world.contexts(dataset, bundle, PANEL)
    with writing(world.engine, MODELS_LOCK) as connection:
        later = anchors.add(connection, dataset.id, promotion_id, old.log_seq, blobs, refold=True)
        assert anchors.is_void(connection, dataset.id, old.anchor_id)
        assert not anchors.is_void(connection, dataset.id, later.anchor_id)
    assert anchors_in_use.in_use(world.engine, dataset.id) == [later]
    assert anchors_in_use.served_recently(world.engine, dataset.id) == [later]
    assert snapshot_store.put(world.engine, dataset.id, old.anchor_id, 0, 2, b"states") == []
    assert snapshot_store.positions(world.engine, dataset.id, old.anchor_id) == {0: [1]}
    assert anchors.unused_contexts(world.engine, dataset.id, [later]) == [old.anchor_id]


def test_an_anchor_after_a_longer_log_is_used_beside_the_one_before(tmp_path):
    world, bundle = World.at(tmp_path), baseline(PANEL)
    dataset = world.ingest("sensors", "a")
    promotion_id = world.promote(dataset, bundle, PANEL)
    old = anchors.newest(world.engine, promotion_id)
    later = anchors.replace(world.engine, old, 0, world.contexts(dataset, bundle, PANEL))
    assert anchors_in_use.served_recently(world.engine, dataset.id) == [old, later]
