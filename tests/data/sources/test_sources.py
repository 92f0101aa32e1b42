import gzip
import http.server
import io
import socket
import sqlite3
import tempfile
import threading
from pathlib import Path

import polars as pl
import psycopg
import pytest

from data.errors import InvalidInput, Unavailable
from data.formats.batches import ROW
from data.formats.source_table import stem_of
from data.sources.resolve import open_source

PLANT = "ds,y\n2024-01-01,1\n2024-01-02,2.5\n"
TABLE = pl.DataFrame({"ds": ["2024-01-01", "2024-01-02"], "y": [1.0, 2.5]})


def read(source, seen: str | None = None) -> pl.DataFrame:
    """All rows of a source of one piece, in a folder that is gone afterwards."""
    (piece,) = open_source(str(source)).pieces
    with tempfile.TemporaryDirectory() as folder:
        return pl.concat(piece.fetch(Path(folder), seen).batches(), how="vertical_relaxed")


def without_rows(frame: pl.DataFrame) -> dict[str, list[object]]:
    return frame.drop(ROW).to_dict(as_series=False)


# --- files ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("plant.csv", PLANT.encode()),
        ("plant.tsv", PLANT.replace(",", "\t").encode()),
        ("semicolons.csv", PLANT.replace(",", ";").encode()),
        ("mark.csv", b"\xef\xbb\xbf" + PLANT.encode()),
        ("windows.csv", PLANT.replace("\n", "\r\n").encode()),
        ("blank.csv", PLANT.replace("\n2024-01-02", "\n\n2024-01-02").encode() + b"\n\n"),
        ("plant.csv.gz", gzip.compress(PLANT.encode(), mtime=0)),
    ],
)
def test_a_text_table_is_read_as_text_in_every_ending_and_separator(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    assert without_rows(read(tmp_path / name)) == {"ds": ["2024-01-01", "2024-01-02"], "y": ["1", "2.5"]}


def test_rows_have_the_line_numbers_of_their_file(tmp_path):
    (tmp_path / "plant.csv").write_text("ds,y\n2024-01-01,1\n\n2024-01-02,2\n")
    assert read(tmp_path / "plant.csv")[ROW].to_list() == [2, 4]


@pytest.mark.parametrize("name", ["plant.ndjson", "plant.jsonl", "plant.ndjson.gz"])
def test_json_lines_keep_their_types(tmp_path, name):
    content = b'{"ds": "2024-01-01", "y": 1}\n\n{"ds": "2024-01-02", "y": 2.5, "note": null}\n'
    (tmp_path / name).write_bytes(gzip.compress(content, mtime=0) if name.endswith("gz") else content)
    assert without_rows(read(tmp_path / name).drop("note")) == TABLE.to_dict(as_series=False)


def test_parquet_keeps_its_types(tmp_path):
    TABLE.write_parquet(tmp_path / "plant.parquet")
    assert read(tmp_path / "plant.parquet").drop(ROW).equals(TABLE)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("plant.csv", b"", "the file is empty; the first line must name the columns"),
        ("plant.csv", b"\n1;2\n", "the first line is empty"),
        ("plant.csv", b"ds,y\n", "there are no rows"),
        ("plant.csv", b"ds,y\n2024-01-01,1\n2024-01-02,2,3\n", "row 3: 3 fields where the header has 2"),
        ("plant.csv", b"ds,y\n2024-01-01,1\n\xff\xfe,2\n", "row 3: this is not text in UTF-8"),
        ("plant.csv", "ds,Zähler\n2024-01-01,1\n".encode("cp1252"), "with `iconv -f WINDOWS-1252 -t UTF-8`"),
        ("plant.csv", PLANT.encode("utf-16"), "row 1: this is text in UTF-16; save it as CSV UTF-8"),
        ("plant.csv", b"\x89PNG\r\n\x1a\n\x00", "row 1: this is not text in UTF-8"),
        ("plant.csv", b"ds,y,y\n2024-01-01,1,2\n", "column 'y', row 1: the header names this column twice"),
        ("plant.csv.gz", gzip.compress(PLANT.encode(), mtime=0)[:-9], "cannot be read"),
        ("plant.ndjson", b"", "cannot be read"),
        ("plant.ndjson", b'{"y": 1}\nnot json\n', "row 2: the line is not one JSON object"),
        ("plant.ndjson", b'{"y": 1}\n{"y": NaN}\n', "row 2: the line is not one JSON object"),
        (
            "plant.ndjson",
            b'{"y": 1}\n{"y": true}\n',
            "column 'y', row 2: a boolean where the rows before hold a n",
        ),
        ("plant.ndjson", b'{"y": 1}\n{"y": 1e999}\n', "column 'y', row 2: a number too large"),
        ("plant.parquet", b"PAR1 and then nothing", "cannot be read"),
        ("plant.xlsx", b"PK", "its ending is not known"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_with_its_name_and_row(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InvalidInput) as caught:
        read(tmp_path / name)
    assert str(caught.value).startswith(str(tmp_path / name))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "source", ["nowhere.csv", "", "no/*.csv", "ftp://host/plant.csv", "s3://", "http://host:eighty/", "http://[host/"]
)
def test_an_address_that_is_not_a_source_is_refused(source):
    with pytest.raises(InvalidInput):
        read(source)


def test_a_pattern_without_matches_and_a_missing_file_have_different_errors(tmp_path):
    with pytest.raises(InvalidInput, match="no file matches this pattern"):
        read(tmp_path / "*.csv")
    with pytest.raises(InvalidInput, match="there is no such file"):
        read(tmp_path / "plant.csv")


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        ("/data/plant.csv.gz", "plant"),
        ("plant.ndjson", "plant"),
        ("https://example.org/a/plant.parquet", "plant"),
        ("https://example.org", "series"),
        ("sqlite:////data/plant.db", "plant"),
        ("postgresql://user:***@host/factory", "factory"),
    ],
)
def test_a_source_without_ids_is_named_after_its_file(name, stem):
    assert stem_of(name) == stem


