"""Series ranked by trouble over all datasets: the worst class first, the largest size first, then in order of creation.

Series without trouble follow in the order of the listing. A page begins after the place that its cursor names, so that
series whose trouble changes meanwhile may be met twice or not at all, but no page is counted from the beginning.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from service.models.datasets import Directory, Target
from service.models.listing import ListingKey
from states.views.trouble import CLASSES, SOUND, Place, words_of


class Ranked(NamedTuple):
    """One series of a page."""

    target: Target
    place: Place | None  # None without trouble

    @property
    def trouble(self) -> dict[str, Any] | None:
        """Its class and size, as answers show them."""
        return None if self.place is None else words_of(self.place.kind, self.place.size)


class RankedPage(NamedTuple):
    """A page of the ranking."""

    series: list[Ranked]
    counts: dict[str, int]  # the series of each class of trouble that match, the worst class first
    total: int  # the series that match
    more: bool


class _Troubled(NamedTuple):
    """Series with trouble, of all datasets, (n,) each."""

    kind: np.ndarray
    size: np.ndarray
    dataset: np.ndarray
    series: np.ndarray

    def only(self, chosen: np.ndarray) -> "_Troubled":
        return _Troubled(*(column[chosen] for column in self))


class SeriesFilter(NamedTuple):
    """Which series: those of one dataset, whose id contains a text, of some classes of trouble; None or empty: all."""

    dataset: str | None = None
    search: str = ""
    kinds: Sequence[str] = ()


def page(directory: Directory, limit: int, after: Place | ListingKey | None, wanted: SeriesFilter) -> RankedPage:
    """Up to `limit` series after a place, or after a listing key where the page before ended without trouble."""
    matching = _matching(directory, wanted)
    kinds = [CLASSES.index(kind) for kind in wanted.kinds or CLASSES]
    found = matching.only(np.isin(matching.kind, kinds))
    place, key = (after, None) if after is None or isinstance(after, Place) else (None, after)
    places = [] if key is not None else _first(found, limit + 1, place)
    ranked, more = _named(directory, places)[:limit], len(places) > limit
    total = len(found.kind)
    if not wanted.kinds:
        total = directory.page(1, None, wanted.search, wanted.dataset)[1]
        if not more:
            sound, more = _sound(directory, matching, limit - len(ranked), key, wanted)
            ranked += sound
    return RankedPage(ranked, _counts(matching), total, more)


def counts(directory: Directory, dataset: str) -> dict[str, int]:
    """The number of a dataset's series in each class of trouble, the worst class first."""
    return _counts(_matching(directory, SeriesFilter(dataset)))


def _matching(directory: Directory, wanted: SeriesFilter) -> _Troubled:
    """The troubled series that the caller's key reaches, of this dataset and with this text."""
    parts = [_Troubled(*(np.zeros(0, kind) for kind in (np.int8, np.float64, np.int64, np.int64)))]
    for served in directory.datasets.values():
        if served.champion is None or wanted.dataset not in (None, served.name):
            continue
        own = served.trouble.now(served.champion, served.judge.held)
        rows = np.flatnonzero(own.kind > SOUND)
        if rows.size and (wanted.search or not directory.reach.unlimited):
            rows = rows[np.isin(own.series[rows], directory.numbers(served.name, wanted.search))]
        dataset = np.full(len(rows), served.dataset.id)
        parts.append(_Troubled(own.kind[rows], own.size[rows], dataset, own.series[rows]))
    return _Troubled(*map(np.concatenate, zip(*parts, strict=True)))


def _counts(found: _Troubled) -> dict[str, int]:
    each = np.bincount(found.kind, minlength=len(CLASSES)).tolist()
    return {name: each[number] for number, name in reversed(list(enumerate(CLASSES))) if each[number]}


def _first(found: _Troubled, limit: int, after: Place | None) -> list[Place]:
    """The first `limit` places after `after`."""
    if after is not None:
        found = found.only(_is_after(found, after))
    if len(found.kind) > limit:  # most need not be sorted
        key = found.kind + found.size / (1 + found.size)  # never falls as kind or size grows
        found = found.only(key >= np.partition(key, -limit)[-limit])
    order = np.lexsort((found.series, found.dataset, -found.size, -found.kind.astype(np.int64)))[:limit]
    return [Place(*values) for values in zip(*(column[order].tolist() for column in found), strict=True)]


def _is_after(found: _Troubled, place: Place) -> np.ndarray:
    """(n,) bool: does a series come after a place?"""
    later = (found.dataset > place.dataset) | ((found.dataset == place.dataset) & (found.series > place.series))
    smaller = (found.size < place.size) | ((found.size == place.size) & later)
    return np.asarray((found.kind < place.kind) | ((found.kind == place.kind) & smaller))


def _named(directory: Directory, places: Sequence[Place]) -> list[Ranked]:
    """The series at places; one that was deleted meanwhile is left out."""
    datasets = {served.dataset.id: served for served in directory.datasets.values()}
    targets = [
        (place, served, name)
        for place in places
        if (served := datasets.get(place.dataset)) and (name := served.name_of(place.series)) is not None
    ]
    return [Ranked(Target(served, name, place.series), place) for place, served, name in targets]


def _sound(
    directory: Directory, troubled: _Troubled, limit: int, after: ListingKey | None, wanted: SeriesFilter
) -> tuple[list[Ranked], bool]:
    """Up to `limit` series without trouble, in the order of the listing, and whether more follow."""
    known = set(zip(troubled.dataset.tolist(), troubled.series.tolist(), strict=True))
    found: list[Ranked] = []
    more = True
    while more and len(found) <= limit:
        targets, _, more = directory.page(limit + 1 + len(known), after, wanted.search, wanted.dataset)
        found += [Ranked(each, None) for each in targets if (each.served.dataset.id, each.series) not in known]
        after = (targets[-1].unique_id, targets[-1].served.name) if targets else after
    return found[:limit], len(found) > limit
