"""Symbols in requests: their codes, and what stands for one that is not in the vocabulary.

The log stores numbers. A symbol outside the vocabulary is stored as a number below 0, made from its text, with the
verdict of its rule; the quarantine keeps the text. States take it as missing.
"""

import hashlib

from data.store.catalogue import Dataset

BYTES = 6  # of a hash: a float64 has room for so many


def symbol_in(text: str, dataset: Dataset) -> str:
    """The symbol that a request means: of a text every sign counts, elsewhere blanks around it do not."""
    return text if dataset.memory.get("by") else text.strip()


def stand_in(symbol: str) -> float:
    """The number below 0 that stands for a symbol outside its vocabulary: the same one always."""
    digest = hashlib.sha256(symbol.encode(errors="surrogatepass")).digest()
    return -1.0 - int.from_bytes(digest[:BYTES])
