"""Reads columns of text as numbers, with a decimal point or a decimal comma. It is strict.

A column's decimal sign is found in its first batch with a sign at all: that by which every value is a number. Where
both signs fit, as for `1.299`, the sign of the file's other columns counts, then what the separator says: a file with
commas between its columns has decimal points. In a file with `;` the user is asked.
"""

from collections.abc import Iterable
from typing import NamedTuple

import polars as pl

from data.errors import InvalidInput, quoted
from data.formats.batches import ROW
from data.formats.dialect import Decimal, Dialect, Recognised

MISSING = (  # words for a missing value, in any case
    "", "na", "n/a", "n.a.", "<na>", "nan", "-nan", "nat", "null", "none", "nil", "missing", "undefined", "unavailable",
    "unknown", "not available", "no data", "nodata", "?", "-", "--", ".", "..", "...", r"\n", "#n/a", "#n/a n/a", "#na",
    "#value!", "#ref!", "#div/0!", "#num!", "#name?", "#null!", "1.#ind", "-1.#ind", "1.#qnan", "-1.#qnan",
)  # fmt: skip
SPACES = " \u00a0\u202f'’"  # between thousands, as in 1 299,99
SPACED = rf"^[+-]?\d{{1,3}}([{SPACES}]\d{{3}})+([.,]\d*)?$"
EXPONENT = r"([eE][+-]?\d+)?"
FORMS: dict[Decimal, str] = {  # of a number with this decimal sign
    ".": rf"^[+-]?((\d+|[1-9]\d{{0,2}}(,\d{{3}})+)(\.\d*)?|\.\d+){EXPONENT}$|^[+-]?(?i:inf|infinity|nan)$",
    ",": rf"^[+-]?((\d+|[1-9]\d{{0,2}}(\.\d{{3}})+)(,\d*)?|,\d+){EXPONENT}$|^[+-]?(?i:inf|infinity|nan)$",
}
THOUSANDS: dict[Decimal, Decimal] = {".": ",", ",": "."}
WORDS_SHOWN = 8
SAMPLE = 100  # values by which a column of words is told from one of numbers


CURRENCIES = "$€£¥₹"
WITH_CURRENCY = rf"^([+-]?)\s*([{CURRENCIES}])\s*([+-]?.*\d.*)$|^(.*\d.*?)\s*([{CURRENCIES}])$"


class Fit(NamedTuple):
    """Whether every value of a column is a number with either sign, and which signs it has."""

    point: bool
    comma: bool
    points: bool
    commas: bool


