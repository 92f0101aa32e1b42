"""Which series there are, and what answers for them: the service's copy of the catalogue, with the champions in it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from data.errors import AmbiguousSeries, UnknownDataset, UnknownSeries
from data.records.drift import Drift
from data.store.catalogue import Dataset
from data.store.series_patterns import ALL, Patterns
from service.models.listing import Listing, ListingKey
from states.champion import Champion

CACHED_LISTINGS = 64  # listings kept for keys that reach a part of the series


@dataclass
class Served:
    """One dataset. `champion` is replaced as one reference, so that an answer never mixes two versions."""

    dataset: Dataset
    series: Mapping[str, int]  # surrogate id by unique_id
    champion: Champion | None = None
    previous: Champion | None = None  # the version before, following the log: the watcher's to write
    shadow: Champion | None = None  # a challenger on the same stream, in place of the version before: the watcher's
    shadow_problem: str | None = None  # why it could not be built, in one sentence
    drift: Sequence[Drift] = ()  # what the monitor last found
    quarantined: int = 0  # values that broke a rule and wait for somebody to look
    problem: str | None = None  # why the promoted model could not be taken over, in one sentence

    @property
    def name(self) -> str:
        return self.dataset.name


class Target(NamedTuple):
    """One series that a request names."""

    served: Served
    unique_id: str
    series: int


@dataclass(frozen=True)
class Directory:
    """Every dataset by name, and every series in the order of listing. Replaced as one when the catalogue grows."""

    datasets: Mapping[str, Served] = field(default_factory=dict)
    listing: Listing = field(default_factory=lambda: Listing(()), repr=False, compare=False)
    reach: Patterns = ALL  # what is not within it is not there
    _reached: dict[Patterns, Listing] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def of(cls, datasets: Mapping[str, Served]) -> "Directory":
        listed = sorted((unique_id, name) for name, served in datasets.items() for unique_id in served.series)
        return cls(dict(datasets), Listing(listed))

    def seen_by(self, reach: Patterns) -> "Directory":
        """The same directory for somebody who reaches only a part of it."""
        if reach.unlimited:
            return self
        datasets = {name: served for name, served in self.datasets.items() if reach.reaches_into(name)}
        return replace(self, datasets=datasets, reach=reach)

    def find(self, unique_id: str, dataset: str | None = None) -> Target:
        """The series of this id.

        Raises:
            UnknownDataset, UnknownSeries: nothing has this name.
            AmbiguousSeries: several datasets have it and none was named.
        """
        if dataset is not None and dataset not in self.datasets:
            raise UnknownDataset(dataset)
        found = []
        for served in self.datasets.values() if dataset is None else (self.datasets[dataset],):
            number = served.series.get(unique_id)
            if number is not None and (self.reach is ALL or self.reach.reaches(served.name, unique_id)):
                found.append(Target(served, unique_id, number))
        if not found:
            raise UnknownSeries(unique_id, dataset)
        if len(found) > 1:
            raise AmbiguousSeries(unique_id, [target.served.name for target in found])
        return found[0]

    def page(
        self, limit: int, after: ListingKey | None = None, search: str = "", dataset: str | None = None
    ) -> tuple[list[Target], int, bool]:
        """Up to `limit` series beyond `after` whose id holds `search`; how many match in all; whether more follow."""
        listing = self._listed() if dataset is None else self._listed().of(dataset)
        listing = listing.search(search) if search else listing
        keys, more = listing.page(limit, after)
        chosen = [(self.datasets[name], unique_id) for unique_id, name in keys]
        return [Target(served, one, served.series[one]) for served, one in chosen], len(listing), more

    def _listed(self) -> Listing:
        """What there is within reach; the whole listing is gone over once for each reach, not once a page."""
        if self.reach.unlimited:
            return self.listing
        found = self._reached.get(self.reach)
        if found is None:
            if len(self._reached) >= CACHED_LISTINGS:
                self._reached.clear()
            found = Listing([key for key in self.listing.keys if self.reach.reaches(key[1], key[0])])
            self._reached[self.reach] = found
        return found
