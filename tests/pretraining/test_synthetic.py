"""Drawn series, and the lesson that is made of them."""

import numpy as np
import pytest

from forecasting.universal.network import NAMES, PREFIX
from pretraining import fit_network
from pretraining.anchored import LEADS, anchors_of_group, joined
from pretraining.fit_network import Lesson, fit, judged
from pretraining.network import with_moves
from pretraining.synthetic import FAMILIES, FREQUENCIES, counts, opening_hours, sun, synthetic_groups

DAY = (24, 168)


@pytest.fixture(scope="module")
def groups():
    return list(synthetic_groups(0))


def test_every_family_is_drawn_at_every_frequency_and_the_same_again_from_the_same_seed(groups):
    assert len(groups) == len(FAMILIES) * len(FREQUENCIES)
    again = next(synthetic_groups(0))
    assert all(np.array_equal(a, b, equal_nan=True) for a, b in zip(again.series, groups[0].series, strict=True))
    assert not np.array_equal(next(synthetic_groups(1)).series[0], groups[0].series[0])


def test_there_is_no_light_at_night_and_no_count_below_zero():
    rng = np.random.default_rng(0)
    light = sun(rng, 240, DAY)
    assert light.min() == 0 and (light == 0).mean() > 0.2
    drawn = counts(rng, 200, DAY)
    assert drawn.min() >= 0 and np.array_equal(drawn, np.round(drawn))


def test_closed_hours_are_the_same_each_week():
    sold = opening_hours(np.random.default_rng(3), 24 * 7 * 8, DAY).reshape(8, 168)
    always_closed = (sold == 0).all(0)
    assert always_closed.mean() > 0.1


def test_a_few_steps_teach_the_network_something(groups):
    rng = np.random.default_rng(0)
    names = ["smoothed_errors_1mo", "trend_and_season_1mo"]
    batches = [anchors_of_group(group, 300, rng) for group in groups if group.name in names]
    assert all(batch.actual.shape[1] == LEADS for batch in batches)
    group = np.repeat([0, 1], [len(batch) for batch in batches])
    lesson = Lesson(joined(batches), group, names, 2, np.zeros(2, bool))
    network = fit(lesson, 80, 0, True, None)
    assert judged(network, lesson)["real_pinball"] < 1
    halved = with_moves(network, 0.5).export()
    np.testing.assert_allclose(halved[f"{PREFIX}output"][:, 0], network.export()[f"{PREFIX}output"][:, 0] / 2)
    assert set(halved) == {f"{PREFIX}{name}" for name in NAMES}


def test_a_run_that_was_interrupted_goes_on_to_the_same_weights(groups, tmp_path, monkeypatch):
    monkeypatch.setattr("pretraining.fit_network.SAVED_EVERY", 10)
    batch = anchors_of_group(groups[5], 60, np.random.default_rng(0))
    lesson = Lesson(batch, np.zeros(len(batch), int), ["one"], 1, np.zeros(1, bool))
    whole = fit(lesson, 20, 0, True, tmp_path / "whole.ckpt").export()
    (tmp_path / "whole.ckpt").unlink()
    stopped, save = tmp_path / "stopped.ckpt", fit_network._save

    def save_and_stop(*parts):
        save(*parts)
        raise KeyboardInterrupt

    monkeypatch.setattr(fit_network, "_save", save_and_stop)
    with pytest.raises(KeyboardInterrupt):
        fit(lesson, 20, 0, True, stopped)
    monkeypatch.setattr(fit_network, "_save", save)
    again = fit(lesson, 20, 0, True, stopped).export()
    assert all(np.array_equal(whole[name], again[name]) for name in whole)
