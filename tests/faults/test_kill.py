"""After SIGKILL at any moment, every acknowledged observation is stored exactly once."""

import random
from pathlib import Path

import pytest

from data.records import dataset_rules
from data.records.dataset_rules import QualityRules
from tests.support.kill_kit import IDS, PANEL, kill_in_a_loop, quarantined
from tests.support.running_mean import running_mean
from tests.support.service_kit import World
from tests.support.symbol_kit import code_panel, symbol_network


def test_fault_01_killed_in_a_loop_no_acknowledged_row_is_lost_or_duplicated(tmp_path: Path) -> None:
    kill_in_a_loop(World.at(tmp_path), rounds=5, seed=random.randrange(10**6))


def test_fault_27_killed_in_a_loop_values_are_held_and_released_with_their_rows(tmp_path: Path) -> None:
    world = World.at(tmp_path)
    dataset_rules.put(world.engine, world.ingest("sensors").id, QualityRules(spike=None, max_jump=1e3, accept_after=2))
    kill_in_a_loop(world, rounds=4, seed=random.randrange(10**6), spikes=0.3)
    kept = quarantined(world)
    assert any(value.released for value in kept) and any(value.released is None for value in kept)


def test_fault_27_killed_on_postgres_values_are_held_and_released_with_their_rows(
    tmp_path: Path, postgres_url: str
) -> None:
    world = World.at(tmp_path, postgres_url)
    dataset_rules.put(world.engine, world.ingest("sensors").id, QualityRules(spike=None, max_jump=1e3, accept_after=2))
    kill_in_a_loop(world, rounds=2, seed=random.randrange(10**6), spikes=0.3)


@pytest.mark.usefixtures("second_model")
def test_fault_01_killed_under_another_kind_of_model_no_acknowledged_row_is_lost_or_duplicated(tmp_path: Path) -> None:
    program = "tests.support.running_mean"
    kill_in_a_loop(World.at(tmp_path), 2, random.randrange(10**6), running_mean(PANEL), program)


def test_fault_01_killed_under_a_model_of_symbols_no_acknowledged_row_is_lost_or_duplicated(tmp_path: Path) -> None:
    panel = code_panel(*IDS)
    kill_in_a_loop(World.at(tmp_path), 2, random.randrange(10**6), symbol_network(panel), panel=panel)


def test_fault_01_killed_on_postgres_no_acknowledged_row_is_lost_or_duplicated(
    tmp_path: Path, postgres_url: str
) -> None:
    kill_in_a_loop(World.at(tmp_path, postgres_url), rounds=2, seed=random.randrange(10**6))


@pytest.mark.slow
@pytest.mark.timeout(2400)
def test_fault_01_killed_sixty_times_no_acknowledged_row_is_lost_or_duplicated(tmp_path: Path) -> None:
    kill_in_a_loop(World.at(tmp_path), rounds=60, seed=random.randrange(10**6))


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_fault_01_killed_two_hundred_times_no_acknowledged_row_is_lost_or_duplicated(tmp_path: Path) -> None:
    kill_in_a_loop(World.at(tmp_path), rounds=200, seed=random.randrange(10**6))


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_fault_01_killed_two_hundred_times_on_postgres(tmp_path: Path, postgres_url: str) -> None:
    kill_in_a_loop(World.at(tmp_path, postgres_url), rounds=200, seed=random.randrange(10**6))
