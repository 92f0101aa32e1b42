"""Files whose times are written as people write them; their right values are those of the files' description."""

from pathlib import Path

import pytest

from data.errors import InvalidInput
from data.formats.options import SourceOptions
from data.grid.stamps import format_all
from data.quality.conform import conform_all
from data.reading.intake import Intake
from data.sources.resolve import open_source

FILES = Path(__file__).parent.parent / "quirks_files"
DATE_TIME, DATE_HOUR = {"time_col": "Date,Time", "tz": "UTC"}, {"time_col": "Date,Hour", "tz": "UTC"}


def ingest(name, **options):
    (piece,) = open_source(str(FILES / name)).pieces
    intake = Intake(SourceOptions(**options), None)
    intake.add(piece.fetch(Path(), None))
    return conform_all(intake, name, None)


@pytest.mark.parametrize(
    ("name", "options", "frequency", "rows", "first", "last"),
    [
        ("daily_paris_midnight.csv", {}, "1b", 300, "2023-01-02", "2024-02-23"),
        ("daily_paris_midnight.csv", {"tz": "Europe/Paris"}, "1b", 300, "2023-01-02", "2024-02-23"),
        ("date_time.csv", DATE_TIME, "1h", 960, "2024-01-01T00:00:00Z", "2024-02-09T23:00:00Z"),
        ("date_hour.csv", DATE_HOUR, "1h", 960, "2024-01-01T01:00:00Z", "2024-02-10T00:00:00Z"),
        ("nanoseconds.csv", {}, "5m", 300, "2026-11-01T00:00:00Z", "2026-11-02T00:55:00Z"),
        ("midnight_without_time.csv", {"tz": "UTC"}, "1h", 480, "2024-01-01T05:00:00Z", "2024-01-21T04:00:00Z"),
        ("yyyymmdd.csv", {"time_col": "DATE"}, "1d", 500, "2023-01-01", "2024-05-14"),
        ("epoch_seconds.csv", {}, "5m", 600, "2026-01-01T00:00:00Z", "2026-01-03T01:55:00Z"),
        ("postgres_offset.csv", {}, "15m", 500, "2024-01-01T00:00:00Z", "2024-01-06T04:45:00Z"),
        ("dst_mixed_offsets.csv", {}, "1h", 1080, "2024-10-01T00:00:00Z", "2024-11-14T23:00:00Z"),
    ],
)  # fmt: skip
def test_every_row_is_kept_at_its_time(name, options, frequency, rows, first, last):
    result = ingest(name, **options)
    report, stamps = result.report, result.frame["ds"]
    assert (report.frequency, report.rows, report.kept, report.rejected, report.gaps) == (frequency, rows, rows, 0, 0)
    assert list(format_all([stamps.min(), stamps.max()], result.grid.kind)) == [first, last]


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("date_hour.csv", DATE_HOUR, "Date,Hour: date plus hour, hours 1 to 24, 24 is"),
        ("date_time.csv", DATE_TIME, "Date,Time: date plus time of day"),
        ("nanoseconds.csv", {}, "time: finer than a microsecond, cut to it"),
        ("midnight_without_time.csv", {"tz": "UTC"}, "datetime: 20 dates without a time of day, read as midnight"),
        ("yyyymmdd.csv", {}, "DATE: dates written as %Y%m%d"),
        ("epoch_seconds.csv", {}, "timestamp: seconds since 1970 (--date-format s)"),
    ],
)
def test_the_report_says_what_was_recognised(name, options, said):
    (found,) = ingest(name, **options).report.recognised
    assert found.startswith(said)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("date_time.csv", {}, "Give --time-col Date,Time;"),
        ("date_hour.csv", {}, "give --time-col Date,Hour"),
        ("date_hour.csv", {"target_col": "Load"}, "Give --time-col Date,Hour"),
        ("date_hour.csv", {"time_col": "Date,Hour"}, "its times have no offset; give their zone with --tz"),
        ("midnight_without_time.csv", {}, "its times have no offset; give their zone with --tz"),
    ],
)
def test_what_leaves_a_question_is_refused_with_the_answer(name, options, message):
    with pytest.raises(InvalidInput, match=message):
        ingest(name, **options)