# --- web addresses ----------------------------------------------------------------------------------------------------


PARQUET = io.BytesIO()
TABLE.write_parquet(PARQUET)
PAGES = {
    "/plant.csv": (200, "text/plain", PLANT.encode()),
    "/plant.csv.gz": (200, "application/gzip", gzip.compress(PLANT.encode(), mtime=0)),
    "/export": (200, "text/csv; charset=utf-8", PLANT.encode()),
    "/api/parquet": (200, "application/vnd.apache.parquet", PARQUET.getvalue()),
    "/api/lines": (200, "application/x-ndjson", TABLE.write_ndjson().encode()),
    "/page": (200, "text/html", b"<html>"),
    "/broken.csv": (500, "text/plain", b""),
    "/private.csv": (403, "text/plain", b""),
}


class Answers(http.server.BaseHTTPRequestHandler):
    """A small web server."""

    def do_GET(self):
        path = self.path.partition("?")[0]
        if path == "/moved.csv":
            self.send_response(302)
            self.send_header("Location", "/plant.csv")
            self.end_headers()
            return
        status, kind, body = PAGES.get(path, (404, "text/plain", b""))
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr("data.sources.retries.FIRST_WAIT", 0.001)


@pytest.fixture(scope="module")
def site():
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.parametrize(
    "path",
    ["/plant.csv", "/plant.csv?token=secret", "/plant.csv.gz", "/moved.csv", "/export", "/api/parquet", "/api/lines"],
)
def test_a_web_address_is_read_by_its_ending_or_its_content_type(site, path):
    frame = read(site + path)
    assert frame["ds"].to_list() == ["2024-01-01", "2024-01-02"]
    assert frame["y"].cast(pl.Float64).to_list() == [1.0, 2.5]


def test_the_name_of_a_web_source_shows_neither_user_nor_query(site):
    source = open_source(site.replace("http://", "http://user:secret@") + "/plant.csv?token=secret")
    assert source.name == site + "/plant.csv"
    assert "secret" not in source.pieces[0].key


@pytest.mark.parametrize(
    ("path", "kind", "message"),
    [
        ("/nowhere.csv", InvalidInput, "answered 404; check the address"),
        ("/private.csv", InvalidInput, "answered 403; check user and password"),
        ("/page", InvalidInput, "its ending is not known"),
        ("/broken.csv", Unavailable, "answered 500; try again later"),
    ],
)
def test_a_web_address_that_does_not_give_data_says_why(site, path, kind, message):
    with pytest.raises(kind, match=message):
        read(site + path)


