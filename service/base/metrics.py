"""Counters and histograms for Prometheus. No series id is ever a label; routes are labelled by their template."""

from collections import Counter as Tally
from collections.abc import Sequence

from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector, disable_created_metrics

from service.base.outcomes import Outcome

SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)

disable_created_metrics()  # type: ignore[no-untyped-call]  # otherwise each counter has a second series, which we never read


class Metrics:
    """The counters and histograms of one service, in their own registry."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)  # process_*: memory, CPU time, open files
        self._http = Histogram(
            "rollcast_http_request_duration_seconds",
            "Time from a request's head to the end of its answer.",
            ("method", "route", "status"),
            buckets=SECONDS,
            registry=registry,
        )
        self._by_request: dict[tuple[str, str, int], Histogram] = {}  # a cache, because `labels` is slow
        self._observe = Histogram(
            "rollcast_observe_duration_seconds",
            "Time to store observations and advance their states.",
            ("model",),
            buckets=SECONDS,
            registry=registry,
        )
        self._forecast = Histogram(
            "rollcast_forecast_duration_seconds",
            "Time to compute a forecast.",
            ("model",),
            buckets=SECONDS,
            registry=registry,
        )
        self._observations = Counter(
            "rollcast_observations_total", "Observations by what became of them.", ("outcome",), registry=registry
        )
        self._replayed = Counter(
            "rollcast_replay_steps_total", "Rows of the log read again to build states.", ("reason",), registry=registry
        )
        self._restored = Counter(
            "rollcast_state_restores_total", "Times that a dataset's states were built.", ("reason",), registry=registry
        )
        self._degraded = Counter(
            "rollcast_degraded_forecasts_total",
            "Forecasts not answered by the promoted model, by what answered.",
            ("fallback",),
            registry=registry,
        )
        self._shifts = Counter(
            "rollcast_shifts_total",
            "Series whose held values were let in, because they agree with each other.",
            registry=registry,
        )
        self._created = Counter(
            "rollcast_series_created_total", "Series that requests created.", ("dataset",), registry=registry
        )
        self._deletions = Counter(
            "rollcast_deletions_total", "Deletions that this service has followed.", ("kind",), registry=registry
        )
        for outcome in Outcome:
            self._observations.labels(outcome)

    def requested(self, method: str, route: str, status: int, seconds: float) -> None:
        labels = (method, route, status)
        if labels not in self._by_request:
            self._by_request[labels] = self._http.labels(method, route, str(status))
        self._by_request[labels].observe(seconds)

    def observe_took(self, models: Sequence[str], seconds: float) -> None:
        for model in models:
            self._observe.labels(model).observe(seconds)

    def forecast_took(self, model: str, seconds: float, fallback: str | None) -> None:
        self._forecast.labels(model).observe(seconds)
        if fallback:
            self._degraded.labels(fallback).inc()

    def observed(self, outcomes: Sequence[Outcome]) -> None:
        for outcome, count in Tally(outcomes).items():
            self._observations.labels(outcome).inc(count)

    def shifted(self, series: int) -> None:
        self._shifts.inc(series)

    def rejected(self, rows: int) -> None:
        self._observations.labels(Outcome.REJECTED).inc(rows)

    def created(self, dataset: str, series: int) -> None:
        self._created.labels(dataset).inc(series)

    def deleted(self, kind: str) -> None:
        self._deletions.labels(kind).inc()

    def forget(self, dataset: str) -> None:
        """End the counters of a deleted dataset."""
        self._created.remove(dataset)

    def replayed(self, reason: str, rows: int) -> None:
        if rows:
            self._replayed.labels(reason).inc(rows)

    def restored(self, reason: str) -> None:
        self._restored.labels(reason).inc()
