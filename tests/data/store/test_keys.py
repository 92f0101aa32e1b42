"""Keys: 256 bits of chance, stored as a digest alone, with scopes, patterns, an end and a successor."""

from hashlib import sha256

import pytest
from sqlalchemy import text

from data.errors import InvalidInput, UnknownKey
from data.grid.durations import DAY, HOUR
from data.store import keys
from data.store.series_patterns import Patterns


def test_a_key_has_a_prefix_an_id_a_secret_and_a_checksum(store):
    made = keys.create(store, "feeder", ["observe"])
    prefix, key_id, secret, check = made.text.split("_")
    assert (prefix, len(key_id), len(secret), len(check)) == ("rlc", 8, 43, 6)
    assert keys.id_of(made.text) == key_id == made.key.id
    typing_error = made.text.replace(secret[0], "0" if secret[0] != "0" else "1", 1)
    assert keys.id_of(typing_error) is None


def test_a_secret_has_256_bits():
    assert 62**keys.SECRET_LENGTH > 2**256


def test_only_a_digest_is_stored(store):
    made = keys.create(store, "feeder", ["observe"])
    with store.connect() as connection:
        stored = str(connection.execute(text("SELECT * FROM api_keys")).all())
    assert made.key.digest.hex() in stored
    assert made.text not in stored and made.text.split("_")[2] not in stored
    assert sha256(made.text.encode()).digest() == made.key.digest


def test_no_two_keys_are_alike(store):
    made = [keys.create(store, "feeder", ["read"]).text for _ in range(20)]
    assert len(set(made)) == 20


def test_a_key_ends_after_its_days_or_never(store):
    ends = keys.create(store, "a", ["read"], days=2).key
    assert ends.expires_at == ends.created_at + 2 * DAY
    assert ends.valid(ends.expires_at - 1) and not ends.valid(ends.expires_at)
    assert keys.create(store, "a", ["read"]).key.valid(ends.created_at + 10_000 * DAY)


def test_a_revoked_key_stays_revoked_and_keeps_its_time(store):
    made = keys.create(store, "a", ["read"]).key
    first = keys.revoke(store, made.id)
    assert first.revoked_at is not None and not first.valid(first.revoked_at)
    assert keys.revoke(store, made.id) == first
    with pytest.raises(InvalidInput, match="has ended"):
        keys.rotate(store, made.id, 1)


def test_a_rotated_key_is_valid_for_the_overlap_beside_its_successor(store):
    old = keys.create(store, "feeder", ["observe"], ["plant/*"], days=90).key
    new = keys.rotate(store, old.id, overlap_hours=24).key
    ended = keys.key(store, old.id)
    assert (new.name, new.scopes, new.series) == (old.name, old.scopes, old.series)
    assert new.id != old.id and new.expires_at - new.created_at == 90 * DAY
    assert 0 < ended.expires_at - (new.created_at + 24 * HOUR) + 1_000_000 < 2_000_000


def test_an_overlap_never_extends_a_key(store):
    old = keys.create(store, "feeder", ["observe"], days=1).key
    keys.rotate(store, old.id, overlap_hours=48)
    assert keys.key(store, old.id).expires_at == old.expires_at


def test_the_last_use_only_moves_forward(store):
    made = keys.create(store, "a", ["read"]).key
    assert made.last_used_at is None
    keys.record_uses(store, {made.id: 5, "nobody": 9})
    keys.record_uses(store, {made.id: 3})
    assert keys.key(store, made.id).last_used_at == 5


def test_every_change_of_keys_changes_their_count(store):
    seen = [keys.count(store)]
    made = keys.create(store, "a", ["read"]).key
    seen.append(keys.count(store))
    keys.rotate(store, made.id, 1)
    seen.append(keys.count(store))
    keys.revoke(store, made.id)
    seen.append(keys.count(store))
    assert seen == [(0, 0, 0), (1, 0, 7), (2, 0, 14), (2, 1, 14)]  # each key has the patterns ["*/*"], 7 letters


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"name": "../up"}, "name"),
        ({"name": "a\nb"}, "name"),
        ({"scopes": []}, "scopes"),
        ({"scopes": ["write"]}, "scopes"),
        ({"series": []}, "series patterns"),
        ({"series": ["plant"]}, "series patterns"),
        ({"series": ["/*"]}, "series patterns"),
        ({"days": 0}, "days"),
        ({"days": float("nan")}, "days"),
    ],
)
def test_an_invalid_name_scope_pattern_or_time_makes_no_key(store, wrong, message):
    with pytest.raises(InvalidInput, match=message):
        keys.create(store, **{"name": "a", "scopes": ["read"], **wrong})
    assert keys.keys(store) == []


def test_an_unknown_id_is_not_repeated(store):
    secret = keys.create(store, "a", ["read"]).text
    with pytest.raises(UnknownKey) as caught:
        keys.revoke(store, secret)
    assert secret not in str(caught.value)


@pytest.mark.parametrize(
    ("patterns", "dataset", "unique_id", "reached"),
    [
        (["*/*"], "plant", "a/b", True),
        (["plant/*"], "plant", "pump-1", True),
        (["plant/*"], "plant2", "pump-1", False),
        (["plant/pump-*"], "plant", "pump-1", True),
        (["plant/pump-*"], "plant", "motor-1", False),
        (["*/pump-1"], "mill", "pump-1", True),
        (["*/pump-1"], "mill", "pump-11", False),
        (["a/x", "b/y"], "b", "y", True),
        (["a/x", "b/y"], "b", "x", False),
        (["plant/[ab]?"], "plant", "[ab]?", True),
        (["plant/[ab]?"], "plant", "ac", False),
        (["Plant/*"], "plant", "pump", False),
        (["plant/a.c"], "plant", "abc", False),
        (["plant/north/*"], "plant", "north/1", True),
    ],
)
def test_which_series_a_pattern_reaches(patterns, dataset, unique_id, reached):
    found = Patterns.of(patterns)
    assert found.reaches(dataset, unique_id) is reached
    assert found.could_reach(dataset, unique_id) is reached


def test_without_a_dataset_only_the_id_is_compared():
    found = Patterns.of(["plant/pump-*"])
    assert found.could_reach(None, "pump-1") and not found.could_reach(None, "motor")
    assert found.reaches_into("plant") and not found.reaches_into("mill")
    assert not found.unlimited and Patterns.of(["a/b", "*/*"]).unlimited


def test_no_text_makes_a_pattern_slow():
    """A naive translation needs 10 ** 12 steps for this."""
    assert not Patterns.of(["a/" + "*x" * 12 + "y"]).reaches("a", "x" * 200)
