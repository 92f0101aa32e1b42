"""A served version is scored at a candidate's origins from the steps that these need."""

import numpy as np
import pytest

from data.errors import Conflict
from data.formats.options import SourceOptions
from forecasting.evaluation.backtest import evaluate, reference
from forecasting.evaluation.long_roll import NO_HIDDEN_STATE
from forecasting.evaluation.validation import Validation, tail_origins, validate
from pipelines.history import cells
from pipelines.history.history import read_history
from pipelines.ingestion.ingest import ingest
from pipelines.models.evidence import gather_evidence, measure_contender, overlapping_origins, unit_errors
from pipelines.training.train import validation_tail
from pipelines.workspace import Workspace
from tests.support.forecasting_kit import tiny_bundle
from tests.support.loop_kit import HORIZON, SEASON, STEPS, weekly, workspace_at


def rows(steps: dict[str, range]) -> str:
    """A source of weekly values; every 13th step of a series is missing, and its first two have no value."""
    lines = [
        f"{name},{step},{'' if step < own.start + 2 else weekly(step + k)}"
        for k, (name, own) in enumerate(steps.items())
        for step in own
        if step % 13
    ]
    return "\n".join(["unique_id,t,y", *lines]) + "\n"


def add(workspace: Workspace, tmp_path, steps: dict[str, range]) -> None:
    file = tmp_path / f"{len(list(tmp_path.iterdir()))}.csv"
    file.write_text(rows(steps))
    ingest(workspace, str(file), "week", SourceOptions(season=SEASON, horizon=HORIZON))


@pytest.fixture
def workspace(tmp_path) -> Workspace:
    made = workspace_at(tmp_path / "home")
    add(made, tmp_path, {"a": range(1, STEPS), "b": range(40, STEPS + 9), "c": range(100, STEPS)})
    return made


@pytest.mark.parametrize("kind", ["lstm", "seasonal_naive"])
def test_the_errors_are_those_of_a_roll_through_the_whole_history(workspace, tmp_path, monkeypatch, kind):
    history = read_history(workspace, "week")
    panel, tail = history.panel, validation_tail(history, history.panel)
    evidence = gather_evidence(history, panel, tail, validate([], panel, tail, SEASON, HORIZON), NO_HIDDEN_STATE)
    bundle, origins = tiny_bundle(kind, panel, HORIZON), tail_origins(panel, tail, HORIZON)
    scores, divisors = evaluate(bundle, panel, origins), reference(panel, origins, SEASON, HORIZON)
    whole = unit_errors(scores, Validation(origins, divisors, {}), overlapping_origins(origins, HORIZON))
    add(workspace, tmp_path, {"a": range(STEPS, STEPS + 30), "d": range(1, 50)})  # known since
    monkeypatch.setattr(cells.blocks, "__defaults__", (150,))  # divisors are read for a series or two at a time
    found = measure_contender(workspace, history.dataset, evidence, bundle, 1, "champion")
    np.testing.assert_allclose(found.errors, whole, rtol=1e-6)
    expected = scores.summary(divisors)
    assert [found.scores[name] for name in ("mase", "wql", "coverage_80")] == pytest.approx(
        [expected[name] for name in ("mase", "wql", "coverage_80")], rel=1e-6
    )


def test_a_version_is_compared_on_the_series_that_a_short_training_scored(tmp_path):
    workspace = workspace_at(tmp_path / "many")
    add(workspace, tmp_path, {f"s{k:02}": range(1, STEPS) for k in range(50)})
    history = read_history(workspace, "week")
    panel, tail = history.panel, validation_tail(history, history.panel)
    whole, part = (
        gather_evidence(history, panel, tail, validate([], panel, tail, SEASON, HORIZON, share), NO_HIDDEN_STATE)
        for share in (1.0, 0.8)
    )
    assert not part.same_origins(whole)
    assert [len(one.errors["naive"]) for one in (whole, part)] == [50, 40]
    found = measure_contender(workspace, history.dataset, part, tiny_bundle("naive", panel, HORIZON), 1)
    np.testing.assert_allclose(found.errors, part.errors["naive"], rtol=1e-6)


def test_a_value_before_the_first_one_of_the_validation_is_a_conflict_and_an_empty_row_is_not(workspace, tmp_path):
    history = read_history(workspace, "week")
    panel, tail = history.panel, validation_tail(history, history.panel)
    evidence = gather_evidence(history, panel, tail, validate([], panel, tail, SEASON, HORIZON), NO_HIDDEN_STATE)
    assert panel.first.tolist() == [3, 42, 102]  # rows begin two steps earlier
    bundle = tiny_bundle("naive", panel, HORIZON)
    assert measure_contender(workspace, history.dataset, evidence, bundle, 1).errors.size
    file = tmp_path / "earlier.csv"
    file.write_text("unique_id,t,y\nb,41,7.5\nb,42,7.5\n")
    ingest(workspace, str(file), "week", SourceOptions())
    with pytest.raises(Conflict, match="rows were added before the candidate's first ones"):
        measure_contender(workspace, history.dataset, evidence, bundle, 1)
