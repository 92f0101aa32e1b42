"""API keys: their form, what they allow, and the table with their digests.

    rlc_3vJ8kTq1_Xw…43 characters…_a81mZ0
    prefix, id, secret of 256 bits, checksum

Prefix and checksum let a scanner of leaked secrets recognise a key. Only the SHA-256 of the whole text is stored: 256
random bits need no slow hash. The text itself is shown once, when the key is made.
"""

import json
import re
import secrets
import zlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Literal, NamedTuple, get_args

from sqlalchemy import Connection, Engine, Row, bindparam, func, insert, or_, select, update

from data import clock
from data.errors import InvalidInput, UnknownKey
from data.grid.durations import DAY, HOUR
from data.store import tables
from data.store.database import hold, reading, writing
from data.store.series_patterns import Patterns

Right = Literal["read", "observe", "forecast", "admin"]
RIGHTS: tuple[Right, ...] = get_args(Right)

PREFIX = "rlc"
ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
ID_LENGTH, SECRET_LENGTH, CHECK_LENGTH = 8, 43, 6  # 62 ** 43 > 2 ** 256
SHAPE = re.compile(
    rf"{PREFIX}_([0-9A-Za-z]{{{ID_LENGTH}}})_[0-9A-Za-z]{{{SECRET_LENGTH}}}_[0-9A-Za-z]{{{CHECK_LENGTH}}}", re.ASCII
)
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.@ -]{0,63}", re.ASCII)
KEYS_LOCK = 7_305_006


@dataclass(frozen=True)
class ApiKey:
    """The stored record of a key, without its text. Times are microseconds since 1970 UTC."""

    id: str
    name: str
    digest: bytes
    scopes: frozenset[Right]
    series: Patterns
    created_at: int
    expires_at: int | None
    revoked_at: int | None
    last_used_at: int | None

    def valid(self, at: int) -> bool:
        return self.revoked_at is None and (self.expires_at is None or at < self.expires_at)


class NewKey(NamedTuple):
    """A new key with its text, which is not stored."""

    text: str
    key: ApiKey


def id_of(text: str) -> str | None:
    """The id in a key's text; None where form or checksum are wrong."""
    found = SHAPE.fullmatch(text)
    body, _, check = text.rpartition("_")
    return found[1] if found and check == _checksum(body) else None


def create(
    engine: Engine, name: str, scopes: Collection[str], series: Sequence[str] = ("*/*",), days: float | None = None
) -> NewKey:
    """Make a key that ends after `days`, or never. Raises InvalidInput for an invalid name, scope or pattern."""
    if not NAME.fullmatch(name):
        raise InvalidInput(
            "a key's name must be 1 to 64 of A-Z a-z 0-9 _ . @ - and space, and begin with one of A-Z a-z 0-9"
        )
    if not scopes or not set(scopes) <= set(RIGHTS):
        raise InvalidInput(f"a key's scopes must be one or more of {', '.join(RIGHTS)}")
    if days is not None and not 0 < days <= 36_500:
        raise InvalidInput("a key's days must be more than 0 and at most 36500")
    with writing(engine, KEYS_LOCK) as connection:
        return _insert(connection, name, scopes, Patterns.of(series), None if days is None else int(days * DAY))


def keys(engine: Engine) -> list[ApiKey]:
    """Every key, also those that have ended, oldest first."""
    table = tables.api_keys
    with reading(engine) as connection:
        return [_key(row) for row in connection.execute(select(table).order_by(table.c.created_at, table.c.id))]


def key(engine: Engine, key_id: str) -> ApiKey:
    """The key of this id. Raises UnknownKey."""
    with reading(engine) as connection:
        return _find(connection, key_id)


def count(engine: Engine) -> tuple[int, int, int]:
    """How many keys there are, how many are revoked, and the length of all patterns. Every change of a key's rights
    changes one of them."""
    table = tables.api_keys.c
    columns = func.count(), func.count(table.revoked_at), func.coalesce(func.sum(func.length(table.series)), 0)
    with reading(engine) as connection:
        made, revoked, letters = connection.execute(select(*columns)).one()
    return made, revoked, int(letters)


