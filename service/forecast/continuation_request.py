"""The body of a request for continuations of a series of symbols, read strictly."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from data.store.catalogue import Dataset
from data.text_symbols import CHARACTER, split
from service.base.request_limits import MAX_PRIME_BYTES, MAX_SAMPLES, MAX_STEPS, MAX_TEMPERATURE
from service.http.errors import FieldFault, ProblemError, too_much, unprocessable

FIELDS = ("samples", "steps", "temperature", "seed", "prime")
LARGEST_SEED = 2**63 - 1
SHOWN = 20  # symbols in a message


@dataclass(frozen=True)
class ContinuationQuery:
    """How many continuations of how many steps, drawn how boldly, and what comes before them.

    temperature: 1 draws by the probabilities as they are, less makes likely symbols likelier. seed: None leaves it to
    the service, which takes the same one until the series has another row. prime: symbols that are read first, as a
    list or, of a text, as text.
    """

    samples: int = 1
    steps: int = 100
    temperature: float = 1.0
    seed: int | None = None
    prime: str | tuple[str, ...] = ""

    def prime_codes(self, dataset: Dataset) -> np.ndarray:
        """(n,) int64 the codes of the prime. Raises ProblemError (422) where a symbol is not in the vocabulary."""
        by = dataset.memory.get("by")
        if isinstance(self.prime, str) and self.prime and by is None:
            raise _invalid("/prime", "must be a list of symbols: the dataset is no text")
        symbols = split(self.prime, by or CHARACTER) if isinstance(self.prime, str) else list(self.prime)
        for place, symbol in enumerate(symbols):
            if symbol not in dataset.codes:
                known = listed(tuple(dataset.codes))
                raise _invalid("/prime", f"has at place {place} a symbol that the vocabulary has not: {known}")
        return np.array([dataset.codes[symbol] for symbol in symbols], np.int64)


def listed(vocabulary: Sequence[str]) -> str:
    """The first symbols of a vocabulary, for a message."""
    return ", ".join(repr(symbol) for symbol in vocabulary[:SHOWN]) + (" …" if len(vocabulary) > SHOWN else "")


def parse_continuations(document: Any) -> ContinuationQuery:
    """The query in a decoded body. Raises ProblemError (422) that points into the body."""
    if type(document) is not dict:
        raise _invalid("", "must be an object")
    if message := too_much(document, FIELDS):
        raise _invalid("", message)
    usual = asdict(ContinuationQuery())
    samples, steps, temperature, seed, prime = (
        usual[name] if document.get(name) is None else document[name] for name in FIELDS
    )
    return ContinuationQuery(
        _whole(samples, "samples", 1, MAX_SAMPLES),
        _whole(steps, "steps", 1, MAX_STEPS),
        _temperature(temperature),
        None if seed is None else _whole(seed, "seed", 0, LARGEST_SEED),
        _prime(prime),
    )


def _whole(value: Any, name: str, least: int, most: int) -> int:
    if type(value) is not int or not least <= value <= most:
        raise _invalid(f"/{name}", f"must be a whole number from {least} to {most}")
    return value


def _temperature(value: Any) -> float:
    if type(value) not in (int, float) or not 0 < value <= MAX_TEMPERATURE:
        raise _invalid("/temperature", f"must be a number above 0 and at most {MAX_TEMPERATURE:g}")
    return float(value)


def _prime(value: Any) -> str | tuple[str, ...]:
    symbols = [value] if type(value) is str else value
    if type(symbols) is not list or any(type(symbol) is not str for symbol in symbols):
        raise _invalid("/prime", "must be a text or a list of symbols, each of them text")
    if sum(len(symbol.encode(errors="surrogatepass")) for symbol in symbols) > MAX_PRIME_BYTES:
        raise _invalid("/prime", f"must be at most {MAX_PRIME_BYTES:,} bytes")
    return value if type(value) is str else tuple(symbols)


def _invalid(pointer: str, message: str) -> ProblemError:
    return unprocessable("invalid_body", [FieldFault(pointer, message)])
