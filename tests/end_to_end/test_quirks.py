"""Files as people have them: each is ingested right, or refused with a sentence that names the way out."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from data import clock
from data.errors import Conflict, InvalidInput
from data.formats.options import SourceOptions
from data.records import quarantine
from data.store import catalogue
from pipelines.forecasts.batch_forecast import BatchRequest, forecast
from pipelines.history.history import read_history
from pipelines.ingestion.ingest import ingest
from pipelines.ingestion.ingest_result import Ingested
from pipelines.models import model_store
from pipelines.promotion.anchoring import decide_with_anchor
from pipelines.workspace import Workspace
from tests.support.loop_kit import no_progress, workspace_at
from tests.support.road_kit import serving
from tests.support.service_kit import baseline

FILES = Path(__file__).parents[1] / "data" / "quirks_files"
TODAY = int(datetime(2026, 11, 30, tzinfo=UTC).timestamp() * 1e6)


@pytest.fixture
def workspace(home, monkeypatch):
    monkeypatch.setattr(clock, "now", lambda: TODAY)
    opened = workspace_at(home)
    yield opened
    opened.engine.dispose()


def take(workspace: Workspace, file: str, name: str | None = None, **options) -> Ingested:
    return ingest(workspace, str(FILES / f"{file}.csv"), name or file, SourceOptions(**options), no_progress)


def refusal(workspace: Workspace, file: str, name: str | None = None, **options) -> str:
    """The sentence of a refused ingest; nothing is stored."""
    before = [(dataset.name, dataset.snapshot) for dataset in catalogue.datasets(workspace.engine)]
    with pytest.raises((InvalidInput, Conflict)) as refused:
        take(workspace, file, name, **options)
    assert refused.value.exit_code == 2
    assert [(dataset.name, dataset.snapshot) for dataset in catalogue.datasets(workspace.engine)] == before
    return str(refused.value)


def stored(workspace: Workspace, name: str) -> pl.DataFrame:
    """The lake's current rows: unique_id, ds, y."""
    dataset = catalogue.dataset(workspace.engine, name)
    return workspace.lake.read(dataset.id).select("unique_id", "ds", "y").sort("unique_id", "ds")


def when(stamps: pl.Series) -> list[datetime]:
    return stamps.cast(pl.Datetime("us", "UTC")).to_list()


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)


def serve(workspace: Workspace, name: str) -> None:
    history = read_history(workspace, name)
    bundle = baseline(history.panel, "naive")
    version = model_store.register(workspace, history.dataset, bundle, {})
    decide_with_anchor(workspace, history.dataset, version, bundle, "promoted", {})


# --- keys -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [{}, {"id_col": "item"}, {"id_col": "store"}], ids=str)
def test_twelve_series_are_never_poured_into_fewer(workspace, options):
    sentence = refusal(workspace, "store_item", target_col="sales", **options)
    assert "store" in sentence and "item" in sentence and "--id-col" in sentence


def test_series_named_by_two_columns(workspace):
    report = take(workspace, "store_item", id_col="store,item", target_col="sales").report
    assert (report["series"], report["kept"], report["rows"]) == (12, 2400, 2400)
    rows = stored(workspace, "store_item")
    assert rows.filter(pl.col("unique_id") == "3/4").height == 200


def test_a_second_ticker_that_starts_later_is_asked_about(workspace):
    sentence = refusal(workspace, "two_tickers")
    assert "Ticker" in sentence and "--id-col" in sentence
    report = take(workspace, "two_tickers", id_col="Ticker").report
    assert (report["series"], report["kept"]) == (2, 550)


def test_ids_are_kept_as_they_are_written(workspace):
    report = take(workspace, "leading_zero_ids").report
    assert report["series"] == 5
    assert stored(workspace, "leading_zero_ids")["unique_id"].n_unique() == 5


def test_another_quantity_under_the_same_ids_is_refused(workspace):
    assert take(workspace, "temperature_then", "rooms").report["kept"] == 400
    sentence = refusal(workspace, "humidity_same_ids", "rooms")
    assert "temperature" in sentence and "--as" in sentence
    taken = take(workspace, "humidity_same_ids", "rooms", target_col="humidity", rename="temperature")
    assert taken.added == 100


# --- times ------------------------------------------------------------------------------------------------------------


