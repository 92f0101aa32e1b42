"""Object stores: which objects an address names, credentials, retries, and errors in one sentence."""

import http.server
import os
import signal
import subprocess
import sys
import threading
import time

import boto3
import pytest

from data.errors import InvalidInput, Unavailable
from data.sources.resolve import open_source, without_secrets
from pipelines import cli

CLOSED = "http://127.0.0.1:9"  # no server listens there
CSV = b"ds,y\n2024-01-01,1\n2024-01-02,2\n"


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    """Keys for S3, short waits, and no credentials of the machine that runs the tests."""
    monkeypatch.setattr("data.sources.retries.FIRST_WAIT", 0.001)
    for name in [name for name in os.environ if name.startswith(("AWS_", "GOOGLE_", "AZURE_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "marker-id")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "marker-secret")
    monkeypatch.setenv("AWS_METADATA_ENDPOINT", CLOSED)
    monkeypatch.setenv("GCE_METADATA_HOST", CLOSED.removeprefix("http://"))
    monkeypatch.setenv("AZURE_MSI_ENDPOINT", CLOSED)


class Scripted(http.server.BaseHTTPRequestHandler):
    """Gives the answers of a list, then CSV; notes what it was asked."""

    answers: list  # (status, headers, body)
    asked: list  # (method, path, authorization)

    def do_GET(self):
        self.asked.append((self.command, self.path, self.headers.get("Authorization", "")))
        status, headers, body = self.answers.pop(0) if self.answers else (200, {}, CSV)
        self.send_response(status)
        usual = {"Content-Length": len(body), "ETag": '"1"', "Last-Modified": "Mon, 01 Jan 2024 00:00:00 GMT"}
        for name, value in {**usual, **headers}.items():
            if value is not None:
                self.send_header(name, str(value))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    do_HEAD = do_GET

    def log_message(self, *_):
        pass


@pytest.fixture
def server(monkeypatch):
    handler = type("Mine", (Scripted,), {"answers": [], "asked": []})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.server_port}")
        yield handler
        server.shutdown()


def fetch(url: str, folder, seen: str | None = None):
    return open_source(url).pieces[0].fetch(folder, seen)


# --- which objects are meant ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "found"),
    [
        ("", ["a/1.csv", "a/2024-01.csv", "a/b/2.parquet", "a/odd [1]+é%20#?.csv"]),
        ("a/", ["a/1.csv", "a/2024-01.csv", "a/b/2.parquet", "a/odd [1]+é%20#?.csv"]),
        ("a/1.csv", ["a/1.csv"]),
        ("a/b/", ["a/b/2.parquet"]),
        ("a/2024-*", ["a/2024-01.csv"]),
        ("a/*.parquet", ["a/b/2.parquet"]),
        ("*.csv", ["a/1.csv", "a/2024-01.csv", "a/_no.csv", "a/odd [1]+é%20#?.csv"]),
    ],
)
def test_an_address_names_one_object_a_prefix_or_a_pattern(s3_server, monkeypatch, tmp_path, key, found):
    monkeypatch.setenv("AWS_ENDPOINT_URL", CLOSED)
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", s3_server)  # comes first
    keys = {"aws_access_key_id": "marker-id", "aws_secret_access_key": "marker-secret"}
    client = boto3.client("s3", endpoint_url=s3_server, region_name="us-east-1", **keys)
    client.create_bucket(Bucket="plant")
    for name in ("a/1.csv", "a/2024-01.csv", "a/b/2.parquet", "a/odd [1]+é%20#?.csv", "a/_no.csv", "a/no.txt2", "a/"):
        client.put_object(Bucket="plant", Key=name, Body=CSV)
    pieces = open_source(f"s3://plant/{key}").pieces
    assert [piece.key for piece in pieces] == [f"s3://plant/{name}" for name in found]
    assert pieces[-1].fetch(tmp_path, None).path.read_bytes() == CSV


def test_an_object_is_downloaded_once(server, tmp_path):
    table = fetch("s3://plant/a.csv", tmp_path)
    assert [asked[0] for asked in server.asked] == ["HEAD", "GET"]
    assert fetch("s3://plant/a.csv", tmp_path, table.mark) is None
    assert [asked[0] for asked in server.asked] == ["HEAD", "GET", "HEAD"]
    changed = {"ETag": '"2"'}
    server.answers[:] = [(200, changed, CSV), (200, changed, CSV)]
    assert fetch("s3://plant/a.csv", tmp_path, table.mark).mark == '"2"'


def test_without_an_etag_size_and_time_tell_whether_an_object_changed(server, tmp_path):
    server.answers[:] = [(200, {"ETag": None}, CSV)] * 2
    assert fetch("s3://plant/a.csv", tmp_path).mark == f"{len(CSV)} 2024-01-01T00:00:00+00:00"


@pytest.mark.parametrize("url", ["s3://", "s3://key:marker@plant/a.csv", "gs:///a.csv", "az://two words/a.csv"])
def test_what_names_no_bucket_is_refused_without_being_repeated(url):
    with pytest.raises(InvalidInput, match="the address is not") as caught:
        open_source(url)
    assert "marker" not in str(caught.value)


@pytest.mark.parametrize("url", ["s3://b/a.csv", "gs://b/*.csv", "az://b/a/"])
def test_an_address_of_an_object_store_holds_no_secret_and_is_shown_whole(url):
    assert without_secrets(url) == url


# --- servers that fail ------------------------------------------------------------------------------------------------


def test_a_server_that_recovers_is_asked_again_and_a_broken_download_goes_on(server, tmp_path):
    rest = {"Content-Range": f"bytes 10-{len(CSV) - 1}/{len(CSV)}"}
    broken = (200, {"Content-Length": len(CSV)}, CSV[:10])
    server.answers[:] = [(503, {}, b""), (429, {}, b""), (200, {}, CSV), broken, (206, rest, CSV[10:])]
    assert fetch("s3://plant/a.csv", tmp_path).path.read_bytes() == CSV


def test_a_server_that_stays_broken_is_given_up_after_five_tries(server):
    server.answers[:] = [(500, {}, b"marker")] * 9
    with pytest.raises(Unavailable, match=r"^s3://plant/a\.csv: the server answered 500; try again later$"):
        open_source("s3://plant/a.csv")
    assert len(server.asked) == 5


def test_a_server_that_is_not_there_is_named_by_its_setting(monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", CLOSED)
    with pytest.raises(Unavailable, match="check AWS_ENDPOINT_URL or try again later"):
        open_source("s3://plant/a.csv")


@pytest.mark.parametrize("url", ["s3://plant/a.csv", "s3://plant/a/"])
@pytest.mark.parametrize(
    ("status", "message"),
    [
        (401, "check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION and AWS_ENDPOINT_URL, and the address"),
        (403, "check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION and AWS_ENDPOINT_URL, and the address"),
        (400, "check the address"),
        (404, "there is no such object; check bucket, key and endpoint"),
        (301, "the bucket is in another region; set AWS_REGION"),
    ],
)
def test_a_refusal_is_one_sentence_with_what_to_do(server, url, status, message):
    server.answers[:] = [(status, {}, b"<Error>marker</Error>")]
    with pytest.raises(InvalidInput) as caught:
        open_source(url)
    assert message in str(caught.value)
    assert "marker" not in str(caught.value)
    assert len(server.asked) == 1


def test_an_object_of_more_than_2_gib_is_refused_before_it_is_read(server, tmp_path):
    server.answers[:] = [(200, {"Content-Length": 3 << 30}, b"")] * 2
    with pytest.raises(InvalidInput, match="more than 2 GiB"):
        fetch("s3://plant/a.csv", tmp_path)


@pytest.mark.parametrize("url", ["s3://plant/a//b.csv", "s3://plant/a/../b/"])
def test_a_key_with_an_empty_part_is_refused(server, url):
    with pytest.raises(InvalidInput, match="has an empty part"):
        open_source(url)


@pytest.mark.filterwarnings("ignore")
def test_an_endpoint_that_is_no_address_is_one_sentence(monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "not an address")
    with pytest.raises(InvalidInput, match="no usable credentials or settings; check AWS_ACCESS_KEY_ID"):
        open_source("s3://plant/a.csv")


# --- credentials ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("s3://plant/a.csv", "check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION and AWS_ENDPOINT_URL, "),
        ("gs://plant/*.csv", "check GOOGLE_APPLICATION_CREDENTIALS, or set GOOGLE_SKIP_SIGNATURE=true if it is public"),
        ("az://plant/a.csv", "check AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY, "),
    ],
)
@pytest.mark.parametrize("account", ["", "marker"])
def test_missing_credentials_are_one_sentence_and_exit_code_2(monkeypatch, capsys, url, message, account):
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    if account:
        monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_NAME", account)
    assert cli.run(["ingest", url, "--dataset", "plant"]) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert line.startswith(f"rollcast: {url[:10]}")  # scheme and bucket
    assert "no usable credentials or settings; " + message in line


