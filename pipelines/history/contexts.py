"""Context blobs: what the service reads, once, to start the state of every series under a newly served model."""

from __future__ import annotations

from forecasting.kernel.packing import pack
from forecasting.rolling.bundle import Bundle
from pipelines.history.history import History

SHARD = 1024  # series in one blob


def pack_contexts(history: History, bundle: Bundle) -> list[bytes]:
    """The last `context` values of every series and the grid step of the last one, in shards of the live store.

    Each blob holds series (n,) int64, values (n, context) float64 with NaN for missing, origin (n,) int64.
    """
    values = history.panel.tail_matrix(bundle.config.context)
    words = {"fingerprint": bundle.fingerprint, "snapshot": history.snapshot}
    return [
        pack({"series": history.series[part], "values": values[part], "origin": history.panel.last[part]}, words)
        for part in (slice(start, start + SHARD) for start in range(0, len(history.panel), SHARD))
    ]
