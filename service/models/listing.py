"""Series in the order of listing, prepared for pages and searches: all ids are scanned once, not for every page."""

from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Collection, Iterator, Sequence
from functools import cached_property
from itertools import accumulate

from data.store.series_patterns import Patterns

ListingKey = tuple[str, str]  # (unique_id, dataset)
SEPARATOR = "\n"  # no id contains it
CACHED_SEARCHES = 16  # searches whose matches are kept: a client that pages repeats the same search
CACHED_REACHES = 64  # listings for keys that reach only a part of the series


class Listing:
    """Keys in ascending order. Immutable: another catalogue gets a new listing."""

    def __init__(self, keys: Sequence[ListingKey]) -> None:
        self.keys = keys
        self._searches: OrderedDict[str, Listing] = OrderedDict()
        self._datasets: dict[str, Listing] = {}
        self._reaches: dict[Patterns, Listing] = {}

    def __len__(self) -> int:
        return len(self.keys)

    def page(self, limit: int, after: ListingKey | None) -> tuple[Sequence[ListingKey], bool]:
        """Up to `limit` keys after `after`, and whether more follow."""
        start = bisect_right(self.keys, after) if after else 0
        return self.keys[start : start + limit], start + limit < len(self.keys)

    def of(self, dataset: str) -> "Listing":
        """The series of one dataset."""
        if dataset not in self._datasets:
            self._datasets[dataset] = Listing([key for key in self.keys if key[1] == dataset])
        return self._datasets[dataset]

    def within(self, reach: Patterns) -> "Listing":
        """The series that a key reaches. Computed once for each reach, not for each page."""
        if reach.unlimited:
            return self
        found = self._reaches.get(reach)
        if found is None:
            if len(self._reaches) >= CACHED_REACHES:
                self._reaches.clear()
            found = Listing([key for key in self.keys if reach.reaches(key[1], key[0])])
            self._reaches[reach] = found
        return found

    def plus(self, keys: Sequence[ListingKey]) -> "Listing":
        """These and further series."""
        return Listing(sorted([*self.keys, *keys]))

    def without(self, datasets: Collection[str], keys: Collection[ListingKey]) -> "Listing":
        """These without all series of some datasets, and without some more."""
        return Listing([key for key in self.keys if key[1] not in datasets and key not in keys])

    def search(self, text: str) -> "Listing":
        """The series whose id contains a text, in any case."""
        wanted = text.casefold()
        found = self._searches.get(wanted)
        if found is None:
            found = Listing([self.keys[place] for place in self._matches(wanted)])
            self._searches[wanted] = found
            if len(self._searches) > CACHED_SEARCHES:
                self._searches.popitem(last=False)
        return found

    def _matches(self, wanted: str) -> Iterator[int]:
        """Places of the ids that contain a folded text. One long text is searched, which is faster than id by id."""
        text, ends = self._folded
        at = text.find(wanted) if SEPARATOR not in wanted else -1
        while at >= 0:
            place = bisect_right(ends, at)
            yield place
            at = text.find(wanted, ends[place])

    @cached_property
    def _folded(self) -> tuple[str, list[int]]:
        """All folded ids as one text, and where the next id after each begins."""
        folded = [unique_id.casefold() + SEPARATOR for unique_id, _ in self.keys]
        return "".join(folded), list(accumulate(map(len, folded)))
