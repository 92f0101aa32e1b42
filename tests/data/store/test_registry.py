import numpy as np
import pytest

from data.errors import DamagedArtifact, InvalidInput, UnknownModel
from data.grid.grid import make_grid
from data.store import anchors, promotions, registry
from data.store.catalogue import put_dataset


@pytest.fixture
def plant(store) -> int:
    return put_dataset(store, "plant", grid=make_grid("5m"), season=288, horizon=72, target="value").id


@pytest.fixture
def candidate(store, plant) -> int:
    return registry.add_model(store, plant, "lstm", "d1", {"mase": 0.9}, b"weights")


def test_versions_count_from_one_within_a_dataset(store, plant):
    other = put_dataset(store, "other", grid=make_grid("1h"), season=24, horizon=48, target="y").id
    assert [registry.add_model(store, d, "naive", "d", {}, b"") for d in (plant, plant, other)] == [1, 2, 1]


def test_a_model_is_listed_without_its_bytes_and_given_with_them(store, plant, candidate):
    (row,) = registry.models(store, plant)
    assert (row.version, row.kind, row.digest, row.metrics) == (1, "lstm", "d1", {"mase": 0.9})
    assert registry.artifact(store, plant, candidate) == b"weights"


def test_an_unknown_version_is_not_found(store, plant):
    with pytest.raises(UnknownModel, match="'plant' has no model version 7"):
        registry.artifact(store, plant, 7)
    with pytest.raises(UnknownModel):
        promotions.decide(store, plant, 7, "promoted", {})


def test_the_newest_decision_that_is_not_a_refusal_serves(store, plant, candidate):
    assert promotions.served(store, plant) is None
    second = registry.add_model(store, plant, "gru", "d2", {}, b"")
    promoted = promotions.decide(store, plant, candidate, "promoted", {"gain": 0.1})
    promotions.decide(store, plant, second, "refused", {"gain": -0.1})
    assert promotions.served(store, plant) == promoted
    back = promotions.decide(store, plant, second, "rolled_back", {})
    assert promotions.served(store, plant) == back
    assert [p.event for p in promotions.decisions(store, plant)] == ["promoted", "refused", "rolled_back"]
    assert promotions.decisions(store, after=promoted.id)[0].event == "refused"


def contexts_of(store, anchor):
    return [anchors.read(store, anchor, shard) for shard in anchors.shards(store, anchor)]


def test_a_promotion_makes_the_first_anchor_of_its_states(store, plant, candidate):
    promotion_id = promotions.decide(store, plant, candidate, "promoted", {}, [b"shard 0", b"shard 1"], log_seq=42).id
    anchor = anchors.newest(store, promotion_id)
    assert (anchor.promotion_id, anchor.log_seq) == (promotion_id, 42)
    assert contexts_of(store, anchor) == [b"shard 0", b"shard 1"]


def test_a_later_anchor_is_no_decision_and_is_made_from_the_newest_alone(store, plant, candidate):
    promotion_id = promotions.decide(store, plant, candidate, "promoted", {}, [b"old"], log_seq=42).id
    first = anchors.newest(store, promotion_id)
    second = anchors.replace(store, first, 50, [b"new"])
    assert anchors.replace(store, first, 60, [b"late"]) is None
    assert anchors.newest(store, promotion_id) == second
    assert (contexts_of(store, second), second.log_seq) == ([b"new"], 50)
    assert [p.event for p in promotions.decisions(store, plant)] == ["promoted"]
    later = promotions.decide(store, plant, candidate, "promoted", {}, [b"next"], log_seq=60)
    assert anchors.newest(store, later.id).anchor_id > second.anchor_id  # no id is given out twice


def test_two_anchors_may_share_their_contexts(store, plant, candidate):
    first = anchors.newest(store, promotions.decide(store, plant, candidate, "promoted", {}, [b"both"], log_seq=4).id)
    back = promotions.decide(store, plant, candidate, "rolled_back", {}, log_seq=4, shared=first)
    second = anchors.newest(store, back.id)
    assert contexts_of(store, second) == [b"both"]
    assert anchors.unused_contexts(store, plant, [second]) == []
    assert anchors.unused_contexts(store, plant, []) == [first.anchor_id]


def test_an_unknown_event_is_refused(store, plant, candidate):
    with pytest.raises(InvalidInput, match="promoted, refused"):
        promotions.decide(store, plant, candidate, "liked", {})


def test_every_decision_is_chained_to_the_one_before(store, plant, candidate):
    first, second = (
        promotions.decide(store, plant, candidate, "promoted", {"mase": np.float32(0.5)}) for _ in range(2)
    )
    assert first.prev_hash == "0" * 64
    assert second.prev_hash == first.hash
    promotions.verify_chain(store, plant)


@pytest.mark.parametrize(
    "tampering",
    [
        "UPDATE promotions SET evidence = '{\"mase\":0.1}' WHERE id = 2",
        "UPDATE promotions SET version = 2 WHERE id = 1",
        "DELETE FROM promotions WHERE id = 1",
        "DELETE FROM promotions WHERE id = 2",
    ],
)
def test_a_changed_or_removed_decision_is_found(store, plant, candidate, tampering):
    for gain in (0.1, 0.2, 0.3):
        promotions.decide(store, plant, candidate, "promoted", {"gain": gain})
    with store.begin() as connection:
        connection.exec_driver_sql(tampering)
    with pytest.raises(DamagedArtifact, match="was altered"):
        promotions.verify_chain(store, plant)


def test_canonical_json_has_one_text_for_one_value():
    value = {"b": np.float64("nan"), "a": [np.int64(1), 2.5, (True, None)], 3: np.array([1.0, np.inf])}
    assert registry.canonical(value) == '{"3":[1.0,null],"a":[1,2.5,[true,null]],"b":null}'
