"""How a challenger in shadow and the champion did on the very same values: pairs of sums at one position of the log.

The first pair of two promotions stays, the last one is replaced; between the two lies what both were scored on.
"""

import json
from typing import Any, NamedTuple

from sqlalchemy import Engine, insert, select, update

from data import clock
from data.store import tables
from data.store.database import reading, writing

SHADOW_PAIRS_LOCK = 7_305_019
TABLE = tables.trials


class ShadowPair(NamedTuple):
    """Running sums of both, after the same row of the log; JSON, see `forecasting.rolling.online_scores.Totals`."""

    shadow: dict[str, Any]
    champion: dict[str, Any]


class ShadowComparison(NamedTuple):
    """What two promotions were before and after the values that both met."""

    shadow_promotion_id: int
    champion_promotion_id: int
    first: ShadowPair
    last: ShadowPair
    seq: int  # position of the log that `last` takes in
    at: int  # microseconds since 1970 UTC


def put(
    engine: Engine, dataset_id: int, versions: tuple[int, int], promotion_ids: tuple[int, int], seq: int, at: ShadowPair
) -> None:
    """Write a pair down; versions and promotions are those of the shadow and of the champion."""
    here = (TABLE.c.shadow_promotion_id == promotion_ids[0], TABLE.c.champion_promotion_id == promotion_ids[1])
    moved = {"last": json.dumps(at), "seq": seq, "at": clock.now()}
    with writing(engine, SHADOW_PAIRS_LOCK) as connection:
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
        begun = dict(zip(names, (dataset_id, *promotion_ids, *versions, moved["last"]), strict=True))
        connection.execute(insert(TABLE).values(begun | moved))


def comparisons(engine: Engine, dataset_id: int, shadow_version: int, champion_version: int) -> list[ShadowComparison]:
    """Every time that one version rolled in another one's shadow, oldest first."""
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
