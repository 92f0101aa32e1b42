"""One contract for every kind of source, tested against real servers: new rows are read exactly once."""

import gzip
import hashlib
import http.server
import io
import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import urllib.parse
from dataclasses import dataclass
from pathlib import Path

import boto3
import polars as pl
import psycopg
import pytest

from data import clock
from data.errors import InvalidInput
from data.formats.options import SourceOptions
from data.grid.stamps import parse_ds
from data.records import watermarks
from data.settings import load_settings
from pipelines.ingestion.ingest import ingest
from pipelines.workspace import open_workspace

UTC = SourceOptions(tz="UTC", freq="1h")
FIRST = [("a", f"2024-01-01 {hour:02}:00:00", float(hour)) for hour in range(8)]
LATER = [("a", f"2024-01-01 {hour:02}:00:00", float(hour)) for hour in range(8, 11)]


def frame(rows) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=["unique_id", "ds", "y"], orient="row")


# --- a source of each kind: `source` names it, `put` gives it more rows -----------------------------------------------


@dataclass
class Folder:
    """Files of a folder or a pattern, a new one for each call of `put`."""

    root: Path
    ending: str
    pattern: str = ""

    def __post_init__(self):
        self.root.mkdir()
        self.source = str(self.root) + self.pattern

    def put(self, rows):
        path = self.root / f"{len(list(self.root.iterdir())):03}{self.ending}"
        path.write_bytes(packed(frame(rows), self.ending))


def packed(rows: pl.DataFrame, ending: str) -> bytes:
    if ending == ".parquet":
        buffer = io.BytesIO()
        rows.write_parquet(buffer)
        return buffer.getvalue()
    text = (rows.write_ndjson() if "ndjson" in ending else rows.write_csv()).encode()
    return gzip.compress(text) if ending.endswith(".gz") else text


class Query:
    """A table of a database; rows may come late, within the overlap."""

    def __init__(self, address: str, execute):
        query = (
            "SELECT tag AS unique_id, at AS ds, value AS y FROM readings WHERE :watermark IS NULL OR at > :watermark"
        )
        self.source, self._execute = f"{address}?query={query}", execute

    def put(self, rows):
        for row in rows:
            self._execute("INSERT INTO readings VALUES ('{}', '{}', {})".format(*row))


class Interface(http.server.BaseHTTPRequestHandler):
    """A server of JSON pages with three rows each, and of the same rows as a file with an ETag."""

    rows: list = []  # noqa: RUF012 one for each server's class
    asked: list = []  # noqa: RUF012

    def do_GET(self):
        path, _, query = self.path.partition("?")
        asked = dict(urllib.parse.parse_qsl(query))
        self.asked.append(self.path)
        if path == "/file.csv":
            return self.file()
        found = [dict(zip(("unique_id", "ds", "y"), row, strict=True)) for row in self.rows]
        found = [row for row in found if row["ds"] >= asked.get("since", "")]
        start = int(asked.get("page", 1)) * 3 - 3 if path == "/page" else int(asked.get("at", 0))
        body = {"data": found[start : start + 3]}
        if path != "/page" and start + 3 < len(found):
            body["meta"] = {"next_cursor": str(start + 3)} if path == "/cursor" else {}
            body["next"] = f"{path}?at={start + 3}&since={asked.get('since', '')}" if path == "/link" else None
        self.answer(200, json.dumps(body).encode(), "application/json")

    def file(self):
        etag = f'"{len(self.rows)}"'
        if self.headers.get("If-None-Match") == etag:
            return self.answer(304, b"", "text/csv")
        self.answer(200, frame(self.rows).write_csv().encode(), "text/csv", etag)

    def answer(self, status, body, kind, etag=None):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        if etag:
            self.send_header("ETag", etag)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class Web:
    def __init__(self, address: str, path: str, handler):
        self.source, self.handler = address + path, handler

    def put(self, rows):
        self.handler.rows.extend(rows)


