"""A dataset that repeats each week, homes with it, and registered networks with evidence but without training."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np

from data.formats.options import SourceOptions
from data.settings import load_settings
from forecasting import baselines
from forecasting.evaluation import long_roll
from forecasting.evaluation.long_roll import NO_HIDDEN_STATE
from forecasting.evaluation.validation import validate
from forecasting.rolling.bundle import Bundle
from forecasting.rolling.conformal import Calibration
from pipelines.history.history import read_history
from pipelines.ingestion.ingest import ingest
from pipelines.models import model_store
from pipelines.models.evidence import gather_evidence
from pipelines.promotion.anchoring import decide_with_anchor
from pipelines.promotion.promote import promote
from pipelines.training.train import validation_tail
from pipelines.workspace import Workspace, open_workspace
from tests.support.forecasting_kit import drifting, tiny_bundle

SEASON, HORIZON, STEPS = 7, 7, 140


def no_progress(done: float, total: float, words: str) -> None:
    """Ignores progress."""


def weekly(step: int) -> float:
    """The value at a step: a sine with the period of a week, with a little noise."""
    return 100 + 10 * math.sin(2 * math.pi * step / SEASON) + (step * 7919 % 13 - 6) / 20


def write_csv(path: Path, steps: range, split: bool = False) -> str:
    """Write two series, "a" and "b", on integer steps; returns the path."""
    header = "unique_id,t,y" + (",split" if split else "")
    part = [f",{'test' if step > STEPS - HORIZON else 'train'}" if split else "" for step in steps]
    rows = [
        f"{i},{step},{weekly(step + k)}{word}"
        for k, i in enumerate("ab")
        for step, word in zip(steps, part, strict=True)
    ]
    path.write_text("\n".join([header, *rows]) + "\n")
    return str(path)


def workspace_at(home: Path, database_url: str = "") -> Workspace:
    url = database_url or f"sqlite:///{home / 'live.db'}"
    return open_workspace(load_settings(home=home, mlflow=False, database_url=url))


def register_network(workspace: Workspace, name: str, worsens: bool, checked: bool = True) -> int:
    """Register an LSTM with a tenth of seasonal naive's error in its evidence; returns its version.

    worsens  whether its state forecasts worse after a long roll
    checked  whether its evidence has a long roll at all
    """
    history = read_history(workspace, name)
    panel = history.panel
    bundle = drifting(tiny_bundle("lstm", panel, HORIZON)) if worsens else tiny_bundle("lstm", panel, HORIZON)
    tail = validation_tail(history, panel)
    validation = validate([bundle], panel, tail, SEASON, HORIZON)
    found = gather_evidence(history, panel, tail, validation, long_roll.check(bundle, panel, tail, chunk=32))
    errors = found.errors | {"lstm": [error / 10 for error in found.errors["seasonal_naive"]]}
    scores = found.scores | {"lstm": found.scores["lstm"] | {"coverage_80": 0.8}}
    manifest = replace(found, errors=errors, scores=scores).to_manifest()
    if not checked:
        del manifest["evidence"]["long_roll"]
    bundle = replace(bundle, manifest={**manifest, "known": {"part": 1.0, "start": 1}})
    return model_store.register(workspace, history.dataset, bundle, scores)


def register_model(workspace: Workspace, name: str, bundle: Bundle, better: float | None = None) -> int:
    """Register a model with evidence from its own forecasts; returns its version.

    With `better` the evidence claims this share of seasonal naive's error instead.
    """
    history = read_history(workspace, name)
    panel = history.panel
    tail = validation_tail(history, panel)
    validation = validate([bundle], panel, tail, SEASON, HORIZON)
    found = gather_evidence(history, panel, tail, validation, NO_HIDDEN_STATE)
    kind = bundle.config.kind
    errors, scores = found.errors, found.scores
    if better is not None:
        errors = errors | {kind: [error * better for error in errors["seasonal_naive"]]}
        scores = scores | {kind: scores[kind] | {"coverage_80": 0.8}}
    manifest = replace(found, errors=errors, scores=scores).to_manifest()
    bundle = replace(bundle, manifest={**manifest, "known": {"part": 1.0, "start": 1}})
    return model_store.register(workspace, history.dataset, bundle, scores)


def mlp_bundle(workspace: Workspace, scale: float = 1.0) -> Bundle:
    """A network without recurrence for "week", with random weights; each `scale` of them makes another model."""
    bundle = tiny_bundle("mlp", read_history(workspace, "week").panel, HORIZON)
    return replace(bundle, weights={name: value * np.float32(scale) for name, value in bundle.weights.items()})


def served_home(home: Path) -> Path:
    """Make a home with the dataset "week", served by a network with half of seasonal naive's error."""
    workspace = workspace_at(home)
    ingest(
        workspace,
        write_csv(home / "week.csv", range(1, STEPS + 1)),
        "week",
        SourceOptions(season=SEASON, horizon=HORIZON),
    )
    promote(workspace, "week", register_model(workspace, "week", mlp_bundle(workspace), 0.5), no_progress)
    workspace.engine.dispose()
    return home


def promote_baseline(workspace: Workspace, name: str, kind: str = "naive") -> int:
    """Let a baseline serve a dataset, without a gate; returns its version."""
    history = read_history(workspace, name)
    dataset = history.dataset
    config, weights = baselines.fit(kind, history.panel, dataset.season, dataset.horizon)
    bundle = Bundle(config, weights, Calibration.neutral(config))
    version = model_store.register(workspace, dataset, bundle, {})
    decide_with_anchor(workspace, dataset, version, bundle, "promoted", {})
    return version
