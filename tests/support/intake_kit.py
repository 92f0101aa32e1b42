"""Reads files as an ingest does, without a store."""

from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl

from data.quality.conform import Conformed, conform_all
from data.reading.intake import Intake
from data.reading.options import SourceOptions
from data.schema import SERIES, TIME, VALUE
from data.sources.resolve import open_source

QUIRKS = Path(__file__).parents[1] / "data" / "quirks_files"


def conformed(source: Path | str, **options: object) -> Conformed:
    """The rows and the report of a source."""
    return conform_all(read_source(source, **options), str(source), None)


def read_source(source: Path | str, **options: object) -> Intake:
    """The typed rows of a source."""
    intake = Intake(SourceOptions(**options), None)  # type: ignore[arg-type]
    for piece in open_source(str(source)).pieces:
        with TemporaryDirectory() as folder:
            table = piece.fetch(Path(folder), None)
            assert table is not None
            intake.add(table)
    return intake


def values_of(source: Path | str, **options: object) -> list[float | None]:
    """The values of a source, by series and time."""
    return conformed(source, **options).frame[VALUE].to_list()


def rows_of(source: Path | str, **options: object) -> list[tuple[str, str, float | None]]:
    """Series, time in ISO 8601 and value of each row."""
    stamps = pl.col(TIME).cast(pl.Datetime("us")).dt.strftime("%Y-%m-%dT%H:%M:%S")
    return conformed(source, **options).frame.select(SERIES, stamps, VALUE).rows()
