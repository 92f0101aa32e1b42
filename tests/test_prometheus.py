"""Alert rules fire and are silent where they should; every query of the Grafana dashboards finds data in Prometheus."""

import json
import math
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
import yaml

from data.records import drift, runs
from data.records.drift import Drift
from pipelines.flows.uvicorn_process import free_port
from tests.support.server_kit import Running, running
from tests.support.service_kit import World, network, panel_of, rows, until

NAMES = ("a", "b")
RULES = ("flows", "models", "service")
VARIABLES = {"$__rate_interval": "1m", "$dataset": ".*", "${datasource}": "prometheus"}


def alerts(root: Path) -> list[dict]:
    files = [yaml.safe_load((root / f"ops/prometheus/{name}.yml").read_text()) for name in RULES]
    return [rule for file in files for group in file["groups"] for rule in group["rules"]]


def metrics_of(root: Path) -> set[str]:
    """The names of all metrics of the service, as queries have them."""
    text = "".join((root / path).read_text() for path in ("service/models/gauges.py", "service/base/metrics.py"))
    names = set(re.findall(r'"(rollcast_\w+)"', text)) | {"rollcast_disk_bytes", "rollcast_disk_free_bytes"}
    names |= {f"rollcast_forecast_{name}" for name in ("error_mase", "skill_ratio", "stability_ratio")}
    return names | {f"{name}_{part}" for name in names for part in ("count", "sum", "bucket")}


def dashboards(root: Path) -> dict[str, dict]:
    return {path.name: json.loads(path.read_text()) for path in sorted((root / "ops/grafana").glob("*.json"))}


def queries(board: dict) -> list[str]:
    """Every query of a dashboard, with its variables filled in."""
    targets = [target for panel in board["panels"] for target in panel.get("targets", ())]
    found = [target["expr"] for target in targets if "expr" in target]  # SQL: `test_grafana_sql`
    for name, value in VARIABLES.items():
        found = [query.replace(name, value) for query in found]
    return found


@contextmanager
def prometheus(program: Path, folder: Path, target: Running) -> Iterator[httpx.Client]:
    """Debian's Prometheus, which scrapes the service each second; a client of its query interface."""
    scrape = {"job_name": "rollcast", "static_configs": [{"targets": [target.url.removeprefix("http://")]}]}
    settings = {"global": {"scrape_interval": "1s", "evaluation_interval": "1s"}, "scrape_configs": [scrape]}
    settings["rule_files"] = [str(path) for path in sorted(folder.glob("rules/*.yml"))]
    (folder / "prometheus.yml").write_text(yaml.safe_dump(settings))
    port = free_port()
    command = [program, f"--config.file={folder / 'prometheus.yml'}", f"--storage.tsdb.path={folder / 'tsdb'}"]
    with (folder / "prometheus.log").open("wb") as log:
        process = subprocess.Popen([*command, f"--web.listen-address=127.0.0.1:{port}"], stdout=log, stderr=log)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
            until(lambda: answers(client))
            yield client
    finally:
        process.terminate()
        process.wait(60)


def answers(client: httpx.Client) -> bool:
    try:
        return client.get("/-/ready").status_code == 200
    except httpx.TransportError:
        return False


def has_data(client: httpx.Client, query: str) -> bool:
    """Does a query find a number?"""
    answer = client.get("/api/v1/query", params={"query": query}).json()
    assert answer["status"] == "success", (query, answer)
    return any(math.isfinite(float(line["value"][1])) for line in answer["data"]["result"])


def test_every_alert_fires_in_one_test_and_is_silent_in_another(root, program):
    tests = yaml.safe_load((root / "ops/prometheus/tests.yml").read_text())
    cases = [case for test in tests["tests"] for case in test["alert_rule_test"]]
    firing = {case["alertname"] for case in cases if case["exp_alerts"]}
    silent = {case["alertname"] for case in cases if not case["exp_alerts"]}
    names = {rule["alert"] for rule in alerts(root)}
    assert tests["rule_files"] == [f"{name}.yml" for name in RULES]
    assert (firing, silent) == (names, names)
    command = [program("promtool", package="prometheus"), "test", "rules", root / "ops/prometheus/tests.yml"]
    outcome = subprocess.run(command, capture_output=True, text=True, timeout=600)
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr


def test_alerts_and_dashboards_name_metrics_that_exist(root):
    shown = [query for board in dashboards(root).values() for query in queries(board)]
    assert {name for query in shown for name in re.findall(r"rollcast_\w+", query)} <= metrics_of(root)
    for rule in alerts(root):
        assert set(re.findall(r"rollcast_\w+", rule["expr"])) <= metrics_of(root)
        assert rule["labels"]["severity"] in ("page", "ticket") and rule["annotations"]["summary"]


def test_dashboards_have_ids_of_their_own_and_overlap_nowhere(root):
    boards = dashboards(root)
    assert len({board["uid"] for board in boards.values()}) == len(boards) == 3
    for board in boards.values():
        assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
        cells = [
            (x, y)
            for panel in board["panels"]
            for at in [panel["gridPos"]]
            for x in range(at["x"], at["x"] + at["w"])
            for y in range(at["y"], at["y"] + at["h"])
        ]
        assert len(set(cells)) == len(cells) and max(x for x, _ in cells) < 24


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_every_query_of_the_dashboards_finds_data_after_a_run_of_the_service(root, program, tmp_path):
    world, panel = World.at(tmp_path / "home"), panel_of(*NAMES)
    dataset = world.ingest("sensors", *NAMES)
    world.promote(dataset, network(panel), panel)
    with runs.recorded(world.engine, "backup"):
        pass
    drift.put(world.engine, dataset.id, [Drift(dataset.id, "ks", "level", 0.75, 0.1, True, "far")])
    waiting = {query for board in dashboards(root).values() for query in queries(board)}
    assert len(waiting) > 25
    (tmp_path / "rules").mkdir()
    for name in RULES:
        (tmp_path / "rules" / f"{name}.yml").write_bytes((root / f"ops/prometheus/{name}.yml").read_bytes())
    steps = iter(range(10_000))
    with (
        running(world, tmp_path / "log") as server,
        prometheus(program("prometheus", package="prometheus"), tmp_path, server) as client,
        httpx.Client(base_url=server.url, timeout=60) as service,
    ):

        def asked_again() -> bool:
            step = next(steps)
            sent = [row for name in NAMES for row in rows(name, [10.0 + step % 3], first=step)]
            assert service.post("/v1/observations", json=sent).status_code == 200
            assert service.get("/v1/series/a/forecast").status_code == 200
            waiting.difference_update([query for query in waiting if has_data(client, query)])
            return not waiting

        try:
            until(asked_again)
        except AssertionError:
            pytest.fail(f"no data for: {sorted(waiting)}")
        known = client.get("/api/v1/rules").json()["data"]["groups"]
        broken = [rule for group in known for rule in group["rules"] if rule.get("lastError")]
        assert len(known) == len(RULES) and broken == []
