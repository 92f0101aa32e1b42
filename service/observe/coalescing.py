"""Requests on their way to the writer: handed over together, once the event loop has read what there is to read.

If the writer began with the first of several while the loop still reads the others, each would wait for Python's lock
more than it works, and one commit would become several. There is no timer: a request that came alone waits for two
turns of the loop, which take microseconds where nothing else is to be read.
"""

from asyncio import AbstractEventLoop
from collections.abc import Callable
from weakref import WeakKeyDictionary

from service.observe.write_batch import Request

TURNS = 8  # of the loop, for which the first request waits at most


class Gathering:
    """Of every event loop apart, in its thread."""

    def __init__(self, hand_over: Callable[[Request], None]) -> None:
        self._hand_over = hand_over
        self._gathered: WeakKeyDictionary[AbstractEventLoop, list[Request]] = WeakKeyDictionary()

    def add(self, request: Request) -> None:
        gathered = self._gathered.setdefault(request.loop, [])
        gathered.append(request)
        if len(gathered) == 1:
            request.loop.call_soon(self._turn, request.loop, 0, TURNS - 1)

    def _turn(self, loop: AbstractEventLoop, before: int, left: int) -> None:
        """Once every turn of the loop: go on, as long as each brings more than there were `before`."""
        gathered = self._gathered[loop]
        if left and len(gathered) > before:
            loop.call_soon(self._turn, loop, len(gathered), left - 1)
            return
        del self._gathered[loop]
        for request in gathered:
            self._hand_over(request)
