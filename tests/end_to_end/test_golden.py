"""Homes that earlier versions left open and answer as they did; see `tests/golden/README.md`.

Forecasts and states are compared within 1e-5 of a unit and never bit for bit. The unit of a series is the divisor of
its MASE: the mean absolute change over a season in the lake's history. Probabilities of symbols have no unit. Of the
model that ships forecasts are only compared within a tenth of a unit, because it may be improved. The last bits depend
on the processor and on the versions of BLAS, NumPy and LLVM, and the files were made on one machine;
`python -m benchmarks.digests --against REV` compares bits on the machine where it runs.
"""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.support.stored import checksum, newest_states, query
from data.changes import deletions, ingests
from data.store import promotions, registry
from forecasting.config import SHIPPED
from forecasting.kernel.kernel import FORMAT, OLDEST_FORMAT
from forecasting.rolling.bundle import from_bytes
from pipelines.workspace import open_workspace
from tests.support.service_kit import World

FOLDERS = sorted((Path(__file__).parents[1] / "golden").glob("v*"), key=lambda folder: int(folder.name[1:]))
CLOSE = 1e-5  # units; of probabilities 1e-5
CLOSE_SHIPPED = 0.1  # units: the model that ships may be improved, and homes of before open all the same
SCORES = (
    "settled",
    "unit",
    "recent",
)  # no part of a state: a value that was corrected since was scored as it first came
IN_UNITS = ("ring", "mean", "usual", "vintage", "halfway", "naive")  # arrays of a state in data units
BUMP = (
    "If the change is meant, bump LAYOUT where states or the arrays of a snapshot differ, FORMAT where the artifact's "
    "arithmetic does (`git grep -E '^(LAYOUT|FORMAT) ='` finds both), and make a new folder by "
    "`python -m benchmarks.golden tests/golden/vN`."
)


class Golden:
    """A copy of one golden home, and what was recorded of it."""

    def __init__(self, folder: Path, home: Path) -> None:
        shutil.copytree(folder / "home", home)
        self.recorded: dict[str, Any] = json.loads((folder / "forecasts.json").read_text())
        self.world, self.store = World.at(home), home / "live.db"

    def datasets(self) -> dict[str, int]:
        """Dataset ids by name."""
        return dict(query(self.store, "SELECT name, id FROM datasets"))

    def require_format(self) -> None:
        """Skips the test for a home whose models have a format that this version refuses."""
        if not OLDEST_FORMAT <= self.recorded["format"] <= FORMAT:
            pytest.skip(f"its models have format {self.recorded['format']}; {OLDEST_FORMAT} to {FORMAT} are read")


@pytest.fixture(params=FOLDERS, ids=lambda folder: folder.name)
def golden(request: pytest.FixtureRequest, home: Path) -> Golden:
    """Each golden home in turn."""
    return Golden(request.param, home)


def test_an_old_store_opens_with_its_log_and_its_promotions(golden: Golden) -> None:
    assert query(golden.store, "SELECT count(*) FROM observations") == [(golden.recorded["log_rows"],)]
    for name, number in golden.datasets().items():
        promotions.verify_chain(golden.world.engine, number)
        assert promotions.served(golden.world.engine, number) is not None, name


def test_an_old_lake_has_the_recorded_rows(golden: Golden) -> None:
    lake = open_workspace(golden.world.settings).lake
    for name, number in golden.datasets().items():
        rows = lake.read(number)
        assert {"rows": len(rows), "sha256": checksum(rows)} == golden.recorded["lake"][name], name


def test_a_store_remembers_its_ingests_and_what_was_deleted(home: Path) -> None:
    world = Golden(FOLDERS[0].with_name("v3"), home).world
    listed = [(record.source, record.undone_at is not None) for record in ingests.ingests(world.engine, 1)]
    assert listed == [("wrong.csv", True), ("later.csv", False), ("temperature.csv", False)]  # newest first
    deleted = [(record.kind, record.state) for record in deletions.deletions(world.engine)]
    assert deleted == [("ingest", "done"), ("rows", "done")]


def test_an_old_artifact_loads_with_its_digest(golden: Golden) -> None:
    golden.require_format()
    ids = golden.datasets()
    for model in golden.recorded["models"]:
        blob = registry.artifact(golden.world.engine, ids[model["dataset"]], model["version"])
        bundle = from_bytes(blob, model["digest"])
        assert (bundle.digest, bundle.config.kind) == (model["digest"], model["kind"])


