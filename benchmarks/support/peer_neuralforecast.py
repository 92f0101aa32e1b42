"""neuralforecast's LSTM on one file with a `split` column, for a given number of seconds.

Runs in an environment of its own, which `make peers` makes: it shares no import with Rollcast. Sizes, loss (mean
absolute error) and scaling are neuralforecast's defaults; rows marked test are not read. Prints one JSON object:
version, steps, seconds (of fitting and forecasting), forecasts (values of each series, by its id).
"""

import argparse
import json
import logging
import time
import warnings
from datetime import timedelta

import pandas as pd
from neuralforecast import NeuralForecast
from neuralforecast import __version__ as version
from neuralforecast.losses.pytorch import MAE
from neuralforecast.models import LSTM

ENDLESS = 10_000_000  # steps: the time limit ends training


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("file")
    options.add_argument("--horizon", type=int, required=True)
    options.add_argument("--input-size", type=int, required=True)
    options.add_argument("--seconds", type=float, required=True)
    options.add_argument("--seed", type=int, default=0)
    chosen = options.parse_args()
    warnings.filterwarnings("ignore")
    logging.disable(logging.WARNING)
    frame = pd.read_parquet(chosen.file)
    known = frame.loc[frame["split"] != "test", ["unique_id", "t", "y"]]
    model = LSTM(
        h=chosen.horizon,
        input_size=chosen.input_size,
        loss=MAE(),
        max_steps=ENDLESS,
        random_seed=chosen.seed,
        max_time=timedelta(seconds=chosen.seconds),
        start_padding_enabled=True,  # the shortest series is shorter than the input
        accelerator="cpu",
        enable_progress_bar=False,
        enable_model_summary=False,
        logger=False,
    )
    begun = time.monotonic()
    forecaster = NeuralForecast([model], freq=1)
    forecaster.fit(known, time_col="t")
    made = forecaster.predict()
    seconds = time.monotonic() - begun
    forecasts = made.groupby("unique_id")["LSTM"].apply(lambda values: [float(value) for value in values]).to_dict()
    steps = len(forecaster.models[0].train_trajectories)
    print(json.dumps({"version": version, "steps": steps, "seconds": round(seconds, 1), "forecasts": forecasts}))


if __name__ == "__main__":
    main()