class NumberReader:
    """Reads the columns of one table, batch by batch."""

    def __init__(self, dialect: Dialect, found: Recognised):
        self._given, self._found = dialect.decimal, found
        self._signs: dict[str, Decimal] = {}  # by column
        self._missing = frozenset((*MISSING, *(word.strip().lower() for word in dialect.missing)))
        self._missing_numbers = [number for word in dialect.missing if (number := _number(word)) is not None]
        self._words: dict[str, None] = {}  # for missing values, as they were written

    @property
    def notes(self) -> tuple[str, ...]:
        """The words that were read as missing values, for the report."""
        words = ", ".join(quoted(word) for word in list(self._words)[:WORDS_SHOWN])
        return (f"missing values written as {words}",) if words else ()

    def read(self, raw: pl.DataFrame, names: Iterable[str], source: str) -> dict[str, pl.Series]:
        """float64 for each of these columns that holds numbers, with null for a missing value.

        Raises InvalidInput for a column that means two things, such as 1.299 in a file with `;`.
        """
        held = [name for name in names if name in raw.columns]
        fits = {name: fit for name in held if (fit := self._fit(raw[name])) is not None}
        self._choose_signs(fits, raw, source)
        numbers = {name: values for name in held if (values := self._numbers(raw[name])) is not None}
        return {name: self._without_missing_numbers(values) for name, values in numbers.items()}

    def not_a_number(self, raw: pl.DataFrame, column: str, source: str) -> InvalidInput:
        """The error for the first value of a column that is not a number."""
        values = raw[column]
        if values.dtype != pl.String:
            return InvalidInput(
                f"it holds {values.dtype}, not numbers; choose another --target-col", source=source, column=column
            )
        words = _joined_thousands(self._without_missing_words(values))
        sign = self._sign(column)
        signs: tuple[Decimal, ...] = (".", ",") if sign is None else (sign,)
        wrong = min((_wrong(words, sign).arg_true() for sign in signs), key=len)
        first, others = int(wrong[0]), len(wrong) - 1
        also = (
            f" (nor {'is 1 other' if others == 1 else f'are {others} others'}); correct them"
            if others
            else "; correct it"
        )
        return InvalidInput(
            f"{quoted(values[first])} is not a number{also} or choose another --target-col; states and words are "
            "for `rollcast ingest … --kind symbols`",
            source=source,
            column=column,
            row=raw[ROW][first],
        )

    def _sign(self, column: str) -> Decimal | None:
        return self._given or self._signs.get(column)

    def _fit(self, values: pl.Series) -> Fit | None:
        """How the values of a column without a known sign can be read; None where that does not matter."""
        if values.dtype != pl.String or self._sign(values.name) is not None:
            return None
        odd = _odd(values, values.cast(pl.Float64, strict=False))
        if odd.any():
            sample = self._without_missing_words(values.filter(odd).head(SAMPLE), seen=False)
            if not _reads(_joined_thousands(sample).drop_nulls()):
                return None
        elif self._found.separator in (",", None) or not values.str.contains(".", literal=True).any():
            return None  # decimal points, or no sign at all
        words = _joined_thousands(self._without_missing_words(values.drop_nulls(), seen=False).drop_nulls())
        return Fit(
            point=bool(words.str.contains(FORMS["."]).all()),
            comma=bool(words.str.contains(FORMS[","]).all()),
            points=bool(words.str.contains(".", literal=True).any()),
            commas=bool(words.str.contains(",", literal=True).any()),
        )

    def _choose_signs(self, fits: dict[str, Fit], raw: pl.DataFrame, source: str) -> None:
        certain: dict[str, Decimal] = {
            name: "." if fit.point else "," for name, fit in fits.items() if fit.point != fit.comma
        }
        self._signs |= certain
        others = set(self._signs.values())
        for name, fit in fits.items():
            if not (fit.point and fit.comma and (fit.points or fit.commas)):
                continue
            usual = next(iter(others)) if len(others) == 1 else self._usual_sign(fit)
            if usual is None:
                raise _asked(raw, name, self._without_missing_words(raw[name]), source)
            self._signs[name] = usual
        if "," in self._signs.values():
            self._found.note("decimal comma")

    def _usual_sign(self, fit: Fit) -> Decimal | None:
        """The sign where both fit and no other column says which; None where that has to be asked."""
        if fit.points and fit.commas:
            return None
        if self._found.separator == ";":
            return "," if fit.commas else None
        return "." if fit.points or self._found.separator == "," else None

    def _numbers(self, values: pl.Series) -> pl.Series | None:
        if values.dtype.is_numeric() or values.dtype == pl.Null:
            return values.cast(pl.Float64)
        if values.dtype != pl.String:
            return None
        sign = self._sign(values.name) or "."
        numbers = _read_plainly(values, sign)
        odd = _odd(values, numbers)
        if not odd.any():
            return numbers
        parsed = self._parsed(values.filter(odd), sign)
        return None if parsed is None else numbers.scatter(odd.arg_true(), parsed)

    def _parsed(self, values: pl.Series, sign: Decimal) -> pl.Series | None:
        """The numbers of text with this decimal sign; None when some value is not a number."""
        if not _reads(_joined_thousands(self._without_missing_words(values.head(SAMPLE), seen=False)).drop_nulls()):
            return None
        words = _joined_thousands(self._without_missing_words(values))
        plain = _plain(words, sign)
        numbers = plain.cast(pl.Float64, strict=False)
        if (numbers.is_null() & words.is_not_null()).any():
            return None
        if words.str.contains(THOUSANDS[sign], literal=True).any():
            self._found.note(f"a {'comma' if sign == '.' else 'point'} between thousands")
        return numbers

    def _without_missing_words(self, values: pl.Series, seen: bool = True) -> pl.Series:
        """Text without blanks around it; null for a word that means a missing value."""
        stripped = values.str.strip_chars()
        missing = stripped.str.to_lowercase().is_in(self._missing)
        if seen and missing.any():
            self._words.update(dict.fromkeys(word for word in stripped.filter(missing).unique().sort() if word))
        return stripped.set(missing, None)

    def _without_missing_numbers(self, numbers: pl.Series) -> pl.Series:
        return numbers.set(numbers.is_in(self._missing_numbers), None) if self._missing_numbers else numbers


