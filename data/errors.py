"""The errors that the program raises itself, and how each leaves it.

    RollcastError
    ├── InvalidInput         a file, an option or a request is wrong         exit 2 · 422
    ├── NotFound             a name or number that is not stored             exit 2 · 404
    │   ├── UnknownDataset
    │   ├── UnknownSeries
    │   ├── UnknownModel
    │   └── UnknownKey
    ├── Conflict             valid, but not possible in the present state    exit 2 · 409
    │   ├── AmbiguousSeries
    │   ├── NothingObserved
    │   ├── NotTrained
    │   ├── NotIssued
    │   ├── AlreadyRunning
    │   └── Busy
    ├── GateRefused          the promotion gate refuses a candidate          exit 3 · 409
    └── Unavailable          a store or file of ours cannot be used          exit 1 · 503
        ├── DamagedArtifact
        ├── LeaseLost
        └── StoreUnavailable
            ├── StoreBroken
            └── StoreTooNew

Every message is one sentence: what, where, and what to do next. The values in it are attributes too.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar


def counted(count: int, noun: str, plural: str | None = None) -> str:
    """A number with its noun: 1 row, 2,000 rows."""
    return f"{count:,} {noun if count == 1 else plural or noun + 's'}"


class RollcastError(Exception):
    """The root of the family: an error that a user can act on."""

    exit_code: ClassVar[int] = 1


class InvalidInput(RollcastError):
    """An input is wrong; nothing was stored."""

    exit_code = 2

    def __init__(
        self,
        message: str,
        *,
        source: str | None = None,  # the file, URL or setting
        column: str | None = None,
        row: int | None = None,  # line number in the file: the header is 1, the first data row 2
        pointer: str | None = None,  # JSON pointer into a request body
    ):
        self.source, self.column, self.row, self.pointer = source, column, row, pointer
        where = [source, column and f"column {column!r}", row and f"row {row}"]
        place = ", ".join(part for part in where if part)
        super().__init__(f"{place}: {message}" if place else message)


class NotFound(RollcastError):
    """A name or number that is not stored."""

    exit_code = 2


class UnknownDataset(NotFound):
    """No dataset has this name."""

    def __init__(self, name: str, known: Sequence[str] = ()):
        self.name, self.known = name, tuple(known)
        more = f" and {len(self.known) - 10} more" if len(self.known) > 10 else ""
        listed = ", ".join(self.known[:10]) + more or "none yet"
        super().__init__(f"there is no dataset {name!r} (known: {listed}); `rollcast ingest` makes one")


class UnknownSeries(NotFound):
    """No series has this id, in the named dataset or in any."""

    def __init__(self, unique_id: str, dataset: str | None = None):
        self.unique_id, self.dataset = unique_id, dataset
        place = f"dataset {dataset!r}" if dataset else "any dataset"
        super().__init__(
            f"there is no series {unique_id!r} in {place}; `rollcast series list {dataset or 'NAME'}` names them"
        )


class UnknownModel(NotFound):
    """A dataset has no model of this version."""

    def __init__(self, dataset: str, version: int | None = None):
        self.dataset, self.version = dataset, version
        if version is None:
            message = f"dataset {dataset!r} does not have any model; `rollcast train {dataset}` registers one"
        else:
            message = f"dataset {dataset!r} has no model version {version}; `rollcast model list {dataset}` names them"
        super().__init__(message)


class UnknownKey(NotFound):
    """No API key has this id. The message does not repeat the id: it may be a whole key."""

    def __init__(self) -> None:
        super().__init__("there is no key of this id; `rollcast keys list` shows each key's id, its eight characters")


class Conflict(RollcastError):
    """The request is valid, but the present state does not allow it."""

    exit_code = 2


class AmbiguousSeries(Conflict):
    """Several datasets have a series with this id."""

    def __init__(self, unique_id: str, datasets: Sequence[str]):
        self.unique_id, self.datasets = unique_id, tuple(datasets)
        listed = ", ".join(self.datasets)
        super().__init__(f"series {unique_id!r} is in several datasets ({listed}); say which with ?dataset=")


class NothingObserved(Conflict):
    """A series has no value yet, so there is no origin to forecast from."""

    def __init__(self, unique_id: str):
        self.unique_id = unique_id
        super().__init__(f"series {unique_id!r} has no value yet; observe one first")


class NotTrained(Conflict):
    """A dataset has no promoted model, so it cannot forecast."""

    def __init__(self, dataset: str):
        self.dataset = dataset
        super().__init__(f"dataset {dataset!r} has no promoted model; run `rollcast train` and `rollcast promote`")


class AlreadyRunning(Conflict):
    """Another process holds the lock of work that only one may do at a time; the lock ends with that process."""

    def __init__(self, what: str):
        self.what = what
        super().__init__(f"{what} is running already; wait for it to end or stop it")


class Busy(Conflict):
    """Another process holds the lease of work that only one may do at a time."""

    def __init__(self, name: str, holder: str):
        self.name, self.holder = name, holder
        super().__init__(
            f"{name} is being done by {holder}; wait for it to end (after a kill: for a minute) and try again"
        )


class NotIssued(Conflict):
    """A dataset has no complete issue of forecasts in the lake."""

    def __init__(self, dataset: str):
        self.dataset = dataset
        super().__init__(f"no forecasts of {dataset!r} were issued yet; `rollcast forecast {dataset} --lake` does it")


class GateRefused(RollcastError):
    """The promotion gate refused a candidate; `evidence` holds the figures that it compared."""

    exit_code = 3

    def __init__(self, message: str, evidence: Mapping[str, Any]):
        self.evidence = dict(evidence)
        super().__init__(message)


class Unavailable(RollcastError):
    """A store, a file or a server cannot be used; the input was not wrong."""


class DamagedArtifact(Unavailable):
    """Stored bytes are not the bytes that were written; they are refused before they are parsed."""


class LeaseLost(Unavailable):
    """This process did not renew its lease in time, and another process took it; that one finishes the work."""

    def __init__(self, name: str):
        self.name = name
        super().__init__(
            f"{name} was taken over by another process while this one was stopped; nothing to do but run it again"
        )


class StoreUnavailable(Unavailable):
    """The live store cannot be reached, or stayed locked too long."""


class StoreBroken(StoreUnavailable):
    """The disk failed a write: it is unknown what was stored, and this process writes nothing more."""


class StoreTooNew(StoreUnavailable):
    """A newer version of the program made the tables of the store."""


def first_line(error: BaseException, longest: int | None = 200, empty: str = "no reason given") -> str:
    """The first line of an error's text, cut to `longest` characters; `empty` where the error says nothing."""
    return (str(error).strip() or empty).splitlines()[0][:longest]


def quoted(value: object) -> str:
    """A value as errors show it, at most 40 characters."""
    text = repr(value)
    return text if len(text) <= 40 else text[:37] + "…'"
