"""The folders are the architecture: who may import whom, and what a process may do without."""

import ast
import pkgutil
import re
import subprocess
import sys
import tomllib
from collections import defaultdict
from pathlib import Path

import pytest

PACKAGES = ["data", "forecasting", "pipelines", "service", "states"]
SHIPPED = [*PACKAGES, "rollcast"]  # which only names what they define
UNBOUNDED = ["commands", "routers"]
HEAVY = ["torch", "lightning", "pytorch_lightning", "prefect", "mlflow", "polars", "deltalake", "statsforecast"]
HEAVY += ["jinja2", "obstore", "plotly"]

BLOCKED_IMPORTS = """
import importlib, sys
blocked, modules = sys.argv[1].split(","), sys.argv[2].split(",")
sys.modules.update(dict.fromkeys(blocked))  # None there makes `import name` fail
for module in modules:
    importlib.import_module(module)
"""


def modules_of(root: Path, package: str) -> list[str]:
    return [package, *(found.name for found in pkgutil.walk_packages([str(root / package)], f"{package}."))]


def run(root: Path, *command: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=600)


def test_the_import_contracts_hold(root):
    outcome = run(root, Path(sys.executable).parent / "lint-imports", "--no-cache")
    assert outcome.returncode == 0, outcome.stdout


def test_every_module_of_the_service_imports_with_the_heavy_libraries_blocked(root):
    modules = modules_of(root, "service")
    assert "service.app" in modules
    outcome = run(root, sys.executable, "-c", BLOCKED_IMPORTS, ",".join(HEAVY), ",".join(modules))
    assert outcome.returncode == 0, outcome.stderr


@pytest.mark.parametrize("command", [[], ["serve"], ["train"], ["ingest"]], ids=" ".join)
def test_the_serving_install_has_help_for_every_command(root, command):
    extras = [*HEAVY, "exchange_calendars", "httpx", "psycopg"]
    code = f"""
import sys
sys.modules.update(dict.fromkeys({extras}))
sys.argv = ["rollcast", *{command}, "--help"]
from pipelines.cli import main
main()
"""
    outcome = run(root, sys.executable, "-c", code)
    assert outcome.returncode == 0, outcome.stderr
    assert "Usage" in outcome.stdout


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_says_nothing_in_its_init(root, package):
    assert [path for path in (root / package).rglob("__init__.py") if path.read_text().strip()] == []


@pytest.mark.parametrize("package", SHIPPED)
def test_a_package_is_tracked_by_git_and_no_file_of_it_is_ignored(root, package):
    tracked = run(root, "git", "ls-files", package).stdout.split()
    assert f"{package}/__init__.py" in tracked
    files = [path for path in (root / package).rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    assert run(root, "git", "check-ignore", *files).stdout == ""


@pytest.mark.parametrize("package", SHIPPED)
def test_a_folder_has_at_most_fourteen_modules(root, package):
    """Commands and routers have a file for each word, so their number is not bounded."""
    folders = [root / package, *(path for path in (root / package).iterdir() if path.is_dir())]
    modules = {
        folder.name: [path.name for path in folder.glob("*.py") if path.stem != "__init__"] for folder in folders
    }
    assert {name: files for name, files in modules.items() if len(files) > 14 and name not in UNBOUNDED} == {}


def test_a_public_class_name_means_one_thing(root):
    places = defaultdict(list)
    for path in (path for package in SHIPPED for path in (root / package).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                places[node.name].append(str(path.relative_to(root)))
    assert {name: files for name, files in places.items() if len(files) > 1} == {}


def test_the_samples_travel_with_the_package(root):
    tracked = run(root, "git", "ls-files", "data/samples").stdout
    assert "machine_temperature_system_failure.csv" in tracked
    assert "stocks.csv" in tracked


def test_the_current_time_is_read_from_the_one_clock(root):
    """`from data.clock import now` would bind the function before a replay can replace it."""
    reads = re.compile(
        r"\b(datetime\.(utc)?now|date\.today|time\.time(_ns)?)\(|from data\.clock import|from time import"
    )
    files = [path for package in SHIPPED for path in (root / package).rglob("*.py") if path != root / "data/clock.py"]
    assert [str(path) for path in files if reads.search(path.read_text())] == []


def test_no_folder_of_tests_is_a_package(root):
    """A `tests/data/__init__.py` would hide the package `data`."""
    assert list((root / "tests").rglob("__init__.py")) == []


def test_the_image_is_given_every_package(root):
    ignored = {
        line.strip("/") for line in (root / ".dockerignore").read_text().split("\n") if line[:1] not in ("", "#")
    }
    assert ignored.isdisjoint({*SHIPPED, "*", "**"})
    assert [line for line in ignored if line.endswith("data") or line.startswith("data")] == []


def test_the_wheel_and_the_image_hold_every_package(root):
    wheel = tomllib.loads((root / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert wheel["packages"] == sorted(SHIPPED)
    copied = re.findall(r"^COPY (\w+) \1$", (root / "Dockerfile").read_text(), flags=re.MULTILINE)
    assert copied == sorted(SHIPPED)


def test_rollcast_holds_names_and_one_check(root):
    """The implementation lies in pipelines/library."""
    assert sorted(path.name for path in (root / "rollcast").glob("*.py")) == ["__init__.py", "_shadowed.py"]
