"""Gauges for Prometheus: datasets and models as they are at the moment of the scrape.

The label `dataset` is a dataset's name, and `model` the kind of a model, such as `lstm`, here as in `Metrics`.
"""

from collections.abc import Mapping, Sequence

from prometheus_client import CollectorRegistry, Gauge, generate_latest

from forecasting.rolling import online_scores
from service.models.datasets import Served
from service.models.flow_successes import SuccessTimes
from states.champion import Champion
from states.scores import last_day

SCORES = (
    ("mase", "error_mase", "Mean |error| of the last day in MASE units."),
    ("skill", "skill_ratio", "1 - MASE / MASE of each series' rival, over the last day."),
    ("stability", "stability_ratio", "Mean change of one target's forecast within half a horizon, in MASE units."),
)


class Gauges:
    """The gauges of one service, in the same registry as its counters."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry
        self._active = Gauge("rollcast_series_active", "Series that have a state.", registry=registry)
        self._bytes = Gauge("rollcast_state_bytes", "Memory of all states.", registry=registry)
        self._stale = Gauge("rollcast_series_stale", "Series whose state could not follow the log.", registry=registry)
        self._model = Gauge(
            "rollcast_model_info",
            "1 for the model of this alias.",
            ("dataset", "model", "version", "alias"),
            registry=registry,
        )
        self._coverage = Gauge(
            "rollcast_interval_coverage_ratio",
            "Share of the last day's values inside the interval that was forecast for them.",
            ("dataset", "level", "horizon_bucket"),
            registry=registry,
        )
        self._succeeded = Gauge(
            "rollcast_flow_last_success_timestamp_seconds",
            "When a flow last succeeded; alert on its age. The dataset is empty for flows that serve all datasets.",
            ("flow", "dataset"),
            registry=registry,
        )
        labels = ("dataset", "detector", "feature_group")
        self._drift = Gauge(
            "rollcast_drift_statistic", "What a detector of the monitor last found.", labels, registry=registry
        )
        self._drifted = Gauge(
            "rollcast_drift_detected", "1 where the statistic is above its threshold.", labels, registry=registry
        )
        self._quarantined = Gauge(
            "rollcast_quarantined_values",
            "Values in quarantine: they broke a quality rule and were not released.",
            ("dataset",),
            registry=registry,
        )
        self._scores = {
            measure: Gauge(f"rollcast_forecast_{name}", text, ("dataset", "horizon_bucket"), registry=registry)
            for measure, name, text in SCORES
        }

    def page(self, datasets: Sequence[Served], successes: SuccessTimes) -> bytes:
        """The exposition text, with all gauges set to their present values."""
        for gauge in (self._succeeded, self._model, self._quarantined):
            gauge.clear()
        for (flow, dataset), ended_at in successes.items():
            self._succeeded.labels(flow, dataset or "").set(ended_at / 1e6)
        champions = {served.name: champion for served in datasets if (champion := served.champion)}
        self._active.set(sum(len(champion.states) for champion in champions.values()))
        self._bytes.set(sum(champion.states.nbytes for champion in champions.values()))
        self._stale.set(sum(champion.states.stale for champion in champions.values()))
        for served in datasets:
            for alias, one in (("champion", served.champion), ("shadow", served.shadow)):
                if one is not None:
                    self._model.labels(served.name, one.config.kind, str(one.version), alias).set(1)
            self._quarantined.labels(served.name).set(served.quarantined)
        self._set_drift(datasets)
        self._set_scores(champions)
        return generate_latest(self._registry)

    def _set_drift(self, datasets: Sequence[Served]) -> None:
        """The monitor's last findings; no gauge where it has not run or had too few values."""
        for gauge in (self._drift, self._drifted):
            gauge.clear()
        for served in datasets:
            for found in served.drift:
                if found.statistic is not None:
                    labels = (served.name, found.detector, found.feature)
                    self._drift.labels(*labels).set(found.statistic)
                    self._drifted.labels(*labels).set(found.fired)

    def _set_scores(self, champions: Mapping[str, Champion]) -> None:
        """Scores of the last day; no gauge where there is none yet."""
        for gauge in (self._coverage, *self._scores.values()):
            gauge.clear()
        for name, champion in champions.items():
            for line in online_scores.summarize(last_day(champion), online_scores.bucket_steps(champion.config))[
                "by_horizon"
            ]:
                bucket = f"{line['first_step']}-{line['last_step']}"
                for level in ("80", "95"):
                    if line["n"]:
                        self._coverage.labels(name, level, bucket).set(line[f"coverage_{level}"])
                for measure, gauge in self._scores.items():
                    if line[measure] is not None:
                        gauge.labels(name, bucket).set(line[measure])
