"""Forecasts without a fit: of a frame, and of a file without a home."""

import json
from datetime import datetime, timedelta

import numpy as np
import pandas as pd
import polars as pl
import pytest

from data.formats.options import SourceOptions
from data.store import promotions
from pipelines import cli
from pipelines.forecasts.batch_forecast import BatchRequest, forecast
from pipelines.ingestion.ingest import ingest
from rollcast import Forecaster, ForecasterError
from tests.support.loop_kit import no_progress, workspace_at

FIRST = datetime(2024, 3, 1)  # noqa: DTZ001 a frame without a zone is usual


def day(hour: int) -> float:
    return float(20 + 10 * np.sin(np.pi * hour / 12))


def hourly(ids="ab", days=21) -> pl.DataFrame:
    """Series that repeat each day; "b" is 100 higher than "a"."""
    hours = range(24 * days)
    return pl.DataFrame({
        "unique_id": [name for name in ids for _ in hours],
        "ds": [FIRST + timedelta(hours=hour) for _ in ids for hour in hours],
        "y": [100.0 * (ord(name) - ord("a")) + day(hour) for name in ids for hour in hours],
    })  # fmt: skip


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "hours.csv"
    hourly().write_csv(path, datetime_format="%Y-%m-%d %H:%M")
    return path


@pytest.fixture
def run(capsys, monkeypatch):
    """`run("forecast", …)`: exit code, standard output and standard error of a command."""

    def command(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["rollcast", *words])
        code = 0
        try:
            cli.main()
        except SystemExit as ended:
            code = int(ended.code or 0)
        out, err = capsys.readouterr()
        return code, out, err

    return command


@pytest.mark.parametrize("library", ["polars", "pandas"])
def test_a_frame_is_forecast_without_a_fit(library):
    frame = hourly() if library == "polars" else hourly().to_pandas()
    found = Forecaster().forecast(24, frame=frame)
    assert type(found) is (pl.DataFrame if library == "polars" else pd.DataFrame)
    assert list(found.columns) == ["unique_id", "ds", "Rollcast", "Rollcast-lo-80", "Rollcast-hi-80"]
    assert found["Rollcast"].to_list()[:24] == pytest.approx([day(hour) for hour in range(24)], abs=0.5)
    assert found["ds"].to_list()[0] == FIRST + timedelta(days=21)


def test_it_forecasts_further_than_a_trained_model_may():
    assert len(Forecaster().forecast(1440, frame=hourly("a"))) == 1440
    with pytest.raises(ForecasterError, match="forecasts 1 to 1680 steps"):
        Forecaster().forecast(1681, frame=hourly("a"))


def test_a_fitted_model_forecasts_another_frame_and_keeps_its_states():
    fitted = Forecaster(freq="1h", horizon=24, season=24, model="seasonal_naive").fit(hourly("a"))
    before = fitted.forecast(2)
    assert fitted.forecast(1, frame=hourly("b"))["Rollcast"].to_list() == pytest.approx([day(0) + 100])
    assert fitted.forecast(2).equals(before)


def test_the_shipped_model_rolls_on_without_training(tmp_path):
    frame = hourly()
    early, late = (
        frame.filter(pl.col("ds") < FIRST + timedelta(days=14)),
        frame.filter(pl.col("ds") >= FIRST + timedelta(days=14)),
    )
    rolled = Forecaster(freq="1h", horizon=24, model="universal").fit(early).observe(late)
    assert rolled.warming == []
    assert rolled.forecast(24)["Rollcast"].to_list()[:24] == pytest.approx([day(hour) for hour in range(24)], abs=0.5)
    rolled.save(tmp_path / "model.rollcast")
    assert Forecaster.load(tmp_path / "model.rollcast").forecast().equals(rolled.forecast())
    tested = rolled.backtest(frame, last=0.1, origins=3)
    assert (tested["y"] - tested["Rollcast"]).abs().mean() < 0.5


