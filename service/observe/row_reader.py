"""Reads the rows of one request: which series each is of, its time and its value."""

from typing import Any

from data.errors import AmbiguousSeries, InvalidInput, NotFound
from data.grid.stamps import StampReader
from data.schema import LARGEST_VALUE, LONGEST_SYMBOL
from data.store.catalogue import Dataset, check_unique_id
from service.base.request_limits import MAX_ERRORS
from service.http.errors import too_much
from service.models.datasets import Directory, Served, Target
from service.observe.observe_body import BrokenLine
from service.observe.symbol_rows import stand_in, symbol_in

FIELDS = ("unique_id", "ds", "y", "dataset")
KNOWN = frozenset(FIELDS)
VALUES = (float, int, str, type(None))  # what `y` may be
NEW = -1  # in place of the id of a series that is yet to be created, or whose label is yet to be stored


class RefusedRow(Exception):
    """One row is rejected; `shape`: it has the wrong shape, so that no series could take it."""

    def __init__(self, member: str, message: str, shape: bool = False):
        self.member, self.message, self.shape = member, message, shape
        super().__init__(message)


def require_unique_id(unique_id: str) -> None:
    """Raises InvalidInput for an id that no series can have; its message goes with a pointer."""
    try:
        check_unique_id(unique_id)
    except InvalidInput as error:
        raise InvalidInput(str(error).removeprefix("a series id ")) from None


def new_target(directory: Directory, unique_id: str, dataset: str | None) -> Target | None:
    """An unknown series, as the dataset that it would be created in has it; None where no dataset creates it.

    Raises InvalidInput: the id cannot be one, or several datasets would create it.
    """
    candidates = directory.creating(unique_id, dataset)
    if not candidates:
        return None
    require_unique_id(unique_id)
    if len(candidates) > 1:
        names = ", ".join(served.name for served in candidates[:MAX_ERRORS])
        raise InvalidInput(f"is not a series, and several datasets create series ({names}); say which with `dataset`")
    return Target(candidates[0], unique_id, NEW)


class RowReader:
    """Reads the rows of one request; series and stamps that several rows share are looked up once."""

    def __init__(self, directory: Directory, only: Target | None) -> None:
        self._directory, self._only = directory, only
        self._needed = ("ds", "y") if only else ("unique_id", "ds", "y")
        self._targets: dict[tuple[str | None, str | None], Target] = {}
        self._stamps: dict[tuple[int, Any], int] = {}  # by dataset and text
        self._stamp_readers: dict[int, StampReader] = {}  # by dataset
        self.words: dict[float, str] = {}  # symbols outside their vocabulary, by the value that stands for each

    def row(self, row: Any) -> tuple[Target, int, float]:
        """Series, stamp and value. Raises RefusedRow."""
        if type(row) is not dict:
            raise (
                RefusedRow(*row, shape=True)
                if type(row) is BrokenLine
                else RefusedRow("", "must be an object", shape=True)
            )
        if not row.keys() <= KNOWN:
            raise RefusedRow("", str(too_much(row, FIELDS)), shape=True)
        for name in self._needed:
            if name not in row:
                raise RefusedRow(f"/{name}", "is missing", shape=True)
        value, ds = row["y"], row["ds"]
        if type(value) not in VALUES:
            raise RefusedRow("/y", "must be a number, text where values are symbols, or null where missing", shape=True)
        if type(ds) is not str and type(ds) is not int:
            raise RefusedRow("/ds", "must be a string, or an integer for integer time", shape=True)
        target = self._target(row)
        if target.served.dataset.has_symbols:
            value = self._code(value, target.served.dataset)
        elif type(value) is str:
            raise RefusedRow("/y", "must be a number, or null where it is missing", shape=True)
        elif value is None:
            value = float("nan")
        elif not -LARGEST_VALUE <= value <= LARGEST_VALUE:
            raise RefusedRow("/y", f"must lie within ±{LARGEST_VALUE:g}")
        return target, self._stamp(ds, target.served), float(value)

    def _code(self, value: Any, dataset: Dataset) -> float:
        """The code of a symbol; NaN where it is missing. Of one outside the vocabulary, a value that stands for it."""
        if value is None:
            return float("nan")
        if type(value) is not str:
            raise RefusedRow("/y", "must be a symbol, which is text, or null where it is missing", shape=True)
        symbol = symbol_in(value, dataset)
        code = dataset.codes.get(symbol)
        if code is not None:
            return float(code)
        if not 0 < len(symbol) <= LONGEST_SYMBOL:
            raise RefusedRow("/y", f"must be a symbol of 1 to {LONGEST_SYMBOL} characters, or null where it is missing")
        number = stand_in(symbol)
        self.words[number] = symbol
        return number

    def _target(self, row: dict[str, Any]) -> Target:
        unique_id, dataset = row.get("unique_id"), row.get("dataset")
        if type(unique_id) is not str and "unique_id" in row:
            raise RefusedRow("/unique_id", "must be a string", shape=True)
        if type(dataset) is not str and dataset is not None:
            raise RefusedRow("/dataset", "must be a string", shape=True)
        found = self._targets.get((unique_id, dataset))
        if found is None:
            found = self._same(self._only, row) if self._only else self._named(row["unique_id"], dataset)
            if found.served.lacks_label(found.series):
                found = found._replace(series=NEW)
            self._targets[unique_id, dataset] = found
        return found

    def _named(self, unique_id: str, dataset: str | None) -> Target:
        try:
            return self._directory.find(unique_id, dataset)
        except NotFound:
            if (target := self._new_target(unique_id, dataset)) is not None:
                return target
            if not self._directory.reach.could_reach(dataset, unique_id):
                raise RefusedRow("/unique_id", "is not a series that this key may write") from None
            place = "is not a series of the dataset" if dataset else "is not a series"
            raise RefusedRow("/unique_id", place) from None
        except AmbiguousSeries:
            raise RefusedRow("/unique_id", "is a series of several datasets; say which with `dataset`") from None

    def _new_target(self, unique_id: str, dataset: str | None) -> Target | None:
        """A series that this row may create; None where it may not."""
        try:
            return new_target(self._directory, unique_id, dataset)
        except InvalidInput as error:
            raise RefusedRow("/unique_id", str(error)) from None

    @staticmethod
    def _same(only: Target, row: dict[str, Any]) -> Target:
        for name, own in (("unique_id", only.unique_id), ("dataset", only.served.name)):
            if row.get(name) not in (None, own):
                raise RefusedRow(f"/{name}", "is not the series of the path")
        return only

    def _stamp(self, ds: Any, served: Served) -> int:
        key = (served.dataset.id, ds)
        found = self._stamps.get(key)
        if found is not None:
            return found
        dataset = served.dataset
        reader = self._stamp_readers.get(dataset.id) or self._stamp_readers.setdefault(dataset.id, reader_of(dataset))
        try:
            stamp = reader.read(ds)
        except InvalidInput as error:
            raise RefusedRow("/ds", str(error)) from None
        self._stamps[key] = stamp
        return stamp


def reader_of(dataset: Dataset) -> StampReader:
    """Reads the stamps of requests for a dataset."""
    return StampReader(dataset.kind, dataset.zone, dataset.memory.get("date_format"), dataset.grid.civil)
