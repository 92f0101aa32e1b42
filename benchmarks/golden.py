"""Makes golden files: a small home as this version writes it, and the forecasts that it answered.

    python -m benchmarks.golden tests/golden/v4

The folder gets `home/` (SQLite store, lake) and `forecasts.json`, under 600 kB together. Files of an older version are
never replaced: a new version of the stores gets a new folder. `tests/end_to_end/test_golden.py` reads every
folder.

The home holds four datasets of the bundled samples. `temperature`: the four quarters of each hour as four series, an
LSTM of two members with the cycle memory of a week, and a seasonal naive model in its shadow. `stocks`: two tickers on
business days, and the baseline that the promotion gate chose. `untrained`: the first quarter under the model that
ships, which nothing was trained for. `dinner`: symbols, and a small network of them. All took in observations over HTTP
in two runs of the service, the first two datasets with a missing value, late rows, a correction and a duplicate.
Between the two runs one ingest of `temperature` was taken back and six hours of one of its series were deleted.
"""

import argparse
import csv
import json
import shutil
import sqlite3
import sys
from contextlib import closing
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from benchmarks.support.program import ROOT, Client, Program
from benchmarks.support.stored import blocks, checksum, query
from data.settings import load_settings
from forecasting.config import LEVELS, ModelConfig
from forecasting.kernel.kernel import FORMAT
from forecasting.rolling.bundle import Bundle
from forecasting.rolling.conformal import Calibration
from pipelines.history.history import read_history
from pipelines.models import model_store
from pipelines.promotion import promote
from pipelines.training import train
from pipelines.workspace import Workspace, open_workspace

SAMPLES = ROOT / "data/samples"
FIRST = datetime(2013, 12, 5)  # noqa: DTZ001  the sample's stamps carry no zone
KNOWN, LATER, LIVE = 560, 584, 620  # hours in the first file, with the second, and with what came over HTTP
DAYS, LIVE_DAYS = 160, 8
ROUNDS = 8  # days of a series that nothing was trained for
DISHES, SYMBOL_STEPS, SYMBOLS_AHEAD = 400, 120, 3
TICKERS = ("IBM", "MSFT")
SEASON, HORIZON, WEEK, STEPS = 24, 3, 168, 60
CONFIG = ModelConfig(
    "lstm", WEEK + SEASON, 128, HORIZON, SEASON, SEASON, SEASON, (SEASON, WEEK),
    hidden_size=8, num_layers=1, members=2, memory=WEEK,
)  # fmt: skip
Row = dict[str, Any]


def temperature() -> list[Row]:
    """Four observations for each hour from `FIRST` on: the value at each quarter of the hour, stamped with the hour."""
    with (SAMPLES / "machine_temperature_system_failure.csv").open() as file:
        values = {row["timestamp"]: float(row["value"]) for row in csv.DictReader(file)}
    found = []
    for hour in range(LIVE):
        for quarter in range(4):
            at = FIRST + timedelta(hours=hour, minutes=15 * quarter)
            row = {"unique_id": f"quarter-{quarter + 1}", "ds": f"{FIRST + timedelta(hours=hour):%Y-%m-%dT%H:%M:%SZ}"}
            found.append({**row, "y": values[f"{at}"]})
    return found


def stocks() -> list[Row]:
    """The last closing prices of each ticker, day by day."""
    with (SAMPLES / "stocks.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["Ticker"] in TICKERS]
    days = sorted({row["Date"] for row in rows})[-DAYS:]
    found = [{"unique_id": row["Ticker"], "ds": row["Date"], "y": float(row["Close"])} for row in rows]
    return sorted((row for row in found if row["ds"] in days), key=lambda row: row["ds"])


def untrained(hours: list[Row]) -> list[Row]:
    """Whole days of the first quarter, and two hours more, under a name of their own."""
    rows = [row for row in hours if row["unique_id"] == "quarter-1"][: (ROUNDS + 1) * SEASON + 2]
    return [{**row, "unique_id": "as-shipped"} for row in rows]


def dinner() -> list[Row]:
    """The last dishes of the diary, null where nobody wrote one down."""
    with (SAMPLES / "dinner.csv").open() as file:
        rows = list(csv.DictReader(file))[-DISHES:]
    return [{"unique_id": "dinner", "ds": row["date"], "y": row["dinner"] or None} for row in rows]


def write(path: Path, rows: list[Row]) -> str:
    """A CSV file; returns its name."""
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, ["unique_id", "ds", "y"])
        writer.writeheader()
        writer.writerows(rows)
    return path.name


