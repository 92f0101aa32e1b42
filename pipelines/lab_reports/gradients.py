"""`rollcast lab gradients` and `check-gradients`: how far back a network learns from, and whether slopes are right."""

from __future__ import annotations

from forecasting.lab.gradient_check import PASSED, GradientCheck, check_gradients
from forecasting.lab.gradient_flow import CLIP, EXPLODING, FAR, RECALL, Clipped, Flow, clipped, flows
from pipelines.console import ProgressCallback
from pipelines.lab_reports.gates import memory_words
from pipelines.lab_reports.pictures import lines
from pipelines.lab_reports.registered import follow
from pipelines.lab_reports.shown import Drawn, Shown, ShownTable
from pipelines.workspace import Workspace


def effective_memory(workspace: Workspace, name: str) -> str:
    """For how long the model of a dataset remembers, in a sentence."""
    found = follow(workspace, name, None, None, 1)
    if found.memory is None:
        return f"The effective memory of version {found.version} of {name} cannot be measured."
    return f"Version {found.version} of {name}, a trained {found.bundle.config.kind}. {memory_words(found.memory)}"


def experiment(seeds: int, steps: int, hidden: int, progress: ProgressCallback, registered: str | None = None) -> Shown:
    """Vanishing, carried and exploding gradients; `registered` says for how long a model of the user remembers."""
    found = flows(seeds, steps, hidden, progress)
    exploding = clipped()
    flow_columns = ["start", "lag 1", "lag 10", f"lag {FAR}", f"lag {FAR} / lag 1"]
    flow_columns += ["the same after training", "error after training"] if steps else []
    rows = [_row(flow, bool(steps)) for flow in found]
    burst = [
        [length, round(norm), left]
        for length, norm, left in zip(exploding.lengths, exploding.norms, exploding.clipped, strict=True)
    ]
    return Shown(
        "gradients",
        "Vanishing and exploding gradients",
        [
            ShownTable(f"Gradient by lag: hidden {hidden}, one number a step, {_medians(seeds)}",
                       flow_columns, rows),
            ShownTable(f"{EXPLODING.name}: norm of the gradient of all weights",
                       ["steps", "norm", f"after clipping to {CLIP:g}"], burst),
        ],
        [*sentences(found, exploding, steps), *([registered] if registered else [])],
        _pictures(found, exploding),
        f"rollcast lab gradients --seeds {seeds} --hidden {hidden}" + (f" --train {steps}" if steps else ""),
    )  # fmt: skip


def sentences(found: list[Flow], exploding: Clipped, steps: int) -> list[str]:
    """What the figures mean."""
    by_name = {flow.start.name: flow for flow in found}
    rnn, torch_lstm = by_name["rnn, uniform"].far, by_name["lstm, as torch starts it"].far
    orthogonal = by_name["rnn, orthogonal"].far
    said = [
        f"The gradient of the plain RNN vanishes: after {FAR} steps {rnn:.0e} of that after one is left.",
        f"So does that of an LSTM as torch starts it ({torch_lstm:.0e}): its forget gates begin half open, and a half "
        f"to the power of {FAR} is nothing. Not the name of the cell helps, but open forget gates.",
        f"With a forget bias of 1 the gates begin {_percent(1)} open and {by_name['lstm, forget bias 1'].far:.0e} is "
        f"left; with 3, {_percent(3)} and {by_name['lstm, forget bias 3'].far:.2g}.",
        f"The weights of an orthogonal RNN turn and do not shrink; with what tanh takes, {orthogonal:.2g} is left.",
        f"Where each step stretches, the gradient explodes: {exploding.norms[0]:.0f} over {exploding.lengths[0]} "
        f"steps, {exploding.norms[-1]:.0e} over {exploding.lengths[-1]}. Clipping keeps its direction and takes its "
        "length: training goes on, but what was far away is not learnt better for it.",
    ]
    if steps:
        said.append(
            f"Trained for {steps} steps to repeat the input of {RECALL} steps before (an error of 1 is that of saying "
            "0): where no gradient arrived at first, nothing was learnt."
        )
    return said


def _medians(seeds: int) -> str:
    return f"medians of {seeds} seeds" if seeds > 1 else "one seed"


def _percent(bias: float) -> str:
    from math import exp

    return f"{1 / (1 + exp(-bias)):.0%}"


def _row(flow: Flow, after: bool) -> list[object]:
    row: list[object] = [flow.start.name, *(_short(flow.by_lag[lag - 1]) for lag in (1, 10, FAR)), _short(flow.far)]
    return row + ([_short(flow.trained), flow.error] if after and flow.trained is not None else [])


def _short(value: float) -> float:
    """Two digits, which is all that a median of some seeds says."""
    return float(f"{value:.1e}")


def _pictures(found: list[Flow], exploding: Clipped) -> list[Drawn]:
    lags = range(1, 101)
    curves = {flow.start.name: [max(value, 1e-30) for value in flow.by_lag.tolist()] for flow in found}
    by_length = {"norm": exploding.norms.tolist(), "after clipping": exploding.clipped.tolist()}
    figure = lines(lags, curves, "lag: steps back", "norm of the gradient", logarithmic=True, height=420)
    burst = lines(exploding.lengths, by_length, "steps of the sequence", "norm of the gradient", logarithmic=True)
    burst.update_yaxes(dtick=1)
    return [
        Drawn(figure, "How much of the last state depends on the input of so many steps before, before any training."),
        Drawn(burst, "A network that stretches at each step: its gradient, and what clipping leaves of it."),
    ]


def checks() -> Shown:
    """Hand-written gradients against numeric ones and torch's."""
    found = check_gradients()
    columns = ["code", "cell", "slopes", "error against numeric", "error against torch", "passed"]
    return Shown(
        "check-gradients",
        "Gradients written by hand",
        [ShownTable("Largest error of a slope, in shares of the largest", columns, [_checked(own) for own in found])],
        [
            f"A gradient passes below {PASSED:g}. The numeric slope itself is right to about 1e-10; torch's is right "
            "to the last digits of a 64-bit number."
        ],
        [],
        "rollcast lab check-gradients",
        {"passed": all(own.passed for own in found)},
    )


def _checked(own: GradientCheck) -> list[object]:
    against = None if own.torch is None else _short(own.torch)
    return [own.where, own.cell, own.slopes, _short(own.numeric), against, "yes" if own.passed else "no"]
