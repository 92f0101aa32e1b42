"""Rows collected by series: in memory while they are few, beyond that in Parquet files on the disk.

The hash of a row's series chooses one of `FAN` buckets. A bucket holds whole series, with their rows in the order in
which they came, so that it can be processed alone. A bucket that is too large is divided again by another hash. A
single series cannot be divided: it must fit in memory, and nothing larger has to.
"""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import polars as pl

from data.schema import SERIES

FAN = 32
MEMORY_BYTES = 64_000_000  # bytes of rows in memory beyond which they are written to the disk
LARGEST = 2_000_000  # rows processed at once
BUCKET = "__bucket"

Where = tuple[int, ...]  # the bucket of a row at each level of division; () where rows are not divided


class Spill:
    """Collects frames with a column `unique_id` and gives them back by series.

    The caller removes `folder`; without one everything stays in memory.
    """

    def __init__(self, folder: Path | None, level: int = 0):
        self._folder, self._level = folder, level
        self._held: list[pl.DataFrame] = []
        self._bytes = self._written = self.rows = 0
        self._sizes: Counter[int] = Counter()  # rows on the disk, by bucket

    @property
    def divided(self) -> bool:
        """Whether rows are on the disk, divided into buckets."""
        return self._written > 0

    def add(self, frame: pl.DataFrame) -> None:
        """Add rows."""
        if frame.is_empty():
            return
        self._held.append(frame)
        self._bytes += int(frame.estimated_size())
        self.rows += len(frame)
        if self._bytes > MEMORY_BYTES and self._folder is not None:
            self._write(self._folder)

    def scan(self) -> pl.LazyFrame:
        """All rows, lazily."""
        return _scan(self._files("*")) if self.divided else _joined(self._held).lazy()

    def parts(self) -> Iterator[tuple[Where, pl.DataFrame]]:
        """All rows in parts, each with its bucket; every series is in one part."""
        if self.divided:
            for bucket in range(FAN):
                yield from self._bucket(bucket)
        elif self._held:
            yield (), _joined(self._held)

    def matching(self, where: Where) -> pl.DataFrame:
        """The rows whose series belong to the bucket `where`, which another spill may have named."""
        if not self.divided:
            return _only_bucket(_joined(self._held).lazy(), where, 0).collect() if self._held else pl.DataFrame()
        files = self._files(str(where[0]) if where else "*")
        return _only_bucket(_scan(files), where[1:], 1).collect() if files else pl.DataFrame()

    def _bucket(self, bucket: int) -> Iterator[tuple[Where, pl.DataFrame]]:
        files = self._files(str(bucket))
        if not files:
            return
        rows = _scan(files)
        if self._sizes[bucket] <= LARGEST or _is_one_series(rows):
            yield (bucket,), rows.collect()
            return
        folder = files[0].parent / str(bucket)
        finer = Spill(folder, self._level + 1)
        for file in files:
            finer.add(pl.read_parquet(file))
        finer._write(folder)
        for where, frame in finer.parts():
            yield (bucket, *where), frame

    def _write(self, folder: Path) -> None:
        if not self._held:
            return
        folder.mkdir(parents=True, exist_ok=True)
        rows, self._held, self._bytes = _joined(self._held), [], 0
        self._written += 1
        divided = rows.with_columns(_bucket_of(self._level).alias(BUCKET)).partition_by(
            BUCKET, as_dict=True, include_key=False
        )
        for (bucket,), part in divided.items():
            file = folder / f"{bucket}.{self._written:06}.parquet"
            part.write_parquet(file, compression="lz4", statistics=False)
            self._sizes[bucket] += len(part)

    def _files(self, bucket: str) -> list[Path]:
        assert self._folder is not None  # noqa: S101 without a folder nothing is divided
        self._write(self._folder)
        return sorted(self._folder.glob(f"{bucket}.*.parquet"))


def side_by_side(ours: Spill, theirs: Spill) -> Iterator[tuple[pl.DataFrame, pl.DataFrame]]:
    """The parts of `ours` that have rows, each with the rows of `theirs` of the same series."""
    if theirs.divided and not ours.divided:
        pairs = ((ours.matching(where), frame) for where, frame in _buckets(theirs))
    else:
        pairs = ((frame, theirs.matching(where)) for where, frame in ours.parts())
    yield from (pair for pair in pairs if not pair[0].is_empty())


def _buckets(spill: Spill) -> Iterator[tuple[Where, pl.DataFrame]]:
    """Every bucket of a divided spill, including the empty ones."""
    for bucket in range(FAN):
        yield (bucket,), spill.matching((bucket,))


def _bucket_of(level: int) -> pl.Expr:
    return pl.col(SERIES).hash(seed=level) % FAN


def _only_bucket(rows: pl.LazyFrame, where: Where, level: int) -> pl.LazyFrame:
    for depth, bucket in enumerate(where, start=level):
        rows = rows.filter(_bucket_of(depth) == bucket)
    return rows


def _is_one_series(rows: pl.LazyFrame) -> bool:
    return bool(rows.select(pl.col(SERIES).min() == pl.col(SERIES).max()).collect().item())


def _joined(frames: list[pl.DataFrame]) -> pl.DataFrame:
    return frames[0] if len(frames) == 1 else pl.concat(frames, how="diagonal", rechunk=True)


def _scan(files: list[Path]) -> pl.LazyFrame:
    return pl.concat([pl.scan_parquet(file) for file in files], how="diagonal")
