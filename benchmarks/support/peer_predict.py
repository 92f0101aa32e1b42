"""neuralforecast's `predict` for one series, in an environment of its own (`make peers`): microseconds a call."""

import json
import logging
import time
import warnings

import numpy as np
import pandas as pd
from neuralforecast import NeuralForecast
from neuralforecast.models import LSTM

CALLS = 10


def main() -> None:
    warnings.filterwarnings("ignore")
    logging.disable(logging.WARNING)
    t = np.arange(400)
    frame = pd.DataFrame({"unique_id": "a", "ds": t, "y": 50 + 3 * np.sin(2 * np.pi * t / 24)})
    quiet = {"accelerator": "cpu", "enable_progress_bar": False, "enable_model_summary": False, "logger": False}
    model = LSTM(h=48, input_size=296, encoder_hidden_size=128, encoder_n_layers=1, max_steps=2, **quiet)
    forecaster = NeuralForecast([model], freq=1)
    forecaster.fit(frame)
    forecaster.predict(df=frame)
    began = time.perf_counter()
    for _ in range(CALLS):
        forecaster.predict(df=frame)
    print(json.dumps({"predict_us": (time.perf_counter() - began) / CALLS * 1e6}))


if __name__ == "__main__":
    main()
