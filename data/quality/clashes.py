"""Several rows for one step of one series: which of them stays."""

import polars as pl

from data.reading.columns import CODE, ORDER, STEP


def last_row_of_each_step(frame: pl.DataFrame) -> tuple[pl.DataFrame, int]:
    """The rows sorted by series and step, with the last row of each step; and how many rows step back in time."""
    code, step = pl.col(CODE), pl.col(STEP)
    again = code == code.shift(1)
    if frame.select((again & (step <= step.shift(1)) | (code < code.shift(1))).any()).item():
        steps_back = int(frame.select((step.diff().over(CODE) < 0).sum()).item())
        frame = frame.with_row_index(ORDER).sort(CODE, STEP, ORDER).drop(ORDER)
        replaced = (code == code.shift(-1)) & (step == step.shift(-1))
        return frame.filter(~replaced.fill_null(False)), steps_back
    return frame, 0
