"""The page of a run in Markdown and its whole result as JSON, in the folder of runs."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from data.errors import counted
from data.files import whole_file
from pipelines.console import cell

Record = dict[str, Any]

PAGES_KEPT = 500  # of each flow
SYMBOL_SCORES = ("log_loss", "perplexity", "accuracy", "coverage_80", "skill")
SCORES = ("origins", "mase", "smape", "wql", "coverage_80", "coverage_95", "skill")
CONTENDERS = ("model", "version", "mase", "wql", "coverage_80", "gain", "p_value")
SYMBOL_CONTENDERS = ("model", "version", "log_loss", "accuracy", "coverage_80", "gain", "p_value")
FINDINGS = ("detector", "feature", "fired", "counts", "statistic", "threshold", "words")


def write_page(folder: Path, flow: str, dataset: str | None, run_id: int, record: Record) -> Record:
    """Write the page of a run, if its flow has one; returns the file's name for the record of the run.

    The work is done by now, so a page that cannot be written does not make the run fail: the record says so.
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
    """Delete all but the newest PAGES_KEPT pages of a flow."""
    numbers = {path: int(found[0]) for path in folder.iterdir() if (found := re.match(r"\d+", path.name))}
    for path in sorted(numbers, key=numbers.__getitem__)[: -2 * PAGES_KEPT]:  # each is Markdown and JSON
        path.unlink(missing_ok=True)


def page_of(flow: str, record: Record) -> str | None:
    """The page of a result; None for flows without pages."""
    return PAGES[flow](record) if flow in PAGES else None


def backtest(record: Record) -> str:
    """The page of a backtest: models, lowest MASE first, of symbols lowest log loss."""
    if "symbols" in record:
        return symbol_backtest(record)
    ranked = sorted(record["metrics"].items(), key=lambda item: (item[1]["mase"] is None, item[1]["mase"] or 0.0))
    scored = f"{counted(record['origins'], 'origin')}, {counted(record['horizon'], 'step')} ahead"
    head = f"# Backtest of {record['dataset']}\n\n{scored}.\n\n"
    notes = "".join(f"- {note}\n" for note in record["notes"])
    return head + table(("model", *SCORES), [{"model": name, **row} for name, row in ranked]) + f"\n{notes}"


def symbol_backtest(record: Record) -> str:
    """The page of a backtest of symbols."""
    ranked = sorted(record["metrics"].items(), key=lambda item: item[1]["log_loss"] or 0.0)
    head = f"# Backtest of {record['dataset']}\n\n{counted(record['symbols'], 'symbol')}, one step ahead.\n\n"
    notes = "".join(f"- {note}\n" for note in record["notes"])
    return head + table(("model", *SYMBOL_SCORES), [{"model": name, **row} for name, row in ranked]) + f"\n{notes}"


def promote(record: Record) -> str:
    """The page of a promotion: the decision of the promotion gate in a sentence, and its figures."""
    head = f"# Gate of {record['dataset']}\n\n{record.get('sentence') or record['reason']}\n\n"
    found = contenders(record)
    return head + table(tuple(found[0]) if found else CONTENDERS, found)


def contenders(record: Record) -> list[Record]:
    """The models that the promotion gate compared; none where there was no candidate."""
    found = record.get("evidence", {}).get("contenders", [])
    columns = SYMBOL_CONTENDERS if any("log_loss" in row for row in found) else CONTENDERS
    return [{column: row.get(column) for column in columns} for row in found]


def monitor(record: Record) -> str:
    """The page of the monitor, for one dataset or several."""
    return "\n".join(drift(dataset) for dataset in record.get("datasets", [record]))


def drift(record: Record) -> str:
    """Findings of one dataset, those that fired first, and whether a training was queued."""
    verdict = f"a training would help ({record['cause']})" if record["cause"] else "no cause for a training"
    title = f"# Drift of {record['dataset']}, version {record['version']}\n\n"
    head = f"{title}{record['at']}: {verdict}; {record['asked']}.\n\n"
    return head + table(FINDINGS, sorted(record["findings"], key=lambda finding: not finding["fired"]))


PAGES: dict[str, Callable[[Record], str]] = {"backtest": backtest, "promote": promote, "monitor": monitor}


def table(columns: Sequence[str], rows: Sequence[Record]) -> str:
    """Rows as a Markdown table; a missing value is a dash."""
    lines = [columns, ["---"] * len(columns), *([cell(row.get(column)) for column in columns] for row in rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def write_atomically(path: Path, text: str) -> None:
    """Write a file so that it is complete or does not exist."""
    with whole_file(path) as partial:
        partial.write_text(text, encoding="utf-8")