def test_a_file_is_forecast_without_a_home(home, file, run):
    code, out, err = run("forecast", "--file", str(file), "--horizon", "24", "--level", "80", "--json")
    assert code == 0, err
    found = json.loads(out)
    assert (found["model"], found["freq"], found["season"], found["horizon"]) == ("universal", "1h", 24, 24)
    first = found["forecasts"][0]
    assert (first["unique_id"], first["origin"], first["ds"][0]) == (
        "a", "2024-03-21T23:00:00Z", "2024-03-22T00:00:00Z",
    )  # fmt: skip
    assert first["universal"] == pytest.approx([day(hour) for hour in range(24)], abs=0.5)
    assert (first["steps"], first["read"]) == (504, 504)
    assert not home.exists()


def test_the_numbers_are_those_of_a_frame_and_of_a_dataset(home, file, run, monkeypatch):
    _, out, _ = run("forecast", "--file", str(file), "--horizon", "24", "--json")
    by_file = [value for entry in json.loads(out)["forecasts"] for value in entry["universal"]]
    assert Forecaster().forecast(24, frame=hourly())["Rollcast"].to_list() == by_file
    monkeypatch.setenv("ROLLCAST_SHIPPED_MODEL", "true")
    home.mkdir()
    workspace = workspace_at(home)
    ingest(workspace, str(file), "hours", SourceOptions(tz="UTC", horizon=24))
    assert promotions.served(workspace.engine, 1).event == "shipped"
    stored = forecast(workspace, BatchRequest("hours"), no_progress).frame
    assert stored["universal"].to_list() == pytest.approx(by_file, rel=1e-9)


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_it_writes_a_file(file, tmp_path, run, ending):
    out = tmp_path / f"out.{ending}"
    code, _, err = run("forecast", "--file", str(file), "--horizon", "3", "--level", "80", "--out", str(out))
    assert code == 0, err
    frame = pl.read_csv(out) if ending == "csv" else pl.read_parquet(out)
    assert frame.columns == ["unique_id", "ds", "universal", "universal-lo-80", "universal-hi-80"]
    assert frame.height == 6


def test_for_people_it_prints_the_first_steps(file, run):
    code, out, err = run("forecast", "--file", str(file), "--horizon", "3")
    assert code == 0, err
    assert "a after 2024-03-21T23:00:00Z, every 1h" in out + err
    assert "by the model that ships with Rollcast" in out + err


def test_quirks_are_read_as_by_ingest(tmp_path, run):
    path = tmp_path / "quirks.csv"
    rows = [f"{hour // 24 + 1:02}.03.2024 {hour % 24:02}:0{hour % 3};{str(day(hour)).replace('.', ',')}"
            for hour in range(24 * 21)]  # fmt: skip
    path.write_text("\ufeffTime;Temperature\n" + "\n".join(rows[:100] + rows[110:]) + "\n", encoding="utf-8")
    code, out, err = run("forecast", "--file", str(path), "--freq", "1h", "--season", "24", "--horizon", "2", "--json")
    assert code == 0, err
    found = json.loads(out)
    assert found["report"]["longest_gap"] == 10
    assert found["forecasts"][0]["universal"] == pytest.approx([day(0), day(1)], abs=0.5)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["forecast"], "name a dataset to forecast, or a file with --file FILE"),
        (["forecast", "hours", "--file", "{file}"], "NAME does not go with --file"),
        (["forecast", "--file", "{file}", "--lake"], "--lake does not go with --file"),
        (["forecast", "--file", "{file}", "--plot"], "--plot does not go with --file"),
        (["forecast", "hours", "--freq", "1h"], "--freq does not go with a dataset"),
        (["forecast", "--file", "nowhere.csv"], "nowhere.csv"),
        (["forecast", "--file", "{file}", "--horizon", "5000"], "forecasts 1 to 1680 steps"),
        (["forecast", "--file", "{file}", "--level", "99"], "the widest interval"),
        (["forecast", "--file", "{file}", "--out", "x.txt"], "neither .parquet nor .csv"),
        (["forecast", "--file", "{file}", "--season", "0"], "--season is 0"),
    ],
)
def test_what_does_not_go_together_is_one_sentence(file, run, words, said):
    code, out, err = run(*(word.format(file=file) for word in words))
    assert code == 2
    assert said in err
    assert "Traceback" not in out + err
