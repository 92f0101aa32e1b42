"""How a challenger in shadow and the champion did on the very same values: pairs of sums at one position of the log.

The first pair of two epochs stays, the last one is replaced; between the two lies what both were scored on.
"""

import json
from typing import Any, NamedTuple

from sqlalchemy import Engine, insert, select, update

from data import clock
from data.store import tables
from data.store.database import reading, writing

TRIALS_LOCK = 7_305_019
TABLE = tables.trials


class Pair(NamedTuple):
    """Running sums of both, after the same row of the log; JSON, see `forecasting.rolling.online_scores.Totals`."""

    shadow: dict[str, Any]
    champion: dict[str, Any]


class Trial(NamedTuple):
    """What two epochs were before and after the values that both met."""

    shadow_epoch: int
    champion_epoch: int
    first: Pair
    last: Pair
    seq: int  # position of the log that `last` takes in
    at: int  # microseconds since 1970 UTC


def put(
    engine: Engine, dataset_id: int, versions: tuple[int, int], epochs: tuple[int, int], seq: int, at: Pair
) -> None:
    """Write a pair down; versions and epochs are those of the shadow and of the champion."""
    here = (TABLE.c.shadow_epoch == epochs[0], TABLE.c.champion_epoch == epochs[1])
    moved = {"last": json.dumps(at), "seq": seq, "at": clock.now()}
    with writing(engine, TRIALS_LOCK) as connection:
        if connection.execute(update(TABLE).where(*here).values(moved)).rowcount:
            return
        names = ("dataset_id", "shadow_epoch", "champion_epoch", "shadow_version", "champion_version", "first")
        begun = dict(zip(names, (dataset_id, *epochs, *versions, moved["last"]), strict=True))
        connection.execute(insert(TABLE).values(begun | moved))


def trials(engine: Engine, dataset_id: int, shadow_version: int, champion_version: int) -> list[Trial]:
    """Every time that one version rolled in another one's shadow, oldest first."""
    versions = (TABLE.c.shadow_version == shadow_version, TABLE.c.champion_version == champion_version)
    query = select(TABLE).where(TABLE.c.dataset_id == dataset_id, *versions)
    with reading(engine) as connection:
        return [
            Trial(
                row.shadow_epoch,
                row.champion_epoch,
                Pair(*json.loads(row.first)),
                Pair(*json.loads(row.last)),
                row.seq,
                row.at,
            )
            for row in connection.execute(query.order_by(TABLE.c.shadow_epoch, TABLE.c.champion_epoch))
        ]
