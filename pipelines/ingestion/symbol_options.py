"""The options of an ingest of symbols, and those that mean nothing for them."""

from __future__ import annotations

from dataclasses import replace

from data.errors import Conflict, InvalidInput
from data.formats.options import SourceOptions
from data.reading.memory import SourceMemory
from data.schema import NUMERIC, SYMBOLS
from data.store.catalogue import Dataset
from data.text_symbols import UNITS

OF_NUMBERS = {
    "every": "--every aggregates numbers",
    "wide": "--wide reads columns of numbers",
    "decimal": "--decimal is a sign of numbers",
    "low": "--min is a rule for numbers",
    "high": "--max is a rule for numbers",
    "max_jump": "--max-jump is a rule for numbers",
    "max_stale": "--max-stale is a rule for numbers",
}
KEPT = (None, "last", "first")


def complete_kind(known: Dataset | None, options: SourceOptions) -> SourceOptions:
    """The options with the kind of the dataset's values.

    Raises Conflict where another was given than the dataset's, InvalidInput for options that do not fit the kind.
    """
    own = None if known is None else SYMBOLS if known.has_symbols else NUMERIC
    if options.kind not in (None, NUMERIC, SYMBOLS):
        raise InvalidInput(f"--kind is {options.kind!r}; give {NUMERIC} or {SYMBOLS}")
    if known is not None and options.kind not in (None, own):
        raise Conflict(
            f"dataset {known.name!r} has values of kind {own}, not {options.kind}; ingest under another name"
        )
    kind = options.kind or own or NUMERIC
    _check_by(known, options, kind)
    if kind == SYMBOLS:
        _refuse_options_of_numbers(options)
    return replace(options, kind=kind)


def _check_by(known: Dataset | None, options: SourceOptions, kind: str) -> None:
    if options.by is None:
        return
    if options.by not in UNITS:
        raise InvalidInput(f"--by is {options.by!r}; give {' or '.join(UNITS)}")
    if kind != SYMBOLS:
        raise InvalidInput(f"--by reads a text as symbols; add --kind {SYMBOLS}")
    before = SourceMemory.of(known.memory).by if known else options.by
    if known is not None and before != options.by:
        words = f"a text read --by {before}" if before else "a table, not a text"
        raise Conflict(f"dataset {known.name!r} is {words}; ingest under another name")


def _refuse_options_of_numbers(options: SourceOptions) -> None:
    for name, why in OF_NUMBERS.items():
        if getattr(options, name) is not None:
            raise InvalidInput(f"{why}, and the values of this dataset are symbols; leave it out")
    if options.keep not in KEPT:
        raise InvalidInput(f"--keep {options.keep} computes with numbers; for symbols give last or first")
    if options.by is not None and (options.id_col, options.time_col, options.target_col) != (None, None, None):
        raise InvalidInput("a text has no columns; leave --id-col, --time-col and --target-col out, or leave --by out")
