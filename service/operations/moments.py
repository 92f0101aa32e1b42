"""Moments as answers show them."""

from data.grid.stamps import format_moment


def moment_or_none(at: int | None) -> str | None:
    """RFC 3339 text of microseconds since 1970 UTC; None for a moment that has not come."""
    return None if at is None else format_moment(at)
