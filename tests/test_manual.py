"""The manual is tested: commands, files and settings that README, CONTRIBUTING and docs name exist."""

import ast
import importlib
import importlib.util
import os
import re
import shlex
import subprocess
import tomllib
from importlib.metadata import distribution, packages_distributions
from itertools import chain
from pathlib import Path

import pytest
import typer
from packaging.requirements import Requirement

from data.settings import Settings
from pipelines.commands.default_command import DEFAULT

PACKAGES = {"benchmarks", "data", "forecasting", "pipelines", "rollcast", "service", "states"}
MAPPED = sorted({*PACKAGES, "tests"})  # every folder of these is in the map of CONTRIBUTING
FENCE = re.compile(r"^```(\w*)[^\n]*\n(.*?)^```", flags=re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def pages(root):
    """Every page written for readers, by its path."""
    paths = [root / "README.md", root / "CONTRIBUTING.md", *sorted(root.glob("docs/*.md"))]
    return {path.relative_to(root).as_posix(): path.read_text() for path in paths}


@pytest.fixture(scope="module")
def blocks(pages):
    """Every fenced block, as (page, language, text)."""
    return [(page, *fence) for page, text in pages.items() for fence in FENCE.findall(text)]


@pytest.fixture(scope="module")
def lines(blocks):
    """Every command line a reader is shown, continuation lines joined, as (page, words)."""
    texts = [
        (page, text.replace("\\\n", " "))
        for page, language, text in blocks
        if language in {"", "sh", "bash", "console"}
    ]
    shown = [(page, line.strip().removeprefix("$ ")) for page, text in texts for line in text.splitlines()]
    commands = ("rollcast ", "make ", "python ", ".venv/bin/")
    return [(page, shlex.split(line, comments=True)) for page, line in shown if line.startswith(commands)]


@pytest.fixture(scope="module")
def tracked(root):
    """Every text file in the repository, by its path."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=root, capture_output=True, text=True, check=True).stdout
    paths = [root / name for name in listed.split("\0") if name]
    return {path.relative_to(root).as_posix(): text for path in paths if (text := text_of(path)) is not None}


@pytest.fixture(scope="module")
def folders(tracked):
    """Every folder of the repository, by its path."""
    return {parent.as_posix() for name in tracked for parent in Path(name).parents if parent.parts}


def text_of(path: Path) -> str | None:
    try:
        return path.read_text()
    except (UnicodeDecodeError, FileNotFoundError, IsADirectoryError):
        return None  # a picture, or a file that was deleted


def test_every_rollcast_command_shown_exists_with_its_options(lines):
    program = typer.main.get_command(importlib.import_module("pipelines.cli").app)
    for page, words in lines:
        if Path(words[0]).name == "rollcast":
            assert unknown_words(program, words[1:]) == [], (page, words)


def unknown_words(command, words: list[str]) -> list[str]:
    """Commands and options in `words` that the program does not have."""
    while words and hasattr(command, "commands") and not words[0].startswith("-"):
        if words[0] in command.commands:
            command, words = command.commands[words[0]], words[1:]
        elif DEFAULT in command.commands:
            command = command.commands[DEFAULT]
        else:
            return [words[0]]
    known = {"--help"} | {option for parameter in command.params for option in parameter.opts}
    given = [word.partition("=")[0] for word in words if word.startswith("--")]
    return [option for option in given if option not in known]


def test_the_check_of_commands_finds_what_does_not_exist():
    program = typer.main.get_command(importlib.import_module("pipelines.cli").app)
    assert unknown_words(program, ["ingest", "file.csv", "--dataset", "name"]) == []
    assert unknown_words(program, ["ingest", "undo", "name", "--number", "3"]) == []
    assert unknown_words(program, ["ingest", "undo", "name", "--dataset"]) == ["--dataset"]
    assert unknown_words(program, ["digest", "file.csv"]) == ["digest"]
    assert unknown_words(program, ["ingest", "file.csv", "--guess"]) == ["--guess"]


def test_every_module_shown_with_python_m_exists(root, lines):
    for page, words in lines:
        if "-m" in words and words[words.index("-m") + 1].partition(".")[0] in PACKAGES:
            module = words[words.index("-m") + 1]
            assert (root / f"{module.replace('.', '/')}.py").exists(), (page, module)


def test_every_make_target_shown_exists(root, pages, lines):
    listed = subprocess.run(["make", "help"], cwd=root, capture_output=True, text=True, check=True).stdout
    targets = set(re.findall(r"^  make (\S+)", listed, flags=re.MULTILINE))
    assert {"setup", "check", "test", "test-all", "demo", "serve", "bench", "clean"} <= targets
    shown = {word for _, words in lines if words[0] == "make" for word in words[1:] if re.fullmatch(r"[a-z-]+", word)}
    shown |= {target for text in pages.values() for target in re.findall(r"`make ([a-z-]+)`", text)}
    assert shown <= targets


def test_every_python_example_compiles_and_imports_names_that_exist(blocks):
    for page, language, text in blocks:
        if language == "python":
            for node in ast.walk(ast.parse(text)):
                if isinstance(node, ast.ImportFrom) and str(node.module).partition(".")[0] in PACKAGES:
                    check_names(page, str(node.module), [alias.name for alias in node.names])


def check_names(page: str, module: str, names: list[str]) -> None:
    """Each name is an attribute or a module of `module`."""
    home = importlib.import_module(module)
    for name in names:
        assert hasattr(home, name) or importlib.util.find_spec(f"{module}.{name}"), (page, module, name)


def test_every_local_link_exists(root, pages):
    """A link is relative to its page; the part after # is a heading of the page that it leads to."""
    for page, text in pages.items():
        for target, anchor in re.findall(r"\]\((?!https?:|mailto:)([^)#\s]*)#?([^)\s]*)\)", text):
            path = (root / page).parent / target if target else root / page
            assert path.exists(), (page, target)
            assert not anchor or anchor in anchors(path.read_text()), (page, target, anchor)


def anchors(text: str) -> set[str]:
    """The anchors of a page: its headings as GitHub writes them in an address."""
    headings = re.findall(r"^#+ (.+)$", FENCE.sub("", text), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_path_shown_exists(root, pages):
    """Every path in backticks that begins with a folder of ours; capitals, as in NAME.py, stand for any name."""
    folders = "|".join([*MAPPED, "docs", "ops", r"\.ci"])
    for page, text in pages.items():
        for path in re.findall(rf"`((?:{folders})/[\w./-]*)`", FENCE.sub("", text)):
            assert re.search(r"/(NAME|NOUN)\w*\.py$", path) or (root / path).exists(), (page, path)


# `name` in `path.py`, also several names, "of" for "in", and the name of a method with its class
NAMED = re.compile(r"((?:`[A-Za-z_][\w.]*`(?:, and |, | and )?)+) (?:in|of) `([\w./]+\.py)`")


def test_every_name_in_a_file_shown_is_defined_there(root, pages):
    shown = [(page, *pair) for page, text in pages.items() for pair in named_in_files(text)]
    assert len(shown) > 50
    for page, name, path in shown:
        assert set(name.split(".")) <= defined_in((root / path).read_text()), (page, name, path)


def test_the_check_of_names_finds_what_is_not_defined():
    assert named_in_files("`a`, `B.c` and `d` in\n  `x/y.py`; `e` of `z.py`") == [
        ("a", "x/y.py"), ("B.c", "x/y.py"), ("d", "x/y.py"), ("e", "z.py"),
    ]  # fmt: skip
    text = "from x import y\nK: int = 1\nclass A:\n    f: int\n    def g(self): ...\ndef h(): z = u.used()"
    assert defined_in(text) == {"K", "A", "f", "g", "h", "z"}


def named_in_files(text: str) -> list[tuple[str, str]]:
    """Every name that a page places in a file, with the path of the file; NAME, as in NAME_step, is any name."""
    plain = re.sub(r"\s+", " ", FENCE.sub("", text))
    pairs = [(name, path) for names, path in NAMED.findall(plain) for name in re.findall(r"`([\w.]+)`", names)]
    return [(name, path) for name, path in pairs if "NAME" not in f"{name} {path}"]


def defined_in(code: str) -> set[str]:
    """The functions, classes, methods, fields, constants and variables that a file defines; not what it imports."""
    nodes = list(ast.walk(ast.parse(code)))
    defined = {node.name for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)}
    return defined | {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}


def test_every_numbered_fault_is_listed_with_the_files_of_its_tests(tracked):
    named = {
        (int(number), path)
        for path, text in tracked.items()
        if path.startswith("tests/") and path != "tests/test_manual.py"
        for number in re.findall(r"def test_\w*fault_(\d+)", text)
    }
    rows = re.findall(r"^\| (\d+) \|.*\| ([^|]+) \|$", tracked["docs/faults.md"], flags=re.MULTILINE)
    listed = {(int(number), path) for number, paths in rows for path in re.findall(r"`([^`]+)`", paths)}
    assert named <= listed
    assert {number for number, _ in listed - named} <= {40, 46}  # tests that name their fault in the docstring only
    assert [number for number, _ in rows] == sorted((number for number, _ in rows), key=int)


def test_the_map_has_every_folder_and_no_other(pages, folders):
    mapped = set(re.findall(r"^\| `([\w./]+)/` \|", pages["CONTRIBUTING.md"], flags=re.MULTILINE))
    mirrors = {f"tests/{package}" for package in PACKAGES - {"benchmarks", "rollcast"}}
    rooms = {name for name in folders if name.partition("/")[0] in MAPPED and name.count("/") < 2}
    assert rooms - mirrors <= mapped <= folders


def test_readme_is_short_and_has_a_line_for_every_room(pages, folders):
    lines = pages["README.md"].splitlines()
    assert len(lines) <= 160
    assert [line for line in lines if len(line) > 110] == []
    shown, package = set(), ""
    for indent, name in re.findall(r"^( *)(\w+)/ ", pages["README.md"], flags=re.MULTILINE):
        package = package if indent else name
        shown.add(f"{package}/{name}" if indent else name)
    rooms = {name for name in folders if name.partition("/")[0] in PACKAGES - {"benchmarks"} and name.count("/") < 2}
    assert rooms <= shown <= folders


def test_every_setting_shown_exists(pages):
    known = {f"ROLLCAST_{name.upper()}" for name in Settings.model_fields}
    for page, text in pages.items():
        assert set(re.findall(r"\bROLLCAST_[A-Z_]+[A-Z]\b", text)) <= known, page


def test_every_command_of_the_changelog_exists(root):
    program = typer.main.get_command(importlib.import_module("pipelines.cli").app)
    for name in re.findall(r"`rollcast (\w+)", (root / "CHANGELOG.md").read_text()):
        assert name in program.commands


# Paths of one machine and its package mirrors, which do not exist elsewhere. Joined so that this file does not match.
PRIVATE = re.compile("|".join(["/" + "root/", "/" + "work/", r"/home/\w+/", "/opt/" + "(pypi|wheels)"]))
PUBLIC_HOSTS = {"pypi.org", "files.pythonhosted.org", "download.pytorch.org"}


def test_no_tracked_file_names_a_path_of_one_machine(tracked):
    assert [(name, found.group()) for name, text in tracked.items() if (found := PRIVATE.search(text))] == []


def test_no_tracked_file_names_a_package_registry_but_the_public_ones(tracked):
    index = re.compile(r"(?:index-url|find-links|trusted-host)[ =:]+\"?(?:https?://)?([\w.-]+\.[a-z]{2,})")
    named = {host for text in tracked.values() for host in index.findall(text)}
    assert named <= PUBLIC_HOSTS


def test_constraints_pin_every_installed_version_and_nothing_else(root):
    lines = [line for line in (root / "constraints.txt").read_text().splitlines() if line and not line.startswith("#")]
    assert [line for line in lines if not re.fullmatch(r"[a-z0-9-]+==[\w.]+", line)] == []
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    asked = [*project["dependencies"], *(line for extra in project["optional-dependencies"].values() for line in extra)]
    names = {re.split(r"[^\w.-]", line)[0].lower() for line in asked}
    assert names <= {line.partition("==")[0] for line in lines}
    assert "torch==2.13.0" in lines


# What nothing imports, and why it is installed all the same.
USED_WITHOUT_AN_IMPORT = {
    "alembic": "MLflow migrates its tables with it",
    "import-linter": "`make check`",
    "mypy": "`make check`",
    "pytest-timeout": "an option of pytest",
    "pytest-xdist": "an option of pytest",
    "ruff": "`make check`",
    "types-pyyaml": "types for mypy",
    "youplot": "the files of uPlot, which the page loads; its Python is never imported",
    "tzdata": "zones for Python's zoneinfo",
}


def test_every_package_that_is_asked_for_is_imported_or_has_a_stated_use(root, tracked):
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    asked = {
        normal(re.split(r"[^\w.-]", line)[0])
        for line in [*project["dependencies"], *chain(*project["optional-dependencies"].values())]
    }
    code = "\n".join(text for name, text in tracked.items() if name.endswith(".py"))
    imported = set(re.findall(r"^\s*(?:from|import) (\w+)", code, flags=re.MULTILINE))
    found = packages_distributions()
    providers = {normal(name) for module in imported for name in found.get(module, [])}
    assert asked - providers - set(USED_WITHOUT_AN_IMPORT) == set()
    assert set(USED_WITHOUT_AN_IMPORT) <= asked - providers


def test_every_pinned_package_is_asked_for_by_ours_or_by_one_of_its_own(root):
    pins = {line.partition("==")[0] for line in (root / "constraints.txt").read_text().splitlines() if "==" in line}
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    waiting = [*project["dependencies"], *chain(*project["optional-dependencies"].values())]
    reached: set[tuple[str, frozenset[str]]] = set()
    while waiting:
        asked = Requirement(waiting.pop())
        found = normal(asked.name), frozenset(asked.extras)
        if found in reached:
            continue
        reached.add(found)
        extras = [{"extra": extra} for extra in asked.extras] or [{"extra": ""}]
        needed = map(Requirement, distribution(asked.name).requires or [])
        waiting += [str(own) for own in needed if own.marker is None or any(map(own.marker.evaluate, extras))]
    assert pins - {name for name, _ in reached} == set()


def normal(name: str) -> str:
    """A package's name as indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def test_ci_installs_every_package_whose_absence_would_skip_a_test(root, tracked):
    script = root / ".ci" / "run"
    asked = {package for text in tracked.values() for package in re.findall(r'package="([a-z][a-z-]+)"', text)}
    installed = set(re.findall(r"^needs ([a-z-]+) ", script.read_text(), flags=re.MULTILINE))
    assert {"postgresql", "docker-compose"} <= asked <= installed
    assert os.access(script, os.X_OK)
