"""The children's book: five words, sentences "X saw Y." of two different names, and what may be wrong with a sentence.

A word is given by its number in `WORDS`. A sentence is what stands between two full stops, its own full stop included.
"""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

WORDS = ("Doug", "Jane", "Spot", "saw", ".")
SPOKEN = (*WORDS[:4], "full stop")  # where a dot alone would be overlooked
NAMES, SAW, STOP = (0, 1, 2), 3, 4
KINDS = ("right", "same name", "runs on", "no verb", "other")
EXAMPLES = {
    "right": "Jane saw Spot.",
    "same name": "Doug saw Doug.",
    "runs on": "Jane saw Spot saw Doug.",
    "no verb": "Spot.",
    "other": "saw Jane Jane.",
}


def book(sentences: int, seed: int) -> np.ndarray:
    """(4 sentences,) words of a book in which each of the six sentences is equally likely, whatever stood before."""
    draw = np.random.default_rng(seed)
    subject = draw.integers(0, 3, sentences)
    seen = (subject + draw.integers(1, 3, sentences)) % 3
    whole = [subject, np.full(sentences, SAW), seen, np.full(sentences, STOP)]
    return np.stack(whole, 1).reshape(-1)


def text_of(words: Iterable[int]) -> str:
    """Words as people write them: no space before a full stop."""
    return " ".join(WORDS[word] for word in words).replace(" .", ".")


def words_of(text: str) -> np.ndarray:
    """The numbers of the words of a text. Raises ValueError for a word that the book does not have."""
    known = {word: number for number, word in enumerate(WORDS)}
    found = text.replace(".", " .").split()
    if unknown := [word for word in found if word not in known]:
        raise ValueError(f"{unknown[0]!r} is not in the book, which has the words {', '.join(WORDS)}")
    return np.array([known[word] for word in found])


def sentences_of(words: Iterable[int]) -> Iterator[tuple[int, ...]]:
    """Whole sentences, each with its full stop; what follows the last full stop is left out."""
    sentence: list[int] = []
    for word in words:
        sentence.append(int(word))
        if word == STOP:
            yield tuple(sentence)
            sentence = []


def kind_of(sentence: Sequence[int]) -> str:
    """Which of `KINDS` a sentence is: the lecture's three mistakes, `right`, or `other`."""
    if len(sentence) == 2 and sentence[0] in NAMES:
        return "no verb"
    turns = all((word in NAMES) if place % 2 == 0 else word == SAW for place, word in enumerate(sentence[:-1]))
    if not turns or len(sentence) % 2 or len(sentence) < 4:
        return "other"
    if len(sentence) > 4:
        return "runs on"
    return "same name" if sentence[0] == sentence[2] else "right"


def mistakes(words: Iterable[int]) -> dict[str, int]:
    """How many sentences of each kind there are."""
    counts = dict.fromkeys(KINDS, 0)
    for sentence in sentences_of(words):
        counts[kind_of(sentence)] += 1
    return counts