def _read_plainly(values: pl.Series, sign: Decimal) -> pl.Series:
    """The numbers of text with nothing between thousands, fast; null for any other text."""
    if sign == ".":
        return values.cast(pl.Float64, strict=False)
    numbers = values.str.replace(",", ".", literal=True).cast(pl.Float64, strict=False)
    return numbers.set(values.str.contains(".", literal=True).fill_null(False), None)


def _odd(values: pl.Series, numbers: pl.Series) -> pl.Series:
    return numbers.is_null() & values.is_not_null()


def _reads(words: pl.Series) -> bool:
    """Whether each word is a number with either sign."""
    return bool((words.str.contains(FORMS["."]) | words.str.contains(FORMS[","])).all())


def _wrong(words: pl.Series, sign: Decimal) -> pl.Series:
    return _plain(words, sign).cast(pl.Float64, strict=False).is_null() & words.is_not_null()


def _without_currency(words: pl.Series) -> pl.Series:
    """Amounts without their currency, if all that have one have the same; amounts of two currencies are no numbers."""
    priced = words.str.contains_any(list(CURRENCIES)).fill_null(False)
    if not priced.any():
        return words
    signs = words.filter(priced).str.extract_all(f"[{CURRENCIES}]").explode().unique()
    if len(signs) > 1:
        return words
    plain = words.filter(priced).str.replace(WITH_CURRENCY, "${1}${3}${4}")
    return words.clone().scatter(priced.arg_true(), plain)


def _joined_thousands(words: pl.Series) -> pl.Series:
    """Words without a currency, and without the spaces or apostrophes between their thousands."""
    words = _without_currency(words)
    spaced = words.str.contains_any(list(SPACES)).fill_null(False)
    if not spaced.any():
        return words
    spaced &= words.str.contains(SPACED).fill_null(False)
    return words.clone().scatter(spaced.arg_true(), words.filter(spaced).str.replace_all(f"[{SPACES}]", ""))


def _plain(words: pl.Series, sign: Decimal) -> pl.Series:
    """Words with a decimal point and nothing between thousands. What has no form of the sign becomes no number."""
    grouped = words.str.contains(THOUSANDS[sign], literal=True).fill_null(False)
    if grouped.any():
        found = words.filter(grouped)
        joined = found.str.replace_all(THOUSANDS[sign], "", literal=True)
        words = words.clone().scatter(grouped.arg_true(), joined.set(~found.str.contains(FORMS[sign]), "no number"))
    return words.str.replace(",", ".", literal=True) if sign == "," else words


def _asked(raw: pl.DataFrame, column: str, words: pl.Series, source: str) -> InvalidInput:
    """The error for a column whose signs mean two things, at its first value with one."""
    first = int(words.str.contains(r"[.,]").fill_null(False).arg_max() or 0)
    word = words[first : first + 1]
    comma, point = _plain(word, ",")[0], _plain(word, ".")[0]
    return InvalidInput(
        f"{quoted(word[0])} is {comma} with a decimal comma (--decimal ,) or {point} with a decimal point "
        "(--decimal .); say which",
        source=source,
        column=column,
        row=raw[ROW][first],
    )


def _number(word: str) -> float | None:
    try:
        return float(word.strip().replace(",", "."))
    except ValueError:
        return None
