"""Training batches: lanes that read series chunk by chunk, so that a network's state is carried from one to the next.

Only the values that a chunk needs are copied; windows are views of them. A lane starts fresh at a random place of a
random series and continues for some chunks, so that the network is trained on new states and on states that have been
rolled for long.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch.utils.data import IterableDataset

from forecasting.config import ModelConfig
from forecasting.kernel.cycle_memory import phase_means
from forecasting.panel import Panel
from forecasting.training.augmentation import mix_series
from forecasting.training.chunk import Chunk
from forecasting.training.loss_weights import loss_weights

CONTINUE = 0.75  # probability that a lane continues with the next chunk of its series


class ChunkReader:
    """Cuts chunks out of a panel. Precomputes, per position, the index to read: the value itself, in a gap the last
    value before it, and before the first value that first value."""

    def __init__(self, panel: Panel, config: ModelConfig) -> None:
        self.panel, self.config = panel, config
        small = np.int32 if len(panel.values) < 2**31 else np.int64
        self._source, self._counts = (np.empty(len(panel.values), small) for _ in range(2))
        self._phase_means = np.empty(len(panel.values) if config.memory else 0, np.float32)
        begin = 0
        for block in panel.blocks():
            own = slice(begin, begin + len(block.values))
            source, self._counts[own] = _source_positions(block)
            self._source[own] = source + begin
            if config.memory:
                held, seen = np.nan_to_num(block.values[source]), ~np.isnan(block.values)
                self._phase_means[own] = phase_means(held, seen, block.offsets, config.memory, config.window)
            begin = own.stop
        self._weights = loss_weights(panel, config.season)

    def _means(self, first: np.ndarray, begin: np.ndarray, end: np.ndarray, origins: int) -> np.ndarray:
        """(B, C + T - 1) float32 phase means of the steps up to each origin, 0 outside of the series. first, begin and
        end (B, 1) are the positions of the first origin and of the series' bounds."""
        if not self.config.memory:
            return np.empty((len(first), 0), np.float32)
        at = first + np.arange(1 - self.config.memory, origins)
        return np.where((at >= begin) & (at < end), self._phase_means[np.clip(at, begin, end - 1)], np.float32(0))

    def read(self, series: np.ndarray, start: np.ndarray, origins: int, fresh: np.ndarray) -> Chunk:
        """The chunk of `origins` origins from position `start` (B,) of each series; it may reach beyond both ends."""
        c = self.config
        begin, end = self.panel.offsets[series][:, None], self.panel.offsets[series + 1][:, None]
        first = begin + start[:, None]
        held = np.clip(first + np.arange(1 - c.window, origins), begin, end - 1)
        own = first + np.arange(origins)
        inside, index = (own >= begin) & (own < end), np.clip(own, begin, end - 1)
        source = self._source[index].astype(np.int64)
        value = self.panel.values[source]
        since = np.where(inside & (source <= index) & ~np.isnan(value), np.minimum(index - source, c.window), c.window)
        ahead = first + 1 + np.arange(origins + c.horizon - 1)
        known = (ahead >= begin) & (ahead < end)
        targets = np.where(known, self.panel.values[np.clip(ahead, begin, end - 1)], np.nan)
        return Chunk(
            values=torch.from_numpy(np.nan_to_num(self.panel.values[self._source[held]])),
            phase_means=torch.from_numpy(self._means(first, begin, end, origins)),
            seen=torch.from_numpy(since == 0),
            gap=torch.from_numpy(since.astype(np.float32)),
            targets=torch.from_numpy(targets),
            counts=torch.from_numpy(np.where(own < begin, 0, self._counts[index]).astype(np.int64)),
            fixed=torch.from_numpy(self._weights.fixed[series]),
            relative=torch.from_numpy(self._weights.relative[series]),
            floor=torch.from_numpy(self._weights.floor[series]),
            fresh=torch.from_numpy(fresh),
        )


def _source_positions(panel: Panel) -> tuple[np.ndarray, np.ndarray]:
    """(T,) position of the value to read for each, and the number of real values of its series up to there."""
    index, lengths = np.arange(len(panel.values)), panel.lengths
    owner, end = np.repeat(panel.offsets[:-1], lengths), np.repeat(panel.offsets[1:], lengths)
    seen = ~np.isnan(panel.values)
    before = np.maximum.accumulate(np.where(seen, index, -1))
    after = np.minimum.accumulate(np.where(seen, index, len(index))[::-1])[::-1]
    source = np.where(before >= owner, before, np.where(after < end, after, index))
    total = np.concatenate([[0], np.cumsum(seen)])
    return source, total[1:] - total[owner]


class Lanes(IterableDataset[Chunk]):
    """An endless, seeded stream of chunks. An iteration starts at `position`; each chunk has the position after it. It
    is made of plain values, so that a checkpoint can hold it and training resumes with the next chunk."""

    def __init__(
        self,
        panel: Panel,
        config: ModelConfig,
        lanes: int,
        origins: int,
        seed: int,
        mix: float = 0,
        by_length: float = 0,
    ) -> None:
        """`mix` is the share of lanes that are mixed with another, see `augmentation`. A series is drawn with its
        length to the power of `by_length`: with 0 a short series is read so often that the network overfits its
        noise."""
        self._reader, self._origins, self._mix = ChunkReader(panel, config), origins, mix
        self._usable = np.flatnonzero(panel.lengths > 1)
        often = panel.lengths[self._usable].astype(np.float64) ** by_length
        self._chance = often / often.sum()
        rng = np.random.default_rng(seed)
        series = rng.choice(self._usable, lanes, p=self._chance)
        self.position = _position(rng, series, panel.lengths[series])  # at the end: every lane starts fresh

    def __iter__(self) -> Iterator[Chunk]:
        rng = np.random.default_rng()
        rng.bit_generator.state = self.position["rng"]
        series, start = np.array(self.position["series"]), np.array(self.position["next"])
        while True:
            series, start, fresh = self._move(rng, series, start)
            chunk = self._reader.read(series, start, self._origins, fresh)
            chunk = mix_series(chunk, rng, self._mix) if self._mix else chunk
            start = start + self._origins
            yield replace(chunk, position=_position(rng, series, start))

    def _move(
        self, rng: np.random.Generator, series: np.ndarray, start: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Moves lanes at their series' end, and some others, to a random place of a random series; these are fresh."""
        lengths = self._reader.panel.lengths
        ended = start > lengths[series] - 1 - self._origins // 4
        fresh = ended | (rng.random(len(series)) > CONTINUE)
        other = rng.choice(self._usable, len(series), p=self._chance)
        place = (rng.random(len(series)) * np.maximum(1, lengths[other] - self._origins)).astype(np.int64)
        return np.where(fresh, other, series), np.where(fresh, place, start), fresh


def _position(rng: np.random.Generator, series: np.ndarray, start: np.ndarray) -> dict[str, Any]:
    return {"rng": rng.bit_generator.state, "series": series.tolist(), "next": start.tolist()}
