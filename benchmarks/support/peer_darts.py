"""Darts' LSTM `predict` for one series, in an environment of its own (`make peers`): microseconds a call."""

import json
import logging
import time
import warnings

import numpy as np

CALLS = 10


def main() -> None:
    warnings.filterwarnings("ignore")
    from darts import TimeSeries
    from darts.models import RNNModel

    logging.disable(logging.WARNING)
    t = np.arange(400)
    series = TimeSeries.from_values((50 + 3 * np.sin(2 * np.pi * t / 24)).astype(np.float32))
    quiet = {"accelerator": "cpu", "enable_progress_bar": False, "enable_model_summary": False, "logger": False}
    sizes = {"input_chunk_length": 296, "training_length": 344, "hidden_dim": 128, "n_rnn_layers": 1}
    model = RNNModel("LSTM", n_epochs=1, pl_trainer_kwargs=quiet, **sizes)
    model.fit(series, verbose=False)
    model.predict(48, series, verbose=False)
    began = time.perf_counter()
    for _ in range(CALLS):
        model.predict(48, series, verbose=False)
    print(json.dumps({"predict_us": (time.perf_counter() - began) / CALLS * 1e6}))


if __name__ == "__main__":
    main()
