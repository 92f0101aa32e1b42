"""Published figures on the same test parts, for orientation; no figure is compared with them by --check.

Each comes from its authors or organisers, with their hardware, training data and rounding.
"""

from typing import NamedTuple

M4 = "Makridakis, Spiliotis and Assimakopoulos, International Journal of Forecasting 2020: results by frequency"
GIFT = "GIFT-Eval's published results of pretrained models, short horizon; WQL as its mean weighted quantile loss"
SEGRNN = "Lin and others, Segment Recurrent Neural Network, 2023: multivariate table, look-back 720"
PATCHTST = "Nie and others, A Time Series is Worth 64 Words, ICLR 2023: multivariate table, PatchTST/64, look-back 512"


class Peer(NamedTuple):
    """One published figure; `benchmark` as named in `thresholds`."""

    benchmark: str
    measure: str
    who: str
    value: float
    source: str


PEERS = (
    Peer("m4.weekly", "owa", "Forecast Pro", 0.739, M4),
    Peer("m4.weekly", "owa", "ES-RNN", 0.851, M4),
    Peer("m4.weekly", "mase", "TiRex", 1.990, GIFT),
    Peer("m4.weekly", "mase", "Chronos-2", 2.026, GIFT),
    Peer("m4.weekly", "wql", "TiRex, Chronos-2", 0.0367, GIFT),
    Peer("m4.hourly", "owa", "Doornik", 0.410, M4),
    Peer("m4.hourly", "owa", "ES-RNN", 0.440, M4),
    Peer("m4.hourly", "mase", "TiRex", 0.722, GIFT),
    Peer("m4.hourly", "mase", "TimesFM-2.5", 0.734, GIFT),
    Peer("m4.hourly", "wql", "TiRex", 0.0202, GIFT),
    *(
        Peer(f"etth1.{horizon}", "mse", who, value, source)
        for who, source, values in (
            ("SegRNN", SEGRNN, (0.351, 0.392, 0.423, 0.466)),
            ("PatchTST", PATCHTST, (0.370, 0.413, 0.422, 0.447)),
        )
        for horizon, value in zip((96, 192, 336, 720), values, strict=True)
    ),
)


class Task(NamedTuple):
    """A known benchmark: the name of its bounds and peers, and the horizon and season of its definition."""

    benchmark: str
    horizon: int
    season: int


TASKS = {  # by the stem of the file that holds the data
    "m4_weekly": Task("m4.weekly", horizon=13, season=1),
    "m4_hourly": Task("m4.hourly", horizon=48, season=24),
}


def peers(benchmark: str, measure: str) -> str:
    """The published figures of one measure, for a table; empty without any."""
    found = [peer for peer in PEERS if (peer.benchmark, peer.measure) == (benchmark, measure)]
    return ", ".join(f"{peer.value:.4g} {peer.who}" for peer in found)
