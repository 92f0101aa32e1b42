"""Runs one command of `rollcast` in its own process: its duration and its peak memory."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.support.run import Figures
from pipelines import cli

PREFIX = "peak_kb "  # of the line on standard error


def peak_kb() -> int:
    """Peak memory of this process in kB. A child's ru_maxrss would start at that of its parent."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1])


def rollcast(home: Path, *arguments: str) -> tuple[Figures, Figures]:
    """{s, peak_kb} of the whole process, from its start to its end, and what the command printed with --json."""
    command = [sys.executable, "-m", "benchmarks.support.peak", *arguments, "--json"]
    began = time.perf_counter()
    done = subprocess.run(
        command, env={**os.environ, "ROLLCAST_HOME": str(home)}, check=True, capture_output=True, text=True
    )
    taken = time.perf_counter() - began
    peak = next(line for line in done.stderr.splitlines() if line.startswith(PREFIX))
    return {"s": taken, "peak_kb": int(peak.removeprefix(PREFIX))}, json.loads(done.stdout)


def main() -> None:
    from forecasting.kernel import threads

    threads.prepare()
    code = cli.run()
    print(f"{PREFIX}{peak_kb()}", file=sys.stderr)
    sys.exit(code)


if __name__ == "__main__":
    main()
