"""Series and datasets are deleted with all that is stored about them; ids and promotions outlive them."""

import json

import pytest
from sqlalchemy import func, select

from data.changes import deletions
from data.errors import InvalidInput, UnknownDataset, UnknownSeries
from data.records import drift, jobs, quarantine, runs, schedules
from data.records.quarantine import Breach
from data.records.schedules import Schedule
from data.records.timetable import by_interval
from data.store import catalogue, keys, observation_log, promotions, tables
from data.store.database import reading
from pipelines.deletion import requests
from pipelines.forecasts import issue
from pipelines.forecasts.issued_rows import newest
from pipelines.ingestion.ingest import ingest
from pipelines.models import model_store
from pipelines.upkeep import doctor
from tests.support.deletion_kit import (
    delete,
    home_of,
    lake_rows,
    observe,
    require_same,
    require_sound,
    served_bundle,
)
from tests.support.handoff_kit import quiet
from tests.support.road_kit import HISTORY, NAME, OPTIONS, add_file, rows_of, sensors, serving, write_file

IDS = sensors(3)
BEFORE = rows_of(IDS, range(-HISTORY, 0))


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request):
    return "" if request.param == "sqlite" else request.getfixturevalue("postgres_url")


def test_a_series_is_as_if_never_seen(tmp_path, database_url):
    ours = home_of(tmp_path / "ours", BEFORE, database_url=database_url)
    rest = [row for row in BEFORE if row[0] != IDS[1]]
    theirs = home_of(tmp_path / "theirs", rest, served_bundle(ours))
    observe(ours, rows_of(IDS, range(0, 8)))
    observe(theirs, rows_of([IDS[0], IDS[2]], range(0, 8)))
    done = delete(ours, "series", {"series": [IDS[1]]})
    assert (done.detail["deleted"]["series"], done.detail["deleted"]["lake_rows"]) == (1, HISTORY)
    require_same(ours, theirs)
    require_sound(ours)
    assert [name for _, name in catalogue.series(ours.engine, done.dataset_id)] == [IDS[0], IDS[2]]


def test_a_deleted_series_that_comes_again_is_a_new_one(tmp_path):
    ours = home_of(tmp_path / "ours", BEFORE)
    delete(ours, "series", {"series": [IDS[2]]})
    add_file(ours, tmp_path / "again.csv", rows_of([IDS[2]], range(-5, 0)))
    assert dict(catalogue.series(ours.engine, 1)) == {1: IDS[0], 2: IDS[1], 4: IDS[2]}
    assert len([row for row in lake_rows(ours) if row[0] == IDS[2]]) == 5


def test_its_issued_forecasts_quarantine_and_patterns_of_keys_follow(tmp_path):
    ours = home_of(tmp_path / "ours", BEFORE)
    numbers = {name: number for number, name in catalogue.series(ours.engine, 1)}
    quarantine.put(ours.engine, 1, [Breach(IDS[1], 5, 9.0, "range"), Breach(IDS[0], 5, 9.0, "range")], numbers, "f")
    both = keys.create(ours.engine, "both", ["read"], [f"{NAME}/{IDS[1]}", f"{NAME}/{IDS[0]}"]).key
    only = keys.create(ours.engine, "only", ["read"], [f"{NAME}/{IDS[1]}"]).key
    issue.issue(ours, NAME, None, quiet)
    before = keys.count(ours.engine)
    done = delete(ours, "series", {"series": [IDS[1]]})
    assert done.detail["deleted"]["issued_rows"] == 6
    assert sorted(newest(ours, NAME)[1].collect()["unique_id"].unique()) == [IDS[0], IDS[2]]
    assert [value.unique_id for value in quarantine.values(ours.engine, 1)] == [IDS[0]]
    assert keys.key(ours.engine, both.id).series.texts == (f"{NAME}/{IDS[0]}",)
    assert keys.key(ours.engine, only.id).revoked_at is not None  # it would reach the next series of this name
    assert keys.count(ours.engine) != before


def test_a_series_that_is_not_there_is_refused(tmp_path):
    ours = home_of(tmp_path / "ours", BEFORE)
    with pytest.raises(UnknownSeries):
        delete(ours, "series", {"series": ["nobody"]})
    with pytest.raises(InvalidInput, match="name the series"):
        delete(ours, "series", {"series": []})


