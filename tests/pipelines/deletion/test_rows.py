"""Rows that are deleted are absent: lake, log, states and scores are those of a home that never saw them."""

from dataclasses import replace

import numpy as np
import pytest
from sqlalchemy import func, select

from data.changes import deletions
from data.errors import Busy, InvalidInput, Unavailable, UnknownSeries
from data.grid.durations import HOUR
from data.grid.grid import make_grid
from data.grid.stamps import format_ds
from data.history import vintage_table
from data.lake import commits, log_checksums
from data.records import quarantine, scores, series_limits
from data.records.quarantine import Breach
from data.records.scores import Tally
from data.store import anchors, catalogue, leases, observation_log, promotions, snapshot_store, tables
from data.store.catalogue import Dataset
from data.store.database import reading
from pipelines.deletion import requests, run
from pipelines.forecasts import issue
from pipelines.history.limits import make_limits
from pipelines.upkeep import compact, new_anchors
from states import build_champion
from states import scores as sums
from states.snapshots import SnapshotPass
from tests.support.deletion_kit import (
    delete,
    ds,
    home_of,
    lake_rows,
    log_rows,
    observe,
    require_same,
    require_sound,
    served_bundle,
)
from tests.support.handoff_kit import quiet
from tests.support.road_kit import HISTORY, NAME, add_file, post, rows_of, sensors, serving, stamp

IDS = sensors(3)
BEFORE = rows_of(IDS, range(-HISTORY, 0))
PLANT = Dataset(1, "plant", make_grid("1h"), 24, 24, None, "y", False, None)


def live(*hours, but=lambda row: False):
    """Rows of some hours, those of each together."""
    return [[row for row in rows_of(IDS, range(hour, hour + 1)) if not but(row)] for hour in range(*hours)]


def observe_all(workspace, batches):
    for rows in batches:
        observe(workspace, rows)


def test_rows_that_came_after_the_promotion_are_as_if_never_seen(tmp_path):
    def gone(row):
        return row[0] == IDS[1] and 10 <= row[1] <= 14

    ours = home_of(tmp_path / "ours", BEFORE)
    theirs = home_of(tmp_path / "theirs", BEFORE)
    observe_all(ours, live(30))
    observe_all(theirs, live(30, but=gone))
    done = delete(ours, "rows", {"series": [IDS[1]], "first": ds(10), "last": ds(14)})
    assert (done.state, done.detail["deleted"]["log_rows"], done.detail["deleted"]["lake_rows"]) == ("done", 5, 0)
    require_same(ours, theirs)
    require_sound(ours)


def test_the_newest_rows_may_go_and_no_number_of_the_log_is_given_out_again(tmp_path):
    ours, theirs = home_of(tmp_path / "ours", BEFORE), home_of(tmp_path / "theirs", BEFORE)
    observe_all(ours, live(20))
    observe_all(theirs, live(15))
    end, stamp = observation_log.end(ours.engine), observation_log.stamp(ours.engine, 1)
    delete(ours, "rows", {"series": [], "first": ds(15), "last": None})
    require_same(ours, theirs)
    observe(ours, rows_of(IDS[:1], range(15, 16)))
    dataset = catalogue.dataset(ours.engine, NAME)
    assert observation_log.last_seq(ours.engine, dataset.id) == end + 1
    assert observation_log.stamp(ours.engine, dataset.id) > stamp


def test_rows_of_the_history_leave_lake_and_contexts(tmp_path):
    def gone(row):  # the last ten hours of one series, and some in the middle of its context
        return row[0] == IDS[0] and (row[1] >= -10 or -30 <= row[1] <= -25)

    ours = home_of(tmp_path / "ours", BEFORE)
    theirs = home_of(tmp_path / "theirs", [row for row in BEFORE if not gone(row)], served_bundle(ours))
    for home in (ours, theirs):
        observe_all(home, live(6))
    delete(ours, "rows", {"series": [IDS[0]], "first": ds(-10), "last": ds(-1)})
    done = delete(ours, "rows", {"series": [IDS[0]], "first": ds(-30), "last": ds(-25)})
    assert done.detail["deleted"]["lake_rows"] == 6
    require_same(ours, theirs)
    require_sound(ours)


