"""Decisions in sentences: each number is that of the evidence, and each sentence is about the right version."""

from data.changes import decision_words
from data.store.promotions import Promotion

NAIVE = {"model": "naive", "role": None, "version": None, "error": 1.0, "gain": 0.125, "p_value": 0.004}
CHAMPION = {"model": "gru", "role": "champion", "version": 1, "error": 0.5, "gain": -0.04, "p_value": 0.9}
COMPARED = {
    "candidate": 2,
    "origins": 36,
    "horizon": 12,
    "reasons": [],
    "contenders": [{"model": "lstm", "version": 2, "error": 0.52, "coverage_80": 0.79}, NAIVE],
    "cost": {"bytes": 450_000, "ms": 0.13},
    "shadow": None,
}


def words(event, version=2, **evidence):
    return decision_words.sentences(Promotion(1, 1, version, event, evidence, 0, 0, "", ""))


def test_a_passed_gate_names_the_gain_its_p_value_and_what_p_is():
    assert words("promoted", **COMPARED) == [
        "It passed the promotion gate.",
        "The mean error of version 2, at 36 past origins: 12.5 % lower than that of naive (p = 0.004).",
        decision_words.P_VALUE,
        "The 80 % interval of version 2 held 79 % of the values.",
        "Version 2 has 0.45 MB and takes 0.13 ms for one step and one forecast of a series.",
    ]


def test_a_refusal_begins_with_its_reasons_and_does_not_explain_a_p_value_that_is_not_there():
    reasons = ["its error is +4.0% against gru (champion); -1.0% or lower is required"]
    told = words("refused", **COMPARED | {"reasons": reasons, "contenders": [COMPARED["contenders"][0], CHAMPION]})
    assert told[0] == f"The promotion gate refused it: {reasons[0]}."
    assert told[1] == "The mean error of version 2, at 36 past origins: 4.0 % higher than that of the champion gru 1."
    assert decision_words.P_VALUE not in told


def test_a_baseline_that_serves_instead_says_of_which_version_the_figures_are():
    told = words("promoted", version=3, **COMPARED | {"reasons": ["its gain could be chance"]})
    assert told[0] == (
        "It is the best baseline and serves instead of version 2, which was refused: its gain could be chance."
    )
    assert "The 80 % interval of version 2 held 79 % of the values." in told


def test_shadow_rollback_and_acts_over_http():
    shadow = {"targets": 500, "challenger": 0.9, "champion": 1.0}
    assert words("promoted", **COMPARED | {"shadow": shadow})[-1] == (
        "In shadow the MASE of version 2 was 0.900 on 500 live values, the champion's 1.000."
    )
    assert words("shadowed", champion=1, targets=500, cause="retrain") == [
        "It follows the same values as version 1 and answers no request; after 500 live values the promotion gate "
        "compares the two."
    ]
    assert words("rolled_back", **{"by": "loopback", "from": 3, "to": 2}) == [
        "It serves again in place of version 3; a rollback is decided by hand.",
        "A program on this machine asked for it over HTTP.",
    ]
    assert words("promoted") == ["No evidence was recorded."]


def test_altered_evidence_is_said_and_raises_nothing():
    for altered in ({"contenders": "none"}, {"contenders": [1]}, COMPARED | {"cost": 3}):
        assert words("promoted", **altered) == ["Its evidence has another form than this version writes."]
