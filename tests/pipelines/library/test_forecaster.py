"""`rollcast.Forecaster`: frames in, frames of the same kind out, and the numbers of the command line."""

import json
import os
import subprocess
import sys
import zipfile
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pandas as pd
import polars as pl
import pytest

from data.store import catalogue
from pipelines import cli
from pipelines.library import rolling_backtest
from pipelines.models import model_store
from pipelines.promotion.promote import serve
from pipelines.workspace import open_workspace
from rollcast import Forecaster, ForecasterError

FIRST = datetime(2024, 3, 1)  # noqa: DTZ001 a frame without a zone is usual
HOURS = 24 * 21


def hourly(ids="ab", hours=HOURS, start=0) -> pl.DataFrame:
    """Series that repeat each day; "b" is 100 higher than "a"."""
    steps = range(start, start + hours)
    return pl.DataFrame({
        "unique_id": [name for name in ids for _ in steps],
        "ds": [FIRST + timedelta(hours=step) for _ in ids for step in steps],
        "y": [100.0 * (ord(name) - ord("a")) + 10 + 5 * np.sin(step * np.pi / 12) + step * 7919 % 13 / 20
              for name in ids for step in steps],
    })  # fmt: skip


def counted(values: list[float]) -> pl.DataFrame:
    """One series at the steps 1, 2, 3 ..."""
    return pl.DataFrame({"unique_id": "s", "ds": range(1, len(values) + 1), "y": values})


def repeating(**arguments) -> Forecaster:
    """A forecaster that repeats the last day, which needs no training."""
    return Forecaster(freq="1h", horizon=24, season=24, model="seasonal_naive", **arguments)


@pytest.mark.usefixtures("short_collections")
def test_the_numbers_are_those_of_the_command_line(home, tmp_path, monkeypatch, capsys):
    """The same rows and steps: one digest, one forecast before and after new rows, one error of a backtest.

    The frame has a gap, a repeated row, rows out of order and a time between two steps. The working folder stays empty.
    """
    frame = hourly()
    gap = (pl.col("ds") > FIRST + timedelta(hours=50)) & (pl.col("ds") < FIRST + timedelta(hours=55))
    frame = pl.concat([frame, frame.head(1)]).filter(~gap).sample(fraction=1.0, shuffle=True, seed=1)
    late = pl.col("ds") == FIRST + timedelta(hours=7)
    frame = frame.with_columns(
        pl.when(late).then(pl.col("ds") + timedelta(minutes=4)).otherwise(pl.col("ds")).alias("ds")
    )
    new = hourly(start=HOURS, hours=5)
    frame.write_csv(tmp_path / "rows.csv")
    new.write_csv(tmp_path / "new.csv")
    empty = tmp_path / "empty"
    empty.mkdir()
    monkeypatch.chdir(empty)

    forecaster = Forecaster(freq="1h", horizon=12, season=24, steps=4).fit(frame)
    tested = forecaster.backtest(frame, origins=8)
    first = forecaster.forecast(3, level=[80, 50])
    later = forecaster.observe(new).forecast()
    assert list(empty.iterdir()) == []
    assert capsys.readouterr() == ("", "")

    def run(*words: str):
        assert cli.run([*words, "--json"]) == 0
        return json.loads(capsys.readouterr().out)

    ingest = ["--dataset", "d", "--tz", "UTC", "--freq", "1h", "--season", "24", "--horizon", "12"]
    run("ingest", str(tmp_path / "rows.csv"), *ingest)
    trained = run("train", "d", "--steps", "4")
    assert trained["digest"] == forecaster.digest
    scored = run("backtest", "d", "--origins", "8")
    mae = (tested["y"] - tested["Rollcast"]).abs().mean()
    assert mae == pytest.approx(scored["metrics"]["lstm"]["mae"], abs=5.1e-7)  # which has six decimals
    assert tested["cutoff"].n_unique() == scored["origins"] == 8
    workspace = open_workspace()
    dataset = catalogue.dataset(workspace.engine, "d")
    serve(workspace, dataset, 1, model_store.load(workspace, dataset, 1), "promoted", {})
    columns = {"lstm": "Rollcast", "lstm-lo-80": "Rollcast-lo-80", "lstm-hi-80": "Rollcast-hi-80"}
    answered = run("forecast", "d", "--horizon", "3", "--level", "80", "--level", "50")["forecasts"]
    for name, ours in {**columns, "lstm-lo-50": "Rollcast-lo-50"}.items():
        assert [value for series in answered for value in series[name]] == first[ours].to_list()
    run("ingest", str(tmp_path / "new.csv"), "--dataset", "d", "--tz", "UTC")
    answered = run("forecast", "d")["forecasts"]
    for name, ours in columns.items():
        assert [value for series in answered for value in series[name]] == later[ours].to_list()
    stamps = [stamp for series in answered for stamp in series["ds"]]
    assert stamps == [f"{ds.isoformat()}Z" for ds in later["ds"]]


