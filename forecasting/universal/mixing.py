"""The mix of the experts: weights by inverse error, known at some leads and interpolated between them.

An expert's error at a lead is set in relation to that of the best one there. Few errors are trusted less: the relation
at a lead is drawn to that at the lead before it, and at the first one to what is usual. The less of a series was seen,
and the farther ahead an expert looks, the worse it is expected to do. Only sums, products and quotients are used, so
that every machine finds the same bits.

What is usual, `prior` (5, experts), was fitted by `python -m pretraining` to series that judge nothing: the relation of
a series that was seen for long, what it is more after one value, and what it is more at a lead of as many steps as
values were seen. The last two rows are 0 but for the expert that repeats a cycle: its first part of the weight, and the
number of its errors one step ahead after which this has ended. Versions of before have three rows and no such part.
"""

import numpy as np

from forecasting.kernel.compiled import exact

CAUTIOUS = 24.0  # values after which other experts are heard though no round is complete
TRUST = 16.0  # errors that the relation at the lead before weighs
FAINT = 1e-9  # of the size of the series: smaller errors are none
QUICK_SHARE = 0.4  # of the error average that forgets sooner
LARGEST_RELATION = 1e6
NEAR = 12.0  # a lead of so many parts of a round is near: what was seen a round ago counts half


@exact
def weigh(
    error: np.ndarray,
    count: np.ndarray,
    prior: np.ndarray,
    leads: np.ndarray,
    seasons: np.ndarray,
    seen: float,
    size: float,
    weights: np.ndarray,
) -> None:
    """Write the weights (K, experts), not yet of sum 1.

    error (RATES, K, experts + 1) are mean absolute errors, the last column that of the mix; count (K, experts + 1) how
    many were met; `seen` values of a series whose values have this size in data units. In the first round of a cycle
    (seasons[0, 0] steps) few errors mislead: the last value, which is the first expert, is repeated.
    """
    if len(seasons) > 0 and seen < min(seasons[0, 0], CAUTIOUS):
        weights[:, :] = 0.0
        weights[:, 0] = 1.0
    else:
        _weigh_errors(error, count, prior, leads, seen, size, weights)


@exact
def repeated_first(count: np.ndarray, prior: np.ndarray) -> int:
    """The expert that repeats a cycle whose errors do not tell yet what it is worth; -1 without one."""
    if len(prior) == 5:
        for e in range(prior.shape[1]):
            if count[0, e] < prior[4, e]:
                return e
    return -1


@exact
def first_part(e: int, count: np.ndarray, prior: np.ndarray, seasons: np.ndarray, lead: float) -> float:
    """The part of the weight that this expert (`repeated_first`) is given at a lead: more so the farther ahead."""
    far = NEAR * lead / seasons[0, 0]
    return prior[3, e] * (1 - count[0, e] / prior[4, e]) * far * far / (far * far + 1)


@exact
def repeat_first(
    count: np.ndarray, prior: np.ndarray, leads: np.ndarray, seasons: np.ndarray, weights: np.ndarray
) -> None:
    """Give the expert that repeats a cycle its first part of weights (K, experts). Where it met no phase it has no
    forecast, and the others have all."""
    e = repeated_first(count, prior)
    if e < 0:
        return
    for k in range(len(weights)):
        part, total = first_part(e, count, prior, seasons, leads[k, 0]), np.sum(weights[k])
        weights[k, e] += total * part / (1 - part)


@exact
def _weigh_errors(
    error: np.ndarray,
    count: np.ndarray,
    prior: np.ndarray,
    leads: np.ndarray,
    seen: float,
    size: float,
    weights: np.ndarray,
) -> None:
    experts = weights.shape[1]
    tiny = FAINT * size + 1e-300
    relation = prior[0] + prior[1] / seen
    before = 0.0
    for k in range(len(leads)):
        reach = (leads[k, 0] - before) / seen
        before = np.float64(leads[k, 0])
        best = np.inf
        for e in range(experts):
            relation[e] += prior[2, e] * reach
            if count[k, e] > 0:
                best = min(best, _averaged(error, k, e))
        for e in range(experts):
            if count[k, e] > 0:
                own = min((_averaged(error, k, e) + tiny) / (best + tiny), LARGEST_RELATION)
                n = np.float64(count[k, e])
                relation[e] = (n * own + TRUST * relation[e]) / (n + TRUST) if own < LARGEST_RELATION else own
            square = relation[e] * relation[e]
            fourth = square * square
            weights[k, e] = 1.0 / (fourth * fourth)


@exact
def _averaged(error: np.ndarray, k: int, e: int) -> float:
    return QUICK_SHARE * np.float64(error[1, k, e]) + (1 - QUICK_SHARE) * np.float64(error[0, k, e])


@exact
def mix(forecasts: np.ndarray, weights: np.ndarray) -> float:
    """The weighted mean of forecasts (experts,); those that are NaN are left out."""
    total, weight = 0.0, 0.0
    for e in range(len(weights)):
        if not np.isnan(forecasts[e]):
            total += weights[e] * forecasts[e]
            weight += weights[e]
    return total / weight


@exact
def between(leads: np.ndarray, lead: int) -> tuple[int, float]:
    """The place k of the last known lead up to this one, and how far it is on the way to the next; 0 after the last."""
    k = len(leads) - 1
    while k > 0 and leads[k, 0] > lead:
        k -= 1
    if k + 1 == len(leads) or leads[k, 0] >= lead:
        return k, 0.0
    return k, (lead - leads[k, 0]) / (leads[k + 1, 0] - leads[k, 0])
