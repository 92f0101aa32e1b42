"""The pages that promise to run do, and print what they show."""

import contextlib
import io
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pipelines.flows.uvicorn_process import free_port
from tests.support.page_kit import Step, check_shown, is_same, steps_of


@pytest.mark.usefixtures("short_collections")
def test_the_cells_of_the_python_page_print_what_it_shows(root, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    steps = list(steps_of(root / "docs" / "python.md", "python"))
    assert len(steps) == 7
    names: dict[str, object] = {}
    for step in steps:
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(step.code, names)  # noqa: S102 the page's own cells
        assert step.shown
        for shown in step.shown:
            check_shown(shown, printed.getvalue())
    assert list(tmp_path.iterdir()) == []


def test_the_comparison_of_pages_finds_what_differs():
    assert is_same("│ a ┆ 12 ┆ 3.50 │", "│ a ┆   12 ┆ 3.61 │")
    assert is_same("took … s, ────", "took 12 s, ─────────")
    assert not is_same("│ a ┆ 12 ┆ 3.50 │", "│ a ┆ 13 ┆ 3.50 │")
    assert not is_same("│ a ┆ 12 ┆ 3.50 │", "│ a ┆ 12 ┆ 5.50 │")
    check_shown("one\n…\nfour\n", "one\ntwo\nfour\n")
    with pytest.raises(AssertionError, match="not printed: two"):
        check_shown("four\ntwo\n", "one\ntwo\nfour\n")


def run_in_one_shell(steps: list[Step], folder: Path, root: Path) -> list[str]:
    """What each step prints when all are run in one shell, as a reader does; the service listens on a free port."""
    port, scripts = free_port(), Path(sys.executable).parent
    outputs = [folder / f"output-{number}" for number in range(len(steps))]
    code = "\n".join(f"exec > {out} 2>&1\n{step.code}" for step, out in zip(steps, outputs, strict=True))
    code = code.replace("127.0.0.1:8000", f"127.0.0.1:{port}") + "\nkill $(jobs -p) 2> /dev/null\nwait\n"
    environment = os.environ | {
        "PATH": f"{scripts}:{os.environ['PATH']}",
        "PYTHONPATH": str(root),
        "ROLLCAST_PORT": str(port),
        "ROLLCAST_SHIPPED_MODEL": "true",
    }
    work = folder / "work"
    work.mkdir()
    shell = subprocess.Popen(["bash", "-c", code], cwd=work, env=environment, start_new_session=True)
    try:
        shell.wait()
    finally:
        end_group(shell.pid)
    return [out.read_text() for out in outputs]


def end_group(group: int) -> None:
    """End what a shell left running, where a step failed."""
    for kind in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(group, kind)
            time.sleep(2)


@pytest.mark.parametrize(
    "until",
    ["On a schedule", pytest.param(None, marks=[pytest.mark.slow, pytest.mark.prefect], id="the whole page")],
)
def test_the_commands_of_the_tutorial_print_what_it_shows(root, tmp_path, until):
    assert shutil.which("curl"), "the tutorial asks the service with curl"
    steps = list(steps_of(root / "docs" / "tutorial.md", "sh", until))
    assert len(steps) == (10 if until else 14)
    for step, printed in zip(steps, run_in_one_shell(steps, tmp_path, root), strict=True):
        for shown in step.shown:
            check_shown(shown, printed)