@pytest.mark.parametrize(
    ("name", "value", "url"),
    [
        ("GOOGLE_APPLICATION_CREDENTIALS", "/marker.json", "gs://plant/a.csv"),
        ("AZURE_STORAGE_ACCOUNT_KEY", "marker, not base64", "az://plant/a.csv"),
    ],
)
def test_credentials_that_cannot_be_read_are_not_repeated(monkeypatch, name, value, url):
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_NAME", "plant")
    monkeypatch.setenv(name, value)
    with pytest.raises(InvalidInput, match=f"no usable credentials or settings; check.*{name}") as caught:
        open_source(url)
    assert "marker" not in str(caught.value)


def test_a_public_bucket_is_read_without_credentials(server, monkeypatch):
    monkeypatch.setenv("AWS_SKIP_SIGNATURE", "true")
    open_source("s3://plant/a.csv")
    assert [authorization for *_, authorization in server.asked] == [""]


def test_a_profile_gives_the_credentials(server, monkeypatch, tmp_path):
    (tmp_path / "credentials").write_text("[plant]\naws_access_key_id = other-id\naws_secret_access_key = other\n")
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_PROFILE", "plant")
    open_source("s3://plant/a.csv")
    assert "Credential=other-id/" in server.asked[0][2]
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    with pytest.raises(InvalidInput, match="AWS_PROFILE: there is no such profile"):
        open_source("s3://plant/a.csv")


