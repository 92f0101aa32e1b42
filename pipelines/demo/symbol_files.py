"""Files of symbols that are made and not bundled: states of the bundled sensor, and of simulated machines.

A simulated machine is semi-Markov: in each state it may leave at every step, with a *hazard* that depends on how long
it has been there, and then goes to one of the other states. Because the hazards are known, so is the least log loss
that any forecast can have: `least_log_loss`.
"""

from __future__ import annotations

import csv
from importlib import resources
from pathlib import Path

import numpy as np

from data.errors import InvalidInput

MACHINES, STEPS, SEED = 200, 2_000, 24
SENSOR = "machine_temperature_system_failure.csv"
LIMITS = ((45.0, "failing"), (70.0, "idle"), (98.0, "normal"))  # °C below which the sensor's machine is in a state
HOTTEST = "hot"
STATES = ("idle", "normal", "hot", "failing")
IDLE, NORMAL, HOT, FAILING = range(4)
GOES_TO = np.array([[0, 1, 0, 0], [0.3, 0, 0.7, 0], [0, 0.6, 0, 0.4], [1, 0, 0, 0]])  # from a state, where it leaves it


def write_symbol_files(folder: Path) -> list[Path]:
    """Write both files into a folder that is made where it is not there; returns their paths. The same ones each time.

    Raises InvalidInput where the folder cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        texts = {"sensor_states.csv": sensor_states(), "machine_states.csv": machine_states()}
        for name, text in texts.items():
            (folder / name).write_text(text, encoding="utf-8")
    except OSError as error:
        raise InvalidInput(f"{folder} cannot be written to ({error.strerror}); name another folder") from None
    return [folder / name for name in texts]


def sensor_states() -> str:
    """The state of the bundled sensor's machine every five minutes, by its temperature."""
    with (resources.files("data") / "samples" / SENSOR).open(encoding="utf-8") as file:
        rows = [(row["timestamp"], float(row["value"])) for row in csv.DictReader(file)]
    return "timestamp,state\n" + "".join(f"{time},{state_of(value)}\n" for time, value in rows)


def state_of(temperature: float) -> str:
    """The state of a machine of this temperature."""
    return next((state for limit, state in LIMITS if temperature < limit), HOTTEST)


def machine_states(machines: int = MACHINES, steps: int = STEPS, seed: int = SEED) -> str:
    """States of simulated machines, one row for each machine and step."""
    states = simulate(machines, steps, seed)
    lines = [
        f"machine{i:03d},{t},{STATES[state]}\n" for i, row in enumerate(states.tolist()) for t, state in enumerate(row)
    ]
    return "unique_id,t,state\n" + "".join(lines)


def simulate(machines: int = MACHINES, steps: int = STEPS, seed: int = SEED) -> np.ndarray:
    """(machines, steps) int64 states by their places in `STATES`; every machine begins idle."""
    random = np.random.default_rng(seed)
    state, age = np.full(machines, IDLE), np.zeros(machines, np.int64)
    found = np.empty((machines, steps), np.int64)
    for step in range(steps):
        found[:, step] = state
        p = next_probabilities(state, age)
        drawn = (p.cumsum(1) <= random.random((machines, 1))).sum(1).clip(max=len(STATES) - 1)
        age = np.where(drawn == state, age + 1, 0)
        state = drawn
    return found


def hazard(state: np.ndarray, age: np.ndarray) -> np.ndarray:
    """(n,) the probability to leave a state (n,) after `age` (n,) further steps in it.

    An idle machine starts at any time alike; a normal one gets likelier to leave the longer it runs; a failing one is
    down for five steps at least.
    """
    chances = [
        np.full(len(age), 0.05),
        np.minimum(0.25, 0.004 * age),
        np.full(len(age), 0.15),
        np.where(age < 4, 0, 0.5),
    ]
    return np.choose(state, chances)


def next_probabilities(state: np.ndarray, age: np.ndarray) -> np.ndarray:
    """(n, states) the true probabilities of the next step."""
    leaves = hazard(state, age)
    p = leaves[:, None] * GOES_TO[state]
    p[np.arange(len(state)), state] += 1 - leaves
    return np.asarray(p)


def least_log_loss(states: np.ndarray) -> float:
    """Mean -log of the true probability of every state after the first: no forecast has less on average."""
    machines, steps = states.shape
    age, losses = np.zeros(machines, np.int64), np.empty((machines, steps - 1))
    for step in range(1, steps):
        p = next_probabilities(states[:, step - 1], age)
        losses[:, step - 1] = -np.log(p[np.arange(machines), states[:, step]])
        age = np.where(states[:, step] == states[:, step - 1], age + 1, 0)
    return float(losses.mean())
