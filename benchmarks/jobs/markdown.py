"""The tables of the field as a page of the documentation has them."""

from benchmarks.support.run import Figures

OURS = ("zero_shot", "tuned", "trained", "simple")
OTHERS = ("auto_ets", "auto_theta", "auto_arima", "flair")
ABSENT = "n/a"
Found = dict[str, dict[str, Figures]]


def tables(found: Found) -> str:
    """All origins, the sample, and what each column took."""
    return "\n\n".join((every_origin(found), sample(found), taken(found)))


def every_origin(found: Found) -> str:
    """MASE / WQL of what rolls, and what the 80 % interval of the shipped version holds."""
    rows = [["job", *OURS, "80 % of zero_shot", "lowest – highest phase"]]
    for job, own in found.items():
        shipped = own.get("zero_shot", {})
        held = [share(shipped.get(name)) for name in ("coverage_80", "phase_low", "phase_high")]
        cells = bold([pair(own.get(column), "mase", "wql") for column in OURS])
        which = own.get("simple", {}).get("which")
        rows.append([job, *cells[:-1], f"{cells[-1]} ({which})", held[0], f"{held[1]} – {held[2]}"])
    return table(rows)


def sample(found: Found) -> str:
    """MASE / WQL on the sample, of every column."""
    rows = [["job, on its sample", *OURS, *OTHERS]]
    for job, own in found.items():
        cells = [pair(own.get(column), "sampled_mase", "sampled_wql") for column in (*OURS, *OTHERS)]
        rows.append([job, *bold(cells)])
    return table(rows)


def taken(found: Found) -> str:
    """Seconds and processor seconds of each column: of a training, or else of the forecasts."""
    columns = ("zero_shot", "tuned", "trained", *OTHERS)
    rows = [["job: seconds, processor seconds", *columns]]
    for job, own in found.items():
        rows.append([job, *(pair(own.get(column), "seconds", "cpu_seconds", ".3g") for column in columns)])
    return table(rows)


def pair(figures: Figures | None, one: str, other: str, digits: str = ".3f") -> str:
    """Two figures of a cell, as "0.516 / 0.248"."""
    if not figures or one not in figures:
        return ABSENT
    return f"{figures[one]:{digits}} / {figures[other]:.3g}"


def bold(cells: list[str]) -> list[str]:
    """The cells with the least first figure in bold."""
    values = [float(cell.partition(" ")[0]) if cell != ABSENT else float("inf") for cell in cells]
    return [f"**{cell}**" if value == min(values) < float("inf") else cell
            for cell, value in zip(cells, values, strict=True)]  # fmt: skip


def share(value: float | None) -> str:
    return ABSENT if value is None else f"{value:.1%}".replace("%", " %")


def table(rows: list[list[str]]) -> str:
    """A GitHub table; all columns but the first are right-aligned."""
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join([lines[0], "|---|" + "---:|" * (len(rows[0]) - 1), *lines[1:]])
