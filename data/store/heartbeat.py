"""A heartbeat: a thread that calls a function at intervals while a block runs."""

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from data.errors import Unavailable

log = logging.getLogger(__name__)


@contextmanager
def heartbeat(name: str, every_s: float, beat: Callable[[], bool]) -> Iterator[None]:
    """Call `beat` every `every_s` seconds until the block ends or `beat` returns False.

    Where `beat` raises Unavailable, a warning is logged and the block goes on: the next beat may reach the store.
    """
    ended = threading.Event()

    def repeat() -> None:
        while not ended.wait(every_s):
            try:
                if not beat():
                    return
            except Unavailable as error:
                log.warning("%s: a heartbeat did not reach the store: %s", name, error)

    thread = threading.Thread(target=repeat, name=name, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