@pytest.fixture
def interface():
    handler = type("Mine", (Interface,), {"rows": [], "asked": []})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", handler
        server.shutdown()


S3 = {"AWS_ACCESS_KEY_ID": "marker-id", "AWS_SECRET_ACCESS_KEY": "marker-secret", "AWS_REGION": "us-east-1"}


class Bucket:
    """Objects below a prefix, beside one that the pattern does not match. Google's requests are those of S3."""

    def __init__(self, endpoint: str, name: str, scheme: str):
        keys = {"aws_access_key_id": "marker-id", "aws_secret_access_key": "marker-secret", "region_name": "us-east-1"}
        self._client = boto3.client("s3", endpoint_url=endpoint, **keys)
        self._name, self._count, self.source = name, 0, f"{scheme}://{name}/plant A/*.parquet"
        self._client.create_bucket(Bucket=name)
        self._client.put_object(Bucket=name, Key="plant A/readme.txt", Body=b"not meant")

    def put(self, rows):
        self._count += 1
        body = packed(frame(rows), ".parquet")
        key = f"plant A/{self._count:03}+é.parquet"
        self._client.put_object(Bucket=self._name, Key=key, Body=body, ACL="public-read")


class Blobs(http.server.BaseHTTPRequestHandler):
    """A container of Azure's: its list, and its objects."""

    blobs: dict  # name -> content

    def do_GET(self):
        path, _, query = self.path.partition("?")
        if "comp=list" in query:
            return self.answer("".join(map(self.entry, sorted(self.blobs))).join(LIST).encode())
        return self.answer(self.blobs[urllib.parse.unquote(path).removeprefix("/plant/")])

    def entry(self, name):
        etag, size = hashlib.md5(self.blobs[name]).hexdigest(), len(self.blobs[name])  # noqa: S324
        return ENTRY.format(name, etag, size)

    def answer(self, body):
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("ETag", hashlib.md5(body).hexdigest())  # noqa: S324
        self.send_header("Last-Modified", "Mon, 01 Jan 2024 00:00:00 GMT")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


LIST = "<EnumerationResults><Blobs>", "</Blobs><NextMarker/></EnumerationResults>"
ENTRY = (
    "<Blob><Name>{}</Name><Properties><Last-Modified>Mon, 01 Jan 2024 00:00:00 GMT</Last-Modified><Etag>{}</Etag>"
    "<Content-Length>{}</Content-Length><Content-Type>text/plain</Content-Type></Properties></Blob>"
)


class Container:
    """Blobs below a prefix, beside one that the pattern does not match."""

    source = "az://plant/plant A/*.parquet"

    def __init__(self, handler):
        self._handler = handler

    def put(self, rows):
        self._handler.blobs[f"plant A/{len(self._handler.blobs):03}+é.parquet"] = packed(frame(rows), ".parquet")


@pytest.fixture
def azure():
    handler = type("Mine", (Blobs,), {"blobs": {"plant A/readme.txt": b"not meant"}})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", handler
        server.shutdown()


