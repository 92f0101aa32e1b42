"""Makes the series id of every row, from one column or from several that are joined by "/"."""

import polars as pl

from data.errors import InvalidInput
from data.formats.batches import ROW
from data.store.catalogue import UNIQUE_ID, UNIQUE_ID_RULE

JOINT = "/"


class SeriesIds:
    """The ids of one source's rows, read in batches."""

    def __init__(self) -> None:
        self._with_joint: set[str] = set()  # columns of which some value has JOINT in it

    def joined(self, raw: pl.DataFrame, columns: tuple[str, ...], source: str) -> pl.Series:
        """The ids by one or more columns. Raises InvalidInput for the first that is empty or cannot be stored."""
        texts = [raw[column].cast(pl.String) for column in columns]
        for column, text in zip(columns, texts, strict=True):
            if text.has_nulls():
                raise _not_stored(raw, column, text.is_null(), source)
        if len(texts) == 1:
            ids = texts[0]
        else:
            self._refuse_ambiguous(texts, source)
            ids = pl.select(pl.concat_str(texts, separator=JOINT)).to_series()
        distinct = ids.unique()
        if _not_an_id(distinct).any():
            raise _not_stored(raw, ", ".join(columns), _not_an_id(ids), source)
        return ids

    def _refuse_ambiguous(self, texts: list[pl.Series], source: str) -> None:
        """Raises InvalidInput where two columns hold JOINT: a/b with c, and a with b/c, would be one series."""
        self._with_joint |= {text.name for text in texts if text.str.contains(JOINT, literal=True).any()}
        if len(self._with_joint) > 1:
            both = " and ".join(sorted(self._with_joint))
            raise InvalidInput(f"columns {both} both have values with {JOINT!r}, which joins them; replace it in one")


def checked_id(name: str, source: str, length: int) -> pl.Series:
    """One id for all rows. Raises InvalidInput where it cannot be stored."""
    ids = pl.repeat(name, length, dtype=pl.String, eager=True)
    if _not_an_id(ids.head(1)).any():
        raise InvalidInput(UNIQUE_ID_RULE, source=source, column="--series")
    return ids


def _not_stored(raw: pl.DataFrame, column: str, wrong: pl.Series, source: str) -> InvalidInput:
    return InvalidInput(UNIQUE_ID_RULE, source=source, column=column, row=raw[ROW][int(wrong.arg_max() or 0)])


def _not_an_id(ids: pl.Series) -> pl.Series:
    return (ids.is_null() | ~ids.str.contains(f"^{UNIQUE_ID}$")).fill_null(True)
