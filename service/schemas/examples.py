"""An example of every body, for the OpenAPI document: one sensor in the middle of a day."""

from typing import Any

from service.forecast.answers import NO_MODEL
from service.http.auth import NO_KEY, too_many_requests
from service.http.errors import TITLES, FieldFault
from service.schemas import operation_examples
from service.schemas.operation_examples import MODEL

SERIES = {"dataset": "machine_temperature", "unique_id": "machine_temperature"}
RELIABILITY = {"status": "ok", "flags": [], "observed": 201, "imputed": 0, "reanchored": 0}
POSITION = {"origin": "2014-02-19T15:30:00Z", "sequence": 25}
FORECAST = {
    **SERIES,
    "model": MODEL,
    "answered_by": "champion",
    **POSITION,
    "freq": "5m",
    "horizon": 2,
    "ds": ["2014-02-19T15:35:00Z", "2014-02-19T15:40:00Z"],
    "mean": [97.58, 97.58],
    "quantiles": {"0.5": [97.55, 97.57]},
    "intervals": {"80": {"lower": [96.49, 96.44], "upper": [98.67, 98.72]}},
    **RELIABILITY,
}
DINNER = {"dataset": "dinner", "unique_id": "dinner", "model": MODEL, "origin": "2024-03-05", "sequence": 71}
SYMBOL_FORECAST = {
    **DINNER,
    "answered_by": "champion",
    "freq": "1d",
    "kind": "symbols",
    "horizon": 1,
    "steps": [
        {
            "ds": "2024-03-06",
            "probabilities": [{"symbol": "waffles", "p": 0.97}, {"symbol": "pizza", "p": 0.02}],
            "rest": 0.01,
        }
    ],
    "paths": 0,
    **RELIABILITY,
}
MEASURES = {
    "n": 24,
    "mae": 0.92,
    "mase": 1.15,
    "pinball": 0.35,
    "wql": 0.0074,
    "coverage_80": 0.79,
    "coverage_95": 0.96,
    "skill": 0.08,
    "stability": 0.41,
}
HORIZONS = {
    **MEASURES,
    "by_horizon": [
        {"first_step": 1, "last_step": 2, **MEASURES, "n": 6, "stability": None},
        {"first_step": 3, "last_step": 4, **MEASURES, "n": 6},
    ],
}
SCORES = {"model": MODEL, "since": "2014-02-19T13:30:00Z", "rival": "naive", "sequence": 25, **HORIZONS}
DELETED = {
    "dataset": "machine_temperature",
    "kind": "rows",
    "series": ["machine_temperature"],
    "first": "2014-02-19T14:00:00Z",
    "last": "2014-02-19T14:55:00Z",
}
DELETION: dict[str, Any] = {
    "id": 7,
    **DELETED,
    "ingest": None,
    "state": "asked",
    "applied": False,
    "asked_at": "2014-02-19T15:31:00Z",
    "started_at": None,
    "ended_at": None,
    "deleted": {},
    "stays": [],
    "error": None,
}
BODIES: dict[str, Any] = {  # by the name of their schema
    "Observed": {
        "received": 3,
        "counts": {
            "applied": 1,
            "duplicate": 1,
            "corrected": 0,
            "late": 0,
            "quarantined": 0,
            "ignored": 0,
            "rejected": 1,
        },
        "outcomes": ["duplicate", "applied", "rejected"],
        "errors": [{"pointer": "/observations/2/unique_id", "message": "is not a series"}],
        "snapped": 0,
        "shifts": 0,
        "sequence": 25,
    },
    "Forecast": FORECAST,
    "SeriesForecast": FORECAST,
    "SymbolForecast": SYMBOL_FORECAST,
    "Continuations": {
        **DINNER,
        "temperature": 0.8,
        "seed": 5127341925034123,
        "continuations": [["waffles", "pizza", "sushi"], ["waffles", "pizza", "pizza"]],
        "text": None,
    },
    "Forecasts": {
        "forecasts": [
            FORECAST,
            {
                "unique_id": "no_such_sensor",
                "error": {"status": 404, "code": "unknown_series", "detail": "There is no such series."},
            },
        ]
    },
    "EarlierForecasts": {
        **SERIES,
        "vintages": [
            {
                "origin": "2014-02-19T15:20:00Z",
                "version": 1,
                "sequence": 23,
                "opened_at": "2014-02-19T15:20:02Z",
                "open": True,
                "ds": ["2014-02-19T15:25:00Z", "2014-02-19T15:30:00Z"],
                "quantiles": {"0.1": [96.41, 96.32], "0.5": [97.51, 97.53], "0.9": [98.6, 98.67]},
            }
        ],
        "next": "2014-02-19T15:10:00Z",
    },
    "State": {
        **SERIES,
        "model": MODEL,
        **POSITION,
        **RELIABILITY,
        "last": 97.4,
        "gap": 0,
        "expected": 97.55,
        "vintage": {"origin": "2014-02-19T15:25:00Z", "settled": 1},
        "widening": [1.0, 1.02],
        "round": [-0.8, 0.3, 1.1, -0.6],
        "layers": [
            {
                "hidden_norm": 3.1,
                "carry_norm": 7.4,
                "gates": {"input": 0.41, "forget": 0.83, "output": 0.52},
            }
        ],
        "bytes": 6636,
    },
    "NetworkInside": {
        **SERIES,
        "model": MODEL,
        **POSITION,
        "asked": 2,
        "steps": 2,
        "ds": ["2014-02-19T15:25:00Z", "2014-02-19T15:30:00Z"],
        "y": [97.2, 97.4],
        "layers": [
            {
                "layer": 1,
                "units": 384,
                "gates": {
                    "input": {"mean": [0.41, 0.43], "low": [0.12, 0.14], "high": [0.74, 0.75]},
                    "forget": {"mean": [0.83, 0.82], "low": [0.55, 0.54], "high": [0.98, 0.98]},
                    "output": {"mean": [0.52, 0.52], "low": [0.21, 0.2], "high": [0.83, 0.84]},
                },
            }
        ],
        "expected": None,
        "leans_on": {"weights": [0.62, 0.25, 0.13], "averaged_over": 2},
        "effective_memory": 14.2,
        "cell": {
            "member": 2,
            "unit": 17,
            "input": 0.71,
            "forget": 0.9,
            "output": 0.66,
            "reset": None,
            "update": None,
            "new": -0.48,
            "carry_before": 0.8,
            "carry_after": 0.3792,
            "hidden_before": 0.42,
            "hidden_after": 0.239,
        },
        "notes": [],
    },
    "Series": {
        **SERIES,
        "freq": "5m",
        "kind": "instant",
        "season": 288,
        "horizon": 12,
        "target": "value",
        "vocabulary": None,
        "model": MODEL,
        **POSITION,
        **RELIABILITY,
    },
    "Created": {
        "received": 3,
        "counts": {"created": 1, "exists": 1, "rejected": 1},
        "outcomes": ["exists", "created", "rejected"],
        "errors": [{"pointer": "/series/2/dataset", "message": "is not a dataset"}],
    },
    "SeriesGroups": {
        "dataset": "machine_temperature",
        "prefix": "",
        "groups": [
            {
                "prefix": "site/",
                "series": 40,
                "counts": {"silent": 1},
                "worst": {"unique_id": "site/line3/pump", "trouble": {"class": "silent", "size": 310}},
            }
        ],
    },
    "SeriesPage": {"series": [{**SERIES, **POSITION, **RELIABILITY}], "total": 1, "next": None},
    "SeriesPast": {
        **SERIES,
        "freq": "5m",
        "kind": "instant",
        "ds": ["2014-02-19T15:20:00Z", "2014-02-19T15:25:00Z", "2014-02-19T15:30:00Z"],
        "y": [97.2, None, 97.4],
        "imputed": [],
        "corrected": [2],
        "quarantined": [{"index": 1, "y": 970.0, "rule": "spike"}],
        "available_from": "2013-12-02T21:15:00Z",
        "next": None,
    },
    "Scores": {
        "scores": [
            {
                "dataset": "machine_temperature",
                "status": "champion",
                **SCORES,
                "rivals": {"naive": 1},
                "last_day": HORIZONS,
            }
        ],
    },
    "SeriesScores": {**SERIES, **SCORES},
    "ScoresOfSeries": {**SERIES, **SCORES},
    "Models": {
        "models": [
            {
                "dataset": "machine_temperature",
                **MODEL,
                "status": "champion",
                "metrics": {"mase": 0.92},
                "created_at": "2014-02-19T12:00:00Z",
            }
        ]
    },
    "Deletion": DELETION,
    "Deletions": {"deletions": [DELETION], "next": None},
    "DryRun": {
        **DELETED,
        "found": {"series": 1, "log_rows": 12},
        "note": "Rows of the history in the lake are counted when the deletion runs.",
    },
    "Health": {
        "status": "ready",
        "detail": None,
        "datasets": [{"dataset": "machine_temperature", "series": 1, "model": MODEL, "stale": 0, "problem": None}],
    },
    "Version": {
        "name": "rollcast",
        "version": "0.1.0",
        "python": "3.11.2",
        "models": {"machine_temperature": MODEL},
    },
    **operation_examples.BODIES,
}
TEXTS = {
    "text/event-stream": 'id: 2824\ndata: {"dataset":"machine_temperature","sequence":2824,"changed":1}\n\n',
    "text/plain": '# TYPE rollcast_observations_total counter\nrollcast_observations_total{outcome="applied"} 25.0\n',
}
PROBLEMS: dict[str, tuple[str, str, tuple[str, str] | None]] = {  # code, detail and error, by status
    "401": ("unauthorized", NO_KEY, None),
    "403": ("missing_scope", "This needs a key with the scope observe.", None),
    "404": (
        "unknown_series",
        "There is no such series; GET /v1/series lists what there is.",
        ("/path/unique_id", "is not a series"),
    ),
    "409": ("no_model", NO_MODEL, None),
    "410": (
        "not_kept",
        "Values this old are in the lake alone; `available_from` is the first that is kept.",
        ("/query/from", "is older than what the service keeps"),
    ),
    "412": (
        "promotion_moved",
        "Promotion 8 serves by now; look at it, then ask again with its id in If-Match.",
        None,
    ),
    "413": ("body_too_large", "A body may have 2000000 bytes; send the rest in another request.", None),
    "415": ("unsupported_media_type", "Send the body as application/json or application/x-ndjson.", None),
    "422": (
        "invalid_observation",
        "/0/y must be a number, or null where it is missing.",
        ("/0/y", "must be a number, or null where it is missing"),
    ),
    "428": (
        "precondition_required",
        'Send If-Match with the `promotion_id` of GET /v1/datasets that you saw, such as If-Match: "7".',
        None,
    ),
    "429": ("too_many_requests", too_many_requests(1).detail, None),
    "503": ("not_ready", "The states are being restored.", None),
}


def problem_example(status: str) -> dict[str, Any]:
    """Problem details of one status."""
    code, detail, error = PROBLEMS[status]
    body: dict[str, Any] = {"type": "about:blank", "title": TITLES[int(status)], "status": int(status), "code": code}
    body |= {"detail": detail, "request_id": "6f1c0c9f0b7b4a7e9d7f6f0a3d1c2b3a"}
    return {**body, "errors": [FieldFault(*error)._asdict()]} if error else body
