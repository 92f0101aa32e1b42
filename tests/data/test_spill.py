import gzip

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data import spill
from data.errors import InvalidInput
from data.formats.options import SourceOptions
from data.spill import Spill, side_by_side
from pipelines.ingestion.ingest import ingest
from pipelines.workspace import open_workspace


def rows(*ids: str) -> pl.DataFrame:
    return pl.DataFrame({"unique_id": ids, "n": range(len(ids))}, schema={"unique_id": pl.String, "n": pl.Int64})


@pytest.fixture
def crowded(monkeypatch):
    """Almost no memory, so that few rows are spilled to the disk as many are."""
    monkeypatch.setattr(spill, "MEMORY_BYTES", 500)
    monkeypatch.setattr(spill, "LARGEST", 40)
    monkeypatch.setattr("data.formats.batches.CELLS", 400)


def test_every_row_comes_back_once_in_order_and_each_series_in_one_part(crowded, tmp_path):
    ids = [f"s{n % 90}" for n in range(3_000)]
    set_aside = Spill(tmp_path / "rows")
    for start in range(0, 3_000, 70):
        set_aside.add(rows(*ids)[start : start + 70])
    parts = [part for _, part in set_aside.parts()]
    assert max(map(len, parts)) <= 40 or all(part["unique_id"].n_unique() == 1 for part in parts if len(part) > 40)
    whole = pl.concat(parts)
    assert whole.sort("n")["n"].to_list() == list(range(3_000))
    assert whole.group_by("unique_id").agg(pl.col("n").diff().drop_nulls().min() > 0)["n"].all()
    owners = pl.concat([part.select("unique_id").unique() for part in parts])
    assert owners["unique_id"].is_unique().all()


@given(
    st.lists(st.integers(0, 20), max_size=60), st.lists(st.integers(0, 20), max_size=60), st.booleans(), st.booleans()
)
def test_two_spills_are_paired_series_by_series_in_memory_and_on_the_disk(tmp_path_factory, ours, theirs, here, there):
    folder = tmp_path_factory.mktemp("spills")
    left, right = Spill(folder / "left" if here else None), Spill(folder / "right" if there else None)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(spill, "MEMORY_BYTES", 100)
        patched.setattr(spill, "LARGEST", 10)
        for half in (slice(0, 30), slice(30, 60)):
            left.add(rows(*(f"s{n}" for n in ours[half])))
            right.add(rows(*(f"s{n}" for n in theirs[half])))
        met = [(one["unique_id"].to_list(), other.get_column("unique_id", default=pl.Series([])).to_list())
               for one, other in side_by_side(left, right)]  # fmt: skip
    assert sorted(name for one, _ in met for name in one) == sorted(f"s{n}" for n in ours)
    for one, other in met:
        assert sorted(name for name in other if name in one) == sorted(f"s{n}" for n in theirs if f"s{n}" in one)


def plant(seed: int = 0) -> str:
    """Forty series with gaps, rows out of order and repeated, missing values and a covariate."""
    rng = np.random.default_rng(seed)
    lines = [
        f"s{series},2024-01-{1 + step // 24:02} {step % 24:02}:00:00,{rng.integers(100)},{rng.random():.3f}"
        for series in range(40)
        for step in rng.permutation(60)[:50]
    ]
    lines += [*lines[::37], "s1,2024-01-05 00:00:00,NA,1"]
    rng.shuffle(lines)
    return "unique_id,ds,y,temp\n" + "\n".join(lines) + "\n"


def test_a_source_too_large_for_memory_gives_the_same_rows_as_a_small_one(tmp_path, monkeypatch):
    (tmp_path / "plant.csv.gz").write_bytes(gzip.compress(plant().encode()))
    (tmp_path / "more.csv").write_text(plant(1))
    workspace, options = open_workspace(), SourceOptions(tz="UTC")
    small = [ingest(workspace, str(tmp_path / name), "small", options) for name in ("plant.csv.gz", "more.csv")]
    monkeypatch.setattr(spill, "MEMORY_BYTES", 20_000)
    monkeypatch.setattr(spill, "LARGEST", 60)
    monkeypatch.setattr("data.formats.batches.CELLS", 400)
    large = [ingest(workspace, str(tmp_path / name), "large", options) for name in ("plant.csv.gz", "more.csv")]
    assert [result.report for result in large] == [result.report for result in small]
    assert [result.added for result in large] == [result.added for result in small]
    assert workspace.lake.read(2).equals(workspace.lake.read(1))
    assert small[0].report["duplicates"] > 0


def test_in_a_large_source_the_first_bad_row_is_named_and_nothing_is_stored(crowded, tmp_path):
    text = plant()
    lines = text.splitlines()
    lines[1_500] = "s1,2024-01-01 00:00:00,seven,1"
    (tmp_path / "plant.csv").write_text("\n".join(lines))
    with pytest.raises(InvalidInput, match="column 'y', row 1501: 'seven' is not a number"):
        ingest(open_workspace(), str(tmp_path / "plant.csv"), "plant", SourceOptions(tz="UTC", target_col="y"))
    lines[1_500] = "s1,2024-02-31 00:00:00,7,1"
    (tmp_path / "plant.csv").write_text("\n".join(lines))
    with pytest.raises(InvalidInput, match="row 1501: '2024-02-31 00:00:00' is not a time like those before it"):
        ingest(open_workspace(), str(tmp_path / "plant.csv"), "plant", SourceOptions(tz="UTC", target_col="y"))
    assert open_workspace().lake.snapshot(1) is None
