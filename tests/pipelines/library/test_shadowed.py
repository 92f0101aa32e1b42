"""`import rollcast` is quick, and says which file of the user hides one of our packages."""

import subprocess
import sys
from pathlib import Path

import pytest


def run_in(folder: Path, root: Path, code: str) -> subprocess.CompletedProcess[str]:
    """Run code as a notebook does: the working folder comes first on the path, the packages later."""
    paths = f"import sys; sys.path[:] = ['', {str(root)!r}, *filter(None, sys.path)]\n"
    command = [sys.executable, "-P", "-c", paths + code]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300)


def test_importing_rollcast_loads_no_library(tmp_path, root):
    code = "import rollcast; print({'numpy', 'polars', 'pandas', 'torch', 'data', 'pipelines'} & set(sys.modules))"
    assert run_in(tmp_path, root, code).stdout == "set()\n"
    code = "from rollcast import Forecaster; print({'pandas', 'torch', 'prefect'} & set(sys.modules))"
    assert run_in(tmp_path, root, code).stdout == "set()\n"


@pytest.mark.parametrize("name", ["data.py", "service.py", "states/__init__.py"])
def test_a_file_with_the_name_of_a_package_of_ours_is_named(tmp_path, root, name):
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text("rows = 1\n")
    outcome = run_in(tmp_path, root, "import rollcast")
    words = outcome.stderr.strip().splitlines()[-1]
    package = name.split("/")[0].removesuffix(".py")
    expected = (
        f"{tmp_path / name} is imported in place of Rollcast's package {package!r}; rename it and start Python again"
    )
    assert words == f"ImportError: {expected}"


def test_a_module_that_was_imported_before_is_named_too(tmp_path, root):
    (tmp_path / "data.py").write_text("rows = 1\n")
    code = "import data; sys.path.remove(''); import rollcast"
    assert "data.py is imported in place of Rollcast's package 'data'" in run_in(tmp_path, root, code).stderr


def test_a_folder_of_data_hides_nothing(tmp_path, root):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "rows.csv").write_text("1\n")
    assert run_in(tmp_path, root, "import rollcast; print(rollcast.Forecaster.__name__)").stdout == "Forecaster\n"


def test_without_the_libraries_of_training_the_extras_are_named(tmp_path, root):
    code = "sys.modules['polars'] = None\nfrom rollcast import Forecaster"
    words = run_in(tmp_path, root, code).stderr.strip().splitlines()[-1]
    assert words.startswith("ImportError: ")
    assert "pip install -c constraints.txt '.[train,pipelines]'" in words


def test_only_names_that_exist_are_offered(tmp_path, root):
    code = (
        "import rollcast; print(dir(rollcast), all(hasattr(rollcast, name) for name in rollcast.__all__)); rollcast.x"
    )
    outcome = run_in(tmp_path, root, code)
    assert outcome.stdout == "['Forecaster', 'ForecasterError', 'lab'] True\n"
    assert outcome.stderr.strip().endswith("AttributeError: module 'rollcast' has no attribute 'x'")
