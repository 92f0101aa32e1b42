"""Benchmarks: every module has a table, figures and a check, and a figure that falls short is named."""

import importlib
from pathlib import Path

import pytest

from benchmarks._thresholds import BOUNDS, shortfalls

MODULES = sorted(path.stem for path in Path("benchmarks").glob("*.py") if not path.stem.startswith("_"))


def test_a_figure_that_falls_short_is_named_and_so_is_one_that_was_not_measured() -> None:
    assert shortfalls("service", {"ready_seconds": 1.0}) == []
    assert "ready_seconds is 2, at most 1.5 is asked" in shortfalls("service", {"ready_seconds": 2.0})[0]
    assert "was not measured" in shortfalls("service", {})[0]


def test_every_bound_belongs_to_a_benchmark_that_explains_the_figure() -> None:
    for bound in BOUNDS:
        explained = importlib.import_module(f"benchmarks.{bound.benchmark}").__doc__ or ""
        general = bound.figure.replace("weekly", "SET").replace("12", "H").replace("72", "H")
        assert bound.figure in explained or general in explained, bound


@pytest.mark.parametrize("name", MODULES)
def test_a_benchmark_has_a_command_line(name: str) -> None:
    assert callable(importlib.import_module(f"benchmarks.{name}").main)
