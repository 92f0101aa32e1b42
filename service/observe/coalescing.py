"""Gives the writer requests that arrive together as one group, once the event loop has read them all.

Without this the writer would begin with the first request while the loop still reads the others. Both threads would
spend more time on waiting for Python's lock than on work, and there would be several commits in place of one. There is
no timer: a request that arrives alone waits for two turns of the loop, which take microseconds when there is nothing
else to read.
"""

from asyncio import AbstractEventLoop
from collections.abc import Callable
from weakref import WeakKeyDictionary

from service.observe.write_batch import ObserveRequest

TURNS = 8  # turns of the loop that the first request waits at most


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
        """Called in every turn of the loop. Waits one more turn if requests were added to the `before` of the last turn
        and turns are left; otherwise gives the writer all that wait."""
        waiting = self._waiting[loop]
        if left and len(waiting) > before:
            loop.call_soon(self._turn, loop, len(waiting), left - 1)
            return
        del self._waiting[loop]
        for request in waiting:
            self._submit(request)
