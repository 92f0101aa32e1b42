import http.server
import json
import threading

import pytest

from data.errors import InvalidInput
from tests.support.intake_kit import conformed, rows_of

START = 1_704_067_200  # 2024-01-01T00:00:00Z
ANSWER = {
    "status": "success",
    "data": {
        "resultType": "matrix",
        "result": [
            {
                "metric": {"__name__": "up", "job": "node", "instance": "a:9090"},
                "values": [[START, "1"], [START + 60.5, "0.5"]],
            },
            {"metric": {"job": "node"}, "values": [[START, "NaN"], [START + 60, "2e3"], [START + 120, "+Inf"]]},
        ],
    },
}
ROWS = [
    ("job=node", "2024-01-01T00:00:00", None),
    ("job=node", "2024-01-01T00:01:00", 2000.0),
    ("job=node", "2024-01-01T00:02:00", None),
    ("up/instance=a:9090/job=node", "2024-01-01T00:00:00", 1.0),
    ("up/instance=a:9090/job=node", "2024-01-01T00:01:00", 0.5),
]


def written(tmp_path, content: object):
    path = tmp_path / "answer.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def test_an_answer_is_a_series_for_each_metric_and_labels(tmp_path):
    path = written(tmp_path, ANSWER)
    assert rows_of(path, freq="1m") == ROWS
    assert conformed(path, freq="1m").report.recognised == ("an answer of Prometheus",)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("nothing", "this is not JSON; write one object a line, and call it .ndjson"),
        ([{"ds": "2024-01-01", "y": 1}], "it is not an answer of Prometheus; for other JSON write one object a line"),
        ({"status": "error", "errorType": "bad_data", "error": "parse error"}, "answered with an error: parse error"),
        (
            {"status": "success", "data": {"resultType": "vector", "result": []}},
            "it holds a vector; ask /api/v1/query_r",
        ),
        ({"status": "success", "data": {"resultType": "matrix", "result": []}}, "there are no rows in it"),
        ({"status": "success", "data": {"resultType": "matrix", "result": [1]}}, "is not a list of metric and values"),
    ],
)
def test_other_json_is_refused_with_what_to_do(tmp_path, content, message):
    with pytest.raises(InvalidInput, match=message):
        conformed(written(tmp_path, content))


def test_a_file_beyond_the_limit_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("data.formats.prometheus.LARGEST", 100)
    with pytest.raises(InvalidInput, match=r"a .json file may have .* MB; ask for a shorter time"):
        conformed(written(tmp_path, ANSWER))


def test_json_beside_the_tables_of_a_folder_is_no_table(tmp_path):
    (tmp_path / "plant.csv").write_text("ds,y\n2024-01-01,1\n2024-01-02,2\n")
    written(tmp_path, {"owner": "plant"})
    assert conformed(tmp_path).report.rows == 2


class Answers(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = json.dumps(ANSWER).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.mark.parametrize("query", ["query=up&start=1704067200", "query=up&start={watermark}"])
def test_a_server_that_answers_like_prometheus_is_a_source(query):
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        found = f"http://127.0.0.1:{server.server_port}/api/v1/query_range?{query}"
        try:
            assert rows_of(found, freq="1m") == ROWS
            assert conformed(found, freq="1m").report.recognised == ("an answer of Prometheus",)
        finally:
            server.shutdown()
