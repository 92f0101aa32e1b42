"""`rollcast tutorial`: write the files of the tutorial."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipelines.commands.options import Json


def tutorial(
    folder: Annotated[Path, typer.Argument(help="Folder to make.", metavar="FOLDER")],
    symbols: Annotated[
        bool, typer.Option("--symbols", help="Write the files of docs/symbols.md instead: states of machines.")
    ] = False,
    json: Json = False,
) -> None:
    """Write the files that docs/tutorial.md works with: temperatures of a bakery, with all that goes wrong in them."""
    from pipelines.demo import symbol_files, tutorial_files
    from pipelines.reports import terminal

    files = symbol_files.write_symbol_files(folder) if symbols else tutorial_files.write_files(folder)
    rows = [{"file": str(path), "rows": path.read_text(encoding="utf-8").count("\n") - 1} for path in files]
    terminal.listing(rows, json, "no files")
