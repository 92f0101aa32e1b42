import pytest

from data.changes import ingested_files
from data.errors import InvalidInput, UnknownDataset
from data.grid.grid import make_grid
from data.store import catalogue


def put(store, name="plant", freq="5m", **changes):
    described = {"season": 288, "horizon": 72, "target": "value", "zone": "UTC"} | changes
    return catalogue.put_dataset(store, name, grid=make_grid(freq), **described)


def test_a_dataset_is_found_as_it_was_put(store):
    plant = put(store)
    assert catalogue.dataset(store, "plant") == plant
    assert (plant.freq, plant.kind, plant.season, plant.snapshot) == ("5m", "instant", 288, None)


def test_putting_again_updates_it_and_keeps_its_id_and_grid(store):
    first = put(store)
    grid = make_grid("5m", [60_000_000])  # begins a minute later
    again = catalogue.put_dataset(store, "plant", grid=grid, season=12, horizon=6, target="value", has_split=True)
    assert (again.id, again.grid, again.season, again.has_split) == (first.id, first.grid, 12, True)
    assert catalogue.datasets(store) == [again]


def test_a_dataset_keeps_its_frequency(store):
    put(store)
    with pytest.raises(InvalidInput, match="has frequency 5m, not 1h"):
        put(store, freq="1h")


def test_an_unknown_dataset_is_not_found_and_the_known_are_listed(store):
    put(store)
    with pytest.raises(UnknownDataset, match="plant"):
        catalogue.dataset(store, "plnt")


@pytest.mark.parametrize("name", ["", ".hidden", "a/b", "a b", "é", "x" * 65, "a\n", "../up", "a;drop"])
def test_a_name_that_cannot_be_part_of_a_path_or_url_is_refused(store, name):
    with pytest.raises(InvalidInput, match="1 to 64"):
        put(store, name)


def test_series_get_integers_once(store):
    plant, other = put(store), put(store, "other")
    first = catalogue.ensure_series(store, plant.id, ["b", "a", "b"])
    assert list(first) == ["b", "a"]
    assert catalogue.ensure_series(store, plant.id, ["a", "c"]).items() >= {("a", first["a"])}
    assert catalogue.ensure_series(store, other.id, ["a"])["a"] not in first.values()
    assert [unique_id for _, unique_id in catalogue.series(store, plant.id)] == ["b", "a", "c"]
    assert catalogue.count_series(store, plant.id) == 3


def test_requests_create_no_series_until_the_dataset_is_set_so(store):
    plant = put(store)
    assert (plant.auto_create, plant.max_series) == (False, 100_000)
    catalogue.set_creation(store, plant.id, auto_create=True)
    catalogue.set_creation(store, plant.id, max_series=2)
    put(store)  # a later ingest leaves the settings alone
    assert (catalogue.dataset(store, "plant").auto_create, catalogue.dataset(store, "plant").max_series) == (True, 2)
    with pytest.raises(InvalidInput, match="--max-series is 0"):
        catalogue.set_creation(store, plant.id, max_series=0)


def test_beyond_the_quota_no_series_is_created(store):
    plant, other = put(store), put(store, "other")
    catalogue.ensure_series(store, other.id, ["x", "y", "z"])  # of another dataset: they do not count
    assert list(catalogue.ensure_series(store, plant.id, ["a", "b", "c"], most=2)) == ["a", "b"]
    assert list(catalogue.ensure_series(store, plant.id, ["c", "b"], most=2)) == ["b"]
    assert list(catalogue.ensure_series(store, plant.id, ["c"])) == ["c"]  # an ingest has no quota
    assert catalogue.ensure_series(store, plant.id, ["d"], most=2) == {}
    assert catalogue.count_series(store, plant.id) == 3


def test_series_created_since_are_read_without_the_others(store):
    plant, other = put(store), put(store, "other")
    first = catalogue.ensure_series(store, plant.id, ["a"])["a"]
    b = catalogue.ensure_series(store, other.id, ["b"])["b"]
    c = catalogue.ensure_series(store, plant.id, ["c"])["c"]
    assert catalogue.series_after(store, first) == [(b, other.id, "b"), (c, plant.id, "c")]
    assert catalogue.series_after(store, c) == []


def test_more_names_than_one_query_takes(store):
    plant = put(store)
    ids = [f"sensor {i}" for i in range(1_201)]
    first = catalogue.ensure_series(store, plant.id, ids)
    assert (len(first), catalogue.ensure_series(store, plant.id, ids)) == (1_201, first)


@pytest.mark.parametrize("unique_id", ["", "x" * 201, "nul\0", "line\n", "\ud800"])
def test_a_series_id_that_cannot_be_stored_or_shown_is_refused_and_none_is_made(store, unique_id):
    plant = put(store)
    with pytest.raises(InvalidInput, match="series id"):
        catalogue.ensure_series(store, plant.id, ["fine", unique_id])
    assert catalogue.series(store, plant.id) == []


@pytest.mark.parametrize("unique_id", ["Adj Close", "Ω/1", "'; DROP TABLE series; --", "<script>", "x" * 200])
def test_any_other_series_id_is_kept_as_it_is(store, unique_id):
    plant = put(store)
    catalogue.ensure_series(store, plant.id, [unique_id])
    assert catalogue.series(store, plant.id)[0][1] == unique_id


def test_a_file_is_known_by_its_digest_and_moves_the_dataset_to_its_snapshot(store):
    plant = put(store)
    assert ingested_files.seen_file(store, plant.id, "abc") is None
    ingested_files.record_file(store, plant.id, "abc", "plant.csv", {"rows": 3}, snapshot=4)
    seen = ingested_files.seen_file(store, plant.id, "abc")
    assert (seen.source, seen.report, seen.snapshot) == ("plant.csv", {"rows": 3}, 4)
    assert catalogue.dataset(store, "plant").snapshot == 4
