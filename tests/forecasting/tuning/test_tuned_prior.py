"""The mix in torch, which is fitted, is the compiled one, which serves."""

import numpy as np
import pytest
import torch

from forecasting.panel import Panel
from forecasting.tuning.anchors import anchor_steps, gather_anchors, read_mix
from forecasting.tuning.fit_universal import engine_of
from forecasting.tuning.tunable import batch_of
from forecasting.tuning.tuned_prior import TunedPrior
from forecasting.universal.mixing import mix, repeat_first, weigh
from forecasting.universal.shipped import shipped_bundle

RNG = np.random.default_rng(0)
SERIES = [50 + 10 * np.sin(np.arange(n) * np.pi / 6) + RNG.normal(size=n).cumsum() for n in (9, 40, 150)]
PANEL = Panel.of(SERIES, first=7)


@pytest.mark.parametrize("season", [1, 12])
def test_the_mix_in_torch_is_the_compiled_one(season):
    engine = engine_of(shipped_bundle("1", 5, season))
    anchors = gather_anchors(engine, PANEL, anchor_steps(PANEL.lengths, PANEL.lengths // 4, (season,), 60), read_mix)
    unit = np.full(len(anchors), 2.0)
    with torch.no_grad():
        part = TunedPrior(engine.prior, engine.leads[:, 0], engine.layout.cycles)
        found = part(batch_of(anchors, unit, np.ones(len(anchors)))).numpy() * 2 + anchors.last[:, None]
    prior, weights = part.export()["prior"], np.empty((len(engine.leads), engine.layout.experts))
    for i in range(len(anchors)):
        error, count = (anchors.features[name][i] for name in ("error", "count"))
        size = abs(anchors.last[i]) + anchors.scale[i]
        seen = float(anchors.seen[i])
        weigh(error, count, prior, engine.leads, engine.seasons, seen, size, weights)
        repeat_first(count, prior, engine.leads, engine.seasons, weights)
        forecasts = anchors.features["forecast"][i].astype(float) + anchors.last[i]
        compiled = [mix(forecasts[k], weights[k]) for k in range(len(weights))]
        assert found[i] == pytest.approx(compiled, rel=1e-5, abs=1e-4)


def test_the_shipped_numbers_come_out_as_they_went_in():
    prior = shipped_bundle("1", 5, 12).weights["prior"]
    assert TunedPrior(prior, np.array([1]), (12,)).export()["prior"] == pytest.approx(prior, abs=2e-3)


def test_the_state_at_an_anchor_knows_the_values_before_it_alone():
    engine = engine_of(shipped_bundle("1", 5, 12))
    stops = np.array([1, 3, 40, 41, 120])
    values = SERIES[2].copy()
    values[30:33] = np.nan
    found = engine.states_at(values[:120], stops, before=7)
    for i, stop in enumerate(stops.tolist()):
        alone = engine.empty(1)
        alone["origin"][:] = 6
        engine.advance_here(alone, values[None, :stop].copy())
        for name, array in alone.items():
            assert np.array_equal(found[name][i], array[0], equal_nan=True), (name, stop)


def test_anchors_read_a_panel_in_blocks_as_at_once(monkeypatch):
    engine = engine_of(shipped_bundle("1", 5, 12))
    stops = anchor_steps(PANEL.lengths, PANEL.lengths // 4, (12,))
    whole = gather_anchors(engine, PANEL, stops, read_mix)
    monkeypatch.setattr("forecasting.tuning.anchors.BLOCK", 7)
    parts = gather_anchors(engine, PANEL, stops, read_mix)
    assert np.array_equal(whole.actual, parts.actual, equal_nan=True)
    assert all(np.array_equal(whole.features[n], parts.features[n], equal_nan=True) for n in whole.features)
    assert whole.last[0] == SERIES[0][0]
    assert whole.actual[0][:2].tolist() == SERIES[0][1:3].tolist()
    assert whole.scale[-1] > 0


def test_anchors_lie_at_every_phase_and_where_the_tail_begins():
    (stops,) = anchor_steps(np.array([4_000]), np.array([400]), (24, 168), most=400)
    assert {1, 2, 3, 4, 6, 8, 12, 16, 3_600} <= set(stops.tolist())
    assert set(np.diff(stops[stops > 3_600]).tolist()) == {11}
    assert len(set((stops % 24).tolist())) == 24
