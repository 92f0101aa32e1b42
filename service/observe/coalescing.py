"""Gives the writer requests that arrive together as one group, once the event loop has read them all.

If the writer began with the first of several while the loop still reads the others, both would wait for Python's lock
more than they work, and one commit would become several. There is no timer: a request that arrives alone waits for two
turns of the loop, which take microseconds when nothing else is to be read.
"""

from asyncio import AbstractEventLoop
from collections.abc import Callable
from weakref import WeakKeyDictionary

from service.observe.write_batch import ObserveRequest

TURNS = 8  # of the loop, for which the first request waits at most


class RequestCoalescer:
    """Keeps one group for each event loop, in its thread."""

    def __init__(self, submit: Callable[[ObserveRequest], None]) -> None:
        self._submit = submit
        self._waiting: WeakKeyDictionary[AbstractEventLoop, list[ObserveRequest]] = WeakKeyDictionary()

    def add(self, request: ObserveRequest) -> None:
        waiting = self._waiting.setdefault(request.loop, [])
        waiting.append(request)
        if len(waiting) == 1:
            request.loop.call_soon(self._turn, request.loop, 0, TURNS - 1)

    def _turn(self, loop: AbstractEventLoop, before: int, left: int) -> None:
        """Run once in a turn of the loop. Waits for another turn while each one adds to the `before` requests."""
        waiting = self._waiting[loop]
        if left and len(waiting) > before:
            loop.call_soon(self._turn, loop, len(waiting), left - 1)
            return
        del self._waiting[loop]
        for request in waiting:
            self._submit(request)
