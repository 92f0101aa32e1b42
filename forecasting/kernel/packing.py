"""Named arrays as one block of bytes with a checksum: the stored form of contexts and state snapshots.

Layout: 32 bytes of sha256, then safetensors. The hash is verified before anything is parsed, because a flipped bit in
a safetensors file changes a number without an error.
"""

import hashlib
import json
import struct

import numpy as np
from safetensors.numpy import load, save

from data.errors import DamagedArtifact


def pack(arrays: dict[str, np.ndarray], metadata: dict[str, str]) -> bytes:
    """The arrays and their metadata as bytes, hash first."""
    body = save({name: np.ascontiguousarray(value) for name, value in arrays.items()}, metadata)
    return hashlib.sha256(body).digest() + body


def unpack(blob: bytes) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """The arrays and the metadata. Raises DamagedArtifact if the bytes do not match their hash."""
    digest, body = blob[:32], blob[32:]
    if hashlib.sha256(body).digest() != digest:
        raise DamagedArtifact("A stored block of arrays does not match its checksum; restore it or promote again.")
    size = struct.unpack("<Q", body[:8])[0]
    metadata = json.loads(body[8 : 8 + size]).get("__metadata__", {})
    return load(body), metadata
