"""The mistakes of a two-word chain, exactly: no sampling, only sums over everything that can happen.

A two-word chain draws the next word from what the last word and one more word are, and from nothing else. Here the
other word is the likeliest word before the last one was known. V words, K kinds of sentences.
"""

import numpy as np

from forecasting.lab.book import KINDS, NAMES, SAW, STOP

State = tuple[tuple[int, ...], int, int]  # what matters of the sentence so far, last word, word fed back
BROKEN, WAITS, RUNS_ON = (STOP,), (SAW,), (SAW, SAW)  # of a sentence: no grammar; a second "saw"; and a name after it


def expected_mistakes(table: np.ndarray) -> dict[str, float]:
    """The long-run share of each kind of sentence, for a chain with probabilities `table` (V, V, V): of the next word,
    given the last word and the word that is fed back."""
    likeliest = table.argmax(-1)
    starts = [(STOP, fed) for fed in range(len(table))]
    ends, kinds = zip(*(_sentence_from(table, likeliest, *start) for start in starts), strict=True)
    often = _stationary(np.array(ends))
    return dict(zip(KINDS, (often @ np.array(kinds)).tolist(), strict=True))


def plain_chain() -> np.ndarray:
    """(V, V, V) the book's own chances of a next word where only the last word is known; the word fed back says
    nothing."""
    table = np.zeros((5, 5, 5))
    table[list(NAMES), :, SAW] = table[list(NAMES), :, STOP] = 0.5
    for name in NAMES:
        table[SAW, :, name] = table[STOP, :, name] = 1 / 3
    return table


def _sentence_from(table: np.ndarray, likeliest: np.ndarray, last: int, fed: int) -> tuple[np.ndarray, np.ndarray]:
    """(V,) the chance of each word fed back at the end of a sentence that starts here, and (K,) of each kind."""
    places: dict[State, int] = {((), last, fed): 0}
    states: list[State] = [((), last, fed)]
    moves: list[tuple[int, int | None, float, int, int]] = []  # from, to or the end, chance, word fed back, kind
    for place, (so_far, word, back) in enumerate(states):  # grows while new states are found
        later = int(likeliest[word, back])
        for new in range(len(table)):
            chance = table[word, back, new]
            if new == STOP:
                moves.append((place, None, chance, later, _kind_at_end(so_far)))
                continue
            state = (_longer(so_far, new), new, later)
            if state not in places:
                places[state] = len(states)
                states.append(state)
            moves.append((place, places[state], chance, later, -1))
    between, ends, kinds = np.zeros((len(states),) * 2), np.zeros((len(states), 5)), np.zeros((len(states), len(KINDS)))
    for place, goal, chance, later, kind in moves:
        if goal is None:
            ends[place, later] += chance
            kinds[place, kind] += chance
        else:
            between[place, goal] += chance
    visits = np.linalg.solve((np.eye(len(states)) - between).T, np.eye(len(states))[0])  # expected, from the start
    return visits @ ends, visits @ kinds


def _longer(so_far: tuple[int, ...], word: int) -> tuple[int, ...]:
    """What matters of a sentence after one more word: all its words while it may still be right."""
    if so_far in (BROKEN, WAITS, RUNS_ON):
        allowed = {BROKEN: (), WAITS: NAMES, RUNS_ON: (SAW,)}[so_far]
        return BROKEN if word not in allowed else (RUNS_ON if so_far == WAITS else WAITS)
    if (word in NAMES) != (len(so_far) % 2 == 0):
        return BROKEN
    return (*so_far, word) if len(so_far) < 3 else WAITS


def _kind_at_end(so_far: tuple[int, ...]) -> int:
    """The place in `KINDS` of a sentence whose full stop comes now."""
    if len(so_far) == 3:
        return KINDS.index("same name" if so_far[0] == so_far[2] else "right")
    named = len(so_far) == 1 and so_far[0] in NAMES
    return KINDS.index("runs on" if so_far == RUNS_ON else "no verb" if named else "other")


def _stationary(moves: np.ndarray) -> np.ndarray:
    """(V,) how often each state is visited in the long run, from one start of a sentence to the next (V, V)."""
    often: np.ndarray = np.full(len(moves), 1 / len(moves))
    for _ in range(1_000):
        often = (often + often @ moves) / 2  # the mean, so that a chain that takes turns settles too
    return often
