"""The keys of the live store, in memory: a request is checked without a query, its use noted without a write."""

import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256

from sqlalchemy import Engine

from data.store import keys
from data.store.keys import RIGHTS, Key, Right
from data.store.series_patterns import ALL, Patterns
from service.http.errors import ProblemError

USES_WRITTEN_EVERY = 60_000_000  # microseconds between writes of what was used
ID = slice(len(keys.PREFIX) + 1, len(keys.PREFIX) + 1 + keys.ID_LENGTH)
NO_DIGEST = bytes(32)  # compared with where no key has the id, so that this takes as long


@dataclass(frozen=True)
class Caller:
    """Who asks, and for what they may ask."""

    id: str
    rights: frozenset[Right]
    series: Patterns

    def require(self, right: Right) -> None:
        """Raises Problem (403)."""
        if right not in self.rights:
            raise ProblemError(403, "missing_scope", f"This needs a key with the scope {right}.")

    def require_series(self, unique_id: str, dataset: str | None) -> None:
        """Raises Problem (403) for a series beyond the key's patterns, whether there is one or not."""
        if not self.series.could_reach(dataset, unique_id):
            raise ProblemError(403, "forbidden_series", "This key may not write this series.")

    def require_all_series(self) -> None:
        """Raises Problem (403) for what cannot be told for a part of the series."""
        if not self.series.unlimited:
            raise ProblemError(403, "limited_key", "This speaks of every series, so it needs a key for `*/*`.")


ANYONE = Caller("", frozenset(RIGHTS), ALL)  # where no key is asked for
NOBODY = Caller("", frozenset(), Patterns(()))  # who came without one


class Keyring:
    """Replaced as one by the watcher's round, so that a revoked key ends within it."""

    def __init__(self, clock: Callable[[], int]) -> None:
        """clock: microseconds since 1970 UTC."""
        self._clock = clock
        self._held: Mapping[str, tuple[Key, Caller]] = {}
        self._count: tuple[int, int] | None = None
        self._uses: dict[str, int] = {}
        self._noted_at = 0

    @property
    def known(self) -> bool:
        """Whether the store was read; before, nobody can be told from anybody."""
        return self._count is not None

    def refresh(self, engine: Engine) -> None:
        """Read what changed, and now and then write what was used. Raises StoreUnavailable; the keys stay as known."""
        count = keys.count(engine)
        if count != self._count:
            self._held = {key.id: (key, _caller(key)) for key in keys.keys(engine)}
            self._count = count
        if self._clock() - self._noted_at >= USES_WRITTEN_EVERY:
            self.note(engine)

    def note(self, engine: Engine) -> None:
        """Write when keys were last used."""
        uses, self._uses, self._noted_at = self._uses, {}, self._clock()
        keys.record_uses(engine, uses)

    def caller(self, authorization: bytes) -> Caller | None:
        """Whose valid key this header holds. Unknown, wrong and ended keys take the same way to None."""
        scheme, _, text = authorization.partition(b" ")
        key, caller = self._held.get(text[ID].decode("latin-1"), (None, None))
        same = hmac.compare_digest(sha256(text).digest(), key.digest if key else NO_DIGEST)
        at = self._clock()
        if not same or key is None or not key.valid(at) or scheme.lower() != b"bearer":
            return None
        self._uses[key.id] = at
        return caller


def _caller(key: Key) -> Caller:
    return Caller(key.id, frozenset(RIGHTS) if "admin" in key.scopes else key.scopes, key.series)
