"""Reads the JSON that Prometheus answers to `/api/v1/query_range`, as one table of series, time and value.

A series is called by its metric's name and its labels, as in `up/instance=a:9090/job=node`. NaN and infinity are
missing values.
"""

import json
import math
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl

from data.errors import InvalidInput
from data.formats.batches import ROW
from data.formats.dialect import Dialect, Recognised
from data.schema import SERIES

TIME, VALUE = "time", "value"
RECOGNISED = "an answer of Prometheus"
LARGEST = 64_000_000  # bytes; the file is read whole, and Python's objects take ten times as much
NAME = "__name__"  # the label that holds the metric's name


def read_prometheus(path: Path, name: str, _: Dialect, found: Recognised) -> Iterator[pl.DataFrame]:
    """The rows of a .json file. Raises InvalidInput for another kind of JSON, and for a file of more than 64 MB."""
    if path.stat().st_size > LARGEST:
        raise InvalidInput(
            f"a .json file may have {LARGEST // 1_000_000} MB; ask for a shorter time, or write one object a line "
            "(.ndjson)",
            source=name,
        )
    try:
        body = json.loads(path.read_bytes())
    except (ValueError, RecursionError):
        raise InvalidInput("this is not JSON; write one object a line, and call it .ndjson", source=name) from None
    if not is_prometheus(body):
        raise InvalidInput(
            "it is not an answer of Prometheus; for other JSON write one object a line, and call it .ndjson",
            source=name,
        )
    found.note(RECOGNISED)
    records = records_of(body, name)
    yield pl.DataFrame(
        list(records), schema={TIME: pl.String, SERIES: pl.String, VALUE: pl.Float64}, orient="row"
    ).with_row_index(ROW, offset=1)


def is_prometheus(body: Any) -> bool:
    """Whether decoded JSON is an answer of Prometheus, be it an error."""
    if not isinstance(body, dict) or "status" not in body:
        return False
    data = body.get("data")
    return "errorType" in body or (isinstance(data, dict) and "resultType" in data)


def records_of(body: dict[str, Any], name: str) -> Iterator[tuple[str, str, float | None]]:
    """Time in ISO 8601, series and value of every sample. Raises InvalidInput for an answer without a matrix."""
    if body.get("status") != "success":
        raise InvalidInput(f"Prometheus answered with an error: {body.get('error')}", source=name)
    if body["data"]["resultType"] != "matrix":
        raise InvalidInput(
            f"it holds a {body['data']['resultType']}; ask /api/v1/query_range, which gives a matrix", source=name
        )
    try:
        for series in body["data"]["result"]:
            unique_id = _series_of(series["metric"])
            for seconds, value in series.get("values", ()):
                yield _iso(seconds), unique_id, _finite(value)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError):
        raise InvalidInput("its result is not a list of metric and values", source=name) from None


def _series_of(labels: dict[str, str]) -> str:
    parts = [labels[NAME]] if NAME in labels else []
    parts += [f"{label}={value}" for label, value in sorted(labels.items()) if label != NAME]
    return "/".join(parts) or VALUE


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(round(seconds, 3), UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _finite(value: str) -> float | None:
    number = float(value)
    return number if math.isfinite(number) else None