def test_a_correction_of_a_deleted_row_goes_with_it_and_all_else_keeps_its_newest_value(tmp_path):
    ours, theirs = home_of(tmp_path / "ours", BEFORE), home_of(tmp_path / "theirs", BEFORE)
    for home in (ours, theirs):
        observe_all(home, live(8))
        observe(home, [(IDS[2], 3, 50.0)])
    observe(ours, [(IDS[2], 9, 1.0), (IDS[2], 9, 2.0)])
    delete(ours, "rows", {"series": [IDS[2]], "first": ds(9), "last": ds(9)})
    require_same(ours, theirs)


def test_hourly_sums_of_scores_are_those_without_the_rows(tmp_path):
    def gone(row):
        return row[0] == IDS[1] and row[1] >= 4

    def told(home, batches):
        for hour, rows in enumerate(batches):
            observe(home, rows)
            dataset = catalogue.dataset(home.engine, NAME)
            champion, _ = build_champion.build(home.engine, dataset, promotions.served(home.engine, dataset.id))
            scores.put(home.engine, sums.tally_of(champion, hour * 3_600_000_000))

    ours, theirs = home_of(tmp_path / "ours", BEFORE), home_of(tmp_path / "theirs", BEFORE)
    told(ours, live(16))
    told(theirs, live(16, but=gone))
    delete(ours, "rows", {"series": [IDS[1]], "first": ds(4), "last": None})
    own, other = (scores.history(home.engine, 1, promotions.served(home.engine, 1).id) for home in (ours, theirs))
    assert len(own) == len(other) == 16
    for mine, his in zip(own, other, strict=True):
        np.testing.assert_allclose(mine.totals["raw"], his.totals["raw"], rtol=1e-5, atol=1e-9)
        np.testing.assert_allclose(mine.totals["scaled"], his.totals["scaled"], rtol=1e-5, atol=1e-9)


def test_sums_that_a_service_stored_meanwhile_stay(tmp_path):
    ours = home_of(tmp_path / "ours", BEFORE)
    scores.put(ours.engine, Tally(1, 1, 5, 1, {"raw": [[1.0]]}))
    scores.put_missing(ours.engine, Tally(1, 1, 7, 1, {"raw": [[2.0]]}))
    assert [tally.totals for tally in scores.history(ours.engine, 1, 1)] == [{"raw": [[1.0]]}]


def test_rows_that_moved_to_the_lake_go_too_and_what_an_anchor_carried_of_them_starts_anew(tmp_path):
    ours = home_of(tmp_path / "ours", BEFORE)
    observe_all(ours, live(30))
    dataset = catalogue.dataset(ours.engine, NAME)
    new_anchors.make(ours.engine, dataset)
    age_anchors(ours)
    compact.compact(ours, NAME, False, quiet)
    assert observation_log.count(ours.engine, dataset.id) == 1  # the others are in the lake
    observe_all(ours, live(30, 36))
    done = delete(ours, "rows", {"series": [IDS[1]], "first": ds(10), "last": ds(29)})
    assert done.detail["deleted"]["lake_rows"] == 20
    assert any("start anew" in sentence for sentence in done.detail["stays"])
    assert not [row for row in lake_rows(ours) if row[0] == IDS[1] and ds(10) <= row[1] <= ds(29)]
    champion, _ = build_champion.build(ours.engine, dataset, promotions.served(ours.engine, dataset.id))
    number = next(number for number, name in catalogue.series(ours.engine, dataset.id) if name == IDS[1])
    assert champion.states.origins(np.array([number])).tolist() == champion.grid.steps([ds(35)]).tolist()
    require_sound(ours)


def age_anchors(workspace):
    with workspace.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE anchors SET made_at = 0")


def test_checksums_of_the_log_are_made_again_and_damage_is_not_hidden(tmp_path):
    ours = home_of(tmp_path / "ours", BEFORE)
    observe_all(ours, live(10))
    log_checksums.record_checksums(ours.engine, 1)
    delete(ours, "rows", {"series": [IDS[1]], "first": ds(2), "last": ds(3)})
    require_sound(ours)
    with ours.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE observations SET y = y + 1 WHERE seq = 1")
    with pytest.raises(Unavailable, match="not what was written; nothing was deleted"):
        delete(ours, "rows", {"series": [IDS[1]], "first": ds(5), "last": ds(5)})


