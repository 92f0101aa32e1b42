"""Compiled loops give each row the result that NumPy would, whatever rows are beside it."""

import ast
import inspect
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numba.core.registry import CPUDispatcher

from forecasting.kernel import cells, compiled, cycle_memory, scaling
from forecasting.rolling import conformal, online_scores, roller


def tanh(x: np.ndarray) -> np.ndarray:
    """The compiled tanh, by one step of the plain cell."""
    hidden, nothing = np.empty((1, 1, len(x)), np.float32), np.zeros((1, 1, len(x)), np.float32)
    cells.rnn_step(x[None, None], nothing, hidden, nothing, 0, 1)
    return hidden[0, 0]


def test_the_error_of_tanh_is_the_rounding_of_float32() -> None:
    x = np.linspace(-12, 12, 1_000_001).astype(np.float32)
    assert np.abs(tanh(x) - np.tanh(x.astype(np.float64))).max() < 4e-7
    np.testing.assert_array_equal(tanh(-x), -tanh(x))


def test_tanh_of_what_is_not_finite() -> None:
    found = tanh(np.array([np.inf, -np.inf, np.nan, 0, 1e30], np.float32))
    np.testing.assert_allclose(found, np.array([1, -1, np.nan, 0, 1]), atol=4e-7)


def test_silu_adds_the_bias_first() -> None:
    x, bias = np.array([[[-90.0, -1.0, 0.0, 3.0]]], np.float32), np.array([[[0.0, 0.5, 1.0, 0.0]]], np.float32)
    cells.silu(x, bias)
    y = np.array([-90.0, -0.5, 1.0, 3.0])
    np.testing.assert_allclose(x[0, 0], y / (1 + np.exp(-y)), atol=2e-5)


ADD = """
import os
from forecasting.kernel import compiled

if "READ_ONLY" in os.environ:
    from numba.core import caching

    def full(*_):
        raise OSError(30, "Read-only file system")

    caching._CacheLocator.ensure_cache_path = caching.IndexDataCacheFile.save = caching.IndexDataCacheFile.flush = full

if "RELAXED" in os.environ:
    compiled.RELAXED = (os.environ["RELAXED"],)

@compiled.compiled
def add(x, y):
    return x + y

print(add(1, 2), sum(add.stats.cache_hits.values()))
"""


def added(folder: Path, **environment: str) -> list[str]:
    """The output of a process that adds in compiled code: the sum, and the number of cache hits."""
    if not (folder / "adds.py").exists():
        (folder / "adds.py").write_text(ADD)
    done = subprocess.run(
        [sys.executable, folder / "adds.py"],
        env={**os.environ, "PYTHONPATH": os.getcwd(), "NUMBA_CACHE_DIR": str(folder / "kept"), **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.split()


def test_machine_code_is_cached_for_the_next_process(tmp_path: Path) -> None:
    assert [added(tmp_path), added(tmp_path)] == [["3", "0"], ["3", "1"]]
    assert added(tmp_path, RELAXED="reassoc") == ["3", "0"]  # compiled with other options


def test_machine_code_beside_the_source_is_read_where_another_folder_is_written(tmp_path: Path) -> None:
    (tmp_path / "adds.py").write_text(ADD)
    assert added(tmp_path, NUMBA_CACHE_DIR="") == ["3", "0"]  # is saved beside the source
    assert list((tmp_path / "__pycache__").glob("*.nbc"))
    assert added(tmp_path) == ["3", "1"]
    assert not list((tmp_path / "kept").rglob("*.nbc"))


def test_machine_code_beside_the_source_is_read_where_nothing_can_be_written(tmp_path: Path) -> None:
    (tmp_path / "adds.py").write_text(ADD)
    added(tmp_path, NUMBA_CACHE_DIR="")
    nowhere = {"NUMBA_CACHE_DIR": "", "READ_ONLY": "1"}
    assert added(tmp_path, **nowhere) == ["3", "1"]
    (tmp_path / "adds.py").write_text(ADD + "\n# another version\n")
    assert [added(tmp_path, **nowhere), added(tmp_path, **nowhere)] == [["3", "0"], ["3", "0"]]


@pytest.mark.parametrize("kind", ["nbi", "nbc"])
@pytest.mark.parametrize("left", [0, 40])
def test_a_damaged_cache_file_is_compiled_again(kind: str, left: int, tmp_path: Path) -> None:
    added(tmp_path)
    (torn,) = tmp_path.glob(f"kept/**/*.{kind}")
    torn.write_bytes(torn.read_bytes()[:left])
    assert [added(tmp_path), added(tmp_path)] == [["3", "0"], ["3", "1"]]


def test_a_full_disk_leaves_the_function_uncached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("numba.core.caching.IndexDataCacheFile.save", full)
    assert compiled.compiled(lambda x: x + 1)(2) == 3


def test_without_a_place_for_the_cache_the_function_is_uncached(monkeypatch: pytest.MonkeyPatch) -> None:
    def nowhere(_: object) -> None:
        raise RuntimeError("cannot cache function: no locator available")

    monkeypatch.setattr(compiled, "_DiskCache", nowhere)
    assert compiled.compiled(lambda x: x + 1)(2) == 3


@pytest.mark.parametrize(
    "module", [cells, cycle_memory, conformal, roller, scaling, online_scores], ids=lambda module: module.__name__
)
def test_a_compiled_function_uses_compiled_functions_and_constants_of_its_own_file_only(module: Any) -> None:
    """Numba keeps the machine code until the function's own file changes."""
    own = [f for f in vars(module).values() if isinstance(f, CPUDispatcher) and f.__module__ == module.__name__]
    imports = [node for node in ast.walk(ast.parse(inspect.getsource(module))) if isinstance(node, ast.ImportFrom)]
    imported = {alias.asname or alias.name for node in imports for alias in node.names}
    assert own
    for function in own:
        assert imported.isdisjoint(function.py_func.__code__.co_names)
