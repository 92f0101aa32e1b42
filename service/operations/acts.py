"""Acts on what serves: back to the version before, on to another one, and a new training.

The version in shadow and the one that served before have states that follow the log, so that a decision in the store is
all that it takes: the watcher lets them answer in its next round. Every other version needs its history read, which is
a job of the pipelines.
"""

from typing import NamedTuple

from sqlalchemy import Engine

from data.errors import DamagedArtifact
from data.records import jobs
from data.records.jobs import Job, JobAnswer
from data.store import promotions, registry
from data.store.promotions import Event, Promotion, PromotionMoved
from forecasting.rolling import bundle
from service.http import etags
from service.http.errors import FieldFault, ProblemError
from service.models.datasets import Served
from states import anchors_in_use

DAMAGED = "The stored model of this version is damaged; choose another version."


class Asked(NamedTuple):
    """Who asks for an act, and which promotion they saw serving."""

    by: str
    seen: int


def roll_back(engine: Engine, served: Served, asked: Asked) -> Promotion | Job:
    """Serve the version before again.

    Raises ProblemError: 409 where there is none, 412 where another promotion serves than the one that was seen.
    """
    now = _require_seen(engine, served, asked)
    previous = promotions.previous(engine, served.dataset.id)
    if now is None or previous is None:
        raise ProblemError(409, "no_previous", "No other version served before; there is nothing to roll back to.")
    return _take_over(engine, served, previous, "rolled_back", now, asked)


def promote(engine: Engine, served: Served, version: int, asked: Asked) -> Promotion | Job:
    """Serve a version: at once where it rolls in shadow or served before, else by a job.

    Raises ProblemError: 404 for an unknown version, 409 for one that serves already or was refused, 412 as `roll_back`.
    """
    now = _require_seen(engine, served, asked)
    if all(row.version != version for row in registry.models(engine, served.dataset.id)):
        fault = FieldFault("/version", "is not a version of the dataset")
        raise ProblemError(404, "unknown_version", "There is no such version; GET /v1/models lists them.", [fault])
    if now is not None and now.version == version:
        raise ProblemError(409, "serves_already", "This version serves already.")
    shadow, previous = promotions.shadow(engine, served.dataset.id), promotions.previous(engine, served.dataset.id)
    if now is not None and shadow is not None and shadow.version == version:
        return _take_over(engine, served, shadow, "promoted", now, asked)
    if now is not None and previous is not None and previous.version == version:
        return _take_over(engine, served, previous, "rolled_back", now, asked)
    if _was_refused(engine, served, version):
        detail = "The promotion gate refused this version; GET /v1/promotions has its reasons."
        raise ProblemError(409, "gate_refused", detail)
    return _queue(engine, served, version, "promoted", asked)


def retrain(engine: Engine, served: Served, asked: Asked) -> Job:
    """Queue a training; gives the one that is open already where there is one. Raises ProblemError (412)."""
    _require_seen(engine, served, asked)
    return _job(jobs.ask(engine, served.dataset.id, "hand", f"asked for over HTTP by {asked.by}"))


def _require_seen(engine: Engine, served: Served, asked: Asked) -> Promotion | None:
    """The decision by which a version serves now. Raises ProblemError (412) where it is not the one that was seen."""
    now = promotions.served(engine, served.dataset.id)
    if (now.id if now else 0) != asked.seen:
        raise etags.moved(now.id if now else 0)
    return now


def _was_refused(engine: Engine, served: Served, version: int) -> bool:
    """Was the last decision about a version that it may not serve?"""
    events = [row.event for row in promotions.decisions(engine, served.dataset.id) if row.version == version]
    decided = [event for event in events if event in promotions.NO_LONGER_CANDIDATE]
    return bool(decided) and decided[-1] == "refused"


def _take_over(
    engine: Engine, served: Served, promotion: Promotion, event: Event, now: Promotion, asked: Asked
) -> Promotion | Job:
    """Let a version serve from the states that it has; a job where the log that they follow was cut short."""
    _require_sound(engine, promotion)
    kept = anchors_in_use.kept_by(engine, promotion)
    if kept is None:
        return _queue(engine, served, promotion.version, event, asked)
    evidence = {"by": asked.by, "from": now.version, "to": promotion.version}
    try:
        return promotions.decide(
            engine, promotion.dataset_id, promotion.version, event, evidence, (), kept.log_seq, kept, seen=asked.seen
        )
    except PromotionMoved:
        newest = promotions.served(engine, promotion.dataset_id)
        raise etags.moved(newest.id if newest else 0) from None


def _require_sound(engine: Engine, promotion: Promotion) -> None:
    """Raises ProblemError (409) where the stored model is not the one that was registered."""
    digests = {row.version: row.digest for row in registry.models(engine, promotion.dataset_id)}
    try:
        artifact = registry.artifact(engine, promotion.dataset_id, promotion.version)
        bundle.from_bytes(artifact, digests[promotion.version])
    except DamagedArtifact:
        raise ProblemError(409, "damaged_model", DAMAGED) from None


def _queue(engine: Engine, served: Served, version: int, event: Event, asked: Asked) -> Job:
    """Queue the promotion of a version. Raises ProblemError (409) while that of another one is open."""
    words = f"version {version}, asked for over HTTP by {asked.by}"
    job = _job(jobs.ask_promotion(engine, served.dataset.id, version, words, {**asked._asdict(), "event": event}))
    if job.version != version:
        detail = f"The promotion of version {job.version} is open; wait for it, or `rollcast jobs cancel {job.id}`."
        raise ProblemError(409, "job_open", detail)
    return job


def _job(answer: JobAnswer) -> Job:
    assert answer.job is not None  # noqa: S101  # only a budget refuses one
    return answer.job
