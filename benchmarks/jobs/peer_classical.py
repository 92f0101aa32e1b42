"""statsforecast's AutoETS, AutoTheta or AutoARIMA, in an environment of its own, which `make peers` makes.

It shares no import with Rollcast. GIVEN holds `past` (m, W), histories with NaN before their first value, and `levels`;
MADE gets the quantiles (m, H, L), unless time was over before the last. A series that cannot be fitted has its last
value. Prints one JSON object: version, seconds, cpu_seconds, done (fits), failed.
"""

import argparse
import json
import time
import warnings

import numpy as np
from statsforecast import __version__ as version
from statsforecast.models import AutoARIMA, AutoETS, AutoTheta

MODELS = {"auto_ets": AutoETS, "auto_theta": AutoTheta, "auto_arima": AutoARIMA}
ROUNDS = 2  # of a season that a series must have, else it is fitted without


def quantiles(model: str, y: np.ndarray, season: int, horizon: int, levels: np.ndarray) -> np.ndarray:
    """(H, L) of one history (T,)."""
    fitted = MODELS[model](season_length=season if len(y) > ROUNDS * season else 1)
    percents = [round(100 - 200 * level) for level in levels if level < 0.5]
    made = fitted.forecast(y=y, h=horizon, level=sorted(percents))
    below = [made[f"lo-{percent}"] for percent in percents]
    above = [made[f"hi-{percent}"] for percent in reversed(percents)]
    return np.sort(np.stack([*below, made["mean"], *above], axis=1), axis=1)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("given")
    options.add_argument("made")
    options.add_argument("--model", choices=sorted(MODELS), required=True)
    options.add_argument("--horizon", type=int, required=True)
    options.add_argument("--season", type=int, required=True)
    options.add_argument("--freq", help="is not read")
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
        try:
            found[done] = quantiles(chosen.model, own, chosen.season, chosen.horizon, levels)
        except Exception:  # statsforecast raises many kinds for a series that it cannot fit
            found[done] = np.nan
        if not np.isfinite(found[done]).all():
            found[done], failed = own[-1], failed + 1
        done += 1
    if done == len(past):
        np.save(chosen.made, found)
    taken = {"seconds": time.monotonic() - begun, "cpu_seconds": time.process_time() - cpu}
    print(json.dumps({"version": version, "done": done, "failed": failed, **taken}))


if __name__ == "__main__":
    main()