def test_one_level_may_be_a_number():
    fitted = repeating().fit(hourly())
    assert fitted.forecast(2, level=80).equals(fitted.forecast(2, level=[80]))


def test_a_frame_of_polars_gives_one_of_polars():
    found = repeating().fit(hourly()).forecast(2, level=[80])
    assert found.columns == ["unique_id", "ds", "Rollcast", "Rollcast-lo-80", "Rollcast-hi-80"]
    assert found["unique_id"].to_list() == ["a", "a", "b", "b"]
    assert found.schema["ds"] == pl.Datetime("us")
    end = FIRST + timedelta(hours=HOURS)
    assert found["ds"].to_list() == [end, end + timedelta(hours=1)] * 2
    yesterday = hourly().filter(pl.col("ds").is_between(end - timedelta(hours=24), end - timedelta(hours=23)))
    assert found["Rollcast"].to_list() == pytest.approx(yesterday["y"].to_list())


def test_a_frame_of_pandas_gives_one_of_pandas_with_the_same_numbers():
    ours = repeating().fit(hourly()).forecast(2)
    frame = hourly().to_pandas().astype({"ds": "datetime64[ns]"})
    found = repeating().fit(frame).forecast(2)
    assert isinstance(found, pd.DataFrame)
    assert list(found.columns) == ours.columns
    assert str(found["ds"].dtype) == "datetime64[ns]"
    assert found["ds"].tolist() == [pd.Timestamp(ds) for ds in ours["ds"]]
    assert found["Rollcast"].tolist() == ours["Rollcast"].to_list()
    tested = repeating().backtest(frame, origins=2)
    assert list(tested.columns)[:4] == ["unique_id", "ds", "cutoff", "y"]
    assert (tested["ds"] > tested["cutoff"]).all()


def test_pandas_is_not_imported_for_a_frame_of_polars(root):
    code = """
import sys
import polars as pl
sys.modules["pandas"] = None  # an import of it fails
from rollcast import Forecaster
frame = pl.DataFrame({"unique_id": "s", "ds": range(60), "y": [float(i % 4) for i in range(60)]})
print(Forecaster(freq=1, season=4, horizon=2, model="seasonal_naive").fit(frame).forecast()["Rollcast"].to_list())
"""
    outcome = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert outcome.stdout.split("\n")[0] == "[0.0, 1.0]"


@pytest.mark.parametrize("kind", ["polars", "pandas"])
def test_times_keep_their_zone(kind):
    frame = hourly().with_columns(pl.col("ds").dt.replace_time_zone("UTC").dt.convert_time_zone("Europe/Berlin"))
    given = frame if kind == "polars" else frame.to_pandas()
    found = repeating().fit(given).forecast(2)
    assert "Europe/Berlin" in str(found["ds"].dtype)
    end = FIRST + timedelta(hours=HOURS)
    assert found["ds"][0].timestamp() == end.replace(tzinfo=UTC).timestamp()


def test_days_keep_the_type_of_the_column():
    days = [date(2024, 1, 1) + timedelta(days=i) for i in range(60)]
    frame = pl.DataFrame({"unique_id": "s", "ds": days, "y": [float(i % 7) for i in range(60)]})
    forecaster = Forecaster(freq="D", horizon=7, season=7, model="seasonal_naive")
    found = forecaster.fit(frame).forecast(1)
    assert found["ds"].to_list() == [date(2024, 3, 1)]
    assert found["Rollcast"].to_list() == [4.0]
    as_times = forecaster.fit(frame.with_columns(pl.col("ds").cast(pl.Datetime("ms")))).forecast(1)
    assert as_times.schema["ds"] == pl.Datetime("ms")
    in_zone = frame.with_columns(pl.col("ds").cast(pl.Datetime("us")).dt.replace_time_zone("Asia/Tokyo"))
    assert str(forecaster.fit(in_zone).forecast(1)["ds"][0]) == "2024-03-01 00:00:00+09:00"