def make(program: Program, place: Workspace) -> list[Row]:
    """Fills an empty home by the commands that a user would give; returns what the service answered in the end."""
    hours, days = temperature(), stocks()
    words = ("--dataset", "temperature", "--freq", "1h", "--tz", "UTC", "--season", f"{SEASON}")
    program.run(
        "ingest", write(program.folder / "temperature.csv", hours[: 4 * KNOWN]), *words, "--horizon", f"{HORIZON}"
    )
    program.run("train", "temperature", "--model", "seasonal_naive")
    serve_network(place)
    program.run("shadow", "temperature", "--version", "1")
    revised = [{**hours[4 * KNOWN - 8], "y": 91.5}, *hours[4 * KNOWN : 4 * LATER]]
    program.run("ingest", write(program.folder / "later.csv", revised), "--dataset", "temperature")
    cut = len(days) - 2 * LIVE_DAYS
    words = ("--dataset", "stocks", "--freq", "1b", "--season", "5", "--horizon", "5")
    program.run("ingest", write(program.folder / "stocks.csv", days[:cut]), *words)
    program.run("train", "stocks", "--model", "seasonal_naive")
    program.run("promote", "stocks")
    plain, dishes = untrained(hours), dinner()
    own = ["--dataset", "untrained", "--freq", "1h", "--tz", "UTC", "--season", f"{SEASON}"]
    shipped = write(program.folder / "untrained.csv", plain[: ROUNDS * SEASON])
    replace(program, shipped=True).run("ingest", shipped, *own, "--horizon", f"{HORIZON}")
    own = ["--dataset", "dinner", "--kind", "symbols", "--horizon", f"{SYMBOLS_AHEAD}"]
    program.run("ingest", write(program.folder / "dinner.csv", dishes[:-LIVE_DAYS]), *own)
    program.run("train", "dinner", "--steps", f"{SYMBOL_STEPS}", "--hidden-size", "8")
    program.run("promote", "dinner")
    with program.serving() as client:
        first_run(client, hours[4 * LATER : -32], days[cut:-4])
        client.observe([*plain[ROUNDS * SEASON : -2], *dishes[-LIVE_DAYS:-1]])
    take_back(program, hours)
    with program.serving() as client:
        second_run(client, hours[4 * LATER :], days[-4:])
        client.observe([*plain[-2:], *dishes[-1:]])
        return answers(client)


def serve_network(place: Workspace) -> None:
    """Trains a network that is smaller than the product makes them, and promotes it past the gate."""
    history = read_history(place, "temperature")
    manifest = {"seed": 0, "steps": STEPS, "chosen_steps": STEPS, "trust": [1.0] * HORIZON}
    unfitted = Bundle(CONFIG, {}, Calibration.neutral(CONFIG), manifest)
    bundle = train.refit(history.panel, unfitted, lambda done, total, words: None)
    version = model_store.register(place, history.dataset, bundle, {})
    promote.serve(place, history.dataset, version, bundle, "promoted", {"cause": "golden"})


def first_run(client: Client, hours: list[Row], days: list[Row]) -> None:
    """Hour by hour; one value is missing, and three hours of one series do not come."""
    for at in range(0, len(hours), 4):
        rows = [row for row in hours[at : at + 4] if row["unique_id"] != "quarter-3" or not 20 <= at < 32]
        client.observe([{**row, "y": None} if at == 40 and row["unique_id"] == "quarter-2" else row for row in rows])
    client.observe(days)


def take_back(program: Program, hours: list[Row]) -> None:
    """Undoes an ingest that changed two old values, and deletes the hours 550 to 555 of one series."""
    wrong = [{**row, "y": 0.0} for row in hours[4 * KNOWN - 16 : 4 * KNOWN - 8 : 4]]
    program.run("ingest", write(program.folder / "wrong.csv", wrong), "--dataset", "temperature")
    program.run("ingest", "undo", "temperature")
    first, last = (hours[4 * hour]["ds"] for hour in (550, 555))
    words = ("--series", "quarter-4", "--from", first, "--to", last, "--yes")
    program.run("rows", "delete", "temperature", *words)


