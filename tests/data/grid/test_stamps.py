"""Stamps of requests and answers, in every form and on both sides of a change of clocks."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.errors import InvalidInput
from data.grid.durations import DAY, SECOND, kind_of
from data.grid.stamps import StampReader, format_all, format_ds, parse_ds

HALF_PAST_THREE = parse_ds("2014-02-19T15:25:00Z", "instant")


@pytest.mark.parametrize(
    ("text", "kind", "ds"),
    [
        ("1970-01-01T00:00:01Z", "instant", 1_000_000),
        ("1970-01-01T01:00:00.5+01:00", "instant", 500_000),
        ("1970-01-02", "date", DAY),
        (-3, "step", -3),
    ],
)
def test_a_stamp_is_read_by_its_kind(text, kind, ds):
    assert parse_ds(text, kind) == ds


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ("2014-02-19T15:25:00", "instant"), ("2014-02-19 15:25:00Z", "instant"), ("2014-02-19", "instant"),
        ("2014-02-19T15:25:60Z", "instant"), ("2014-02-30T00:00:00Z", "instant"), ("20140219T152500Z", "instant"),
        ("0001-01-01T00:00:00+14:00", "instant"), ("2014-02-19T15:25:00Z\n", "instant"), (1392823500, "instant"),
        ("2014-02-30", "date"), ("0000-01-01", "date"), ("19-02-2014", "date"), ("2014-02-19T00:00:00Z", "date"),
        ("5", "step"), (5.0, "step"), (True, "step"), (None, "step"), (2**60, "step"), ("2014-02-19", "step"),
    ],
)  # fmt: skip
def test_a_stamp_written_any_other_way_is_refused(value, kind):
    with pytest.raises(InvalidInput, match="ds must be"):
        parse_ds(value, kind)


@given(st.integers(-60_000_000_000_000_000, 250_000_000_000_000_000))
def test_an_instant_is_written_as_it_is_read(ds):
    assert parse_ds(format_ds(ds, "instant"), "instant") == ds


@given(st.lists(st.integers(-60_000_000_000, 250_000_000_000), max_size=5), st.sampled_from(["5m", "1d", "1"]))
def test_many_stamps_are_written_as_each_one_is(seconds, freq):
    kind = kind_of(freq)
    stamps = [second // 86_400 * DAY if kind == "date" else second * SECOND for second in seconds]
    assert list(format_all(stamps, kind)) == [format_ds(stamp, kind) for stamp in stamps]


# --- other forms, and zones -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "micros"),
    [
        ("2014-02-19T15:25:00.1234567Z", 123_456),  # cut, not rounded
        ("2014-02-19T15:25:00.123456999Z", 123_456),
        ("2014-02-19T15:25Z", 0),
        ("2014-02-19 15:25:00+00", 0),
        ("2014-02-19 15:25:00 UTC", 0),
        ("2014-02-19 16:25:00 +0100", 0),
        ("2014/02/19 15:25Z", 0),
        ("19.02.2014 16:25+01:00", 0),
        ("20140219T152500Z", 0),
        ("2014-02-19T09:40:00-0545", 0),
    ],
)
def test_an_instant_is_read_in_the_forms_that_files_have(text, micros):
    assert StampReader("instant").read(text) == HALF_PAST_THREE + micros


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("2014-02-19T15:25:00", "must be a time with its offset"),
        ("2014-02-19", "must be a time with its offset"),
        ("2014-02-19T15:25:00.1234567890Z", "must be a time with its offset"),
        ("2014-02-30 00:00Z", "is no time of the calendar"),
        ("2014-02-19 24:00Z", "is no time of the calendar"),
        ("2014-02-19 15:25+24:00", "is no time of the calendar"),
        ("20140219", "may be a number as well as a date"),
        ("05/01/2014 15:25Z", "may have day or month first"),
        ("0001-01-01 00:00+01", "must be a time with its offset"),
        (HALF_PAST_THREE, "must be a time with its offset"),
    ],
)
def test_an_instant_without_offset_or_meaning_is_refused(text, message):
    with pytest.raises(InvalidInput, match=message.replace("(", r"\(")):
        StampReader("instant").read(text)


@pytest.mark.parametrize(
    ("text", "utc"),
    [
        ("2024-07-01T12:00:00", "2024-07-01T10:00:00Z"),
        ("2024-01-01 12:00", "2024-01-01T11:00:00Z"),
        ("2024-01-01", "2023-12-31T23:00:00Z"),  # midnight
        ("01.07.2024 12:00", "2024-07-01T10:00:00Z"),
        ("2024-07-01T12:00:00Z", "2024-07-01T12:00:00Z"),  # an instant with an offset stays that instant
        ("2024-10-27T02:30:00+02:00", "2024-10-27T00:30:00Z"),
        ("2024-10-27T02:30:00+01:00", "2024-10-27T01:30:00Z"),
    ],
)
def test_a_time_without_an_offset_is_one_of_the_dataset_s_zone(text, utc):
    assert format_ds(StampReader("instant", "Europe/Berlin").read(text), "instant") == utc


@pytest.mark.parametrize("text", ["2024-03-31T02:30:00", "2024-10-27T02:30:00"])
def test_a_local_time_that_a_change_of_clocks_skips_or_repeats_is_refused(text):
    with pytest.raises(InvalidInput, match="a change of clocks skips or repeats"):
        StampReader("instant", "Europe/Berlin").read(text)


@pytest.mark.parametrize(
    ("text", "zone", "date"),
    [
        ("2023-01-02T00:00:00+01:00", None, "2023-01-02"),  # as written, not 2023-01-01 in UTC
        ("2023-01-02T23:30:00-05:00", None, "2023-01-02"),
        ("2023-01-02T00:00:00Z", None, "2023-01-02"),
        ("2023-01-01T23:00:00Z", "Europe/Paris", "2023-01-02"),
        ("2023-01-02T00:00:00+01:00", "America/New_York", "2023-01-01"),
        ("2023-01-02 17:30", None, "2023-01-02"),
        ("02.01.2023", None, "2023-01-02"),
        ("2023/01/02", None, "2023-01-02"),
    ],
)
def test_a_day_is_the_civil_date_in_the_dataset_s_zone_or_as_it_was_written(text, zone, date):
    assert format_ds(StampReader("date", zone).read(text), "date") == date


def test_a_day_in_utc_that_is_not_midnight_may_be_another_day():
    with pytest.raises(InvalidInput, match="is in UTC and not at midnight; send the date alone"):
        StampReader("date").read("2023-01-01T23:00:00Z")


def test_datasets_of_before_take_dates_alone():
    reader = StampReader("date", civil=False)
    assert reader.read("2023-01-02") == parse_ds("2023-01-02", "date")
    with pytest.raises(InvalidInput, match="must be a date"):
        reader.read("2023-01-02T00:00:00+01:00")


def test_the_order_of_day_and_month_is_that_of_the_dataset_s_source():
    assert StampReader("date", order="%d/%m/%Y").read("05/01/2024") == parse_ds("2024-01-05", "date")
    assert StampReader("date", order="%m/%d/%Y").read("05/01/2024") == parse_ds("2024-05-01", "date")
    assert StampReader("date", order="%Y%m%d").read("20240501") == parse_ds("2024-05-01", "date")
    with pytest.raises(InvalidInput, match="is no time of the calendar"):
        StampReader("date", order="%m/%d/%Y").read("13/01/2024")


@given(st.datetimes(), st.integers(0, 9), st.sampled_from("T "), st.sampled_from(["Z", " UTC", "+00", "+0000"]))
def test_every_number_of_digits_is_cut_to_microseconds(moment, digits, between, offset):
    fraction = f".{moment.microsecond:06}789"[: digits + 1] if digits else ""
    seconds = moment.replace(microsecond=0)
    text = f"{seconds.date()}{between}{seconds.time()}{fraction}{offset}"
    expected = parse_ds(f"{seconds.isoformat()}Z", "instant") + int(fraction[1:7].ljust(6, "0") or 0)
    assert StampReader("instant").read(text) == expected