@pytest.fixture(
    params=[
        "folder",
        "pattern",
        "ndjson.gz",
        "s3",
        "gs",
        "az",
        "page",
        "cursor",
        "link",
        "file",
        "sqlite",
        "postgresql",
    ]
)
def origin(request, tmp_path, monkeypatch):
    """A source of each kind, empty so far."""
    monkeypatch.setattr("data.sources.retries.FIRST_WAIT", 0.001)
    kind = request.param
    if kind in ("folder", "pattern", "ndjson.gz"):
        ending, pattern = {"folder": (".csv", ""), "pattern": (".parquet", "/*.parquet")}.get(
            kind, (".ndjson.gz", "/*")
        )
        return Folder(tmp_path / "files", ending, pattern)
    if kind in ("s3", "gs"):
        endpoint = request.getfixturevalue("s3_server")
        google = {"GOOGLE_BASE_URL": endpoint, "GOOGLE_SKIP_SIGNATURE": "true"}
        for name, value in {**S3, "AWS_ENDPOINT_URL": endpoint, **google}.items():
            monkeypatch.setenv(name, value)
        name = "".join(letter for letter in str(tmp_path).lower() if letter.isalnum())[-60:]
        return Bucket(endpoint, name, kind)
    if kind == "az":
        address, handler = request.getfixturevalue("azure")
        monkeypatch.setenv("AZURE_STORAGE_ENDPOINT", address)
        monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_NAME", "marker")
        monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_KEY", "bWFya2Vy")
        return Container(handler)
    if kind == "sqlite":
        connection = sqlite3.connect(tmp_path / "plant.db", isolation_level=None)
        connection.execute("CREATE TABLE readings (tag, at, value)")
        return Query(f"sqlite:///{tmp_path / 'plant.db'}", connection.execute)
    if kind == "postgresql":
        url = request.getfixturevalue("postgres_url")
        connection = psycopg.connect(url.replace("+psycopg", ""), autocommit=True)
        connection.execute("SET timezone = 'UTC'")
        connection.execute("CREATE TABLE readings (tag text, at timestamptz, value double precision)")
        return Query(url, connection.execute)
    address, handler = request.getfixturevalue("interface")
    paths = {
        "page": "/page?since={watermark}&page={page}",
        "cursor": "/cursor?since={watermark}&at={cursor}",
        "link": "/link?since={watermark}",
        "file": "/file.csv",
    }
    return Web(address, paths[kind], handler)


class Killed(BaseException):
    """Stands for a killed process: no handler catches it."""


def stored(workspace) -> list[float]:
    return workspace.lake.read(1)["y"].to_list()


class TestEveryConnector:
    def test_reads_all_then_nothing_then_what_is_new(self, origin):
        workspace = open_workspace()
        origin.put(FIRST)
        assert ingest(workspace, origin.source, "plant", UTC).added == 8
        again = ingest(workspace, origin.source, "plant", UTC)
        assert (again.added, again.snapshot) == (0, 0)
        origin.put(LATER)
        assert ingest(workspace, origin.source, "plant", UTC).added == 3
        assert stored(workspace) == [float(hour) for hour in range(11)]
        assert ingest(workspace, origin.source, "plant", UTC).added == 0
        assert workspace.lake.count(1) == 11  # none of them twice

    def test_after_a_kill_before_the_watermark_no_row_is_lost_or_stored_twice(self, origin, monkeypatch):
        workspace = open_workspace()
        origin.put(FIRST)
        with monkeypatch.context() as patched:
            patched.setattr(watermarks, "set_watermarks", lambda *_: (_ for _ in ()).throw(Killed))
            with pytest.raises(Killed):
                ingest(workspace, origin.source, "plant", UTC)
        assert watermarks.watermarks(workspace.engine, 1) == []
        origin.put(LATER)
        assert ingest(workspace, origin.source, "plant", UTC).added == 3
        assert len(watermarks.watermarks(workspace.engine, 1)) >= 1
        assert workspace.lake.count(1) == 11
        assert stored(workspace) == [float(hour) for hour in range(11)]

    def test_stores_and_shows_no_secret_of_the_address(self, origin):
        workspace = open_workspace()
        origin.put(FIRST)
        source = (
            origin.source.replace("127.0.0.1", "marker:marker@127.0.0.1") if "http" in origin.source else origin.source
        )
        result = ingest(workspace, source, "plant", UTC)
        kept = [mark.source for mark in watermarks.watermarks(workspace.engine, 1)]
        assert "marker" not in json.dumps([result.to_dict(), kept])