def rows_left(workspace, dataset_id):
    """Tables with rows that belong to a dataset."""
    found = set()
    with reading(workspace.engine) as connection:
        for table in tables.metadata.sorted_tables:
            if "dataset_id" in table.c:
                query = select(func.count()).select_from(table).where(table.c.dataset_id == dataset_id)
                if connection.scalar(query):
                    found.add(table.name)
    return found


def test_a_dataset_leaves_only_its_promotions_and_the_record_of_its_deletion(tmp_path, database_url):
    ours = home_of(tmp_path / "ours", BEFORE, database_url=database_url)
    observe(ours, rows_of(IDS, range(0, 4)))
    issue.issue(ours, NAME, None, quiet)
    jobs.ask(ours.engine, 1, "hand", "why")
    schedules.put(ours.engine, Schedule("train", by_interval("24h"), NAME))
    with runs.recorded(ours.engine, "train", NAME):
        pass
    key = keys.create(ours.engine, "k", ["read"], [f"{NAME}/*", "other/*"]).key
    lake, last = ours.lake.root, observation_log.end(ours.engine)
    done = requests.delete_whole(ours, NAME)
    assert (done["state"], done["dataset_deleted"], done["deleted"]["lake_rows"]) == ("done", True, len(BEFORE))
    assert rows_left(ours, 1) == {"promotions", "deletions"}
    assert schedules.of_datasets(ours.engine) == []
    assert keys.key(ours.engine, key.id).series.texts == ("other/*",)
    assert not [path for path in lake.rglob("*") if path.is_dir() and path.name == "1"]
    assert catalogue.datasets(ours.engine) == []
    promotions.verify_chain(ours.engine, 1)
    assert doctor.unfinished(ours).verdict == "ok"
    with pytest.raises(UnknownDataset):
        requests.delete_whole(ours, NAME)
    result = ingest(ours, write_file(tmp_path / "h.csv", BEFORE), NAME, OPTIONS, quiet)
    again = catalogue.dataset(ours.engine, NAME)
    assert (result.added, again.id, catalogue.series(ours.engine, 2)[0][0]) == (len(BEFORE), 2, 4)
    observe(ours, rows_of(IDS[:1], range(0, 1)))
    assert observation_log.end(ours.engine) == last + 1


def test_a_trial_dataset_with_the_same_ids_makes_no_id_ambiguous_once_it_is_deleted(tmp_path):
    ours = home_of(tmp_path / "ours", BEFORE)
    ingest(ours, write_file(tmp_path / "t.csv", BEFORE), "trial", OPTIONS, quiet)
    with serving(ours) as client:
        assert client.get(f"/v1/series/{IDS[0]}/forecast").status_code == 409
    requests.delete_whole(ours, "trial")
    with serving(ours) as client:
        assert client.get(f"/v1/series/{IDS[0]}/forecast").status_code == 200


def test_a_model_that_is_trained_meanwhile_is_not_registered(tmp_path):
    ours = home_of(tmp_path / "ours", BEFORE)
    dataset, bundle = catalogue.dataset(ours.engine, NAME), served_bundle(ours)
    requests.delete_whole(ours, NAME)
    with pytest.raises(UnknownDataset):
        model_store.register(ours, dataset, bundle, {})


def test_the_mirror_of_its_models_is_deleted(tmp_path):
    ours = home_of(tmp_path / "ours", BEFORE)
    object.__setattr__(ours, "settings", ours.settings.model_copy(update={"mlflow": True}))
    dataset = catalogue.dataset(ours.engine, NAME)
    model_store.register(ours, dataset, served_bundle(ours), {})
    assert list(model_store.mirrored_versions(ours, dataset)) == [2]
    requests.delete_whole(ours, NAME)
    assert model_store.mirrored_versions(ours, dataset) == {}
    assert not list((ours.settings.mlflow_path / "artifacts").glob("*/artifacts/*"))


def test_a_dry_run_of_a_dataset_changes_nothing(tmp_path):
    ours = home_of(tmp_path / "ours", BEFORE)
    preview = requests.preview_whole(ours, NAME)
    assert (preview["dry_run"], preview["deleted"]["models"], preview["deleted"]["series"]) == (True, 1, 3)
    assert deletions.deletions(ours.engine) == []
    assert catalogue.dataset(ours.engine, NAME).id == 1
    assert json.loads(json.dumps(preview)) == preview
    assert drift.latest(ours.engine) == []
