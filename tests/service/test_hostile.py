"""Faults 40, 41, 42 and 47: hostile bodies, queries and names. None causes a 5xx."""

import gzip
import json
from urllib.parse import quote

import pytest
from sqlalchemy import inspect

from data.errors import InvalidInput
from data.store import catalogue
from service.http.errors import PLAIN_NAME
from tests.support.service_kit import HORIZON, World, baseline, panel_of, rows, stamp

JSON, NDJSON = ({"content-type": kind} for kind in ("application/json", "application/x-ndjson"))
ROW = json.dumps(rows("a", [1.0])[0])
TRAVERSAL = ["../../etc/passwd", "..%2f..%2fetc%2fpasswd", "/etc/passwd", "C:\\windows", "file:///etc/passwd", "~root"]
INJECTION = [
    "' OR 1=1 --",
    "'; DROP TABLE series; --",
    '"; SELECT 1',
    "a' UNION SELECT digest FROM api_keys --",
    "%",
    "_",
]
TEMPLATES = ["{{7*7}}", "${7*7}", "#{7*7}", "<%= 7*7 %>", "{0.__class__}", "%s%n", "$(id)", "`id`", "|id"]
MARKUP = ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "javascript:alert(1)"]
ODD = ["\u202egpj", "a\u0300" * 50, "😀", "ﬀ", " ", ".", "..", "a" * 201, "null", "-1", "CON", "a/../b", "*", "*/*"]
NAMES = [*TRAVERSAL, *INJECTION, *TEMPLATES, *MARKUP, *ODD]
SPLITTING = ["a\r\nSet-Cookie: x=1", "a\nX-Injected: 1", "a\x00b", "a\x7fb"]


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    world = World.at(tmp_path_factory.mktemp("hostile"), max_body_bytes=12_000_000)
    world.promote(world.ingest("sensors", "a"), baseline(panel_of("a")), panel_of("a"))
    return world


@pytest.fixture(scope="module")
def client(world):
    with world.serving() as client:
        yield client


@pytest.fixture(autouse=True)
def nothing_is_changed(world, client):
    """After every test: the same series, the same tables, and no file but those of the store."""

    def stored():
        files = sorted(path.name for path in world.settings.home.rglob("*") if not path.name.startswith("live.db"))
        return inspect(world.engine).get_table_names(), files, client.get("/v1/series").json()["total"]

    before = stored()
    yield
    assert stored() == before


def refused(answer, *statuses: int) -> dict:
    """The body of an answer that must be a short problem of one of these statuses."""
    assert answer.status_code in (statuses or range(400, 500)), answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert len(answer.content) <= 4000 and len(body.get("errors", [])) <= 20
    return body


# --- fault 40: bodies -----------------------------------------------------------------------------------------------

VALUES = {
    "NaN": b"NaN",
    "infinity": b"-Infinity",
    "beyond float64": b"1e999",
    "5,000 digits": b"1" * 5000,
    "5,000 digits below zero": b"-" + b"9" * 5000,
    "5,000 decimals": b"[0." + b"1" * 5000 + b"]",
    "exponent of 5,000 digits": b"1e" + b"9" * 5000,
    "quoted": b'"1.0"',
    "boolean": b"true",
    "hexadecimal": b"0x10",
    "leading zero": b"01",
    "plus": b"+1",
    "bare point": b".5",
    "two points": b"1.2.3",
    "underscore": b"1_000",
    "list": b"[1]",
    "object": b"{}",
    "nothing": b"",
}


@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES)
@pytest.mark.parametrize("headers", [JSON, NDJSON], ids=["json", "ndjson"])
def test_fault_40_a_value_that_is_not_a_number_is_422(client, value, headers):
    body = b'{"unique_id": "a", "ds": "' + stamp(0).encode() + b'", "y": ' + value + b"}"
    refused(client.post("/v1/observations", content=body, headers=headers), 422)


