"""Gauges for Prometheus: datasets and models as they are at the moment of the scrape.

The label `dataset` is a dataset's name, and `model` the kind of a model, such as `lstm`, here as in `Metrics`.
"""

from collections.abc import Mapping, Sequence
from math import nan

from prometheus_client import CollectorRegistry, Gauge, generate_latest

from service.models.datasets import Served
from service.models.flow_successes import SuccessTimes
from service.models.scrape_facts import ScrapeFacts
from states.champion import Champion
from states.scores import last_day, summary

SCORES = (
    ("mase", "error_mase", "Mean |error| of the last day in MASE units."),
    ("skill", "skill_ratio", "1 - MASE / MASE of each series' rival, over the last day."),
    ("stability", "stability_ratio", "Mean change of one target's forecast within half a horizon, in MASE units."),
    ("log_loss", "log_loss_nats", "Mean log loss of the symbols of the last day, one step ahead."),
    ("accuracy", "accuracy_ratio", "Share of the symbols of the last day that had been found likeliest."),
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
        self._log = Gauge(
            "rollcast_log_bytes", "Bytes of the live log; in SQLite of the whole live store.", registry=registry
        )
        self._backlog = Gauge(
            "rollcast_observe_backlog_requests",
            "Requests with observations that wait for the writer.",
            registry=registry,
        )
        self._disk = {
            name: Gauge(f"rollcast_disk_{name}bytes", text, registry=registry)
            for name, text in (("free_", "Free bytes of the disk of the home."), ("", "Bytes of the disk of the home."))
        }
        self._trained = Gauge(
            "rollcast_model_trained_timestamp_seconds",
            "When the version of this alias was trained and registered.",
            ("dataset", "model", "version", "alias"),
            registry=registry,
        )
        self._ingested = Gauge(
            "rollcast_last_ingest_timestamp_seconds",
            "When a row of the dataset was last stored, by an ingest or over HTTP; alert on its age.",
            ("dataset",),
            registry=registry,
        )
        self._gates = Gauge(
            "rollcast_gate_activation_ratio",
            "Mean opening of a gate at the step to come, over units and up to 100 series: 0 shut, 1 open.",
            ("dataset", "model", "layer", "gate"),
            registry=registry,
        )
        self._memory = Gauge(
            "rollcast_effective_memory_steps",
            "The lag at which an input's influence on the median has fallen to 1/e of lag 0; measured once a model.",
            ("dataset", "model"),
            registry=registry,
        )
        self._scores = {
            measure: Gauge(f"rollcast_forecast_{name}", text, ("dataset", "horizon_bucket"), registry=registry)
            for measure, name, text in SCORES
        }

    def page(self, datasets: Sequence[Served], successes: SuccessTimes, facts: ScrapeFacts, backlog: int) -> bytes:
        """The exposition text, with all gauges set to their present values. backlog: requests that wait."""
        for gauge in (self._succeeded, self._model, self._quarantined):
            gauge.clear()
        self._backlog.set(backlog)
        self._set_facts(datasets, facts)
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

    def _set_facts(self, datasets: Sequence[Served], facts: ScrapeFacts) -> None:
        """What was read for scrapes; no gauge of what could not be read."""
        for gauge in (self._trained, self._ingested, self._gates, self._memory):
            gauge.clear()
        sizes = (
            (self._log, facts.log_bytes),
            (self._disk[""], facts.disk_bytes),
            (self._disk["free_"], facts.disk_free),
        )
        for gauge, size in sizes:
            gauge.set(nan if size is None else size)
        for served in datasets:
            own = facts.datasets.get(served.name)
            if own is None:
                continue
            if own.ingested is not None:
                self._ingested.labels(served.name).set(own.ingested / 1e6)
            for alias, one in (("champion", served.champion), ("shadow", served.shadow)):
                if one is not None and one.version in own.trained:
                    labels = (served.name, one.config.kind, str(one.version), alias)
                    self._trained.labels(*labels).set(own.trained[one.version] / 1e6)
            if served.champion is not None:
                if own.memory is not None:
                    self._memory.labels(served.name, served.champion.config.kind).set(own.memory)
                for (layer, gate), opened in own.gates.items():
                    self._gates.labels(served.name, served.champion.config.kind, str(layer), gate).set(opened)

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
            found = summary(champion, last_day(champion))
            for line in found.get("by_horizon", [{"first_step": 1, "last_step": 1, **found}]):
                bucket = f"{line['first_step']}-{line['last_step']}"
                for level in ("80", "95"):
                    if line["n"]:
                        self._coverage.labels(name, level, bucket).set(line[f"coverage_{level}"])
                for measure, gauge in self._scores.items():
                    if line.get(measure) is not None:
                        gauge.labels(name, bucket).set(line[measure])
