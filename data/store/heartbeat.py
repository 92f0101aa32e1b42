"""A sign of life, given again and again by a thread while a block of work lasts."""

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from data.errors import Unavailable

log = logging.getLogger(__name__)


@contextmanager
def heartbeat(name: str, every_s: float, beat: Callable[[], bool]) -> Iterator[None]:
    """Call `beat` every so many seconds until the block ends or `beat` says that nobody listens any more.

    A store that does not answer is no reason to stop the work: the next beat may reach it.
    """
    ended = threading.Event()

    def go_on() -> None:
        while not ended.wait(every_s):
            try:
                if not beat():
                    return
            except Unavailable as error:
                log.warning("%s: a sign of life did not reach the store: %s", name, error)

    thread = threading.Thread(target=go_on, name=name, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
