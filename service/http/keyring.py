"""The keys of the live store, in memory: checking a request needs no query, and recording its use needs no write."""

import hmac
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256

from sqlalchemy import Engine

from data.store import keys
from data.store.keys import RIGHTS, ApiKey, Right
from data.store.series_patterns import ALL, Patterns
from service.http.errors import ProblemError

USES_WRITTEN_EVERY = 60_000_000  # microseconds between two writes of when one key was last used
ID = slice(len(keys.PREFIX) + 1, len(keys.PREFIX) + 1 + keys.ID_LENGTH)
NO_DIGEST = bytes(32)  # compared with where no key has the id, so that the answer takes as long as for a known id


@dataclass(frozen=True)
class Caller:
    """Who sent a request: id and name of the key, its scopes and the series that it reaches."""

    id: str
    rights: frozenset[Right]
    series: Patterns
    name: str = ""

    def require(self, right: Right) -> None:
        """Raises ProblemError (403) without this scope."""
        if right not in self.rights:
            raise ProblemError(403, "missing_scope", f"This needs a key with the scope {right}.")

    def require_series(self, unique_id: str, dataset: str | None) -> None:
        """Raises ProblemError (403) for a series outside the key's patterns, whether or not it exists."""
        if not self.series.could_reach(dataset, unique_id):
            raise ProblemError(403, "forbidden_series", "This key may not write this series.")

    def require_dataset(self, name: str) -> None:
        """Raises ProblemError (403) for a key that does not reach every series of a dataset."""
        if not self.series.covers(name):
            raise ProblemError(403, "limited_key", "This concerns every series of the dataset; the key reaches a part.")

    def require_all_series(self) -> None:
        """Raises ProblemError (403) for a key that reaches only a part of the series; for answers about all of them."""
        if not self.series.unlimited:
            raise ProblemError(403, "limited_key", "The answer covers every series, so it needs a key for `*/*`.")


ANYONE = Caller("", frozenset(RIGHTS), ALL, "loopback")  # where the service needs no key
NOBODY = Caller("", frozenset(), Patterns(()))  # without a key, on public paths


class Keyring:
    """The keys as last read. The watcher reads them in every round, so a revoked key stops working within one round."""

    def __init__(self, clock: Callable[[], int]) -> None:
        """clock: microseconds since 1970 UTC."""
        self._clock = clock
        self._keys: Mapping[str, tuple[ApiKey, Caller]] = {}  # by id; replaced as one
        self._count: tuple[int, int, int] | None = None
        self._uses: dict[str, int] = {}  # by id, the time of the last use that is not written yet
        self._written: dict[str, int] = {}  # by id, when its last use was written

    @property
    def known(self) -> bool:
        """Whether the store was read; before that no key can be checked."""
        return self._count is not None

    def refresh(self, engine: Engine) -> None:
        """Read the keys again where they changed, and write when keys were last used: each at once, then once a minute.

        Raises StoreUnavailable; the keys then stay as last read.
        """
        count = keys.count(engine)
        if count != self._count:
            self._keys = {key.id: (key, _caller(key)) for key in keys.keys(engine)}
            self._count = count
        due = self._clock() - USES_WRITTEN_EVERY
        self._write(engine, [key_id for key_id in list(self._uses) if self._written.get(key_id, due) <= due])

    def write_uses(self, engine: Engine) -> None:
        """Write when keys were last used."""
        self._write(engine, list(self._uses))

    def _write(self, engine: Engine, ids: Sequence[str]) -> None:
        uses = {key_id: self._uses.pop(key_id) for key_id in ids}
        self._written |= dict.fromkeys(uses, self._clock())
        keys.record_uses(engine, uses)

    def caller(self, authorization: bytes) -> Caller | None:
        """The caller whose valid key this header holds, or None. Unknown, wrong and expired keys take equally long."""
        scheme, _, text = authorization.partition(b" ")
        key, caller = self._keys.get(text[ID].decode("latin-1"), (None, None))
        same = hmac.compare_digest(sha256(text).digest(), key.digest if key else NO_DIGEST)
        now = self._clock()
        if not same or key is None or not key.valid(now) or scheme.lower() != b"bearer":
            return None
        self._uses[key.id] = now
        return caller


def _caller(key: ApiKey) -> Caller:
    return Caller(key.id, frozenset(RIGHTS) if "admin" in key.scopes else key.scopes, key.series, key.name)