def test_quarantine_and_limits_of_the_rows_follow(tmp_path):
    ours = home_of(tmp_path / "ours", BEFORE)
    dataset = catalogue.dataset(ours.engine, NAME)
    numbers = {name: number for number, name in catalogue.series(ours.engine, dataset.id)}
    make_limits(ours, dataset)
    breaches = [Breach(IDS[0], ds(-5), 99.0, "range"), Breach(IDS[0], ds(-50), 98.0, "range")]
    quarantine.put(ours.engine, dataset.id, breaches, numbers, "f")
    before = {own.series_id: own for own in series_limits.read(ours.engine, dataset.id)}
    delete(ours, "rows", {"series": [IDS[0]], "first": ds(-20), "last": ds(-1)})
    after = {own.series_id: own for own in series_limits.read(ours.engine, dataset.id)}
    assert (
        series_limits.last_step(after[numbers[IDS[0]]].recent)
        == series_limits.last_step(before[numbers[IDS[0]]].recent) - 20
    )
    assert after[numbers[IDS[1]]] == before[numbers[IDS[1]]]
    assert [value.y for value in quarantine.values(ours.engine, dataset.id)] == [98.0]
    delete(ours, "rows", {"series": [IDS[0]], "first": None, "last": ds(-21)})
    assert numbers[IDS[0]] not in {own.series_id for own in series_limits.read(ours.engine, dataset.id)}


def test_issued_forecasts_of_the_steps_go_and_others_stay(tmp_path):
    ours = home_of(tmp_path / "ours", BEFORE)
    issue.issue(ours, NAME, None, quiet)
    done = delete(ours, "rows", {"series": [IDS[1]], "first": ds(0), "last": ds(1)})
    assert done.detail["deleted"]["issued_rows"] == 2
    require_sound(ours)


def test_an_earlier_version_of_the_table_cannot_be_read_again_and_says_why(tmp_path):
    ours = home_of(tmp_path / "ours", BEFORE)
    add_file(ours, tmp_path / "more.csv", rows_of(IDS, range(0, 2)))
    delete(ours, "rows", {"series": [IDS[0]], "first": ds(-5), "last": ds(-5)})
    with pytest.raises(Unavailable, match=r"version 0 of .* cannot be read again, because rows were deleted for good"):
        ours.lake.read(1, 0)
    assert len(ours.lake.read(1)) == len(BEFORE) + 5


def test_a_service_that_starts_afterwards_answers_from_what_is_left(tmp_path):
    ours = home_of(tmp_path / "ours", BEFORE)
    with serving(ours) as client:
        for rows in live(5):
            post(client, rows)
    assert snapshot_store.anchors(ours.engine, 1)
    delete(ours, "rows", {"series": [IDS[0]], "first": ds(3), "last": ds(4)})
    assert snapshot_store.anchors(ours.engine, 1) == []
    with serving(ours) as client:
        body = client.get(f"/v1/series/{IDS[0]}/forecast").json()
        assert body["origin"] == stamp(2)  # the last one that is left


def test_a_request_for_nothing_or_for_what_is_not_there_is_refused(tmp_path):
    ours = home_of(tmp_path / "ours", BEFORE)
    for asked, error, words in (
        ({"series": [], "first": None, "last": None}, InvalidInput, "give --series, --from or --to"),
        ({"series": ["nobody"], "first": None, "last": None}, UnknownSeries, "nobody"),
        ({"series": [IDS[0]], "first": 9, "last": 8}, InvalidInput, "--from is after --to"),
    ):
        with pytest.raises(error, match=words):
            delete(ours, "rows", asked)
    assert deletions.deletions(ours.engine) == []
    with reading(ours.engine) as connection:
        assert connection.scalar(select(func.count()).select_from(tables.deletions)) == 0


def test_what_was_asked_over_http_is_run_and_what_cannot_be_done_any_more_says_so(tmp_path):
    ours = home_of(tmp_path / "ours", BEFORE)
    deletions.ask(ours.engine, 1, "rows", {"series": [IDS[0]], "first": ds(-1), "last": None})
    deletions.ask(ours.engine, 1, "series", {"series": ["nobody"]})
    done = run.run_asked(ours)
    assert [(found.kind, found.state) for found in done] == [("rows", "done"), ("series", "failed")]
    assert "nobody" in done[1].detail["error"]
    assert run.run_asked(ours) == []