@pytest.mark.parametrize("point", ["stored", "committed"])
def test_after_a_kill_after_the_commit_no_row_is_lost_or_stored_twice(tmp_path, home, point):
    files = Folder(tmp_path / "files", ".csv")
    files.put(FIRST)
    words = ["ingest", files.source, "--dataset", "plant", "--tz", "UTC", "--freq", "1h"]
    code = f"from pipelines.cli import run; run({words!r})"
    armed = {**os.environ, "ROLLCAST_FAILPOINTS": f"ingest.{point}=exit"}
    assert subprocess.run([sys.executable, "-c", code], env=armed, capture_output=True).returncode == -signal.SIGKILL
    workspace = open_workspace()
    assert (workspace.lake.count(1), watermarks.watermarks(workspace.engine, 1)) == (8, [])
    files.put(LATER)
    assert ingest(workspace, files.source, "plant", UTC).added == 3
    assert stored(workspace) == [float(hour) for hour in range(11)]
    assert workspace.lake.count(1) == 11
    assert list((home / "scratch").iterdir()) == []


# --- what differs between sources -------------------------------------------------------------------------------------


def test_a_query_reads_the_overlap_again_and_finds_late_rows(tmp_path):
    workspace = open_workspace()
    connection = sqlite3.connect(tmp_path / "plant.db", isolation_level=None)
    connection.execute("CREATE TABLE readings (tag, at, value)")
    origin = Query(f"sqlite:///{tmp_path / 'plant.db'}", connection.execute)
    origin.put(FIRST)
    ingest(workspace, origin.source, "plant", UTC)
    origin.put([("b", "2024-01-01 07:00:00", 70.0), ("b", "2024-01-01 05:00:00", 50.0)])
    assert ingest(workspace, origin.source, "plant", UTC).added == 1  # one step back, strictly after 06:00
    wider = SourceOptions(tz="UTC", freq="1h", overlap=3)
    assert ingest(workspace, origin.source, "plant", wider).added == 1


def test_a_changed_file_is_read_again_and_corrects_its_values(tmp_path):
    workspace = open_workspace()
    files = Folder(tmp_path / "files", ".csv")
    files.put(FIRST)
    files.put(LATER)
    assert ingest(workspace, files.source, "plant", UTC).pieces == 2
    (tmp_path / "files" / "001.csv").write_bytes(packed(frame([("a", "2024-01-01 08:00:00", 88.0)]), ".csv"))
    result = ingest(workspace, files.source, "plant", UTC)
    assert (result.added, result.unchanged) == (1, 1)
    assert stored(workspace)[8] == 88.0


def test_no_row_of_a_folder_is_stored_when_one_file_is_invalid(tmp_path):
    workspace = open_workspace()
    files = Folder(tmp_path / "files", ".csv")
    files.put(FIRST)
    files.put([("a", "2024-01-01 08:00:00", "eight")])
    with pytest.raises(InvalidInput, match=r"001.csv, column 'y', row 2: 'eight' is not a number"):
        ingest(workspace, files.source, "plant", SourceOptions(tz="UTC", freq="1h", target_col="y"))
    assert workspace.lake.snapshot(1) is None


def test_files_of_one_series_each_are_named_by_their_stems(tmp_path):
    workspace = open_workspace()
    for name in ("pump", "fan"):
        (tmp_path / f"{name}.csv").write_text("ds,y\n2024-01-01,1\n2024-01-02,2\n")
    ingest(workspace, str(tmp_path / "*.csv"), "plant", SourceOptions())
    (tmp_path / "motor.csv").write_text((tmp_path / "pump.csv").read_text())  # the same bytes, another series
    assert ingest(workspace, str(tmp_path / "motor.csv"), "plant", SourceOptions()).added == 2
    assert workspace.lake.read(1)["unique_id"].unique(maintain_order=True).to_list() == ["fan", "motor", "pump"]


