"""The quality report of an ingest."""

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class QualityReport:
    """What an ingest found, for the user and for the catalogue."""

    source: str
    id_column: str | None
    time_column: str
    target_column: str
    rows: int  # in the source
    kept: int  # in the frame
    series: int
    first: str | int
    last: str | int
    frequency: str
    frequency_inferred: bool
    season: int
    season_inferred: bool
    horizon: int
    horizon_inferred: bool
    zone: str | None
    duplicates: int  # rows replaced by, or joined with, another row of the same series and step
    clashes: int  # of them: rows with another value, in the same table
    first_clash: dict[str, Any] | None  # source, rows, series, ds, values
    keep: str | None  # how several values of one step became one; None: the last one stays
    every: str | None  # the frequency to which rows were aggregated
    held_back: int  # rows of the last step, which no later row has completed
    steps_back: int  # rows older than the row before them in their series
    snapped: int  # stamps that are not those of the step that took them
    rejected: int  # rows that are not stored
    reasons: dict[str, dict[str, Any]]  # why: rows, those that had a value, and the first of them, by reason
    closed_dropped: int  # rows of closed days without a value, or with that of the step before
    gaps: int  # steps without a row between the first and the last of their series
    longest_gap: int  # steps
    nulls: int
    non_finite: int  # NaN, infinite, or beyond ±LARGEST_VALUE: stored as missing
    constant_stretches: int  # runs of equal values that are unusual; see `data.quality.stretches`
    longest_constant: int  # steps
    worst_series: tuple[dict[str, Any], ...]  # those with most gaps, constant stretches and clashes
    covariates: tuple[str, ...]
    columns_ignored: tuple[str, ...]
    symbols: int | None = None  # of the vocabulary, where values are symbols
    recognised: tuple[str, ...] = ()  # how the source is written, where that is not the usual way

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()}