def test_an_old_home_answers_with_the_recorded_forecasts(golden: Golden) -> None:
    golden.require_format()
    with golden.world.serving() as client:
        for series in golden.recorded["series"]:
            state, forecast = series["state"], series["forecast"]
            path = f"/v1/series/{state['unique_id']}"
            assert state.items() <= client.get(path).json().items(), BUMP
            if "steps" in forecast:
                assert_same_symbols(client.get(f"{path}/forecast").json(), forecast)
                continue
            asked = client.get(f"{path}/forecast", params={"quantiles": ",".join(forecast["quantiles"])}).json()
            for name in ("model", "answered_by", "ds"):
                assert asked[name] == forecast[name], name
            close = CLOSE_SHIPPED if forecast["model"]["kind"] in SHIPPED else CLOSE
            for name, values in {**forecast["quantiles"], "mean": forecast["mean"]}.items():
                found = asked["mean"] if name == "mean" else asked["quantiles"][name]
                assert distance(found, values) <= close * series["unit"], (state["unique_id"], name, BUMP)


def test_folding_the_log_again_gives_the_states_that_were_kept(golden: Golden) -> None:
    golden.require_format()
    kept = newest_states(golden.store)
    forget_snapshots(golden)
    with golden.world.serving():
        pass
    folded = newest_states(golden.store)
    same = [key for key in folded if key in kept and kept[key].arrays["sequence"] == folded[key].arrays["sequence"]]
    layouts = [folded[same[0]].words["layout"], golden.recorded["layout"]] if same else []
    if len(set(layouts)) == 2:
        pytest.skip(f"its snapshots have layout {layouts[1]}, today's is {layouts[0]}")
    assert len(same) == len(golden.recorded["series"]), "every served series has a state at the log's end"
    ids = dict(query(golden.store, "SELECT id, unique_id FROM series"))
    units = {series["state"]["unique_id"]: series["unit"] for series in golden.recorded["series"]}
    shipped = {series["state"]["unique_id"] for series in golden.recorded["series"]
               if series["forecast"]["model"]["kind"] in SHIPPED}  # fmt: skip
    for key in same:
        if ids[key[1]] in shipped:  # it opens, and its position was compared above
            continue
        apart = differing(kept[key].arrays, folded[key].arrays, units[ids[key[1]]])
        assert not apart, f"{ids[key[1]]}: {', '.join(apart)} differ from the snapshot. {BUMP}"


def test_the_newest_golden_home_is_of_todays_layout_and_format(home: Path) -> None:
    newest = Golden(FOLDERS[-1], home)
    assert newest.recorded["format"] == FORMAT, BUMP
    forget_snapshots(newest)
    with newest.world.serving():
        pass
    layouts = {block.words["layout"] for block in newest_states(newest.store).values()}
    assert layouts == {newest.recorded["layout"]}, "make a new folder by `python -m benchmarks.golden tests/golden/vN`"


def test_golden_files_are_small() -> None:
    for folder in FOLDERS:
        assert sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) < 600_000, folder.name


def assert_same_symbols(asked: dict[str, Any], forecast: dict[str, Any]) -> None:
    """Every probability is close to the recorded one, those of roll-outs too, because their seed is the same."""
    assert [asked[name] for name in ("model", "answered_by", "paths")] == [
        forecast[name] for name in ("model", "answered_by", "paths")
    ]
    for found, kept in zip(asked["steps"], forecast["steps"], strict=True):
        assert found["ds"] == kept["ds"]
        chances = [{entry["symbol"]: entry["p"] for entry in step["probabilities"]} for step in (found, kept)]
        assert chances[0].keys() == chances[1].keys()
        assert distance([chances[0][symbol] for symbol in chances[1]], list(chances[1].values())) <= CLOSE, BUMP


def forget_snapshots(golden: Golden) -> None:
    """Leaves contexts and log alone, from which the service then folds every state."""
    query(golden.store, "DELETE FROM snapshots")
    assert newest_states(golden.store) == {}


def differing(kept: dict[str, np.ndarray], folded: dict[str, np.ndarray], unit: float) -> list[str]:
    """Names of the arrays that are not the same, or that only one side has."""
    shared = [name for name in kept.keys() & folded.keys() if name not in SCORES]
    bounds = {name: CLOSE * unit if name in IN_UNITS else CLOSE for name in shared}
    apart = [name for name in shared if distance(kept[name], folded[name]) > bounds[name]]
    return sorted([*apart, *(kept.keys() ^ folded.keys())])


def distance(found: Any, expected: Any) -> float:
    """The largest absolute difference; infinite where shapes or missing values differ."""
    a, b = np.asarray(found, np.float64), np.asarray(expected, np.float64)
    if a.shape != b.shape or not np.array_equal(np.isfinite(a), np.isfinite(b)):
        return float("inf")
    return float(np.abs(a - b, where=np.isfinite(a), out=np.zeros(a.shape)).max(initial=0.0))