def test_ends_of_months_stay_ends_of_months():
    ends = pd.date_range("2020-01-31", periods=48, freq="ME")
    frame = pd.DataFrame({"unique_id": "s", "ds": ends, "y": np.arange(48.0) % 12})
    forecaster = Forecaster(freq="ME", horizon=3, season=12, model="seasonal_naive").fit(frame)
    assert [str(ds.date()) for ds in forecaster.forecast()["ds"]] == ["2024-01-31", "2024-02-29", "2024-03-31"]
    assert forecaster.forecast()["Rollcast"].tolist() == [0.0, 1.0, 2.0]


def test_whole_numbers_name_series_and_count_steps():
    frame = counted([float(i % 4) for i in range(60)]).with_columns(unique_id=pl.lit(7))
    found = Forecaster(freq=1, season=4, horizon=3, model="seasonal_naive").fit(frame).forecast()
    assert found["unique_id"].to_list() == [7, 7, 7]
    assert found["ds"].to_list() == [61, 62, 63]
    assert found["Rollcast"].to_list() == [0.0, 1.0, 2.0]


def test_observing_moves_the_origin_and_a_new_series_begins_with_its_first_value():
    forecaster = Forecaster(freq=1, season=1, horizon=2, model="naive").fit(counted([float(i % 4) for i in range(60)]))
    rows = pl.DataFrame({"unique_id": ["s", "new", "new"], "ds": [63, 70, 71], "y": [9.0, None, 5.0]})
    found = forecaster.observe(rows).forecast(1)
    assert found.select("unique_id", "ds", "Rollcast").rows() == [("new", 72, 5.0), ("s", 64, 9.0)]
    assert forecaster.warming == ["new"]


def test_an_old_row_is_refused_and_nothing_is_taken_in():
    forecaster = Forecaster(freq=1, season=1, horizon=2, model="naive").fit(counted([1.0, 2.0] * 30))
    rows = pl.DataFrame({"unique_id": ["s", "s"], "ds": [60, 61], "y": [9.0, 9.0]})
    with pytest.raises(ForecasterError, match="60 of s is not after 60, its last row so far"):
        forecaster.observe(rows)
    assert forecaster.forecast(1)["ds"].to_list() == [61]
    assert forecaster.observe(rows.tail(1)).forecast(1)["ds"].to_list() == [62]


def test_a_backtest_knows_nothing_after_its_cutoff_and_changes_nothing():
    values = [float(i) for i in range(50)]
    forecaster = Forecaster(freq=1, season=1, horizon=2, model="naive").fit(counted(values))
    before = forecaster.forecast()
    found = forecaster.backtest(counted(values), last=0.2, origins=3, level=[], baselines=["drift"])
    assert found.columns == ["unique_id", "ds", "cutoff", "y", "Rollcast", "drift"]
    # the scored part is 41 to 50; an origin at its begin, in its middle, and where two steps are left
    assert found.select("ds", "cutoff", "y", "Rollcast").rows() == [
        (41, 40, 40.0, 39.0), (42, 40, 41.0, 39.0),
        (45, 44, 44.0, 43.0), (46, 44, 45.0, 43.0),
        (49, 48, 48.0, 47.0), (50, 48, 49.0, 47.0),
    ]  # fmt: skip
    assert found["drift"].to_list() == pytest.approx(found["y"].to_list())  # a line goes on
    assert forecaster.forecast().equals(before)