def test_an_anchor_made_meanwhile_is_not_missed(tmp_path, monkeypatch):
    from pipelines.deletion import apply

    ours = home_of(tmp_path / "ours", BEFORE)
    observe_all(ours, live(4))
    real, done = apply.prepare, []

    def prepare(workspace, plan):
        found = real(workspace, plan)
        if not done:
            done.append(new_anchors.make(ours.engine, catalogue.dataset(ours.engine, NAME)))
        return found

    monkeypatch.setattr(apply, "prepare", prepare)
    delete(ours, "rows", {"series": [IDS[0]], "first": ds(1), "last": ds(2)})
    newest = anchors.newest(ours.engine, promotions.served(ours.engine, 1).id)
    assert (newest.refold, newest.log_seq, newest.anchor_id > done[0]) == (True, 12, True)
    assert len(log_rows(ours)) == 10
    assert commits.last(ours.engine, 1) == ours.lake.snapshot(1)


def test_a_command_that_is_refused_while_the_upkeep_runs_asks_for_nothing(tmp_path):
    ours = home_of(tmp_path / "ours", BEFORE)
    rows = lake_rows(ours)
    with leases.held(ours.engine, leases.UPKEEP), pytest.raises(Busy):
        requests.delete_whole(ours, NAME)
    assert deletions.deletions(ours.engine) == []
    assert run.run_asked(ours) == []
    assert lake_rows(ours) == rows
    assert requests.delete_rows(ours, NAME, [IDS[0]], stamp(-1), None, dry_run=False)["deleted"]["lake_rows"] == 1


def test_a_time_without_an_offset_is_one_of_the_zone_and_a_wrong_one_names_its_option():
    berlin = replace(PLANT, zone="Europe/Berlin")
    for text in ("2024-02-19 15:00", "2024-02-19T15:00:00", "2024-02-19T14:00:00Z"):
        assert format_ds(requests.time_of(berlin, text, "--from"), "instant") == "2024-02-19T14:00:00Z"
    assert format_ds(requests.time_of(berlin, "2024-02-19", "--from"), "instant") == "2024-02-18T23:00:00Z"
    with pytest.raises(InvalidInput, match=r"^--to '2024-02-19 15:00' must be a time with its offset"):
        requests.time_of(PLANT, "2024-02-19 15:00", "--to")
    with pytest.raises(InvalidInput, match=r"^--from 'yesterday' must be a time"):
        requests.time_of(berlin, "yesterday", "--from")


def store_vintages(workspace, series: str) -> list[int]:
    """Follow the log as a service does, store its vintages, and return the hours of their origins."""
    dataset = catalogue.dataset(workspace.engine, NAME)
    promotion = promotions.served(workspace.engine, dataset.id)
    champion, _ = build_champion.build(workspace.engine, dataset, promotion)
    current = SnapshotPass(champion)
    while current.step(workspace.engine):
        pass
    number = catalogue.ensure_series(workspace.engine, dataset.id, [series])[series]
    found = vintage_table.page(workspace.engine, number, [promotion.id], None, None, 100)
    return [round((own.origin - ds(0)) / HOUR) for own in found]


def test_forecasts_from_deleted_rows_and_for_them_go_and_do_not_come_back(tmp_path):
    ours = home_of(tmp_path / "ours", BEFORE)
    observe_all(ours, live(24))
    assert store_vintages(ours, IDS[0]) == [23, 17, 11, 5, -1]  # each for the six hours after its origin
    delete(ours, "rows", {"series": [IDS[0]], "first": ds(11), "last": ds(12)})
    assert store_vintages(ours, IDS[0]) == [23, 17, -1]
    assert store_vintages(ours, IDS[1]) == [23, 17, 11, 5, -1]


def test_a_deleted_series_takes_its_forecasts_along(tmp_path):
    ours = home_of(tmp_path / "ours", BEFORE)
    observe_all(ours, live(6))
    store_vintages(ours, IDS[0])
    number = {name: number for number, name in catalogue.series(ours.engine, 1)}[IDS[0]]
    delete(ours, "series", {"series": [IDS[0]]})
    assert vintage_table.page(ours.engine, number, [1, 2], None, None, 100) == []
    assert store_vintages(ours, IDS[1]) == [5, -1]
