"""Forecasts of a large store issued into its lake, as the command line does it; a part of `benchmarks.pipelines`."""

from pathlib import Path

from benchmarks.support.peak import rollcast
from benchmarks.support.run import Figures
from benchmarks.support.store import CONFIG, ORIGIN, make
from data.grid.durations import HOUR
from data.store import catalogue, database, observation_log, snapshot_store
from data.store.observation_log import LoggedValue


def measure(folder: Path, series: int) -> Figures:
    """A store of so many series, and one value of each that came after its snapshot: issued from snapshots, then, these
    gone, from contexts."""
    store = make(folder, series)
    engine = database.open_store(store.url)
    plant = catalogue.dataset(engine, "plant")
    ds = (ORIGIN + 1) * HOUR
    observation_log.append(
        engine,
        [LoggedValue(plant.id, one, ds, 50.0 + one % 7, ds) for one, _ in catalogue.series(engine, plant.id)],
    )
    figures: Figures = {}
    for kind in ("warm", "cold"):
        taken, issued = rollcast(folder, "forecast", "plant", "--lake")
        if issued["rows"] != series * CONFIG.horizon:
            raise AssertionError(f"{issued['rows']} rows of {series} series were issued")
        files = Path(issued["path"]).glob(f"issue={issued['issue']}/*.parquet")
        figures |= {f"forecast_{kind}_{name}": value for name, value in taken.items()}
        figures |= {"forecast_rows": issued["rows"], "forecast_bytes": sum(file.stat().st_size for file in files)}
        snapshot_store.keep_only(engine, plant.id, ())
    engine.dispose()
    return figures
