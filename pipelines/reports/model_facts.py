"""Prints one registered version on one screen; JSON has every number."""

from __future__ import annotations

from typing import Any

from pipelines.console import print_json, print_table, say
from pipelines.reports import terminal

SETTINGS = ("window", "horizon", "season", "memory", "hidden_size", "num_layers", "members")
ORIGIN = ("snapshot", "steps", "seconds", "seed")
MEASURES = ("mase", "wql", "coverage_80", "coverage_95", "skill")
OF_SYMBOLS = ("log_loss", "perplexity", "accuracy", "coverage_80", "skill")


def model_facts(about: dict[str, Any], json: bool) -> None:
    """Print a version: what it is, how it was made, and how it scored when it was trained."""
    if json:
        print_json(about)
        return
    config, manifest = about["config"], about["manifest"]
    facts = {name: about[name] for name in ("model", "digest", "bytes")}
    facts |= {"settings": ", ".join(f"{name} {config[name]}" for name in SETTINGS if config.get(name))}
    facts |= {name: manifest[name] for name in ORIGIN if name in manifest}
    terminal.facts(facts, False, f"{about['dataset']}, version {about['version']}")
    for scored, models in about["metrics"].items():
        if isinstance(models, dict) and all(isinstance(row, dict) for row in models.values()):
            measures = OF_SYMBOLS if any("log_loss" in row for row in models.values()) else MEASURES
            rows = [[name, *map(row.get, measures)] for name, row in models.items()]
            print_table(["model", *measures], sorted(rows, key=lambda row: terminal.by_mase(row[1])), scored)
    if about["long_roll"]:
        terminal.long_roll(about["long_roll"])
    for reason in manifest.get("rule") or ():
        say(reason)
    say("--json has every setting and score")
