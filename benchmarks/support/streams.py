"""Watchers of a service: threads that read its server-sent events and note when each came."""

import http.client
import threading
import time
from contextlib import suppress

from benchmarks.support.server import Server


class Stream(threading.Thread):
    """Reads one stream, and notes when each event came."""

    def __init__(self, server: Server, path: str) -> None:
        super().__init__(daemon=True)
        self.connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=600)
        self.connection.request("GET", path)
        self.answer = self.connection.getresponse()
        if self.answer.status != 200:
            raise SystemExit(f"{path} answered {self.answer.status}")
        self.came: list[tuple[int, float]] = []  # id, when

    def run(self) -> None:
        number = 0
        with suppress(OSError, http.client.HTTPException, ValueError):
            for line in self.answer:
                if line.startswith(b"id: "):
                    number = int(line[4:])
                elif line.startswith(b"data: "):
                    self.came.append((number, time.perf_counter()))


def streams(server: Server, unique_id: str, watchers: int) -> tuple[list[Stream], list[Stream]]:
    """So many watchers of all datasets, and as many of one series, which read from now on."""
    everyone = [Stream(server, "/v1/events") for _ in range(watchers)]
    one = [Stream(server, f"/v1/series/{unique_id}/events") for _ in range(watchers)]
    for stream in (*everyone, *one):
        stream.start()
    return everyone, one
