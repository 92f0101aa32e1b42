"""A challenger in shadow: a second set of states on the champion's stream, scored on the same values, asked by nobody.

It is a `Champion` in everything but that: built from the contexts of its own event, kept at the log's end by the
watcher, with snapshots and scores under its own epoch. What both are worth is written down in pairs, each after one and
the same row of the log, so that between two pairs lie the very same values for both.
"""

from sqlalchemy import Engine

from data.records import shadow_pairs
from data.records.shadow_pairs import Pair
from forecasting.rolling import online_scores
from service.models.datasets import Served
from states import folding
from states.champion import Champion


def weigh(engine: Engine, served: Served) -> None:
    """Bring both to one position of the log and write down their sums there. Writer only, the watcher waiting."""
    champion, shadow = served.champion, served.shadow
    if champion is None or shadow is None:
        return
    folding.catch_up(engine, champion)  # where another process wrote, the shadow may have been ahead
    folding.catch_up(engine, shadow, upto=champion.seq)
    pair = Pair(_sums(shadow), _sums(champion))
    versions, epochs = (shadow.version, champion.version), (shadow.epoch, champion.epoch)
    shadow_pairs.put(engine, champion.dataset_id, versions, epochs, champion.seq, pair)


def _sums(one: Champion) -> dict[str, object]:
    return {"steps": online_scores.bucket_steps(one.config), **one.states.totals.to_dict()}