def test_a_day_is_the_date_that_was_written_east_of_greenwich(workspace):
    report = take(workspace, "daily_paris_midnight").report
    assert (report["first"], report["frequency"], report["kept"]) == ("2023-01-02", "1b", 300)
    assert date.fromisoformat(report["first"]).weekday() == 0


@pytest.mark.parametrize(("file", "second"), [("date_time", "Time"), ("date_hour", "Hour")])
def test_a_time_in_two_columns(workspace, file, second):
    sentence = refusal(workspace, file, target_col="Load", tz="UTC")
    assert f"--time-col Date,{second}" in sentence
    report = take(workspace, file, time_col=f"Date,{second}", target_col="Load", tz="UTC").report
    assert (report["kept"], report["frequency"]) == (960, "1h")
    hours = when(stored(workspace, file)["ds"])
    first = utc(2024, 1, 1, 1 if file == "date_hour" else 0)
    assert (hours[0], hours[-1]) == (first, first + timedelta(hours=959))


def test_nine_digits_of_a_second_are_cut(workspace):
    report = take(workspace, "nanoseconds").report
    assert (report["kept"], report["frequency"]) == (300, "5m")
    serve(workspace, "nanoseconds")
    with serving(workspace, lambda: TODAY) as client:
        for minute, stamp in enumerate(["01:00:00.1234567Z", "01:05:00.123456789Z", "01:10Z"]):
            sent = client.post("/v1/series/nanoseconds/observations", json={"ds": f"2026-11-02T{stamp}", "y": minute})
            assert sent.json()["outcomes"] == ["applied"], sent.text
        assert client.get("/v1/series/nanoseconds/forecast").json()["origin"] == "2026-11-02T01:10:00Z"


def test_a_bare_date_among_times_is_midnight(workspace):
    report = take(workspace, "midnight_without_time", tz="UTC").report
    assert (report["kept"], report["frequency"], report["gaps"]) == (480, "1h", 0)
    assert any("midnight" in line for line in report["recognised"])


def test_dates_of_eight_digits(workspace):
    report = take(workspace, "yyyymmdd", time_col="DATE").report
    assert (report["kept"], report["frequency"], report["gaps"]) == (500, "1d", 0)
    assert (report["first"], report["last"]) == ("2023-01-01", "2024-05-14")


def test_seconds_since_1970_under_a_times_name(workspace):
    report = take(workspace, "epoch_seconds").report
    assert (report["kept"], report["frequency"], report["first"]) == (600, "5m", "2026-01-01T00:00:00Z")


def test_an_offset_of_hours_alone(workspace):
    report = take(workspace, "postgres_offset").report
    assert (report["kept"], report["frequency"], report["first"]) == (500, "15m", "2024-01-01T00:00:00Z")


def test_offsets_that_change_within_a_file(workspace):
    report = take(workspace, "dst_mixed_offsets").report
    assert (report["kept"], report["gaps"], report["rejected"]) == (1080, 0, 0)


# --- steps and labels -------------------------------------------------------------------------------------------------


def test_jittered_readings_go_to_the_nearest_step(workspace):
    report = take(workspace, "jitter_5m").report
    assert (report["kept"], report["gaps"], report["duplicates"], report["first"]) == (
        1000, 0, 0, "2026-09-30T23:59:58Z",
    )  # fmt: skip
    assert when(stored(workspace, "jitter_5m")["ds"])[:2] == [utc(2026, 10, 1), utc(2026, 10, 1, 0, 5)]


def test_months_are_labelled_by_their_ends(workspace):
    assert take(workspace, "month_ends").report["frequency"] == "1mo"
    serve(workspace, "month_ends")
    frame = forecast(workspace, BatchRequest("month_ends", horizon=2), no_progress).to_dict()
    assert frame["forecasts"][0]["ds"] == ["2024-01-31", "2024-02-29"]
    with serving(workspace, lambda: TODAY) as client:
        answer = client.get("/v1/series/a/forecast?horizon=2").json()
        assert (answer["origin"], answer["ds"]) == ("2023-12-31", ["2024-01-31", "2024-02-29"])


