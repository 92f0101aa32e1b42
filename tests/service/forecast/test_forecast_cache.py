"""A forecast asked for again is the one that was sent, until its state moves; what is kept has an end."""

from service.forecast.forecast_cache import ForecastCache
from tests.support.service_kit import World, baseline, panel_of, rows


def test_an_answer_stands_under_its_etag_alone():
    kept = ForecastCache(100)
    kept.keep("a", "one", b"first")
    assert kept.find("a", "one") == b"first"
    assert kept.find("a", "two") is kept.find("b", "one") is None


def test_what_was_not_asked_for_longest_makes_room():
    kept = ForecastCache(10)
    kept.keep("a", "1", b"aaaa")
    kept.keep("b", "1", b"bbbb")
    kept.find("a", "1")
    kept.keep("c", "1", b"cccc")
    assert [kept.find(key, "1") for key in "abc"] == [b"aaaa", None, b"cccc"]
    kept.keep("a", "2", b"aaaaaa")  # in place of the older one: 10 bytes
    assert [kept.find("a", "2"), kept.find("c", "1")] == [b"aaaaaa", b"cccc"]
    kept.keep("d", "1", b"d" * 11)
    assert [kept.find(key, "1") for key in "acd"] == [None, None, None]


def test_the_same_bytes_are_sent_until_the_state_moves(tmp_path, monkeypatch):
    world, made = World.at(tmp_path), []
    world.promote(world.ingest("sensors", "a", "b"), baseline(panel_of("a", "b")), panel_of("a", "b"))
    with world.serving() as client:
        cache = client.app.state.runtime.forecast_cache
        keep = cache.keep
        monkeypatch.setattr(cache, "keep", lambda *answer: (made.append(answer), keep(*answer)))
        first = client.get("/v1/series/a/forecast")
        again = client.get("/v1/series/a/forecast")
        assert (again.content, again.headers["etag"], len(made)) == (first.content, first.headers["etag"], 1)
        client.get("/v1/series/a/forecast?horizon=2")
        client.get("/v1/series/b/forecast")
        assert len(made) == 3
        client.post("/v1/observations", json=rows("a", [50.0]))
        moved = client.get("/v1/series/a/forecast")
        assert moved.json()["sequence"] == 1
        assert (moved.headers["etag"] != first.headers["etag"], len(made)) == (True, 4)
        client.post("/v1/observations", json=rows("a", [5.0]))  # corrected: the same origin, another forecast
        assert client.get("/v1/series/a/forecast").json()["sequence"] == 2
