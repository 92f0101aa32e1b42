"""A tuned model answers over HTTP as the fold of its series does."""

import numpy as np

from forecasting.kinds import model_of
from forecasting.tuning.fit_universal import TuningSpec, fit_universal
from tests.support.service_kit import FIVE, HORIZON, SEASON, START, World, panel_of, wave

LATER = 20
PANEL = panel_of("a", "b")


def test_a_tuned_model_answers_as_the_fold_of_its_series(tmp_path):
    bundle = fit_universal(PANEL, TuningSpec("5m", SEASON, HORIZON, steps=8)).bundle
    world = World.at(tmp_path)
    world.promote(world.ingest("sensors", "a", "b"), bundle, PANEL)
    values, first = wave(200 + LATER)[200:] * 1.1, START // FIVE
    with world.serving() as client:
        for k, value in enumerate(values.tolist()):
            row = {"ds": (START + k * FIVE) // 1_000_000, "y": value}
            row["ds"] = f"{np.datetime64(row['ds'], 's')}Z"
            assert client.post("/v1/series/a/observations", json=row).is_success
        found = client.get("/v1/series/a/forecast", params={"quantiles": "0.1,0.5,0.9"}).json()
    assert (found["model"]["kind"], found["answered_by"], found["status"]) == ("universal", "champion", "ok")

    model = model_of(bundle)
    state = model.start(PANEL.tail_matrix(bundle.config.context)[:1], PANEL.last[:1])
    model.fold(state, np.zeros(LATER, np.int64), first + np.arange(LATER), values)
    expected = model.forecast(state, np.array([0]))[0]
    for name, column in (("0.1", 1), ("0.5", 5), ("0.9", 9)):
        assert found["quantiles"][name] == expected[:, column].tolist()
