"""The time from the start of the service's process to its first ready answer, with a trained network to restore.

The process cannot import torch, Lightning, Prefect or MLflow: the names are blocked before the service is loaded.
"""

import http.client
import json
import os
import statistics
import subprocess
import sys
import time

from benchmarks.machine_temperature import SOURCE
from benchmarks.support import loop
from benchmarks.support.run import Figures
from data.formats.options import SourceOptions
from pipelines.flows.uvicorn_process import free_port
from pipelines.promotion.promote import promote
from pipelines.training.train import TrainRequest
from pipelines.workspace import Workspace

BLOCKED = ("torch", "lightning", "pytorch_lightning", "prefect", "mlflow", "polars", "deltalake")
START = """
import sys
for name in {names}:
    sys.modules[name] = None  # an import of it now fails
import uvicorn
uvicorn.run("service.app:create_app", factory=True, host="127.0.0.1", port={port}, log_level="warning")
"""


def ready_after(place: Workspace) -> float:
    """Seconds from starting a process to its first ready answer that names a champion."""
    port = free_port()
    environment = os.environ | {"ROLLCAST_HOME": str(place.settings.home), "ROLLCAST_PORT": str(port)}
    begun = time.perf_counter()
    process = subprocess.Popen([sys.executable, "-c", START.format(names=BLOCKED, port=port)], env=environment)
    try:
        while time.perf_counter() - begun < 30:
            if answered(port):
                return time.perf_counter() - begun
            time.sleep(0.005)
        raise TimeoutError("the service was not ready within 30 seconds")
    finally:
        process.terminate()
        process.wait()


def answered(port: int) -> bool:
    """Whether the service answers that it is ready."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/health/ready")
        response = connection.getresponse()
        return response.status == 200 and bool(json.loads(response.read()))
    except OSError:
        return False
    finally:
        connection.close()


def measure(starts: int) -> Figures:
    options = SourceOptions(freq="5m", tz="UTC", season=288, horizon=12, series="machine_temperature")
    with loop.workspace() as place:
        loop.trained(place, SOURCE, options, TrainRequest("machine_temperature", steps=60))
        promote(place, "machine_temperature", None, lambda done, total, words: None)
        taken = [ready_after(place) for _ in range(starts)]
    return {"ready_seconds": statistics.median(taken), "ready_seconds_worst": max(taken), "starts": starts}