def test_without_boto3_a_profile_is_refused_in_one_sentence(monkeypatch):
    monkeypatch.setitem(sys.modules, "obstore.auth.boto3", None)
    monkeypatch.setenv("AWS_PROFILE", "plant")
    with pytest.raises(InvalidInput, match="AWS_PROFILE: reading a profile needs the package boto3"):
        open_source("s3://plant/a.csv")


# --- Ctrl-C -----------------------------------------------------------------------------------------------------------


def interrupted(process: "subprocess.Popen[str]") -> str:
    """Press Ctrl-C, again after ten seconds if need be, until the process ends. Returns what it wrote."""
    for _ in range(10):
        process.send_signal(signal.SIGINT)
        try:
            return process.communicate(timeout=10)[1]
        except subprocess.TimeoutExpired:
            continue
    raise AssertionError("it goes on after ten times Ctrl-C")


def test_ctrl_c_ends_an_ingest_whose_server_does_not_answer(home):
    asked = threading.Event()

    class Silent(http.server.BaseHTTPRequestHandler):
        def do_HEAD(self):
            asked.set()
            time.sleep(20)

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Silent) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        code = "import sys; from pipelines.cli import run; sys.exit(run(sys.argv[1:]))"
        words = [sys.executable, "-c", code, "ingest", "s3://plant/a.csv", "--dataset", "plant"]
        environment = {**os.environ, "AWS_ENDPOINT_URL": f"http://127.0.0.1:{server.server_port}"}
        process = subprocess.Popen(words, env=environment, stderr=subprocess.PIPE, text=True)
        assert asked.wait(300)
        output = interrupted(process)
        server.shutdown()
    assert process.returncode == 130
    assert "interrupted" in output
