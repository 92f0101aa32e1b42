"""The live part of the demo: sends each observation over HTTP and reads the forecast after it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import httpx

from data.errors import Unavailable
from pipelines.console import say

HORIZON = 12  # steps ahead that are read after each observation: an hour of 5-minute values
SHOWN_STEPS = (1, 2, 3, 6, 9, 12)  # steps ahead in the final table


@dataclass(frozen=True)
class Arrival:
    """One observation as it is sent: time in text, and value."""

    ds: str
    y: float


@dataclass(frozen=True)
class DemoRoll:
    """The forecast after the last observation. Rows of `preview`: steps ahead, median, low, high."""

    series: str
    observed: int
    origin: str
    preview: list[list[Any]]
    forecast: dict[str, Any]


def roll_forecast(address: str, series: str, arrivals: Sequence[Arrival]) -> DemoRoll:
    """Send the arrivals one by one and read the forecast after each. Raises Unavailable on an error status."""
    say(f"sending {len(arrivals)} live observations of {series}:")
    with httpx.Client(base_url=address, timeout=10) as client:
        for arrival in arrivals:
            checked_body(client.post(f"/v1/series/{series}/observations", json={"ds": arrival.ds, "y": arrival.y}))
            body = checked_body(
                client.get(f"/v1/series/{series}/forecast", params={"horizon": HORIZON, "quantiles": "0.1,0.5,0.9"})
            )
            say(f"  {arrival.ds}  observed {arrival.y:7.2f}   in {HORIZON} steps {describe(body, HORIZON)}")
        body = checked_body(client.get(f"/v1/series/{series}/forecast", params={"quantiles": "0.1,0.5,0.9"}))
    steps = [step for step in SHOWN_STEPS if step <= len(body["mean"])]
    return DemoRoll(series, len(arrivals), body["origin"], [[step, *quantiles(body, step)] for step in steps], body)


def checked_body(response: httpx.Response) -> dict[str, Any]:
    """The JSON body of an answer. Raises Unavailable for an error status."""
    if response.is_error:
        raise Unavailable(
            f"the service answered {response.status_code} to {response.request.url.path}: {response.text[:200]}"
        )
    body: dict[str, Any] = response.json()
    return body


def quantiles(body: dict[str, Any], step: int) -> tuple[float, float, float]:
    """Median, low and high of one step ahead (1-based)."""
    median, low, high = (float(body["quantiles"][level][step - 1]) for level in ("0.5", "0.1", "0.9"))
    return median, low, high


def describe(body: dict[str, Any], step: int) -> str:
    """Median, low and high of one step ahead as text."""
    median, low, high = quantiles(body, step)
    return f"{median:7.2f}  ({low:.2f} to {high:.2f})"


def curl_lines(address: str, rolled: DemoRoll) -> list[str]:
    """Commands that observe and forecast by hand."""
    first = rolled.forecast["ds"][0] if "ds" in rolled.forecast else rolled.origin
    body = f'{{"ds": "{first}", "y": 98.6}}'
    series = f"{address}/v1/series/{rolled.series}"
    return [
        f"curl -X POST {series}/observations -H 'content-type: application/json' -d '{body}'",
        f"curl '{series}/forecast?horizon={HORIZON}&level=80'",
    ]
