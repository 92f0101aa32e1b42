"""Which series there are, and what answers for them: the service's copy of the catalogue, with the champions in it."""

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from data.catalogue import Dataset
from data.errors import AmbiguousSeries, UnknownDataset, UnknownSeries
from service.champion import Champion


@dataclass
class Served:
    """One dataset. `champion` is replaced as one reference, so that an answer never mixes two versions."""

    dataset: Dataset
    series: Mapping[str, int]  # surrogate id by unique_id
    champion: Champion | None = None
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
    listing: tuple[tuple[str, str], ...] = ()  # (unique_id, dataset), ascending

    @classmethod
    def of(cls, datasets: Mapping[str, Served]) -> "Directory":
        listed = sorted((unique_id, name) for name, served in datasets.items() for unique_id in served.series)
        return cls(dict(datasets), tuple(listed))

    def find(self, unique_id: str, dataset: str | None = None) -> Target:
        """The series of this id.

        Raises:
            UnknownDataset, UnknownSeries: nothing has this name.
            AmbiguousSeries: several datasets have it and none was named.
        """
        if dataset is not None and dataset not in self.datasets:
            raise UnknownDataset(dataset)
        among = self.datasets.values() if dataset is None else [self.datasets[dataset]]
        found = [Target(served, unique_id, served.series[unique_id]) for served in among if unique_id in served.series]
        if not found:
            raise UnknownSeries(unique_id, dataset)
        if len(found) > 1:
            raise AmbiguousSeries(unique_id, [target.served.name for target in found])
        return found[0]

    def page(
        self, limit: int, after: tuple[str, str] | None = None, search: str = "", dataset: str | None = None
    ) -> tuple[list[Target], int, bool]:
        """Up to `limit` series beyond `after` whose id holds `search`; how many match in all; whether more follow."""
        wanted = search.casefold()
        matches = [
            key
            for key in self.listing
            if (dataset is None or key[1] == dataset) and (not wanted or wanted in key[0].casefold())
        ]
        start = bisect_right(matches, after) if after else 0
        chosen = [self.find(*key) for key in matches[start : start + limit]]
        return chosen, len(matches), start + limit < len(matches)
