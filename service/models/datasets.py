"""The datasets and series that the service knows, each dataset with its champion: a copy of the store's catalogue."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from heapq import merge
from itertools import chain
from typing import NamedTuple

from data.errors import AmbiguousSeries, UnknownDataset, UnknownSeries
from data.records.drift import Drift
from data.store.catalogue import Dataset
from data.store.series_patterns import ALL, Patterns
from service.models.listing import Listing, ListingKey
from service.models.verdicts import Judge
from states.champion import Champion
from states.views.kept_trouble import KeptTrouble

MAX_RECENT = 1024  # series listed apart, so that a new one does not cost the sorting of all


@dataclass(eq=False)
class Served:
    """One dataset. `champion` is replaced as one reference, so that an answer never mixes two versions."""

    dataset: Dataset
    series: dict[str, int]  # series_id by unique_id; it grows, and is replaced at a deletion: see `live_directory`
    labels: dict[int, int] = field(default_factory=dict)  # by series_id, where one is known; see `data.grid.labels`
    champion: Champion | None = None
    previous: Champion | None = None  # the version before; follows the log; written by the watcher only
    shadow: Champion | None = None  # the challenger; follows the log instead of `previous`; written by the watcher only
    shadow_problem: str | None = None  # why the challenger could not be built, in one sentence
    drift: Sequence[Drift] = ()  # what the monitor last found
    judge: Judge = field(default_factory=Judge)  # gives live values their verdicts; replaced by the writer only
    trouble: KeptTrouble = field(default_factory=KeptTrouble)  # of the champion's series
    quarantined: int = 0  # values in quarantine that were not released
    renumbered: bool = False  # its states have to be built again, after its calendar was replaced; see `Writer.follow`
    problem: str | None = None  # why the promoted model cannot be served, in one sentence
    _names: tuple[dict[str, int], dict[int, str]] = field(default_factory=lambda: ({}, {}), repr=False)  # `name_of`

    @property
    def name(self) -> str:
        return self.dataset.name

    def name_of(self, number: int) -> str | None:
        """The unique_id of a series; None where it was deleted."""
        known, names = self._names
        if known is not self.series:  # replaced at a deletion
            known, names = self.series, {}
        if len(names) < len(known):
            names = {**names, **{number: name for name, number in list(known.items())[len(names) :]}}
        self._names = known, names
        return names.get(number)

    def lacks_label(self, series: int) -> bool:
        """Is the label of a series not known yet? Its first stamps decide it."""
        return self.dataset.grid.labelled and series not in self.labels


class Target(NamedTuple):
    """One series that a request names."""

    served: Served
    unique_id: str
    series: int

    @property
    def label(self) -> int:
        """Which day of its period the series writes; see `data.grid.labels`."""
        return self.served.labels.get(self.series, 0)


@dataclass(frozen=True)
class Directory:
    """Every dataset by name, and every series in the order of listing. Replaced as a whole when they change."""

    datasets: Mapping[str, Served] = field(default_factory=dict)
    listing: Listing = field(default_factory=lambda: Listing(()), repr=False, compare=False)
    recent: Listing = field(default_factory=lambda: Listing(()), repr=False, compare=False)  # and those not in it yet
    reach: Patterns = ALL  # series outside it are not found or listed

    @classmethod
    def of(cls, datasets: Mapping[str, Served]) -> "Directory":
        keys = sorted((unique_id, name) for name, served in datasets.items() for unique_id in served.series)
        return cls(dict(datasets), Listing(keys))

    def plus(self, datasets: Mapping[str, Served], keys: Sequence[ListingKey]) -> "Directory":
        """The same with further datasets and series."""
        recent = self.recent.plus(keys)
        if len(recent) <= MAX_RECENT:
            return replace(self, datasets={**self.datasets, **datasets}, recent=recent)
        return Directory({**self.datasets, **datasets}, self.listing.plus(recent.keys))

    def without(self, datasets: Collection[str], keys: Collection[ListingKey]) -> "Directory":
        """The same without some datasets and some series of others."""
        left = {name: served for name, served in self.datasets.items() if name not in datasets}
        parts = (self.listing.without(datasets, keys), self.recent.without(datasets, keys))
        return Directory(left, *parts)

    def seen_by(self, reach: Patterns) -> "Directory":
        """The same directory, restricted to a part of the series."""
        if reach.unlimited:
            return self
        datasets = {name: served for name, served in self.datasets.items() if reach.reaches_into(name)}
        return replace(self, datasets=datasets, reach=reach)

    def find(self, unique_id: str, dataset: str | None = None) -> Target:
        """The series of this id.

        Raises:
            UnknownDataset, UnknownSeries: there is none of this name.
            AmbiguousSeries: several datasets have this id and none was named.
        """
        if dataset is not None and dataset not in self.datasets:
            raise UnknownDataset(dataset)
        found = []
        for served in self.datasets.values() if dataset is None else (self.datasets[dataset],):
            series_id = served.series.get(unique_id)
            if series_id is not None and (self.reach is ALL or self.reach.reaches(served.name, unique_id)):
                found.append(Target(served, unique_id, series_id))
        if not found:
            raise UnknownSeries(unique_id, dataset)
        if len(found) > 1:
            raise AmbiguousSeries(unique_id, [target.served.name for target in found])
        return found[0]

    def numbers(self, dataset: str, search: str = "") -> list[int]:
        """The ids of the series of one dataset whose name contains a text."""
        known, parts = self.datasets[dataset].series, (self.listing, self.recent)
        keys = chain(*(_selected(part.within(self.reach), search, dataset).keys for part in parts))
        return [number for unique_id, _ in keys if (number := known.get(unique_id)) is not None]

    def creating(self, unique_id: str, dataset: str | None = None) -> list[Served]:
        """The datasets, or the named one, in which rows of this unknown id may create its series."""
        candidates = [served for served in self.datasets.values() if dataset in (None, served.name)]
        return [
            served for served in candidates if served.dataset.auto_create and self.reach.reaches(served.name, unique_id)
        ]

    def page(
        self, limit: int, after: ListingKey | None = None, search: str = "", dataset: str | None = None
    ) -> tuple[list[Target], int, bool]:
        """Up to `limit` series after `after` whose id contains `search`; how many match in all; whether more follow.

        A series that was deleted since this directory was made is left out.
        """
        listings = [_selected(part.within(self.reach), search, dataset) for part in (self.listing, self.recent)]
        pages = [listing.page(limit, after) for listing in listings]
        keys = list(merge(*(keys for keys, _ in pages)))
        more = len(keys) > limit or any(more for _, more in pages)
        found = [(self.datasets[name], unique_id) for unique_id, name in keys[:limit]]
        numbers = [served.series.get(unique_id) for served, unique_id in found]
        targets = [Target(*key, number) for key, number in zip(found, numbers, strict=True) if number is not None]
        return targets, sum(map(len, listings)), more


def _selected(listing: Listing, search: str, dataset: str | None) -> Listing:
    """The series of one dataset, where one is named, whose id contains a text."""
    listing = listing if dataset is None else listing.of(dataset)
    return listing.search(search) if search else listing
