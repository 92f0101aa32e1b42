import pytest

from data.errors import InvalidInput
from data.grid.grid import Grid
from data.sources.watermark_overlap import move_back


@pytest.mark.parametrize(
    ("mark", "freq", "date_format", "moved"),
    [
        ("2024-01-01T00:00:00Z", "1h", None, "2023-12-31T23:00:00Z"),
        ("2024-01-01 00:00:00+00", "1h", None, "2023-12-31 23:00:00+00"),
        ("2024-01-01T00:00:00.123456789Z", "5m", None, "2023-12-31T23:55:00.123456000Z"),
        ("01.01.2024 00:00", "1h", None, "31.12.2023 23:00"),
        ("01/03/2024", "1d", "%d/%m/%Y", "29/02/2024"),
        ("20240301", "1d", None, "20240229"),
        ("20240301", "1d", "%Y%m%d", "20240229"),
        ("20240301", "1", None, "20240300"),
        ("1767268800", "5m", None, "1767268500"),
        ("1767268800.25", "5m", None, "1767268500.25"),
        ("1767268800000", "5m", "ms", "1767268500000"),
        ("1767268800000000000", "5m", "ns", "1767268500000000000"),
        ("yesterday", "5m", None, "yesterday"),  # unchanged
        ("01/03/2024", "1d", None, "01/03/2024"),
    ],
)
def test_a_mark_goes_back_one_step_and_is_written_as_it_was(mark, freq, date_format, moved):
    assert move_back(mark, None, Grid(freq), date_format) == moved


def test_a_mark_that_cannot_be_read_does_not_go_back_by_an_overlap():
    with pytest.raises(InvalidInput, match="--overlap needs times written as"):
        move_back("yesterday", 3, Grid("5m"), None)
