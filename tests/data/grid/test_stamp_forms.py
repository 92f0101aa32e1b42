from datetime import timedelta

import pytest

from data.grid.stamp_forms import shift_stamp

HOUR = timedelta(hours=1)


@pytest.mark.parametrize(
    ("text", "by", "order", "moved"),
    [
        ("2024-01-01T00:00:00Z", -HOUR, None, "2023-12-31T23:00:00Z"),
        ("2024-01-01 00:00:00+00", -HOUR, None, "2023-12-31 23:00:00+00"),
        ("2024-01-01 00:30:00 UTC", -HOUR, None, "2023-12-31 23:30:00 UTC"),
        ("2024-01-01T00:00", -HOUR, None, "2023-12-31T23:00"),
        ("2024-01-01T01:00:00.123456789Z", -HOUR, None, "2024-01-01T00:00:00.123456000Z"),
        ("20240101T0100", -HOUR, None, "20240101T0000"),
        ("01.01.2024 00:00", -HOUR, None, "31.12.2023 23:00"),
        ("2024-01-01", -24 * HOUR, None, "2023-12-31"),
        ("01/03/2024", -24 * HOUR, "%d/%m/%Y", "29/02/2024"),
        ("01/03/2024", -24 * HOUR, "%m/%d/%Y", "01/02/2024"),
        ("20240301", -24 * HOUR, "%Y%m%d", "20240229"),
        ("01/03/2024", -24 * HOUR, None, None),
        ("yesterday", -HOUR, None, None),
        ("0001-01-01", -HOUR, None, None),
    ],
)
def test_a_moved_time_is_written_as_it_was(text, by, order, moved):
    assert shift_stamp(text, by, order) == moved
