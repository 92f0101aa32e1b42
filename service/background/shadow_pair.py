"""Shadow pairs: the scores of champion and challenger, written down together.

A challenger in shadow is a second set of states that follows the champion's log, is scored on the same values and
answers no request. It is built from the contexts of its own decision and has snapshots and scores of its own. Both
scores of a pair stand after the same row of the log, so the values between two pairs are the same for both.
"""

from sqlalchemy import Engine

from data.records import shadow_pairs
from data.records.shadow_pairs import ShadowPair
from forecasting.rolling import online_scores
from service.models.datasets import Served
from states import folding
from states.champion import Champion


def record_pair(engine: Engine, served: Served) -> None:
    """Bring champion and challenger to one position of the log and store their sums there.

    Runs in the writer while the watcher waits.
    """
    champion, shadow = served.champion, served.shadow
    if champion is None or shadow is None:
        return
    folding.catch_up(engine, champion)  # where another process wrote, the shadow may be ahead
    folding.catch_up(engine, shadow, upto=champion.seq)
    pair = ShadowPair(_sums(shadow), _sums(champion))
    versions = (shadow.version, champion.version)
    promotion_ids = (shadow.promotion_id, champion.promotion_id)
    anchor_ids = (shadow.anchor_id, champion.anchor_id)
    shadow_pairs.put(engine, champion.dataset_id, versions, promotion_ids, champion.seq, pair, anchor_ids)


def _sums(champion: Champion) -> dict[str, object]:
    return {"steps": online_scores.bucket_steps(champion.config), **champion.states.totals.to_dict()}
