"""What a run leaves behind to be read: a page of Markdown, and the whole result as JSON, in the folder of runs."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from pipelines.console import cell

Record = dict[str, Any]

PAGES_KEPT = 500  # pages of each flow
SCORES = ("origins", "mase", "smape", "wql", "coverage_80", "coverage_95", "skill")
CONTENDERS = ("model", "version", "mase", "wql", "coverage_80", "gain", "p_value")
FINDINGS = ("detector", "feature", "fired", "statistic", "threshold", "words")


def write_page(folder: Path, flow: str, dataset: str | None, run_id: int, record: Record) -> Record:
    """Write the page of a flow that has one. Returns where it is, for the run's own record.

    The work is done by now: a disk that cannot take the page is no reason to call it failed.
    """
    page = page_of(flow, record)
    if not page:
        return {}
    path = folder / flow / f"{run_id}{f'-{dataset}' if dataset else ''}.md"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, page)
        write_atomically(path.with_suffix(".json"), json.dumps(record, indent=1, ensure_ascii=False))
        delete_old_pages(path.parent)
    except OSError as error:
        return {"report": f"not written ({error.strerror})"}
    return {"report": str(path)}


def delete_old_pages(folder: Path) -> None:
    """Let all but the newest pages of a flow go."""
    numbers = {path: int(found[0]) for path in folder.iterdir() if (found := re.match(r"\d+", path.name))}
    for path in sorted(numbers, key=numbers.__getitem__)[: -2 * PAGES_KEPT]:  # each is Markdown and JSON
        path.unlink(missing_ok=True)


def page_of(flow: str, record: Record) -> str | None:
    """The Markdown of a result; None for flows whose result is a line."""
    return PAGES[flow](record) if flow in PAGES else None


def backtest(record: Record) -> str:
    """Models by their error over past origins."""
    ranked = sorted(record["metrics"].items(), key=lambda item: (item[1]["mase"] is None, item[1]["mase"] or 0.0))
    head = f"# Backtest of {record['dataset']}\n\n{record['origins']} origins, {record['horizon']} steps ahead.\n\n"
    notes = "".join(f"- {note}\n" for note in record["notes"])
    return head + table(("model", *SCORES), [{"model": name, **row} for name, row in ranked]) + f"\n{notes}"


def promote(record: Record) -> str:
    """What the gate decided, in one sentence, and the figures it decided by."""
    head = f"# Gate of {record['dataset']}\n\n{record.get('sentence') or record['reason']}\n\n"
    return head + table(CONTENDERS, contenders(record))


def contenders(record: Record) -> list[Record]:
    """Everyone the gate compared; nobody where there was no candidate."""
    found = record.get("evidence", {}).get("contenders", [])
    return [{column: row.get(column) for column in CONTENDERS} for row in found]


def monitor(record: Record) -> str:
    """What was found about one dataset, or about each of several."""
    return "\n".join(drift(one) for one in record.get("datasets", [record]))


def drift(record: Record) -> str:
    """What the detectors say, the ones that speak first, and what was asked for."""
    verdict = f"a training would help ({record['cause']})" if record["cause"] else "no cause for a training"
    title = f"# Drift of {record['dataset']}, version {record['version']}\n\n"
    head = f"{title}{record['at']}: {verdict}; {record['asked']}.\n\n"
    return head + table(FINDINGS, sorted(record["findings"], key=lambda one: not one["fired"]))


PAGES: dict[str, Callable[[Record], str]] = {"backtest": backtest, "promote": promote, "monitor": monitor}


def table(columns: Sequence[str], rows: Sequence[Record]) -> str:
    """Rows as Markdown; what is not known is a dash."""
    lines = [columns, ["---"] * len(columns), *([cell(row.get(column)) for column in columns] for row in rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def write_atomically(path: Path, text: str) -> None:
    """The whole file or none of it."""
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    aside.write_text(text, encoding="utf-8")
    aside.replace(path)
