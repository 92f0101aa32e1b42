"""Examples of the bodies about datasets at a glance, promotions, runs, jobs, schedules, quarantine and drift."""

from typing import Any

MODEL = {
    "kind": "lstm",
    "version": 1,
    "digest": "aa896a85dfbb632a9f1912ff43f6a1cf783690bc34c1e37252452a86dda64f2b",
}
DATASET: dict[str, Any] = {
    "dataset": "machine_temperature",
    "freq": "5m",
    "kind": "instant",
    "season": 288,
    "horizon": 12,
    "zone": None,
    "target": "value",
    "series": 1,
    "promotion_id": 7,
    "model": MODEL,
    "since": "2014-02-19T13:30:00Z",
    "problem": None,
    "shadow": None,
    "previous": {**MODEL, "kind": "seasonal_naive", "version": 2},
    "trouble": {"silent": 1},
    "newest": "2014-02-19T15:30:00Z",
    "last_row_at": "2014-02-19T15:30:02Z",
    "last_ingest_at": "2014-02-19T12:00:04Z",
    "overdue": ["ingest"],
    "quarantined": 1,
    "last_day": {"n": 24, "mase": 1.15, "skill": 0.08, "coverage_80": 0.79, "coverage_95": 0.96},
    "hours": [{"at": "2014-02-19T15:00:00Z", "n": 6, "fresh": 1.0, "coverage_80": 0.83, "skill": 0.1}],
}
PROMOTION: dict[str, Any] = {
    "id": 8,
    "dataset": "machine_temperature",
    "version": 2,
    "event": "rolled_back",
    "decided_at": "2014-02-19T15:31:00Z",
    "by": "operator",
    "sentences": [
        "It serves again in place of version 3; a rollback is decided by hand.",
        "The key 'operator' asked for it over HTTP.",
    ],
    "evidence": {"by": "operator", "from": 3, "to": 2},
}
RUN: dict[str, Any] = {
    "id": 41,
    "flow": "ingest",
    "dataset": "machine_temperature",
    "scheduled_for": "2014-02-19T12:00:00Z",
    "started_at": "2014-02-19T12:00:01Z",
    "ended_at": "2014-02-19T12:00:04Z",
    "seconds": 3.1,
    "outcome": "failed",
    "recovered": True,
    "detail": {"error": "the source does not answer"},
}
JOB: dict[str, Any] = {
    "id": 4,
    "dataset": "machine_temperature",
    "kind": "train",
    "cause": "hand",
    "state": "queued",
    "detail": "asked for over HTTP by operator",
    "version": None,
    "attempts": 0,
    "by": None,
    "asked_at": "2014-02-19T15:31:00Z",
    "started_at": None,
    "ended_at": None,
}
VALUE: dict[str, Any] = {
    "id": 12,
    "dataset": "machine_temperature",
    "unique_id": "machine_temperature",
    "ds": "2014-02-19T14:10:00Z",
    "y": 9740.0,
    "rule": "spike",
    "live": True,
    "at": "2014-02-19T14:10:02Z",
    "released_at": None,
}
BODIES: dict[str, Any] = {  # by the name of their schema
    "Datasets": {"datasets": [DATASET]},
    "Promotions": {
        "promotions": [{**PROMOTION, "kind": "seasonal_naive", "hash": "5f" * 32, "verified": True}],
        "next": None,
    },
    "TakenOver": {**PROMOTION, "serving": True},
    "Runs": {"runs": [RUN], "next": 41},
    "JobLine": JOB,
    "Jobs": {"jobs": [JOB], "next": None},
    "Schedules": {
        "schedules": [
            {
                "flow": "ingest",
                "dataset": "machine_temperature",
                "timetable": "every 15m",
                "next_at": "2014-02-19T15:45:00Z",
                "overdue": True,
                "overdue_since": "2014-02-19T12:30:00Z",
                "last_success": None,
                "last_run": RUN,
            }
        ],
        "worker": {"seen_at": "2014-02-19T15:30:55Z", "alive": True},
    },
    "QuarantinePage": {"values": [VALUE], "next": None},
    "Released": {"dataset": "machine_temperature", "released": 1, "superseded": 0},
    "DriftLines": {
        "drift": [
            {
                "dataset": "machine_temperature",
                "detector": "ks",
                "feature": "level",
                "statistic": 0.31,
                "threshold": 0.18,
                "fired": True,
                "detail": "the levels of the last 60 windows differ from those of the training part",
                "at": "2014-02-19T15:00:00Z",
            }
        ]
    },
}
