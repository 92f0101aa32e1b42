"""Reads a column of text as numbers. It is strict: a value that is no number is an error that names its row."""

import polars as pl

from data.errors import InvalidInput
from data.formats.batches import ROW

MISSING = (
    "",
    "na",
    "n/a",
    "#n/a",
    "nan",
    "null",
    "none",
    "-",
    "unavailable",
    "unknown",
)  # words for a missing value, in any case


def to_numbers(values: pl.Series) -> pl.Series | None:
    """float64, with null for a missing value; None when some value is not a number."""
    if values.dtype.is_numeric() or values.dtype == pl.Null:
        return values.cast(pl.Float64)
    if values.dtype != pl.String:
        return None
    numbers = values.cast(pl.Float64, strict=False)
    odd = numbers.is_null() & values.is_not_null()
    if not odd.any():
        return numbers
    words = _without_missing_words(values.filter(odd))
    parsed = words.cast(pl.Float64, strict=False)
    if (parsed.is_null() & words.is_not_null()).any():
        return None
    return numbers.scatter(odd.arg_true(), parsed)


def _without_missing_words(values: pl.Series) -> pl.Series:
    """Text without blanks around it; null for a word that means a missing value."""
    stripped = values.str.strip_chars()
    return stripped.set(stripped.str.to_lowercase().is_in(MISSING), None)


def not_a_number(raw: pl.DataFrame, column: str, source: str) -> InvalidInput:
    """The error for the first value of a column that is not a number."""
    values = raw[column]
    if values.dtype != pl.String:
        return InvalidInput(
            f"it holds {values.dtype}, not numbers; choose another --target-col", source=source, column=column
        )
    words = _without_missing_words(values)
    wrong = (words.cast(pl.Float64, strict=False).is_null() & words.is_not_null()).arg_true()
    first, others = int(wrong[0]), len(wrong) - 1
    also = f" (nor are {others} others); correct them" if others else "; correct it"
    return InvalidInput(
        f"{quoted(values[first])} is not a number{also} or choose another --target-col",
        source=source,
        column=column,
        row=raw[ROW][first],
    )


def quoted(value: object) -> str:
    """A value as errors show it, at most 40 characters."""
    text = repr(value)
    return text if len(text) <= 40 else text[:37] + "…'"
