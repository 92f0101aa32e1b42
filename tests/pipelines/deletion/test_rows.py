"""Rows that are deleted are absent: lake, log, states and scores are those of a home that never saw them."""


from data.store import catalogue, observation_log
from tests.support.deletion_kit import delete, ds, require_same, require_sound
from tests.support.loop_kit import workspace_at
from tests.support.road_kit import HISTORY, NAME, add_file, post, promote_network, rows_of, sensors, serving, take_in

IDS = sensors(3)


def home_with(folder, history, live=(), files=()):
    """A home with this history, a promoted network, and rows that came later over HTTP and in files."""
    folder.mkdir()
    workspace = workspace_at(folder)
    add_file(workspace, folder / "history.csv", history)
    promote_network(workspace)
    if live:
        with serving(workspace) as client:
            for rows in live:
                post(client, rows)
            take_in(client, workspace)
    for number, rows in enumerate(files):
        add_file(workspace, folder / f"later{number}.csv", rows)
    return workspace


def test_rows_that_came_after_the_promotion_are_as_if_never_seen(tmp_path):
    history, live = rows_of(IDS, range(-HISTORY, 0)), [rows_of(IDS, range(hour, hour + 1)) for hour in range(30)]
    ours = home_with(tmp_path / "ours", history, live)
    kept = [[row for row in rows if not (row[0] == IDS[1] and 10 <= row[1] <= 14)] for rows in live]
    theirs = home_with(tmp_path / "theirs", history, kept)
    done = delete(ours, "rows", {"series": [IDS[1]], "first": ds(10), "last": ds(14)})
    assert (done.state, done.detail["deleted"]["log_rows"], done.detail["deleted"]["lake_rows"]) == ("done", 5, 0)
    require_same(ours, theirs)
    require_sound(ours)


def test_the_newest_rows_may_go_and_origins_go_back(tmp_path):
    history, live = rows_of(IDS, range(-HISTORY, 0)), [rows_of(IDS, range(hour, hour + 1)) for hour in range(20)]
    ours = home_with(tmp_path / "ours", history, live)
    theirs = home_with(tmp_path / "theirs", history, [[row for row in rows if row[1] < 15] for rows in live][:15])
    dataset, end = catalogue.dataset(ours.engine, NAME), observation_log.end(ours.engine)
    delete(ours, "rows", {"series": [], "first": ds(15), "last": None})
    require_same(ours, theirs)
    with serving(ours) as client:
        post(client, rows_of(IDS[:1], range(15, 16)))
    assert observation_log.last_seq(ours.engine, dataset.id) == end + 1  # no number is given out again
