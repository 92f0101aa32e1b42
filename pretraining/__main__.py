"""`python -m pretraining FOLDER`: fits what the shipped version takes as usual, from the data that packages ship.

FOLDER holds the wheels that `pretraining.real_series` names. RESERVED is `reserved_hashes.npy`: series that share a run
with it are left out. The numbers are printed as they stand in forecasting/universal/shipped.py, with the errors of the
mix over those of the baselines, on the groups that were learned and on those that were held out.
"""

import argparse
from pathlib import Path

import numpy as np
import torch

from pretraining.cache import cache
from pretraining.fit_usual import FLOOR, NAMES, fit, judge, prepare
from pretraining.real_series import read_groups

ANCHORS = 3_000  # of a group


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("folder", type=Path)
    options.add_argument("--reserved", type=Path, required=True, help="reserved_hashes.npy")
    options.add_argument("--steps", type=int, default=150)
    options.add_argument("--seed", type=int, default=0)
    chosen = options.parse_args()
    torch.manual_seed(chosen.seed)
    torch.set_num_threads(1)
    parts = []
    for number, group in enumerate(read_groups(chosen.folder, np.load(chosen.reserved))):
        most = int(np.clip(ANCHORS / len(group.series), 12, 400))
        parts += list(cache(group, number, most))
        print(f"{group.name}: {len(group.series)} series of {sum(map(len, group.series)):,} steps", flush=True)
    anchors = prepare({name: np.concatenate([part[name] for part in parts]) for name in parts[0]}, chosen.seed)
    model = fit(anchors, chosen.steps, chosen.seed)
    print({name: round(value, 4) for name, value in judge(model, anchors).items()})
    rows = zip(NAMES, model.prior.exp() + FLOOR, model.few.exp(), model.reach.exp(), strict=True)
    for name, prior, few, reach in rows:
        print(f'    "{name}": ({prior:.2f}, {few:.2f}, {reach:.2f}),')


if __name__ == "__main__":
    main()
