"""Requests that are read in neighbouring turns of the loop go to the writer together; one alone does not wait long."""

import asyncio
from typing import Any

from service.observe.coalescing import TURNS, RequestCoalescer


class Arrived:
    """A request, as far as gathering is concerned."""

    def __init__(self, loop: asyncio.AbstractEventLoop, turn: int) -> None:
        self.loop, self.turn = loop, turn


def handed_over(*arrivals: int) -> list[tuple[int, int]]:
    """(turn of arrival, turn of handing over) of requests that arrive in these turns of a loop."""
    found: list[tuple[int, int]] = []

    async def run() -> None:
        loop, turn = asyncio.get_running_loop(), 0

        def note(request: Any) -> None:
            found.append((request.turn, turn))

        gathering = RequestCoalescer(note)
        for turn in range(40):
            for _ in range(arrivals.count(turn)):
                request: Any = Arrived(loop, turn)
                gathering.add(request)
            await asyncio.sleep(0)

    asyncio.run(run())
    return found


def test_one_alone_goes_after_two_turns() -> None:
    assert handed_over(5) == [(5, 6)]  # turns 5 and 6 brought nothing more


def test_those_of_one_turn_and_of_the_next_go_together_in_order() -> None:
    found = handed_over(5, 5, 6, 7)
    assert [came for came, _ in found] == [5, 5, 6, 7]
    assert len({went for _, went in found}) == 1


def test_what_comes_after_a_pause_goes_alone() -> None:
    first, second = handed_over(5, 12)
    assert first[1] < 12 < second[1]


def test_a_stream_without_a_pause_is_not_waited_out() -> None:
    found = handed_over(*range(5, 35))
    assert [came for came, _ in found] == list(range(5, 35))
    assert max(went - came for came, went in found) <= TURNS
    assert len({went for _, went in found}) >= 3