def test_each_series_keeps_its_own_weekday(workspace):
    assert take(workspace, "weekly_three_weekdays").report["frequency"] == "1w"
    serve(workspace, "weekly_three_weekdays")
    frame = forecast(workspace, BatchRequest("weekly_three_weekdays", horizon=3), no_progress).to_dict()
    days = {
        entry["unique_id"]: {date.fromisoformat(day).weekday() for day in entry["ds"]} for entry in frame["forecasts"]
    }
    assert days == {"mon": {0}, "thu": {3}, "sun": {6}}
    with serving(workspace, lambda: TODAY) as client:
        for unique_id, weekday in (("mon", 0), ("thu", 3), ("sun", 6)):
            answer = client.get(f"/v1/series/{unique_id}/forecast?horizon=3").json()
            assert {date.fromisoformat(day).weekday() for day in (answer["origin"], *answer["ds"])} == {weekday}


# --- clocks that were not set -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("file", "rows", "gaps"), [("clock_1970", 2, 0), ("clock_2036", 1, 1)])
def test_rows_of_an_unset_clock_are_quarantined(workspace, file, rows, gaps):
    """The row of 2036 stands in place of one hour; the two of 1970 are the same and come beside all hours."""
    taken = take(workspace, file)
    assert taken.quarantined == {"clock": rows}
    assert (taken.report["gaps"], taken.report["rejected"]) == (gaps, 0)
    assert when(stored(workspace, file)["ds"])[0] >= utc(2026, 8, 31)
    assert when(stored(workspace, file)["ds"])[-1] <= utc(2026, 10, 4, 8)
    held = quarantine.values(workspace.engine, catalogue.dataset(workspace.engine, file).id)
    assert [value.rule for value in held] == ["clock"]


def test_after_an_unset_clock_the_next_file_is_unharmed(workspace):
    take(workspace, "clock_2036", "plant", series="p")
    taken = take(workspace, "clock_2036_next", "plant", series="p")
    assert (taken.added, taken.quarantined) == (48, {})
    assert stored(workspace, "plant")["y"].to_list()[-3:] == [30, 31, 32]


# --- dialects ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("file", "options", "rows", "first", "last"),
    [
        ("decimal_comma_bom", {"time_col": "Zeit", "tz": "UTC"}, 300, 19.84, 19.90),
        ("decimal_comma_thousands", {"time_col": "Zeit"}, 300, 1299.99, 2196.99),
        ("excel_sep_line", {"time_col": "Zeit", "tz": "UTC"}, 24, 20.5, 23.5),
    ],
)
def test_a_spreadsheets_dialect_is_recognised(workspace, file, options, rows, first, last):
    report = take(workspace, file, **options).report
    assert (report["kept"], report["gaps"]) == (rows, 0)
    values = stored(workspace, file)["y"].to_list()
    assert (values[0], values[-1]) == (first, last)
    assert report["recognised"]


def test_a_price_download_has_three_header_lines(workspace):
    sentence = refusal(workspace, "three_header_lines")
    assert "--target-col" in sentence and "Close" in sentence
    report = take(workspace, "three_header_lines", target_col="Close").report
    assert (report["kept"], report["frequency"], report["first"]) == (200, "1b", "2024-01-02")
    assert stored(workspace, "three_header_lines")["unique_id"].unique().to_list() == ["ZZZ"]


def test_a_price_download_without_its_second_and_third_line(workspace):
    report = take(workspace, "three_header_lines", skip_lines="2-3", time_col="Price", target_col="Close").report
    assert report["kept"] == 200


def test_words_for_a_missing_value_and_values_that_clash(workspace):
    columns = {"id_col": "entity_id", "time_col": "last_changed", "target_col": "state", "freq": "5m"}
    assert "--keep" in refusal(workspace, "home_automation_history", **columns)
    report = take(workspace, "home_automation_history", keep="mean", **columns).report
    assert (report["kept"], report["rows"]) == (487, 500)
    assert report["nulls"] > 0


def test_annotated_csv_of_influx(workspace):
    report = take(workspace, "influx_annotated").report
    assert (report["kept"], report["series"], report["frequency"]) == (300, 1, "10m")
    assert stored(workspace, "influx_annotated")["unique_id"].unique().to_list() == ["room/temp"]
    assert report["covariates"] == []


def test_an_unnamed_column_of_dates_is_the_time(workspace):
    report = take(workspace, "unnamed_date_index").report
    assert (report["kept"], report["frequency"], report["first"]) == (200, "1d", "2024-01-01")


# --- series that went silent ------------------------------------------------------------------------------------------


