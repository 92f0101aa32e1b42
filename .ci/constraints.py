"""Print constraints.txt from the environment this runs in: `.venv/bin/python .ci/constraints.py > constraints.txt`.

Run it after the tests have passed with new versions, never before: the file says what was tested together.
"""

import re
import sys
from importlib.metadata import distributions

HEADER = """\
# Every version that `make setup` installs, all of them tested together on Python 3.11.
# Made by .ci/constraints.py from an environment in which every test passed. No line here is a requirement:
# what Rollcast asks for stands in pyproject.toml.
"""

REASONS = {
    "deltalake": "exact: minor releases have changed what merge and vacuum do",
    "fastapi": "the newest that Prefect 3.8's server can be imported with",
    "mlflow-skinny": "the last 3.17; `mlflow` itself is five times larger and not needed",
    "pandas": "below 3, as statsforecast asks",
    "playwright": "drives Debian's Chromium in tests; the browsers that it could download are not needed",
    "polars": "moves with deltalake",
    "prefect": "3.9 asks for newer certificates than are published, and caps FastAPI just as low",
    "pytorch-lightning": "never 2.6.2 or 2.6.3: those two were malicious",
    "sqlalchemy": "under 2.1 Prefect 3.8 serves a deployment and never runs its schedule",
    "torch": "the CPU build is enough; README says how to get it",
    "youplot": "its uPlot is byte for byte the published 1.6.31; only its files are read",
    "uvicorn": "one minor release at a time: service/http/protocol.py uses internals of its HTTP protocol",
}

NOT_OURS = {"pip", "rollcast", "wheel"}


def pins() -> dict[str, str]:
    """Name and version of everything installed here; a build's local label (`+cpu`) is not part of the version."""
    found = {}
    for distribution in distributions():
        name = re.sub(r"[-_.]+", "-", distribution.name).lower()
        if name not in NOT_OURS:
            found[name] = distribution.version.partition("+")[0]
    return dict(sorted(found.items()))


def main() -> None:
    lines = []
    for name, version in pins().items():
        if name in REASONS:
            lines.append(f"# {REASONS[name]}")
        lines.append(f"{name}=={version}")
    sys.stdout.write(HEADER + "\n" + "\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
