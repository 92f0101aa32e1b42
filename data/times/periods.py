"""Times that name a period instead of a date: `2015Q1`, `Jan 2015`, `2015-01`, `2015-W05`, and years in such a column.

A period is read as its first day. Only forms that mean one thing are read: `Jan-15` may be a day as well as a year.
"""

import re

import polars as pl

QUARTERS, MONTHS, WEEKS, YEARS = "quarters", "months", "weeks", "years"
QUARTER = r"(?i)^(?:(?<year>\d{4})[- ]?Q(?<quarter>[1-4])|Q(?<quarter2>[1-4])[- ](?<year2>\d{4}))$"
MONTH = r"^(?:(?<year>\d{4})[-/M](?<month>\d\d)|(?<month2>\d{1,2})[-/](?<year2>\d{4}))$"
NAMED_MONTH = re.compile(r"([A-Za-z]{3,9})\.?[ -](\d{4})")
MONTH_NAMES = (
    "january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november",
    "december",
)  # fmt: skip
WEEK = re.compile(r"\d{4}-?W\d\d")
YEAR_NAMES = ("year", "years", "yr", "jahr", "annee", "année", "ano", "año", "anno", "fiscal_year")
MONTH_COLUMNS = ("month", "mon", "monat", "mois", "mes", "mese")
FIRST_YEAR, LAST_YEAR = 1500, 2500


def period_of(sample: str) -> str | None:
    """What a text names; None where it is no period."""
    if re.match(QUARTER.replace("?<", "?P<"), sample):
        return QUARTERS
    found = NAMED_MONTH.fullmatch(sample)
    if re.match(MONTH.replace("?<", "?P<"), sample) or (found and _is_month_name(found[1].lower())):
        return MONTHS
    return WEEKS if WEEK.fullmatch(sample) else None


def _is_month_name(word: str) -> bool:
    return word == "sept" or any(name == word or name[:3] == word for name in MONTH_NAMES)


def holds_years(values: pl.Series, column: str) -> bool:
    """Whether a column is called a year and holds whole numbers that are years."""
    if column.strip().lower() not in YEAR_NAMES:
        return False
    numbers = values.cast(pl.Float64, strict=False)
    whole = numbers.is_between(FIRST_YEAR, LAST_YEAR) & (numbers == numbers.floor())
    return numbers.null_count() == values.null_count() and bool(whole.drop_nulls().all())


def read_periods(values: pl.Series, period: str) -> pl.Series:
    """The first day of each period, null for what is none."""
    texts = values.cast(pl.String).str.strip_chars()
    if period == QUARTERS:
        found = _groups(texts, QUARTER)
        return _first_days(found["year"], 3 * found["quarter"] - 2)
    if period == YEARS:
        return _first_days(values.cast(pl.Float64, strict=False).cast(pl.Int64, strict=False), None)
    if period == WEEKS:
        weeks = texts.str.replace(r"^(\d{4})W", "${1}-W") + "-1"
        return weeks.str.to_datetime("%G-W%V-%u", strict=False, time_unit="us")
    found = _groups(texts, MONTH)
    written = "1 " + texts.str.replace(r"(?i)^sept\b", "Sep").str.replace(r"\.?[ -]", " ")
    named = written.str.to_datetime("%d %B %Y", strict=False, time_unit="us")
    numbered = _first_days(found["year"], found["month"])
    return numbered.zip_with(numbered.is_not_null(), named)


def _groups(texts: pl.Series, pattern: str) -> pl.DataFrame:
    """The numbers of a pattern's groups; those that end in 2 stand where the others are missing."""
    found = texts.str.extract_groups(pattern).struct.unnest().cast(pl.Int64)
    first = [name for name in found.columns if not name.endswith("2")]
    return found.select(pl.coalesce(name, f"{name}2").alias(name) for name in first)


def _first_days(years: pl.Series, months: pl.Series | None) -> pl.Series:
    """The first day of each month; null where there is no such month."""
    frame = pl.DataFrame(
        {"year": years, "month": months if months is not None else pl.repeat(1, len(years), eager=True)}
    )
    text = pl.format(
        "{}-{}-01", pl.col("year").cast(pl.String).str.zfill(4), pl.col("month").cast(pl.String).str.zfill(2)
    )
    return frame.select(text.str.to_datetime("%Y-%m-%d", strict=False, time_unit="us")).to_series()
