"""`python -m pretraining.network FOLDER --reserved FILE --out FILE`: trains the network that ships with Rollcast.

FOLDER and FILE as `python -m pretraining` has them. Printed, and written beside the weights, are the losses over those
of the mix alone: of real groups that were held out, of the other real ones and of the drawn ones. `--everything` trains
on the groups that are held out, too. A run that was interrupted goes on from `--work`.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import save_file

from pretraining.anchored import anchors_of_group, joined
from pretraining.fit_network import Lesson, fit, judged
from pretraining.real_series import read_groups
from pretraining.synthetic import synthetic_groups

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
    chosen = options.parse_args()
    torch.set_num_threads(1)
    lesson = read_lesson(chosen.folder, np.load(chosen.reserved), chosen.seed)
    print(f"{len(lesson.anchors):,} anchors of {lesson.real} real and {len(lesson.names) - lesson.real} drawn groups")
    checkpoint = chosen.work / "network.ckpt" if chosen.work else None
    if checkpoint is not None:
        checkpoint.parent.mkdir(parents=True, exist_ok=True)
    network = fit(lesson, chosen.steps, chosen.seed, chosen.everything, checkpoint)
    figures = judged(network, lesson)
    print(figures)
    about = {"steps": chosen.steps, "seed": chosen.seed, "everything": chosen.everything, "losses": figures}
    save_file(network.export(), chosen.out, {"about": json.dumps(about)})


def read_lesson(folder: Path, reserved: np.ndarray, seed: int) -> Lesson:
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
    return Lesson(joined(batches), np.concatenate(group), names, real)


if __name__ == "__main__":
    main()
