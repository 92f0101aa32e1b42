"""Shadow pairs: the score sums of a challenger in shadow and of the champion after the same row of the log.

Of two promotions the first and the last pair are kept. Their difference gives the scores of both on the same values.
"""

import json
from typing import Any, NamedTuple

from sqlalchemy import Engine, insert, select, update

from data import clock
from data.store import tables
from data.store.anchors import is_void
from data.store.database import reading, writing

SHADOW_PAIRS_LOCK = 7_305_019
TABLE = tables.trials


class ShadowPair(NamedTuple):
    """Running sums of both after the same row of the log, as JSON; see `forecasting.rolling.online_scores.Totals`."""

    shadow: dict[str, Any]
    champion: dict[str, Any]


class ShadowComparison(NamedTuple):
    """The first and the last shadow pair of two promotions."""

    shadow_promotion_id: int
    champion_promotion_id: int
    first: ShadowPair
    last: ShadowPair
    seq: int  # the row of the log after which `last` was taken
    at: int  # microseconds since 1970 UTC


def put(
    engine: Engine,
    dataset_id: int,
    versions: tuple[int, int],
    promotion_ids: tuple[int, int],
    seq: int,
    at: ShadowPair,
    anchor_ids: tuple[int, ...] = (),
) -> None:
    """Store a pair. Versions and promotions are given as (challenger, champion).

    anchor_ids: of the states that were scored; where a deletion has made one of them void, nothing is stored.
    """
    here = (TABLE.c.shadow_promotion_id == promotion_ids[0], TABLE.c.champion_promotion_id == promotion_ids[1])
    moved = {"last": json.dumps(at), "seq": seq, "at": clock.now()}
    with writing(engine, SHADOW_PAIRS_LOCK) as connection:
        if any(is_void(connection, dataset_id, anchor_id) for anchor_id in anchor_ids):
            return
        if connection.execute(update(TABLE).where(*here).values(moved)).rowcount:
            return
        names = (
            "dataset_id",
            "shadow_promotion_id",
            "champion_promotion_id",
            "shadow_version",
            "champion_version",
            "first",
        )
        created = dict(zip(names, (dataset_id, *promotion_ids, *versions, moved["last"]), strict=True))
        connection.execute(insert(TABLE).values(created | moved))


def comparisons(engine: Engine, dataset_id: int, shadow_version: int, champion_version: int) -> list[ShadowComparison]:
    """Comparisons of one version in shadow with one champion version, oldest first."""
    versions = (TABLE.c.shadow_version == shadow_version, TABLE.c.champion_version == champion_version)
    query = select(TABLE).where(TABLE.c.dataset_id == dataset_id, *versions)
    with reading(engine) as connection:
        return [
            ShadowComparison(
                row.shadow_promotion_id,
                row.champion_promotion_id,
                ShadowPair(*json.loads(row.first)),
                ShadowPair(*json.loads(row.last)),
                row.seq,
                row.at,
            )
            for row in connection.execute(query.order_by(TABLE.c.shadow_promotion_id, TABLE.c.champion_promotion_id))
        ]
