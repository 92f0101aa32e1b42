"""What Prometheus reads. No series id is ever a label; routes are labelled by their template."""

from collections import Counter as Tally
from collections.abc import Mapping, Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics, generate_latest

from forecasting import settling
from service.champion import Champion
from service.datasets import Served
from service.outcomes import Outcome
from service.scoreboard import last_day
from service.successes import Successes

SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)

SCORES = (
    ("mase", "error_mase", "Mean |error| of the last day in MASE units."),
    ("skill", "skill_ratio", "1 - MASE / MASE of the naive rival, over the last day."),
    ("stability", "stability_ratio", "Mean change of one target's forecast within half a horizon, in MASE units."),
)

disable_created_metrics()  # type: ignore[no-untyped-call]  # a second series for each counter, which no dashboard of ours reads


class Metrics:
    """The counters of one service, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        self._http = Histogram(
            "rollcast_http_request_duration_seconds",
            "Time from a request's head to the end of its answer.",
            ("method", "route", "status"),
            buckets=SECONDS,
            registry=registry,
        )
        self._by_request: dict[tuple[str, str, int], Histogram] = {}  # the way through `labels` is the long one
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
            "Forecasts not answered by the promoted model, by who answered.",
            ("fallback",),
            registry=registry,
        )
        self._active = Gauge("rollcast_series_active", "Series that have a state.", registry=registry)
        self._bytes = Gauge("rollcast_state_bytes", "Memory of all states.", registry=registry)
        self._stale = Gauge("rollcast_series_stale", "Series whose state could not follow the log.", registry=registry)
        self._model = Gauge(
            "rollcast_model_info", "1 for the model of this alias.", ("name", "version", "alias"), registry=registry
        )
        self._coverage = Gauge(
            "rollcast_interval_coverage_ratio",
            "Share of the last day's values inside the interval that was forecast for them.",
            ("model", "level", "horizon_bucket"),
            registry=registry,
        )
        self._succeeded = Gauge(
            "rollcast_flow_last_success_timestamp_seconds",
            "When a flow last succeeded; its age is what to alert on. Flows of all datasets have an empty one.",
            ("flow", "dataset"),
            registry=registry,
        )
        labels = ("model", "detector", "feature_group")
        self._drift = Gauge(
            "rollcast_drift_statistic", "What a detector of the monitor last found.", labels, registry=registry
        )
        self._drifted = Gauge(
            "rollcast_drift_detected", "1 where that is beyond what is usual.", labels, registry=registry
        )
        self._quarantined = Gauge(
            "rollcast_quarantined_values",
            "Values that broke a rule of quality and wait to be released.",
            ("dataset",),
            registry=registry,
        )
        self._scores = {
            measure: Gauge(f"rollcast_forecast_{name}", text, ("model", "horizon_bucket"), registry=registry)
            for measure, name, text in SCORES
        }
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

    def rejected(self, rows: int) -> None:
        self._observations.labels(Outcome.REJECTED).inc(rows)

    def replayed(self, reason: str, rows: int) -> None:
        if rows:
            self._replayed.labels(reason).inc(rows)

    def restored(self, reason: str) -> None:
        self._restored.labels(reason).inc()

    def page(self, datasets: Sequence[Served], successes: Successes) -> bytes:
        """The exposition text, with gauges as they are now."""
        for (flow, dataset), ended_at in successes.items():
            self._succeeded.labels(flow, dataset or "").set(ended_at / 1e6)
        champions = {served.name: champion for served in datasets if (champion := served.champion)}
        self._active.set(sum(len(champion.states) for champion in champions.values()))
        self._bytes.set(sum(champion.states.nbytes for champion in champions.values()))
        self._stale.set(sum(champion.states.stale for champion in champions.values()))
        self._model.clear()
        for name, champion in champions.items():
            self._model.labels(name, str(champion.version), "champion").set(1)
        for served in datasets:
            if shadow := served.shadow:
                self._model.labels(served.name, str(shadow.version), "shadow").set(1)
            self._quarantined.labels(served.name).set(served.quarantined)
        self._tell_drift(datasets)
        self._score(champions)
        return generate_latest(self.registry)

    def _tell_drift(self, datasets: Sequence[Served]) -> None:
        """What the monitor wrote down; nothing where it never looked, or saw too little."""
        for gauge in (self._drift, self._drifted):
            gauge.clear()
        for served in datasets:
            for found in served.drift:
                if found.statistic is not None:
                    labels = (served.name, found.detector, found.feature)
                    self._drift.labels(*labels).set(found.statistic)
                    self._drifted.labels(*labels).set(found.fired)

    def _score(self, champions: Mapping[str, Champion]) -> None:
        """What the last day's forecasts were worth, as far as it is known."""
        for gauge in (self._coverage, *self._scores.values()):
            gauge.clear()
        for name, champion in champions.items():
            for line in settling.report(last_day(champion), settling.bucket_steps(champion.config))["by_horizon"]:
                bucket = f"{line['first_step']}-{line['last_step']}"
                for level in ("80", "95"):
                    if line["n"]:
                        self._coverage.labels(name, level, bucket).set(line[f"coverage_{level}"])
                for measure, gauge in self._scores.items():
                    if line[measure] is not None:
                        gauge.labels(name, bucket).set(line[measure])
