"""`python -m pretraining.network FOLDER --reserved FILE --out FILE`: trains the network that ships with Rollcast.

FOLDER and FILE as `python -m pretraining` has them. Printed, and written beside the weights, are the losses over those
of the mix alone: of real groups that were held out, of the other real ones and of the drawn ones. `--everything` trains
on the groups that are held out, too. A run that was interrupted goes on from `--work`.

Every fourth real group judges, or all from `--judge-from NAME` on: with `bitcoin` those of all packages but the first.
The network learns the moves of the middle for series like those it was trained on; for others half of each is better
or as good. So the weights that ship give `MOVE_SHARE` of it.
"""

import argparse
import copy
import json
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import save_file

from forecasting.tuning.tuned_network import TunedNetwork
from pretraining.anchored import anchors_of_group, joined
from pretraining.fit_network import Lesson, fit, judged
from pretraining.real_series import read_groups
from pretraining.synthetic import synthetic_groups

HELD_OUT = 4  # every fourth group
MOVE_SHARE = 0.5
ANCHORS, DRAWN_ANCHORS = 6_000, 3_000  # of a group


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("folder", type=Path)
    options.add_argument("--reserved", type=Path, required=True, help="reserved_hashes.npy")
    options.add_argument("--out", type=Path, required=True, help="weights, .safetensors")
    options.add_argument("--work", type=Path, help="folder of checkpoints")
    options.add_argument("--steps", type=int, default=6_000)
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--everything", action="store_true")
    options.add_argument("--judge-from", metavar="NAME", help="hold out the real groups from this one on")
    chosen = options.parse_args()
    torch.set_num_threads(1)
    lesson = read_lesson(chosen.folder, np.load(chosen.reserved), chosen.seed, chosen.judge_from)
    print(f"{len(lesson.anchors):,} anchors of {lesson.real} real and {len(lesson.names) - lesson.real} drawn groups")
    checkpoint = chosen.work / "network.ckpt" if chosen.work else None
    if checkpoint is not None:
        checkpoint.parent.mkdir(parents=True, exist_ok=True)
    network = fit(lesson, chosen.steps, chosen.seed, chosen.everything, checkpoint)
    figures = {f"moves times {share}": judged(with_moves(network, share), lesson) for share in (0, MOVE_SHARE, 1)}
    for share, losses in figures.items():
        print(f"{share}: {losses}")
    about = {"steps": chosen.steps, "seed": chosen.seed, "everything": chosen.everything, "losses": figures}
    save_file(with_moves(network, MOVE_SHARE).export(), chosen.out, {"about": json.dumps(about)})


def with_moves(network: TunedNetwork, share: float) -> TunedNetwork:
    """The network with a share of the moves of the middle."""
    other = copy.deepcopy(network)
    with torch.no_grad():
        other.output.weight[0] *= share
        other.output.bias[0] *= share
    return other


def read_lesson(folder: Path, reserved: np.ndarray, seed: int, judge_from: str | None) -> Lesson:
    """The anchors of all groups."""
    rng, batches, group, names, real = np.random.default_rng(seed), [], [], [], 0
    every = [(one, ANCHORS) for one in read_groups(folder, reserved)]
    real = len(every)
    for one, most in [*every, *((drawn, DRAWN_ANCHORS) for drawn in synthetic_groups(seed))]:
        batch = anchors_of_group(one, most, rng)
        if batch is not None:
            batches.append(batch)
            group.append(np.full(len(batch), len(names)))
        names.append(one.name)
    places = np.arange(len(names))
    judges = places % HELD_OUT == 0 if judge_from is None else places >= names.index(judge_from)
    return Lesson(joined(batches), np.concatenate(group), names, real, judges & (places < real))


if __name__ == "__main__":
    main()