@pytest.fixture
def closed_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def test_a_server_that_is_not_there_is_unavailable(closed_port):
    with pytest.raises(Unavailable, match="try again later"):
        read(f"http://127.0.0.1:{closed_port}/plant.csv")


# --- queries ----------------------------------------------------------------------------------------------------------

SQL = "SELECT tag AS unique_id, at AS ds, value AS y FROM readings WHERE tag LIKE 'pump%' ORDER BY at, tag"
ROWS = [
    ("pump 1", "2024-01-01", 1),
    ("pump 2", "2024-01-01", 2.5),
    ("fan", "2024-01-01", 3),
    ("pump 1", "2024-01-02", None),
]


@pytest.fixture
def readings(tmp_path):
    with sqlite3.connect(tmp_path / "plant.db") as connection:
        connection.execute("CREATE TABLE readings (tag, at, value)")
        connection.executemany("INSERT INTO readings VALUES (?, ?, ?)", ROWS)
    return tmp_path / "plant.db"


def test_a_query_is_a_source(readings):
    frame = read(f"sqlite:///{readings}?query={SQL}")
    assert frame["unique_id"].to_list() == ["pump 1", "pump 2", "pump 1"]
    assert frame["y"].to_list() == [1.0, 2.5, None]
    assert frame[ROW].to_list() == [1, 2, 3]


def test_the_chunks_of_a_query_get_one_type_for_each_column(readings, monkeypatch):
    monkeypatch.setattr("data.sources.queries.CHUNK", 1)
    assert read(f"sqlite:///{readings}?query={SQL}")["y"].to_list() == [1.0, 2.5, None]
    mixed = "SELECT 1 AS y UNION ALL SELECT 'two' UNION ALL SELECT 3.5"
    assert read(f"sqlite:///{readings}?query={mixed}")["y"].to_list() == ["1", "two", "3.5"]


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("SELECT * FROM nowhere", "no such table"),
        ("SELECT tag FROM readings WHERE 0", "there are no rows"),
        ("DELETE FROM readings", "cannot be run|gives no rows"),
        ("", "has no query"),
    ],
)
def test_a_query_that_gives_nothing_says_why_and_changes_nothing(readings, query, message):
    with pytest.raises(InvalidInput, match=message):
        read(f"sqlite:///{readings}?query={query}")
    assert read(f"sqlite:///{readings}?query=SELECT count(*) AS n FROM readings")["n"].to_list() == [4]


def test_a_database_that_is_not_there_is_not_made(tmp_path):
    with pytest.raises(InvalidInput, match="no such database file"):
        read(f"sqlite:///{tmp_path / 'typo.db'}?query=SELECT 1")
    assert not (tmp_path / "typo.db").exists()


def test_a_query_to_postgresql_keeps_times_and_numbers(postgres_url):
    with psycopg.connect(postgres_url.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute("CREATE TABLE readings (tag text, at timestamptz, value numeric)")
        connection.execute(
            "INSERT INTO readings VALUES ('pump 1', '2024-01-01 01:00+01', 1.5), ('fan', now(), 2), "
            "('pump 1', '2024-01-01 00:05Z', NULL)"
        )
    frame = read(f"{postgres_url}?query={SQL}")
    assert frame["y"].cast(pl.Float64).to_list() == [1.5, None]
    assert frame["ds"].dt.epoch("s").to_list() == [1704067200, 1704067500]
    with pytest.raises(InvalidInput, match="cannot be run"):
        read(f"{postgres_url}?query=DELETE FROM readings RETURNING tag")
    assert len(read(f"{postgres_url}?query=SELECT * FROM readings")) == 3


def test_a_database_that_does_not_answer_is_unavailable_and_its_password_stays_hidden(closed_port):
    with pytest.raises(Unavailable) as caught:
        read(f"postgresql://user:secret@127.0.0.1:{closed_port}/name?query=SELECT 1")
    assert "secret" not in str(caught.value)