def forget(connection: Connection, names: Collection[str], dataset: str | None = None) -> int:
    """Remove the patterns that name deleted series, each DATASET/ID, or a deleted dataset; returns of how many keys.

    A pattern with * in what it names stays. A key without any other pattern is revoked: else it would reach the next
    dataset of this name. In the transaction of a deletion.
    """
    hold(connection, KEYS_LOCK)
    table, changed = tables.api_keys, 0
    wanted = {name for name in names if "*" not in name}
    for row in connection.execute(select(table.c.id, table.c.series).where(table.c.revoked_at.is_(None))).all():
        patterns = json.loads(row.series)
        left = [text for text in patterns if text not in wanted and text.split("/", 1)[0] != dataset]
        if len(left) < len(patterns):
            changed += 1
            values = {"series": json.dumps(left)} if left else {"revoked_at": clock.now()}
            connection.execute(update(table).where(table.c.id == row.id).values(**values))
    return changed


def revoke(engine: Engine, key_id: str) -> ApiKey:
    """End a key now. The time of one that is already revoked stays. Raises UnknownKey."""
    table = tables.api_keys.c
    with writing(engine, KEYS_LOCK) as connection:
        unended = (table.id == key_id, table.revoked_at.is_(None))
        connection.execute(update(tables.api_keys).where(*unended).values(revoked_at=clock.now()))
        return _find(connection, key_id)


def rotate(engine: Engine, key_id: str, overlap_hours: float) -> NewKey:
    """Make a new key with the rights and the lifetime of an old one. The old one ends after the overlap.

    Raises:
        UnknownKey: there is no such key.
        InvalidInput: it has ended already, or the overlap is negative.
    """
    if not 0 <= overlap_hours <= 24 * 366:
        raise InvalidInput("the overlap must be 0 to 8784 hours")
    at, table = clock.now(), tables.api_keys.c
    ends = at + int(overlap_hours * HOUR)
    with writing(engine, KEYS_LOCK) as connection:
        old = _find(connection, key_id)
        if not old.valid(at):
            raise InvalidInput(f"key {old.id} has ended; make a new one with `rollcast keys create`")
        later = or_(table.expires_at.is_(None), table.expires_at > ends)
        connection.execute(update(tables.api_keys).where(table.id == old.id, later).values(expires_at=ends))
        lifetime = None if old.expires_at is None else old.expires_at - old.created_at
        return _insert(connection, old.name, old.scopes, old.series, lifetime)


def record_uses(engine: Engine, uses: Mapping[str, int]) -> None:
    """Record when keys were last used: by id, in microseconds since 1970 UTC. A newer recorded time stays."""
    if not uses:
        return
    table = tables.api_keys.c
    newer = func.coalesce(table.last_used_at, 0) < bindparam("at")
    statement = update(tables.api_keys).where(table.id == bindparam("key"), newer).values(last_used_at=bindparam("at"))
    with writing(engine, KEYS_LOCK) as connection:
        connection.execute(statement, [{"key": key_id, "at": at} for key_id, at in uses.items()])


def _insert(
    connection: Connection, name: str, scopes: Collection[str], series: Patterns, lifetime: int | None
) -> NewKey:
    text, made_at = _new_text(), clock.now()
    row = {
        "id": text.split("_")[1],
        "name": name,
        "digest": sha256(text.encode()).hexdigest(),
        "scopes": json.dumps(sorted(scopes)),
        "series": json.dumps(series.texts),
        "created_at": made_at,
        "expires_at": None if lifetime is None else made_at + lifetime,
    }
    connection.execute(insert(tables.api_keys).values(row))
    return NewKey(text, _find(connection, str(row["id"])))


def _find(connection: Connection, key_id: str) -> ApiKey:
    row = connection.execute(select(tables.api_keys).where(tables.api_keys.c.id == key_id)).first()
    if row is None:
        raise UnknownKey
    return _key(row)


def _new_text() -> str:
    body = "_".join((PREFIX, _letters(ID_LENGTH), _letters(SECRET_LENGTH)))
    return f"{body}_{_checksum(body)}"


def _letters(count: int) -> str:
    return "".join(secrets.choice(ALPHABET) for _ in range(count))


def _checksum(body: str) -> str:
    """CRC-32 in base 62. It recognises typing errors; it is no protection."""
    number, letters = zlib.crc32(body.encode()), ""
    for _ in range(CHECK_LENGTH):
        number, rest = divmod(number, len(ALPHABET))
        letters = ALPHABET[rest] + letters
    return letters


def _key(row: Row[Any]) -> ApiKey:
    fields = row._asdict()
    fields["digest"] = bytes.fromhex(row.digest)
    fields["scopes"] = frozenset(json.loads(row.scopes))
    fields["series"] = Patterns.of(json.loads(row.series))
    return ApiKey(**fields)
