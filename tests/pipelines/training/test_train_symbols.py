"""Symbols from a file to a served model: train, backtest and the promotion gate, which compares log losses."""

import json
from pathlib import Path

import numpy as np
import pytest

from data.errors import Conflict, GateRefused, InvalidInput
from data.formats.options import SourceOptions
from data.settings import load_settings
from data.store import catalogue, promotions, registry
from forecasting.recurrent_options import RecurrentOptions
from forecasting.rolling import bundle as bundles
from pipelines.cli import run
from pipelines.dataset_report import page
from pipelines.evaluation.backtest import BacktestRequest
from pipelines.evaluation.symbol_backtest import backtest_symbols
from pipelines.ingestion.ingest import ingest
from pipelines.monitoring.monitor import monitor
from pipelines.promotion.promote import promote
from pipelines.training.train import TrainRequest, train
from pipelines.workspace import Workspace, open_workspace
from states import build_champion

pytestmark = pytest.mark.usefixtures("short_collections")

DISHES = ("pizza", "sushi", "waffles")


def nothing(*_: object) -> None:
    """Ignores progress and words."""


@pytest.fixture
def workspace(home: Path) -> Workspace:
    return open_workspace(load_settings(home=home, mlflow=False, database_url=f"sqlite:///{home / 'live.db'}"))


def stored(workspace: Workspace, path: Path, dishes: list[str], name: str = "dinner") -> None:
    """One series on integer steps; an empty text is a day on which nothing was written down."""
    lines = ["unique_id,t,y", *(f"home,{day},{dish}" for day, dish in enumerate(dishes, start=1))]
    path.write_text("\n".join(lines) + "\n")
    ingest(workspace, str(path), name, SourceOptions(freq="1", season=1, horizon=3, kind="symbols"))


def in_turn(days: int, unwritten: float = 0.0) -> list[str]:
    hidden = np.random.default_rng(0).random(days) < unwritten
    return ["" if hide and 0 < day < days - 1 else DISHES[day % 3] for day, hide in enumerate(hidden)]


@pytest.fixture
def dinner(workspace: Workspace, tmp_path: Path) -> Workspace:
    """400 days of dinner."""
    stored(workspace, tmp_path / "dinner.csv", in_turn(400))
    return workspace


def trained(workspace: Workspace, model: str = "lstm", steps: int | None = 100, **more: float) -> int:
    request = TrainRequest("dinner", model, steps=steps, hidden_size=16 if steps else None, **more)
    return train(workspace, request, nothing).version


def test_a_network_that_knows_the_cycle_is_promoted_and_served(dinner: Workspace) -> None:
    result = train(dinner, TrainRequest("dinner", steps=100, hidden_size=16), nothing)
    assert set(result.validation) == {"lstm", "frequency", "last_symbol"}
    assert result.validation["lstm"]["log_loss"] < 0.8 * result.validation["frequency"]["log_loss"]
    promoted = promote(dinner, "dinner", None, nothing)
    rows = {row["model"]: row for row in promoted.evidence["contenders"]}
    assert rows["frequency"]["gain"] == pytest.approx(1 - rows["lstm"]["error"] / rows["frequency"]["error"])
    dataset = catalogue.dataset(dinner.engine, "dinner")
    champion, _ = build_champion.build(dinner.engine, dataset, promotions.served(dinner.engine, dataset.id))
    state = champion.states.read(int(champion.states.series[0])).state
    p = champion.roller.forecast(state, np.array([0]))[0, 0]
    assert DISHES[int(p.argmax())] == DISHES[400 % 3]  # the day after the last


def test_a_network_that_learned_nothing_leaves_the_better_baseline_to_serve(
    workspace: Workspace, tmp_path: Path
) -> None:
    drawn = np.random.default_rng(1).choice(DISHES, 300, p=[0.7, 0.2, 0.1]).tolist()
    stored(workspace, tmp_path / "random.csv", drawn)
    trained(workspace, steps=2)
    promoted = promote(workspace, "dinner", None, nothing)
    assert promoted.model == "frequency"
    assert "it is the best baseline" in promoted.sentence
    with pytest.raises(GateRefused, match=r"its error is .* against frequency"):
        promote(workspace, "dinner", trained(workspace, steps=2), nothing)


def test_a_champion_is_scored_anew_on_the_symbols_of_a_later_candidate(dinner: Workspace, tmp_path: Path) -> None:
    trained(dinner)
    promote(dinner, "dinner", None, nothing)
    stored(dinner, tmp_path / "longer.csv", in_turn(460))
    candidate = trained(dinner, seed=1)
    try:
        evidence = promote(dinner, "dinner", candidate, nothing).evidence
    except GateRefused as refusal:
        evidence = refusal.evidence
    roles = {row["role"]: row for row in evidence["contenders"]}
    assert roles["champion"]["log_loss"] < 0.8


def test_the_same_steps_register_the_same_digest(dinner: Workspace) -> None:
    one, other = (train(dinner, TrainRequest("dinner", steps=5, hidden_size=8), nothing) for _ in range(2))
    assert one.digest == other.digest


