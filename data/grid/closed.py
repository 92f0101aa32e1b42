"""Says in one sentence why no step takes a stamp."""

from data.grid.durations import DAY, exchange_of
from data.grid.grid import Grid
from data.grid.stamps import format_ds

NAMES = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


def why_closed(grid: Grid, ds: int) -> str:
    """The reason for a stamp that `Grid.place` refused, such as "is a Saturday; this dataset has only weekdays"."""
    weekday = NAMES[(ds // DAY + 3) % 7]
    exchange = exchange_of(grid.freq)
    if exchange is None:
        return f"is a {weekday}; this dataset has only weekdays"
    if grid.bars is None:
        return f"is a {weekday} on which {exchange} is closed"
    hours = [str(format_ds(moment, "instant")) for moment in grid.bars.session_hours(ds)]
    session = f"{hours[0]} to {hours[1]}" + (f" with a break from {hours[2]} to {hours[3]}" if len(hours) > 2 else "")
    return f"is outside of the sessions of {exchange}; the one before is {session}"