def test_a_series_that_ends_with_empty_rows_is_like_its_twin_without_them(workspace):
    take(workspace, "dead_sensor")
    serve(workspace, "dead_sensor")
    frame = forecast(workspace, BatchRequest("dead_sensor", horizon=2), no_progress)
    ours, twin = (
        frame.frame.filter(pl.col("unique_id") == name).drop("unique_id") for name in ("dead300", "dead_nothing")
    )
    assert frame.origins["dead300"] == frame.origins["dead_nothing"]
    assert ours["ds"].to_list() == twin["ds"].to_list()
    assert ours["silent"].all() and twin["silent"].all()
    with serving(workspace, lambda: TODAY) as client:
        dead, alive = (client.get(f"/v1/series/{name}/forecast?horizon=2") for name in ("dead300", "dead_nothing"))
        assert (dead.status_code, alive.status_code) == (200, 200)
        assert "silent" in dead.json()["flags"]
        assert dead.json()["ds"] == alive.json()["ds"]


# --- every file, and changed copies: no row is lost without a word ----------------------------------------------------

SHAPES = {  # file: columns of times, series and values
    "store_item": (["date"], ["store", "item"], "sales"),
    "two_tickers": (["Date"], ["Ticker"], "Close"),
    "daily_paris_midnight": (["Date"], [], "Close"),
    "date_time": (["Date", "Time"], [], "Load"),
    "date_hour": (["Date", "Hour"], [], "Load"),
    "month_ends": (["ds"], ["unique_id"], "y"),
    "weekly_three_weekdays": (["ds"], ["unique_id"], "y"),
    "jitter_5m": (["ds"], [], "y"),
    "home_automation_history": (["last_changed"], ["entity_id"], "state"),
    "epoch_seconds": (["timestamp"], [], "value"),
    "clock_1970": (["timestamp"], [], "value"),
}


def lost(taken: Ingested, path: Path) -> int:
    """Distinct rows of the file that are neither stored nor in quarantine."""
    lines = [line for line in path.read_text("utf-8-sig").splitlines() if line.strip(",;")]
    distinct = len({*lines[len(lines) - taken.report["rows"] :]})
    return distinct - taken.report["kept"] - taken.quarantined.get("clock", 0)


def check_nothing_is_lost(workspace: Workspace, path: Path, name: str, **options) -> bool:
    """Ingest; either it is refused, or no more rows are lost than one in a hundred, or four. Was it taken?"""
    try:
        taken = ingest(workspace, str(path), name, SourceOptions(**options), no_progress)
    except (InvalidInput, Conflict):  # exit code 2
        assert name not in [dataset.name for dataset in catalogue.datasets(workspace.engine)]
        return False
    assert lost(taken, path) <= max(4, taken.report["rows"] / 100), (path.name, options)
    return True


def test_no_file_loses_rows_without_options(workspace):
    for path in sorted(FILES.glob("*.csv")):
        for number, options in enumerate(({}, {"tz": "UTC"})):
            check_nothing_is_lost(workspace, path, f"{path.stem}-{number}", **options)


@pytest.mark.parametrize("file", SHAPES)
def test_no_changed_copy_loses_rows(workspace, tmp_path, file):
    times, ids, value = SHAPES[file]
    frame = pl.read_csv(FILES / f"{file}.csv", infer_schema=False)
    renamed = {column: f"c{place}" for place, column in enumerate(frame.columns)}
    copies = {
        "renamed": (frame.rename(renamed), ",", renamed),
        "reordered": (frame.select(reversed(frame.columns)), ",", {}),
        "semicolons": (frame, ";", {}),
        "tabs": (frame, "\t", {}),
        "shuffled": (frame.sample(fraction=1.0, shuffle=True, seed=7), ",", {}),
    }
    taken = 0
    for how, (copy, separator, names) in copies.items():
        path = tmp_path / f"{how}.csv"
        copy.write_csv(path, separator=separator)
        columns = [[names.get(column, column) for column in some] for some in (times, ids, [value])]
        every = {"time_col": ",".join(columns[0]), "target_col": columns[2][0], "tz": "UTC"}
        named = every | ({"id_col": ",".join(columns[1])} if ids else {})
        guesses = [{}, every, {**every, "time_col": columns[0][0]}, named]
        guesses += [{**every, "id_col": column} for column in columns[1]]
        for number, options in enumerate(guesses):
            taken += check_nothing_is_lost(workspace, path, f"{how}-{number}", **options)
    assert taken >= (0 if file == "home_automation_history" else len(copies))