def test_a_backtest_does_not_copy_a_model_that_saw_none_of_the_scored_part(monkeypatch):
    values = [float(i % 5) for i in range(60)]
    forecaster = Forecaster(freq=1, season=5, horizon=2, model="seasonal_naive").fit(counted(values[:40]))
    monkeypatch.setattr(rolling_backtest, "fit_model", lambda *_: pytest.fail("it was fitted again"))
    found = forecaster.backtest(counted(values), origins=2)  # scores 49 to 60, and 1 to 40 were fitted
    assert found["Rollcast"].to_list() == pytest.approx(found["y"].to_list())
    with pytest.raises(pytest.fail.Exception, match="fitted again"):
        forecaster.backtest(counted(values), last=0.5)


def test_a_saved_forecaster_goes_on_where_it_was(tmp_path):
    forecaster = repeating().fit(hourly())
    forecaster.save(tmp_path / "model.rollcast")
    loaded = Forecaster.load(tmp_path / "model.rollcast")
    assert os.listdir(tmp_path) == ["model.rollcast"]
    new = hourly(start=HOURS, hours=3)
    assert loaded.observe(new).forecast().equals(forecaster.observe(new).forecast())
    assert repr(loaded) == repr(forecaster)


def test_a_changed_file_is_refused(tmp_path):
    path = tmp_path / "model.rollcast"
    repeating().fit(hourly()).save(path)
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    changed = parts | {"states.safetensors": parts["states.safetensors"][:-1] + b"\x01"}
    with zipfile.ZipFile(path, "w") as archive:
        for name, part in changed.items():
            archive.writestr(name, part)
    with pytest.raises(ForecasterError, match="states do not match their hash"):
        Forecaster.load(path)
    path.write_bytes(b"no zip")
    with pytest.raises(ForecasterError, match="no whole file of a forecaster"):
        Forecaster.load(path)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda f, _: f.fit([1, 2]), "a Polars or pandas DataFrame is needed, not list"),
        (lambda f, frame: f.fit(frame.lazy()), r"a Polars LazyFrame has no rows yet; give frame.collect\(\)"),
        (lambda f, frame: f.fit(frame.drop("y")), "column 'y': there is no such column"),
        (lambda f, frame: f.fit(frame.clear()), "there are no rows"),
        (lambda f, frame: f.fit(frame.with_columns(y=pl.lit("x"))), "column 'y': it holds String, not numbers"),
        (lambda f, frame: f.fit(frame.with_columns(y=None)), "no value in it is a number"),
        (lambda f, frame: f.fit(frame.with_columns(pl.col("ds").cast(pl.String))), "column 'ds': it holds String"),
        (lambda f, frame: f.fit(frame.with_columns(ds=pl.int_range(len(frame)))), "whole numbers|integer"),
        (lambda f, frame: f.fit(pl.concat([frame, frame.with_columns(pl.col("y") + 1)])), "say with keep which value"),
        (lambda f, frame: f.fit(frame).forecast(25), "the horizon is 25"),
        (lambda f, frame: f.fit(frame).forecast(level=[99]), "the widest interval of this model is 95 per cent"),
        (lambda f, frame: f.fit(frame).backtest(frame, last=2), "last is 2"),
        (lambda f, frame: f.fit(frame).backtest(frame, origins=0), "origins is 0"),
        (lambda f, frame: f.fit(frame).backtest(frame, baselines=["x"]), "there is no baseline 'x'"),
        (lambda f, frame: f.fit(frame).observe(frame.with_columns(unique_id=1)), "column 'unique_id': it holds whole"),
        (lambda f, _: f.forecast(), "not fitted yet"),
        (lambda f, _: f.load("missing/file"), "cannot be read"),
        (lambda f, frame: f.fit(frame).save("missing/file"), "there is no folder missing"),
        (lambda _, frame: Forecaster(horizon=0).fit(frame), "horizon is 0"),
        (lambda _, frame: Forecaster(steps=1, max_minutes=1).fit(frame), "steps and max_minutes both limit"),
        (lambda _, frame: Forecaster(model="gpt").fit(frame), "there is no model named 'gpt'"),
        (lambda _, __: Forecaster(freq="soon"), "frequency 'soon' is not known"),
    ],
)
def test_what_is_wrong_is_said_in_one_sentence(call, words):
    with pytest.raises(ForecasterError, match=words) as raised:
        call(repeating(), hourly())
    assert isinstance(raised.value, ValueError)
    assert "\n" not in str(raised.value)
    assert "--" not in str(raised.value)
