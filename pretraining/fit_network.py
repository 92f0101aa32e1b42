"""Trains the network on anchors of many groups, each of which counts alike whatever its size and difficulty.

Half of the anchors are of real series, half of drawn ones. Some real groups judge and are not trained on, unless
everything is to be used. A run goes on from its last checkpoint.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from forecasting.tuning.tunable import AnchorBatch
from forecasting.tuning.tuned_network import MEDIAN, TunedNetwork, mirrored

BATCH, CLIP, KEEP = 1_024, 1.0, 0.995
WARM, FALLING = 100, 0.5  # steps, and the last share of all, in which the rate rises and falls
SAVED_EVERY = 500


@dataclass(frozen=True)
class Lesson:
    """Anchors of all groups; group (n,) of each, names of the groups, of which the first `real` are real; judges
    (groups,) bool: those that are held out."""

    anchors: AnchorBatch
    group: np.ndarray
    names: list[str]
    real: int
    judges: np.ndarray

    def held_out(self) -> np.ndarray:
        """(n,) bool of the anchors."""
        return np.asarray(self.judges[self.group])


def weighted(lesson: Lesson) -> AnchorBatch:
    """The anchors with errors weighted by one over the usual loss of the mix in their group."""
    losses = errors(TunedNetwork(), lesson.anchors)[:, 0]
    known = (lesson.anchors.weight > 0).sum(1).numpy()
    totals = np.bincount(lesson.group, losses, len(lesson.names)) / np.maximum(
        np.bincount(lesson.group, known, len(lesson.names)), 1
    )
    weight = torch.from_numpy((1 / np.maximum(totals[lesson.group], 1e-9)).astype(np.float32))[:, None]
    return replace(lesson.anchors, weight=lesson.anchors.weight * weight)


def errors(network: TunedNetwork, anchors: AnchorBatch) -> np.ndarray:
    """(n, 4) of each anchor, sums over its leads: pinball loss, absolute error, values in the 80 % interval, values."""
    network.eval()
    found = []
    with torch.no_grad():
        for part in np.array_split(np.arange(len(anchors)), max(1, len(anchors) // 4_096)):
            batch = anchors.rows(part)
            quantiles = network.quantiles(batch.features, network(batch.features, batch.seen), batch.unit)
            known, distance = batch.weight > 0, batch.actual[..., None] - quantiles
            pinball = torch.maximum(network.levels * distance, (network.levels - 1) * distance).mean(-1)
            inside = (distance[..., 1] >= 0) & (distance[..., -2] <= 0)
            columns = (pinball, distance[..., MEDIAN].abs(), inside, torch.ones_like(pinball))
            found.append(torch.stack([(column * known).sum(1) for column in columns], 1).double().numpy())
    return np.concatenate(found)


def fit(lesson: Lesson, steps: int, seed: int, everything: bool, checkpoint: Path | None) -> TunedNetwork:
    """The averaged weights after so many steps."""
    torch.manual_seed(seed)
    network = TunedNetwork()
    averaged = AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(KEEP))
    optimiser = torch.optim.AdamW(network.parameters(), network.rate, weight_decay=network.decay)
    begun = _resume(checkpoint, network, averaged, optimiser)
    anchors = weighted(lesson)
    rows, chance = _chances(lesson, everything)
    for step in range(begun, steps):
        rng = np.random.default_rng((seed, step))
        torch.manual_seed(seed * 1_000_003 + step)
        rate = min(1.0, (step + 1) / WARM, (steps - step) / (FALLING * steps))
        optimiser.param_groups[0]["lr"] = network.rate * rate
        signs = torch.from_numpy(rng.choice([-1.0, 1.0], BATCH).astype(np.float32))
        network.train()
        optimiser.zero_grad()
        network.loss(mirrored(anchors.rows(rng.choice(rows, BATCH, p=chance)), signs)).backward()
        nn.utils.clip_grad_norm_(network.parameters(), CLIP)
        optimiser.step()
        averaged.update_parameters(network)
        if checkpoint is not None and (step + 1) % SAVED_EVERY == 0:
            _save(checkpoint, step + 1, network, averaged, optimiser)
            print(f"step {step + 1:,} of {steps:,}: {judged(averaged.module, lesson)}", flush=True)
    return averaged.module


def judged(network: TunedNetwork, lesson: Lesson) -> dict[str, float]:
    """Geometric means over groups of the losses over those of the mix, and the share in the 80 % interval: of the real
    groups that were held out, of the other real ones and of the drawn ones."""
    base, own = (errors(model, lesson.anchors) for model in (TunedNetwork(), network))
    held, real = lesson.held_out(), lesson.group < lesson.real
    found = {}
    for name, rows in (("held_out", held), ("real", real & ~held), ("drawn", ~real)):
        if not rows.any():
            continue
        sums = [(own[rows & (lesson.group == g)].sum(0), base[rows & (lesson.group == g)].sum(0))
                for g in np.unique(lesson.group[rows])]  # fmt: skip
        for at, of in ((0, "pinball"), (1, "error")):
            ratios = [max(mine[at], 1e-9) / max(usual[at], 1e-9) for mine, usual in sums]
            found[f"{name}_{of}"] = round(float(np.exp(np.mean(np.log(ratios)))), 4)
        found[f"{name}_inside"] = round(float(np.mean([mine[2] / mine[3] for mine, _ in sums])), 3)
    return found


def _chances(lesson: Lesson, everything: bool) -> tuple[np.ndarray, np.ndarray]:
    """The anchors to draw from, and how often each comes: real and drawn alike, a group by the root of its size."""
    rows = np.flatnonzero(~lesson.held_out() | everything)
    group = lesson.group[rows]
    chance = 1 / np.sqrt(np.bincount(group, minlength=len(lesson.names))[group])
    for part in (group < lesson.real, group >= lesson.real):
        if part.any():
            chance[part] /= chance[part].sum()
    return rows, chance / chance.sum()


def _save(path: Path, step: int, *parts: nn.Module | torch.optim.Optimizer) -> None:
    beside = path.with_suffix(".part")
    torch.save([step, *(part.state_dict() for part in parts)], beside)
    beside.rename(path)


def _resume(path: Path | None, *parts: nn.Module | torch.optim.Optimizer) -> int:
    """The step from which to go on."""
    if path is None or not path.exists():
        return 0
    step, *states = torch.load(path)
    for part, state in zip(parts, states, strict=True):
        part.load_state_dict(state)
    return int(step)