BODIES = {
    "deep lists": b"[" * 200_000,
    "deep closed lists": b"[" * 100_000 + b"]" * 100_000,
    "deep objects": b'{"a":' * 100_000,
    "deep in a row": b'[{"unique_id": ' + b"[" * 5000 + b"]" * 5000 + b"}]",
    "lone surrogate": rb'{"unique_id": "\ud800", "ds": "x", "y": 1}',
    "reversed surrogates": rb'{"unique_id": "\udc00\ud800", "ds": "x", "y": 1}',
    "surrogate as a name": rb'{"\udfff": 1}',
    "surrogate in UTF-8": b'{"unique_id": "\xed\xa0\x80"}',
    "invalid UTF-8": b'{"unique_id": "\xff\xfe"}',
    "overlong UTF-8": b'{"unique_id": "\xc0\xaf"}',
    "UTF-16": ROW.encode("utf-16"),
    "byte order mark": b"\xef\xbb\xbf" + ROW.encode(),
    "NUL": b"\x00" * 100,
    "NUL in a name": b'{"unique_id": "a\x00"}',
    "escaped NUL in a name": rb'{"unique_id": "a\u0000", "ds": "x", "y": 1}',
    "one long string": b'"' + b"a" * 1_000_000 + b'"',
    "one long name": b'{"' + b"a" * 1_000_000 + b'": 1}',
    "many names": b"{" + b",".join(b'"%d": 1' % n for n in range(50_000)) + b"}",
    "a million commas": b"[" + b"," * 1_000_000 + b"]",
    "a bad value before a million good ones": b"[NaN" + b",0" * 1_000_000 + b"]",
    "a bad value after a million good ones": b"[0" + b",0" * 1_000_000 + b",NaN]",
    "comments": b'[/* */ {"y": 1}]',
    "trailing comma": b"[" + ROW.encode() + b",]",
    "two documents": ROW.encode() + ROW.encode(),
    "python": b"{'unique_id': 'a'}",
    "nothing": b"",
    "white space": b" \n\t",
    "yaml": b"&a [*a, *a]",
    "xml": b'<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><x>&e;</x>',
    "pickle": b"\x80\x04cos\nsystem\n(S'id'\ntR.",
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
@pytest.mark.parametrize("headers", [JSON, NDJSON], ids=["json", "ndjson"])
def test_fault_40_a_body_that_is_not_an_observation_is_422(client, body, headers):
    refused(client.post("/v1/observations", content=body, headers=headers), 422)


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd", "gzip, gzip", "GZIP", "x"])
def test_fault_40_a_compressed_bomb_is_not_decompressed(client, encoding):
    bomb = gzip.compress(b"[" + b" " * 10_000_000)  # 10 kB
    answer = client.post("/v1/observations", content=bomb, headers={**JSON, "content-encoding": encoding})
    assert refused(answer, 415)["code"] == "unsupported_encoding"


def test_fault_40_of_a_repeated_field_the_last_value_counts(client):
    body = b'{"unique_id": "nobody", "unique_id": "a", "ds": "%s", "y": 1, "y": 2.5}' % stamp(0).encode()
    assert client.post("/v1/observations", content=body, headers=JSON).status_code == 200
    assert client.get("/v1/series/a").json()["origin"] == stamp(0)


# --- fault 41: very many bad rows -----------------------------------------------------------------------------------


BAD_ROWS = [b"0", b"{", b'{"unique_id":"x","ds":"y","y":0}', b'{"m4rk3r":0}']


@pytest.mark.parametrize("row", BAD_ROWS)
def test_fault_41_a_hundred_thousand_bad_rows_give_at_most_twenty_errors_in_4_kb(client, row):
    whole = client.post("/v1/observations", content=b"[" + b",".join([row] * 100_000) + b"]", headers=JSON)
    lines = client.post("/v1/observations", content=b"\n".join([row] * 100_000), headers=NDJSON)
    for answer in (whole, lines):
        assert 1 <= len(refused(answer, 422)["errors"]) <= 20
        assert ("has the field m4rk3r;" in answer.text) == (b"m4rk3r" in row)  # only a field too many is named


# --- fault 42: numbers out of range, and text that looks like an expression -----------------------------------------


FORECAST = "/v1/series/a/forecast"


@pytest.mark.parametrize(
    ("path", "name", "largest"),
    [(FORECAST, "horizon", HORIZON), (FORECAST, "level", 95), ("/v1/series", "limit", 1000)],
)
def test_fault_42_the_largest_value_is_accepted_and_one_more_is_not(client, path, name, largest):
    assert client.get(path, params={name: largest}).status_code == 200
    for value in (largest + 1, 10**9, 10**30, -1, "1e3", "0x1", "١", "1;2", "nan"):
        refused(client.get(path, params={name: value}), 422)


def test_fault_42_many_levels_or_parameters_are_refused(client):
    refused(client.get("/v1/series/a/forecast?quantiles=" + ",".join(["0.5"] * 1000)), 422)
    refused(client.get("/v1/series/a/forecast?" + "&".join(["quantiles=0.5"] * 101)), 422)
    refused(client.get("/v1/series?" + "limit=1&" * 2), 422)


@pytest.mark.parametrize("search", ["(a+)+$", ".*", "[a", "(?R)", "a|b", "^a", "%", "_", "*"])
def test_fault_42_a_search_is_plain_text_and_not_an_expression(client, search):
    page = client.get("/v1/series", params={"search": search}).json()
    assert (page["series"], page["total"]) == ([], 0)


# --- fault 47: names ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [*NAMES, *SPLITTING])
def test_fault_47_a_hostile_name_in_any_field_is_only_looked_up(client, name):
    asked = {
        "path": client.get(f"/v1/series/{quote(name, safe='')}/forecast", headers={"x-request-id": "mine"}),
        "dataset": client.get("/v1/series/a", params={"dataset": name}),
        "cursor": client.get("/v1/series", params={"cursor": name}),
        "query": client.get("/v1/series", params={name: "1"}),
        "models": client.get("/v1/models", params={"dataset": name}),
        "row": client.post("/v1/observations", json=rows(name, [1.0])),
        "rows": client.post("/v1/observations", json=[{**rows("a", [1.0])[0], "dataset": name}]),
        "stamp": client.post("/v1/observations", json=[{"unique_id": "a", "ds": name, "y": 1.0}]),
    }
    for field, answer in asked.items():
        if not (field == "path" and name in (".", "..", "a/../b")):  # clients resolve these before they send
            body = refused(answer, 404, 422)
            if field == "query" and PLAIN_NAME.fullmatch(name):  # a parameter too many is named
                continue
            assert len(name) < 4 or name not in json.dumps(body, ensure_ascii=False), field
        assert not {"set-cookie", "x-injected"} & set(answer.headers), field
    assert client.get("/v1/series", params={"search": name}).status_code == 200


@pytest.mark.parametrize("name", SPLITTING)
def test_fault_47_a_header_value_cannot_add_another_header(client, name):
    answer = client.get("/health/live", headers={"x-request-id": name.encode()})
    assert answer.headers["x-request-id"] != name and not {"set-cookie", "x-injected"} & set(answer.headers)


def test_fault_47_a_series_may_have_a_hostile_id(tmp_path):
    ids = [name for name in NAMES if len(name) <= 200]
    world = World.at(tmp_path)
    world.promote(world.ingest("odd", *ids), baseline(panel_of(*ids)), panel_of(*ids))
    with world.serving() as client:
        posted = client.post("/v1/observations", json=[row for name in ids for row in rows(name, [5.0])])
        assert posted.json()["counts"]["applied"] == len(ids)
        assert {line["unique_id"] for line in client.get("/v1/series").json()["series"]} == set(ids)
        for name in ids:
            if name not in (".", "..", "a/../b") and "%2f" not in name:  # the client would change these
                answer = client.get(f"/v1/series/{quote(name, safe='')}/forecast")
                assert (answer.status_code, answer.json()["unique_id"]) == (200, name)
    suffixes = ("", "-wal", "-shm", ".lock", ".service.lock")
    assert {path.name for path in tmp_path.rglob("*")} <= {f"live.db{suffix}" for suffix in suffixes}


@pytest.mark.parametrize("name", [name for name in [*NAMES, *SPLITTING] if name not in ("null", "CON")])
def test_fault_47_no_dataset_can_have_a_hostile_name(world, name):
    with pytest.raises(InvalidInput):
        catalogue.check_name(name)