def test_pages_that_lead_to_another_server_or_in_a_circle_are_refused(interface):
    address, handler = interface
    body = {"data": [{"ds": "2024-01-01", "y": 1}], "next": "http://169.254.169.254/latest"}
    handler.do_GET = lambda self: self.answer(200, json.dumps(body).encode(), "application/json")
    with pytest.raises(InvalidInput, match="on another server"):
        ingest(open_workspace(), f"{address}/x.json", "plant", SourceOptions())
    body["next"] = "/x.json"
    with pytest.raises(InvalidInput, match="in a circle"):
        ingest(open_workspace(), f"{address}/x.json", "plant", SourceOptions())


# --- rows that lie ahead, rows without a value ------------------------------------------------------------------------


def put_daily(path: Path, *rows: str) -> str:
    path.write_text("\n".join(["unique_id,ds,y,promo", *rows]) + "\n")
    return str(path)


@pytest.mark.parametrize("dry_run", [False, True])
@pytest.mark.parametrize("known", [False, True])
def test_of_a_file_with_most_values_ahead_of_the_clock_nothing_is_stored(tmp_path, dry_run, known):
    workspace, options = open_workspace(), SourceOptions(freq="1d", target_col="y")
    if known:
        ingest(workspace, put_daily(tmp_path / "first.csv", "a,2024-01-01,1,0"), "plant", options)
    source = put_daily(tmp_path / "typo.csv", "a,2024-01-02,2,0", "a,2062-01-03,3,0", "a,2062-01-04,3,0")
    with pytest.raises(InvalidInput, match=r"typo.csv, column 'ds', row 3: 2062-01-03 is ahead of the clock"):
        ingest(workspace, source, "plant", options, dry_run=dry_run)
    assert workspace.lake.count(1) == (1 if known else 0)
    put_daily(tmp_path / "typo.csv", "a,2024-01-02,2,0", "a,2062-01-03,,1")  # a planned covariate
    assert ingest(workspace, source, "plant", options, dry_run=dry_run).added == 2


def test_the_tolerance_is_the_setting_of_the_service(tmp_path, home, monkeypatch):
    monkeypatch.setattr(clock, "now", lambda: parse_ds("2024-01-01T12:00:00Z", "instant"))
    (tmp_path / "early.csv").write_text("unique_id,ds,y\na,2024-01-01T11:00:00Z,1\na,2024-01-01T13:00:00Z,2\n")
    strict = ingest(open_workspace(), str(tmp_path / "early.csv"), "strict", UTC)
    assert (strict.added, strict.quarantined) == (1, {"clock": 1})
    tolerant = open_workspace(load_settings(home=home, mlflow=False, future_tolerance_s=3_600))
    assert ingest(tolerant, str(tmp_path / "early.csv"), "plant", UTC).added == 2


def test_a_file_of_planned_covariates_alone_is_taken_by_a_known_dataset(tmp_path):
    workspace, options = open_workspace(), SourceOptions(freq="1d", target_col="y")
    planned = put_daily(tmp_path / "planned.csv", "a,2062-01-02,,1", "a,2062-01-03,,0")
    with pytest.raises(InvalidInput, match="column 'y': no value in it is a number"):
        ingest(workspace, planned, "plant", options)
    ingest(workspace, put_daily(tmp_path / "first.csv", "a,2062-01-01,,0", "a,2024-01-01,1,0"), "plant", options)
    assert ingest(workspace, planned, "plant", SourceOptions(), dry_run=True).added == 2
    assert ingest(workspace, planned, "plant", SourceOptions()).added == 2
    assert workspace.lake.read(1).sort("ds")["promo"].to_list() == [0.0, 0.0, 1.0, 0.0]


def test_a_file_without_a_value_takes_one_back(tmp_path):
    workspace, options = open_workspace(), SourceOptions(freq="1d", target_col="y")
    ingest(workspace, put_daily(tmp_path / "first.csv", "a,2024-01-01,1,0", "a,2024-01-02,2,0"), "plant", options)
    assert ingest(workspace, put_daily(tmp_path / "back.csv", "a,2024-01-02,,0"), "plant", SourceOptions()).added == 1
    assert workspace.lake.read(1).sort("ds")["y"].to_list() == [1.0, None]
