"""Networks of different cells with the same number of weights, heads included, so that a comparison is fair."""

from collections.abc import Callable, Sequence
from functools import partial

from data.errors import InvalidInput

WIDEST = 4096
MARGIN = 0.05  # share by which two networks' numbers of weights may differ


def equal_widths(kinds: Sequence[str], weights_of: Callable[[str, int], int], target: int) -> dict[str, int]:
    """For each kind the width whose number of weights, `weights_of(kind, width)`, is nearest to the target.

    Raises InvalidInput where no width comes within MARGIN of it.
    """
    found = {kind: _nearest(partial(weights_of, kind), target) for kind in kinds}
    for kind, width in found.items():
        count = weights_of(kind, width)
        if abs(count - target) > MARGIN * target:
            raise InvalidInput(
                f"no {kind} has {target:,} weights within {MARGIN:.0%}, the nearest has {count:,}; ask for "
                f"{'fewer' if width == WIDEST else 'more'} weights"
            )
    return found


def _nearest(count: Callable[[int], int], target: int) -> int:
    """The width with the count nearest to the target; counts grow with the width."""
    low, high = 1, WIDEST
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if count(middle) <= target else (low, middle)
    return min((low, high), key=lambda width: abs(count(width) - target))
