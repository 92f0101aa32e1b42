"""Follows what pipelines deleted, while requests go on: datasets, series, and rows of series.

A deletion changes the live store in one transaction and numbers itself in it (`data.changes.applied`). In its next
round the watcher takes what is gone out of the directory, builds the states from their new anchors, and has live values
judged by what is left. Until then the writer asks the store, for each batch, whether its series are there.
"""

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence

from sqlalchemy import Engine

from data.changes import applied
from data.changes.applied import Applied
from data.store import catalogue
from service.base.metrics import Metrics
from service.models.datasets import Served
from service.models.live_directory import LiveDirectory
from service.models.verdicts import Judge
from service.observe.writer import Writer

log = logging.getLogger("rollcast.service")


class DeletionFollower:
    """What the watcher does in each round about the deletions since the round before. Used in its thread only."""

    def __init__(
        self, writer: Writer, metrics: Metrics, directory: LiveDirectory, expire_answers: Callable[[], None]
    ) -> None:
        """expire_answers: forgets every answer that is kept to be sent again."""
        self._writer, self._metrics, self._directory = writer, metrics, directory
        self._expire_answers = expire_answers
        self._followed: int | None = None  # number of the last deletion that was followed; None: nothing was read yet

    def read(self, engine: Engine) -> list[Applied]:
        """The deletions that are not followed yet, oldest first: none at the start, when nothing was read before."""
        if self._followed is None:
            self._followed = applied.last(engine)
            self._writer.follow(self._followed)
        return applied.after(engine, self._followed)

    def drop(self, gone: Sequence[Served], within: float) -> None:
        """Remove deleted datasets. within: seconds that the writer may need to come to it."""
        self._directory.remove(gone, {})
        for served in gone:
            self._writer.drop(served).result(timeout=within)
            self._metrics.forget(served.name)
            log.info("dataset %s was deleted", served.name)
        if gone:
            self._expire_answers()

    def remove_series(self, engine: Engine, datasets: Iterable[Served]) -> None:
        """Remove the deleted series of datasets, and the states that beside the champion may contain deleted rows."""
        for served in datasets:
            served.previous = served.shadow = None  # built again from their new anchors
            known = dict(served.series)  # first: what is created from here on is there
            present = {row.id: row for row in catalogue.series_of(engine, served.dataset.id)}
            gone = [unique_id for unique_id, number in known.items() if number not in present]
            if gone:
                self._directory.remove((), {served.dataset.id: gone})
                self._directory.add(present.values())  # some have an id again that was deleted
                log.info("dataset %s: %d series were deleted", served.name, len(gone))

    def settle(
        self, engine: Engine, deletions: Sequence[Applied], datasets: Mapping[int, Served], within: float
    ) -> None:
        """End the round: judge live values by what is left of these datasets, and forget what was answered before.

        The states of the datasets are built from their new anchors by now.
        """
        for served in datasets.values():
            judge = Judge.load(engine, served.dataset)
            self._writer.reload_judge(served, judge).result(timeout=within)
        self._expire_answers()
        self._followed = deletions[-1].applied
        self._writer.follow(self._followed).result(timeout=within)
        for deletion in deletions:
            self._metrics.deleted(deletion.kind)
