"""Faults of models, artifacts and series, with the numbers of the list of faults."""

import io
import json
import pickle
import random
import shutil
import struct
import threading
import zipfile
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save as save_tensors
from sqlalchemy import select, update

from data import clock
from data.errors import DamagedArtifact
from data.store import promotions, registry, snapshot_store, tables
from forecasting.kernel.packing import unpack
from forecasting.rolling import bundle as bundles
from forecasting.rolling.bundle import canonical, digest_of, from_bytes, sha256
from tests.support.service_kit import FIVE, START, World, baseline, median, network, panel_of, rows, stamp, until

PANEL = panel_of("a", "b")
BUNDLE = network(PANEL)
BLOB = bundles.to_bytes(BUNDLE)


@pytest.fixture
def world(tmp_path):
    world = World.at(tmp_path)
    world.promote(world.ingest("sensors", "a", "b", "new"), BUNDLE, PANEL)
    return world


def flipped(blob: bytes, draw: random.Random) -> bytes:
    changed = bytearray(blob)
    changed[draw.randrange(len(changed))] ^= 1 << draw.randrange(8)
    return bytes(changed)


def zipped(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def files_of(blob: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(blob)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def is_harmless_or_refused(blob: bytes) -> bool:
    """Whether a changed artifact is refused, or read unchanged because the bit was in a date, outside the digest."""
    try:
        return from_bytes(blob, BUNDLE.digest).files == BUNDLE.files
    except DamagedArtifact:
        return True


def test_fault_08_a_hundred_flipped_bits_in_a_model_change_no_number():
    seed = random.randrange(10**6)
    draw = random.Random(seed)
    for _ in range(100):
        assert is_harmless_or_refused(flipped(BLOB, draw)), f"seed {seed}"


def test_fault_08_flipped_bits_in_an_artifacts_zip_headers_raise_no_other_error():
    with zipfile.ZipFile(io.BytesIO(BLOB)) as archive:
        headers = {at for entry in archive.infolist() for at in range(entry.header_offset, entry.header_offset + 30)}
        headers |= set(range(archive.start_dir, len(BLOB)))
    for place in sorted(headers):
        for bit in range(8):
            changed = bytearray(BLOB)
            changed[place] ^= 1 << bit
            assert is_harmless_or_refused(bytes(changed)), (place, bit)


def test_fault_08_a_hundred_flipped_bits_in_a_snapshot_are_all_detected_and_the_service_restarts(world):
    with world.serving() as client:
        client.post("/v1/observations", json=rows("a", [1.0, 2.0, 3.0]))
        before = median(client, "a")
    dataset = world.ingest("sensors")
    draw = random.Random(8)
    for snapshot in list(snapshot_store.newest(world.engine, dataset.id, 1)):
        for _ in range(100):
            with pytest.raises(DamagedArtifact):
                unpack(flipped(snapshot.blob, draw))
    with world.engine.begin() as connection:
        for row in connection.execute(select(tables.snapshots)).all():
            where = (tables.snapshots.c.shard == row.shard, tables.snapshots.c.seq == row.seq)
            connection.execute(update(tables.snapshots).where(*where).values(blob=flipped(row.blob, draw)))
    with world.serving() as client:
        assert median(client, "a") == pytest.approx(before, rel=1e-5)


@pytest.mark.parametrize(
    ("unique_id", "values"),
    [
        ("new", [5.0]),  # a single row
        ("new", [5.0] * 40),  # nothing ever changes
        ("a", [None] * 60),  # all values missing, for longer than the window
        ("new", [1.0, None, None, 2.0]),
        ("a", [0.0] * 100),
        ("a", [1e30, -1e30] * 10),  # the largest values that are accepted
    ],
)
def test_fault_26_odd_series_get_a_finite_forecast_or_a_reason(world, unique_id, values):
    with world.serving() as client:
        assert client.post("/v1/observations", json=rows(unique_id, values)).status_code == 200
        answer = client.get(f"/v1/series/{unique_id}/forecast")
        body = answer.json()
        if answer.status_code != 200:
            assert (answer.status_code, body["code"]) == (409, "nothing_observed")
            return
        lines = [
            body["mean"],
            *body["quantiles"].values(),
            *(line for interval in body["intervals"].values() for line in interval.values()),
        ]
        assert all(np.isfinite(line).all() for line in lines)
        assert body["status"] in ("ok", "warming", "degraded") and body["answered_by"]


def test_fault_26_a_gap_longer_than_the_window_is_reported(world):
    with world.serving() as client:
        client.post("/v1/observations", json=rows("a", [1.0], first=500))
        body = client.get("/v1/series/a/forecast").json()
        assert (body["status"], body["reanchored"]) == ("warming", 1)
        assert set(body["flags"]) == {"warming", "fallback", "reanchored"}
        assert body["answered_by"] == "universal"


def test_fault_26_after_a_missing_value_that_follows_a_long_gap_the_series_still_answers(world):
    with world.serving() as client:
        client.post("/v1/observations", json=rows("a", [None], first=500))
        body = client.get("/v1/series/a/forecast").json()
        assert (body["origin"], body["reanchored"]) == (stamp(500), 0) and "imputed" in body["flags"]
        client.post("/v1/observations", json=rows("a", [1.0], first=501))
        assert client.get("/v1/series/a/forecast").json()["reanchored"] == 1


def test_fault_26_a_series_without_any_value_is_answered_with_a_reason(world):
    with world.serving() as client:
        answer = client.get("/v1/series/new/forecast")
        assert (answer.status_code, answer.json()["code"]) == (409, "nothing_observed")
        client.post("/v1/observations", json=rows("new", [None, None]))
        assert client.get("/v1/series/new/forecast").status_code == 409


def test_fault_29_rows_are_ordered_by_the_log_whatever_the_clock_says(world, monkeypatch):
    """The machine's clock jumps back a day between two corrections of one value, then ahead."""
    stamps = iter([START, START - 86_400_000_000, START + 86_400_000_000])
    times = []

    def jumps():
        if threading.current_thread().name != "rollcast-writer":
            return START
        times.append(next(stamps, START))
        return times[-1]

    monkeypatch.setattr(clock, "now", jumps)
    with world.serving(clock=lambda: START + 10 * FIVE) as client:
        for value in (1.0, 2.0, 3.0):
            assert client.post("/v1/observations", json=rows("a", [value])).status_code == 200
        state = client.get("/v1/series/a").json()
        assert (state["origin"], state["sequence"]) == (stamp(0), 3)
        target = client.app.state.runtime.directory.find("a")
        assert target.served.champion.states.read(target.series).state.ring[0, -1] == 3.0
    assert times[:3] == [START, START - 86_400_000_000, START + 86_400_000_000]
    assert world.logged(world.ingest("sensors"), "a") == [(0, 1.0), (0, 2.0), (0, 3.0)]


def test_fault_33_without_the_folder_of_the_mirror_the_same_model_serves(world):
    with world.serving() as client:
        before = client.get("/v1/series/a/forecast").json()
        mirror = world.settings.mlflow_path
        mirror.mkdir(parents=True, exist_ok=True)
        (mirror / "mlflow.db").write_bytes(b"not a database")
        shutil.rmtree(mirror)
        assert client.get("/v1/series/a/forecast").json() == before
    with world.serving() as client:  # the store has the verified artifact
        assert client.get("/v1/series/a/forecast").json() == before


def test_fault_33_a_model_deleted_from_the_registry_answers_until_a_restart_and_then_the_previous_one(world):
    dataset = world.ingest("sensors")
    with world.serving() as client:
        world.promote(dataset, baseline(PANEL, "naive"), PANEL)
        until(lambda: client.get("/v1/series/a").json()["model"]["version"] == 2)
        with world.engine.begin() as connection:
            connection.execute(tables.models.delete().where(tables.models.c.version == 2))
        assert client.get("/v1/series/a/forecast").json()["model"]["version"] == 2
    with world.serving() as client:
        body = client.get("/v1/series/a/forecast").json()
        assert (body["model"]["version"], body["answered_by"]) == (1, "previous")


def promote_raw(world, client, blob: bytes, digest: str):
    """Register these bytes unchecked and promote them, then wait until the service has refused them."""
    dataset = world.ingest("sensors")
    version = registry.add_model(world.engine, dataset.id, "lstm", digest, {}, blob)
    promotions.decide(world.engine, dataset.id, version, "promoted", {}, world.contexts(dataset, BUNDLE, PANEL), 0)
    until(lambda: f"Version {version} " in (client.get("/health/ready").json()["datasets"][0]["problem"] or ""))


def own_digest(files: dict[str, bytes]) -> str:
    """The digest of these files, as an attacker would state it."""
    return digest_of({name: sha256(files[name]) for name in bundles.HASHED})


def crafted() -> dict[str, bytes]:
    files = files_of(BLOB)
    header = b"\xff" * 8 + b"{}"  # a header of 2^64 - 1 bytes
    onnx = {**files, "weights.onnx": b"external data: ../../etc/passwd"}
    missing = {name: data for name, data in files.items() if name != "manifest.json"}
    return {
        "another model's digest": zipped({**files, "calibration.json": canonical({"factors": [[9.0]], "rate": 0.0})}),
        "an extra file": zipped(onnx),
        "a missing file": zipped(missing),
        "a path as a name": zipped({**missing, "../manifest.json": b"{}"}),
        "an oversized header": zipped({**files, "weights.safetensors": header}),
        "a header that is no JSON": zipped({**files, "weights.safetensors": struct.pack("<Q", 4) + b"junk"}),
        "an empty file": zipped({**files, "weights.safetensors": b""}),
        "half a zip": BLOB[: len(BLOB) // 2],
        "nothing": b"",
    }


@pytest.mark.parametrize("what", crafted())
def test_fault_35_a_crafted_artifact_is_refused_and_the_previous_version_serves(world, what):
    blob = crafted()[what]
    with pytest.raises(DamagedArtifact):
        from_bytes(blob, BUNDLE.digest)
    with world.serving() as client:
        promote_raw(world, client, blob, BUNDLE.digest)
        body = client.get("/v1/series/a/forecast").json()
        assert (body["model"]["version"], body["answered_by"]) == (1, "previous")


def test_fault_08_where_no_version_can_be_served_the_answer_says_so_and_observations_are_stored(world):
    with world.engine.begin() as connection:
        connection.execute(update(tables.models).values(artifact=BLOB[:-40]))
    with world.serving() as client:
        problem = "Version 1 was promoted but cannot be served; promote another one."
        for path in ("/v1/series/a/forecast", "/v1/series/a/state", "/v1/series/a/scores"):
            answer = client.get(path)
            body = answer.json()
            assert (answer.status_code, body["code"], body["detail"]) == (503, "damaged_model", problem)
        batch = client.post("/v1/forecasts", json={"ids": ["a"]}).json()["forecasts"]
        assert batch[0]["error"] == {"status": 503, "code": "damaged_model", "detail": problem}
        ready = client.get("/health/ready").json()
        assert (ready["detail"], ready["datasets"][0]["problem"]) == (None, problem)
        assert client.post("/v1/observations", json=rows("a", [1.0])).status_code == 200


@pytest.mark.parametrize("part", ["header", "shapes", "settings", "json"])
def test_fault_35_files_that_match_their_digest_but_are_not_a_model_are_refused(world, part):
    files = files_of(BLOB)
    wrong = {
        "header": {"weights.safetensors": b"\xff" * 16},
        "shapes": {"weights.safetensors": save_tensors({"encoder.dense.weight": np.zeros((1, 1), np.float32)})},
        "settings": {"model.json": canonical({"kernel_format": 2, "config": {"kind": "lstm"}})},
        "json": {"model.json": b"{"},
    }[part]
    changed = {**files, **wrong}
    with world.serving() as client:
        promote_raw(world, client, zipped(changed), own_digest(changed))
        assert client.get("/v1/series/a/forecast").json()["answered_by"] == "previous"
        assert client.get("/health/ready").status_code == 200


class Trap:
    """An object that creates a file when its pickle is loaded."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self):
        return open, (str(self.marker), "w")


@pytest.mark.parametrize("place", ["the whole artifact", "weights.pkl", "last.ckpt", "weights.safetensors"])
def test_fault_36_a_pickle_in_the_registry_is_refused_and_never_loaded(world, tmp_path, place):
    marker = tmp_path / "executed"
    trap = pickle.dumps(Trap(marker))
    pickle.loads(trap).close()  # noqa: S301 - shows that the trap works
    assert marker.exists()
    marker.unlink()
    files = files_of(BLOB)
    changed = {**files, place: trap}
    blob = trap if place == "the whole artifact" else zipped(changed)
    with world.serving() as client:
        promote_raw(world, client, blob, BUNDLE.digest)
        promote_raw(world, client, blob, own_digest(changed))
        assert client.get("/v1/series/a/forecast").json()["answered_by"] == "previous"
    with world.serving() as client:
        assert client.get("/v1/series/a/forecast").json()["answered_by"] == "previous"
    assert not marker.exists()
    assert json.loads(files["manifest.json"])["digest"] == BUNDLE.digest
