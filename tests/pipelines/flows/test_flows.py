"""The Prefect flows: run in a process of their own, without a server."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from data.errors import GateRefused, InvalidInput
from data.formats.options import SourceOptions
from data.records import runs, schedules
from pipelines.flows import flow_parameters
from pipelines.workspace import open_workspace

SCRIPT = """
import json, sys, time
from pipelines.flows import prefect_settings
prefect_settings.configure()
from prefect import flow
from data.errors import InvalidInput
from pipelines.flows import flows

source = sys.argv[1]
ingested = flows.run_here("ingest", [f"source={source}", "dataset=d", 'options={"season": 5, "horizon": 5}'])
trained = flows.run_here("train", ["dataset=d", "model=seasonal_naive"])
promoted = flows.run_here("promote", ["dataset=d"])
forecast = flows.run_here("batch-forecast", ["dataset=d", f"out={source}.out.csv"])
try:
    flows.run_here("train", ["dataset=nothing"])
except InvalidInput:
    sys.exit("another error was meant")
except Exception as error:
    refused = str(error)
again = flows.run_here("promote", ["dataset=d"])


@flow(timeout_seconds=1)
def hung():
    return flows.run("train", "d", lambda workspace: time.sleep(60))


try:
    hung()
except TimeoutError:
    pass
print(json.dumps([ingested, trained, promoted, forecast, refused, again]))
"""


@pytest.mark.prefect
def test_flows_run_without_a_server_and_fault_31_a_hanging_one_fails(tmp_path: Path, home: Path) -> None:
    source = tmp_path / "raw.csv"
    source.write_text("unique_id,t,y\n" + "".join(f"a,{step},{step % 5 + step % 3 / 10}\n" for step in range(1, 90)))
    command = [sys.executable, "-c", SCRIPT, str(source)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=750)
    assert done.returncode == 0, done.stderr[-2000:]
    assert "Traceback" not in done.stderr
    ingested, trained, promoted, forecast, refused, again = json.loads(done.stdout.splitlines()[-1])
    assert ingested["added"] == 89
    assert trained["version"] == 1
    assert promoted["model"] == "seasonal_naive"
    assert forecast["rows"] == 5
    assert Path(forecast["out"]).exists()
    assert "nothing" in refused
    assert (home / "prefect").is_dir()
    assert (again["promoted"], "decided already" in again["reason"]) == (
        False,
        True,
    )  # nothing to decide is not a failure
    kept = runs.runs(open_workspace().engine)
    assert [(run.flow, run.dataset, run.outcome) for run in reversed(kept)] == [
        ("ingest", "d", "succeeded"),
        ("train", "d", "succeeded"),
        ("promote", "d", "succeeded"),
        ("batch-forecast", "d", "succeeded"),
        ("train", "nothing", "failed"),
        ("promote", "d", "succeeded"),
        ("train", "d", "failed"),  # it hung
    ]
    assert "longer than ROLLCAST_FLOW_TIMEOUT_S" in kept[0].detail["error"]
    assert "seasonal_naive" in Path(kept[4].detail["report"]).read_text()


def test_an_unknown_flow_or_parameter_is_refused_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path))  # read on import, which creates the folder
    from pipelines.flows import flows

    with pytest.raises(InvalidInput, match="batch-forecast"):
        flows.run_here("retain", [])
    with pytest.raises(InvalidInput, match=r"train has no parameter for horizonn=3; it takes dataset, \[model\]"):
        flows.run_here("train", ["dataset=d", "horizonn=3"])
    with pytest.raises(InvalidInput, match="NAME=VALUE"):
        flows.run_here("train", ["dataset"])


def test_an_option_of_a_source_that_does_not_exist_is_refused_before_anything_runs(monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path))
    from pipelines.flows import flows

    with pytest.raises(InvalidInput, match="no 'zone'; it takes id_col"):
        flows.run_here("ingest", ["dataset=d", "source=x.csv", 'options={"zone": "UTC"}'])


def test_a_flow_takes_every_option_of_ingest_by_its_word_or_its_field(monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path))
    from pipelines.flows import flows

    given = {"id_col": "store,item", "as": "sales", "min": 0, "max_stale": 60, "na": ["?"], "every": "1h"}
    options = SourceOptions(id_col="store,item", rename="sales", low=0.0, max_stale=60, na=("?",), every="1h")
    assert flows.source_options(given) == options
    assert flows.source_options({"rename": "sales", "low": 0}) == SourceOptions(rename="sales", low=0.0)
    with pytest.raises(InvalidInput, match="options has max_stale 'long': input should be a valid integer"):
        flows.run_here("ingest", ["dataset=d", "source=x.csv", 'options={"max_stale": "long"}'])


def test_an_option_of_a_source_given_as_a_word_keeps_its_text() -> None:
    read = flow_parameters.parse_parameters("ingest", ["source=1.csv", "dataset=2", "series=007", "date_format=s"])
    assert read == {"source": "1.csv", "dataset": 2, "options": {"series": "007", "date_format": "s"}}
    assert flow_parameters.parse_parameters("train", ["season=007"]) == {"season": "007"}  # no option of this flow
    both = flow_parameters.parse_parameters("ingest", ['options={"as": "sales"}', "max=9"])
    assert both == {"options": {"rename": "sales", "high": 9.0}}


def test_every_flow_that_can_be_scheduled_exists(monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path))
    from pipelines.flows import flows

    assert set(flows.FLOWS) == {*schedules.OF_DATASETS, *schedules.HOUSEKEEPING}


def test_a_refusal_of_the_promotion_gate_is_the_result_of_its_flow(monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path))
    from pipelines.flows import flows

    def refuse(*_: object) -> None:
        raise GateRefused("lstm version 2 was refused: coverage", {"contenders": [], "p_value": float("nan")})

    monkeypatch.setattr(flows.promotion, "promote", refuse)
    record = flows.promote.fn("d", 2)
    assert (record["promoted"], record["refused"], record["evidence"]["p_value"]) == (False, True, None)
    (run,) = runs.runs(open_workspace().engine)
    assert (run.outcome, run.detail["reason"]) == ("succeeded", "lstm version 2 was refused: coverage")


def test_waiting_trainings_delay_only_other_heavy_flows(monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path))
    from pipelines.flows import flows, prefect_runner

    kinds = {name: prefect_runner.kind_of(name) for name in flows.FLOWS}
    assert set(kinds.values()) == set(prefect_runner.CONCURRENT_RUNS)
    assert [name for name, kind in kinds.items() if kind == "canary"] == ["canary"]
    assert {name for name, kind in kinds.items() if kind == "heavy"} == {"train", "backtest", "jobs"}
