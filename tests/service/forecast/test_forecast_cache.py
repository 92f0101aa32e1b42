"""A repeated forecast is answered from the cache until its state changes; the cache has a size limit."""

from service.forecast.forecast_cache import ForecastCache
from tests.support.service_kit import World, baseline, panel_of, rows


def test_an_answer_is_found_only_under_its_etag():
    cache = ForecastCache(100)
    cache.keep("a", "one", b"first")
    assert cache.find("a", "one") == b"first"
    assert cache.find("a", "two") is cache.find("b", "one") is None


def test_the_least_recently_used_answers_are_dropped():
    cache = ForecastCache(10)
    cache.keep("a", "1", b"aaaa")
    cache.keep("b", "1", b"bbbb")
    cache.find("a", "1")
    cache.keep("c", "1", b"cccc")
    assert [cache.find(key, "1") for key in "abc"] == [b"aaaa", None, b"cccc"]
    cache.keep("a", "2", b"aaaaaa")  # in place of the older one: 10 bytes
    assert [cache.find("a", "2"), cache.find("c", "1")] == [b"aaaaaa", b"cccc"]
    cache.keep("d", "1", b"d" * 11)
    assert [cache.find(key, "1") for key in "acd"] == [None, None, None]


def test_the_same_bytes_are_sent_until_the_state_changes(tmp_path, monkeypatch):
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