def second_run(client: Client, hours: list[Row], days: list[Row]) -> None:
    """One of the three hours comes late; then a correction, a duplicate, and the rest."""
    client.observe([hours[26]])
    client.observe([{**hours[60], "y": 88.25}])
    client.observe([hours[61]])
    for at in range(len(hours) - 32, len(hours), 4):
        client.observe(hours[at : at + 4])
    client.observe(days)


def answers(client: Client) -> list[Row]:
    """For each series its state's counters, and its forecast at every trained level, or of symbols step by step."""
    levels = ",".join(f"{level:g}" for level in LEVELS)
    found = []
    for series in client.series():
        path = f"/v1/series/{series['unique_id']}"
        state = client.get(path)
        of_symbols = bool(state.get("vocabulary"))
        forecast = client.get(f"{path}/forecast" + ("" if of_symbols else f"?quantiles={levels}"))
        names = ("paths", "steps") if of_symbols else ("ds", "mean", "quantiles")
        found.append({"state": state, "forecast": {name: forecast[name] for name in ("model", "answered_by", *names)}})
    return found


def lakes(place: Workspace) -> tuple[Row, dict[tuple[str, str], float]]:
    """Rows and checksum of each dataset's current history, and by (dataset, series) the divisor of its MASE there."""
    found, units = {}, {}
    for number, name, season in query(place.settings.home / "live.db", "SELECT id, name, season FROM datasets"):
        rows = place.lake.read(number)
        found[name] = {"rows": len(rows), "sha256": checksum(rows)}
        for (series,), own in rows.group_by("unique_id"):
            y = own.sort("ds")["y"].to_numpy()
            units[name, str(series)] = float(np.nanmean(np.abs(y[season:] - y[:-season])))
    return found, units


def record(answered: list[Row], place: Workspace) -> Row:
    """What later versions are compared with."""
    store = place.settings.home / "live.db"
    models = query(
        store, "SELECT name, version, models.kind, digest FROM models JOIN datasets ON datasets.id = dataset_id"
    )
    lake, units = lakes(place)
    series = [{"unit": units[row["state"]["dataset"], row["state"]["unique_id"]], **row} for row in answered]
    return {
        "format": FORMAT,
        "layout": blocks(store, "snapshots")[0].words["layout"],
        "models": [dict(zip(("dataset", "version", "kind", "digest"), row, strict=True)) for row in models],
        "log_rows": query(store, "SELECT count(*) FROM observations")[0][0],
        "lake": lake,
        "series": series,
    }


def keep(place: Workspace, folder: Path) -> None:
    """Copies the lake's tables, and the store as one small file in which no word is of this machine."""
    home = place.settings.home
    shutil.copytree(home / "lake", folder / "lake", ignore=shutil.ignore_patterns("*.lock"))
    with closing(sqlite3.connect(home / "live.db")) as store:
        store.execute("DELETE FROM leases")
        store.execute("UPDATE watermarks SET source = replace(source, ?, '')", (f"{home.parent}/",))
        store.execute("UPDATE ingests SET before = replace(before, ?, '')", (f"{home.parent}/",))
        store.commit()
        store.execute("PRAGMA page_size = 1024")  # most tables are empty, and each takes a page
        store.execute("VACUUM INTO ?", (str(folder / "live.db"),))


def private(folder: Path, *words: str) -> list[str]:
    """Files that hold one of the words."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return [f"{path}: {word}" for path in files for word in words if word.encode() in path.read_bytes()]


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("folder", type=Path, help="a new folder, such as tests/golden/v3")
    folder = options.parse_args().folder
    (folder / "home").mkdir(parents=True)
    with TemporaryDirectory(prefix="rollcast-golden-") as name:
        program = Program(Path(name) / "home", folder=Path(name))
        store = f"sqlite:///{program.home / 'live.db'}"
        place = open_workspace(load_settings(home=program.home, database_url=store, mlflow=False))
        recorded = record(make(program, place), place)
        place.engine.dispose()
        keep(place, folder / "home")
        (folder / "forecasts.json").write_text(json.dumps(recorded, indent=1) + "\n")
        if found := private(folder, name, str(ROOT), str(Path.home())):
            sys.exit("these files name this machine:\n" + "\n".join(found))


if __name__ == "__main__":
    main()
