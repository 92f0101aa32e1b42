"""Reads columns of symbols: each becomes its code, which is its place in the dataset's vocabulary.

The first ingest fixes the vocabulary: its symbols, sorted by code point. A later source with another one is refused.
"""

import re
from collections.abc import Sequence

import polars as pl

from data.errors import InvalidInput, counted, quoted
from data.formats.batches import ROW
from data.formats.options import SourceOptions
from data.reading.columns import VALUE_NAMES, Roles, find_ids_and_times
from data.schema import LONGEST_SYMBOL, MOST_SYMBOLS, VALUE

SHOWN = 20  # symbols in a message
A_NUMBER = re.compile(r"[+-]?(\d+[.,]?\d*|[.,]\d+)([eE][+-]?\d+)?")
TEXTS = (pl.String, pl.Categorical, pl.Enum, pl.Boolean)


class SymbolReader:
    """Reads the symbols of one source. Until all were read, codes are numbers in the order in which symbols came."""

    def __init__(self, known: Sequence[str] | None, by: str | None, missing: Sequence[str] = ()):
        """known: the vocabulary of a dataset that has one; by: how a text is split; missing: words for no symbol."""
        self._known, self._by, self._missing = known, by, [word.strip() for word in missing]
        self._codes = {symbol: code for code, symbol in enumerate(known or ())}

    @property
    def vocabulary(self) -> tuple[str, ...]:
        """Every symbol in the order of its code."""
        return tuple(self._known if self._known is not None else sorted(self._codes))

    def read(self, raw: pl.DataFrame, column: str, source: str) -> pl.Series:
        """The codes of a column as float64, null where there is no symbol.

        Raises InvalidInput for a column of fractions, a symbol that is too long or not in the vocabulary, and for more
        symbols than a vocabulary may have.
        """
        words = self._words(raw[column], source, column)
        new = [word for word in words.unique(maintain_order=True).drop_nulls() if word not in self._codes]
        if new:
            self._add(new, raw, words, column, source)
        known = pl.DataFrame(
            {column: list(self._codes), "code": list(map(float, self._codes.values()))},
            schema={column: pl.String, "code": pl.Float64},
        )
        codes = words.to_frame(column).join(known, on=column, how="left", maintain_order="left")
        return codes["code"].alias(column)

    def check(self, source: str, column: str | None) -> None:
        """After the first source of a dataset. Raises InvalidInput where it has no symbol, or only numbers, some of
        them fractions."""
        if self._known is not None:
            return
        if not self._codes:
            raise InvalidInput("it has no symbol at all; give rows with symbols", source=source, column=column)
        if self._by is None and all(map(A_NUMBER.fullmatch, self._codes)):
            if fraction := next((word for word in self._codes if not word.lstrip("+-").isdigit()), None):
                raise InvalidInput(
                    f"it holds fractions such as {fraction}, not symbols; leave --kind symbols out, or choose another "
                    "--target-col",
                    source=source,
                    column=column,
                )

    def in_order(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Rows that were read, with the codes of the whole vocabulary."""
        if self._known is not None:
            return frame
        place = {symbol: code for code, symbol in enumerate(self.vocabulary)}
        final = pl.Series([float(place[symbol]) for symbol in self._codes], dtype=pl.Float64)
        return frame.with_columns(final.gather(frame[VALUE].cast(pl.UInt32)).alias(VALUE))

    def _words(self, values: pl.Series, source: str, column: str) -> pl.Series:
        if not (values.dtype.is_integer() or values.dtype in (*TEXTS, pl.Null)):
            raise InvalidInput(
                f"it holds {values.dtype}, not symbols; choose another --target-col", source=source, column=column
            )
        words = values.cast(pl.String)
        if self._by is not None:
            return words
        words = words.str.strip_chars()
        return words.set(words.is_in(["", *self._missing]), None)

    def _add(self, new: list[str], raw: pl.DataFrame, words: pl.Series, column: str, source: str) -> None:
        row = raw[ROW][int((words == new[0]).arg_max() or 0)]
        if self._known is not None:
            raise InvalidInput(
                f"{listed(new)} {'is' if len(new) == 1 else 'are'} not in the vocabulary of the dataset, which stays "
                f"as its first ingest made it: {listed(self._known)}; correct the source, or ingest under another name",
                source=source,
                column=column,
                row=row,
            )
        if long := next((word for word in new if len(word) > LONGEST_SYMBOL), None):
            raise InvalidInput(
                f"{quoted(long)} has {len(long)} characters; a symbol may have {LONGEST_SYMBOL}",
                source=source,
                column=column,
                row=raw[ROW][int((words == long).arg_max() or 0)],
            )
        if len(self._codes) + len(new) > MOST_SYMBOLS:
            shorter = "; a text may be read --by character" if self._by == "word" else ""
            if self._by is None and all(map(A_NUMBER.fullmatch, new)):
                shorter = "; numbers are read without --kind symbols"
            raise InvalidInput(
                f"it has more than {MOST_SYMBOLS:,} different symbols, the most that a vocabulary may have{shorter}",
                source=source,
                column=column,
            )
        self._codes |= {word: len(self._codes) + place for place, word in enumerate(new)}


def listed(symbols: Sequence[str]) -> str:
    """Symbols in a message; of many the first ones, and how many there are."""
    shown = ", ".join(quoted(symbol) for symbol in symbols[:SHOWN])
    return shown if len(symbols) <= SHOWN else f"{shown} … ({counted(len(symbols), 'symbol')})"


def choose_symbol_roles(raw: pl.DataFrame, options: SourceOptions, source: str) -> Roles:
    """The roles of the columns where one holds symbols. Raises InvalidInput for a missing or ambiguous column."""
    if options.time_col is None and len(raw.columns) <= 2:  # ROW and the only one
        raise InvalidInput(
            "it has one column, and symbols need one of times too; a text is read with --by word or --by character",
            source=source,
        )
    ids, times, split, rest = find_ids_and_times(raw, options, source)
    target = options.target_col or next((name for name in VALUE_NAMES if name in rest), None)
    if target is not None and target not in rest:
        raise InvalidInput("one column cannot be both the value and something else", source=source, column=target)
    if target is None and len(rest) != 1:
        could = f"It could be {', '.join(rest)}; name it" if rest else "There is none beside series and time; add it"
        raise InvalidInput(f"which column holds the symbols? {could} with --target-col", source=source)
    target = target or rest[0]
    return Roles(ids, times, target, split, (), tuple(name for name in rest if name != target))