def test_a_backtest_scores_models_on_symbols_that_none_was_fitted_to(dinner: Workspace) -> None:
    trained(dinner)
    said: list[str] = []
    found = backtest_symbols(dinner, BacktestRequest("dinner", last=0.2), nothing, said.append)
    assert list(found.metrics) == ["lstm", "frequency", "last_symbol"]
    assert "a copy was fitted without them" in said[0]
    assert found.metrics["lstm"]["accuracy"] > 0.6 > found.metrics["frequency"]["accuracy"]
    assert {row["n"] for row in found.metrics.values()} == {found.symbols}
    assert sum(line["n"] for line in found.calibration["lstm"]) == found.symbols
    held = trained(dinner, holdout=0.2)
    again = backtest_symbols(dinner, BacktestRequest("dinner", ("lstm",), last=0.2), nothing, said.append)
    assert again.notes == ()  # version `held` never saw the scored part
    assert held == max(row.version for row in registry.models(dinner.engine, 1))


def test_a_baseline_registers_without_a_training_step(dinner: Workspace) -> None:
    result = train(dinner, TrainRequest("dinner", "last_symbol"), nothing)
    assert (result.steps, result.networks) == (0, 0)
    blob = registry.artifact(dinner.engine, 1, result.version)
    assert bundles.from_bytes(blob, result.digest).config.vocabulary == DISHES


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        (
            TrainRequest("dinner", "mlp"),
            "a dataset of symbols has no 'mlp'; choose one of rnn, gru, lstm, peephole, coupled, lecture",
        ),
        (TrainRequest("dinner", "naive"), "has no 'naive'"),
        (TrainRequest("dinner", resume=True), "keeps no checkpoints; run it without --resume"),
        (TrainRequest("dinner", devices=2), "trains in one process"),
        (TrainRequest("dinner", hidden_size=0), "--hidden-size is 0; give a number from 1 to 4,096"),
        (TrainRequest("dinner", dropout=1.0), "--dropout is 1; give a share from 0 to below 1"),
        (TrainRequest("dinner", options=RecurrentOptions(masking=True)), "--masking is for numbers: in place of"),
        (TrainRequest("dinner", options=RecurrentOptions(residual=True), num_layers=2), "--residual is for numbers"),
        (TrainRequest("dinner", "gru", options=RecurrentOptions(forget_bias=1.0)), "a gru has no forget gate"),
        (TrainRequest("dinner", "lecture", options=RecurrentOptions("orthogonal")), "layers; leave out --init"),
    ],
)
def test_what_does_not_fit_symbols_is_refused_in_a_sentence(
    dinner: Workspace, request_: TrainRequest, words: str
) -> None:
    with pytest.raises(InvalidInput, match=words.replace("(", r"\(")):
        train(dinner, request_, nothing)


def test_what_is_for_symbols_is_refused_for_numbers(workspace: Workspace, tmp_path: Path) -> None:
    path = tmp_path / "numbers.csv"
    path.write_text("unique_id,t,y\n" + "".join(f"a,{step},{step % 7}\n" for step in range(1, 60)))
    ingest(workspace, str(path), "numbers", SourceOptions(freq="1", season=1, horizon=3))
    with pytest.raises(InvalidInput, match="lecture forecasts symbols, and 'numbers' has numbers"):
        train(workspace, TrainRequest("numbers", "lecture"), nothing)


def test_a_backtest_refuses_what_symbols_do_not_have(dinner: Workspace) -> None:
    with pytest.raises(InvalidInput, match="--origins is for numbers"):
        backtest_symbols(dinner, BacktestRequest("dinner", origins=3), nothing, nothing)
    with pytest.raises(Conflict, match="has no gru yet"):
        backtest_symbols(dinner, BacktestRequest("dinner", ("gru",)), nothing, nothing)
    with pytest.raises(InvalidInput, match=r"--last is 5; give a share between 0 and 0\.9"):
        backtest_symbols(dinner, BacktestRequest("dinner", last=5), nothing, nothing)
    with pytest.raises(InvalidInput, match="has no 'ets'"):
        backtest_symbols(dinner, BacktestRequest("dinner", ("ets",)), nothing, nothing)


def test_the_monitor_looks_at_errors_and_not_at_codes(dinner: Workspace) -> None:
    trained(dinner)
    promote(dinner, "dinner", None, nothing)
    found = monitor(dinner, "dinner")
    assert {finding.feature for finding in found.findings} <= {"error", "80 %", "interval_80", "coverage_80"}
    assert found.stuck == ()


def test_the_report_says_what_a_model_of_symbols_knows(dinner: Workspace, tmp_path: Path) -> None:
    trained(dinner)
    promote(dinner, "dinner", None, nothing)
    text = page.write(dinner, "dinner", tmp_path / "report.html").read_text()
    assert "It knows 3 symbols and no other" in text
    assert "log loss" in text and "effective memory" in text
    assert "80 % interval" not in text and "among the likeliest that hold 80 % of the probability" in text


def test_the_command_line_trains_promotes_and_backtests_symbols(
    dinner: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["train", "dinner", "--steps", "60", "--hidden-size", "16"]) == 0
    assert "log loss" in capsys.readouterr().out
    assert run(["promote", "dinner", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["dataset"] == "dinner"
    assert run(["backtest", "dinner", "--models", "frequency,last_symbol", "--last", "0.3", "--json"]) == 0
    assert set(json.loads(capsys.readouterr().out)["metrics"]) == {"frequency", "last_symbol"}
    assert run(["forecast", "dinner", "--horizon", "0"]) == 2
    assert "the horizon is 0; give 1 step or more" in capsys.readouterr().err
    assert run(["backtest", "dinner", "--report", "x.html"]) == 2
    assert "has no HTML report" in capsys.readouterr().err
