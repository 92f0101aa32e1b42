"""FLAIR of flaircast, in an environment of its own, which `make peers` makes.

It shares no import with Rollcast. GIVEN, MADE and what is printed are those of `peer_classical.py`; quantiles are those
of its sample paths, and the periods are those that it knows for the frequency.
"""

import argparse
import json
import time
import warnings

import numpy as np
from flaircast import __version__ as version
from flaircast import forecast

PATHS, SEED = 200, 0
NAMES = {"m": "T", "h": "H", "d": "D", "b": "B", "w": "W", "mo": "M", "q": "Q", "y": "Y"}


def name_of(freq: str) -> str:
    """A frequency as FLAIR names it: "5m" is "5T", "1h" is "H"."""
    digits = freq.rstrip("abcdefghijklmnopqrstuvwxyz")
    return (digits if digits != "1" else "") + NAMES[freq[len(digits) :]]


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("given")
    options.add_argument("made")
    options.add_argument("--horizon", type=int, required=True)
    options.add_argument("--season", type=int, help="is not read")
    options.add_argument("--freq", required=True)
    options.add_argument("--seconds", type=float, required=True)
    chosen = options.parse_args()
    warnings.filterwarnings("ignore")
    given = np.load(chosen.given)
    past, levels = given["past"], given["levels"]
    found = np.empty((len(past), chosen.horizon, len(levels)))
    begun, cpu, failed, done = time.monotonic(), time.process_time(), 0, 0
    for y in past:
        if time.monotonic() - begun > chosen.seconds:
            break
        own = y[~np.isnan(y)]
        paths = forecast(own, chosen.horizon, name_of(chosen.freq), PATHS, SEED)
        found[done] = np.quantile(paths, levels, axis=0).T
        if not np.isfinite(found[done]).all():
            found[done], failed = own[-1], failed + 1
        done += 1
    if done == len(past):
        np.save(chosen.made, found)
    taken = {"seconds": time.monotonic() - begun, "cpu_seconds": time.process_time() - cpu}
    print(json.dumps({"version": version, "done": done, "failed": failed, **taken}))


if __name__ == "__main__":
    main()
