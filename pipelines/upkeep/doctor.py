"""Is this installation, and what it has stored, sound? Each check is one line with what to do about it."""

from __future__ import annotations

import os
import platform
import sqlite3
import sys
from collections.abc import Callable, Iterator, Sequence
from importlib import metadata

from data import clock
from data.errors import InvalidInput, RollcastError
from data.records.runs import sentence
from data.settings import Settings, is_loopback, load_settings
from data.store import catalogue, keys, promotions, registry
from pipelines.console import Report
from pipelines.models import model_store
from pipelines.monitoring import overdue
from pipelines.monitoring.check import Check, run_check
from pipelines.upkeep import scrub
from pipelines.workspace import Workspace, open_workspace

SAFE_SQLITE = (3, 51, 3)  # earlier ones can, rarely, lose a commit while the WAL is reset
EXPIRES_SOON_DAYS = 14  # days before a key's end from which on it is pointed at


def examine(thorough: bool = False, moved: Report = lambda done, total, words: None) -> list[Check]:
    """Every check, in the order in which one would repair. Nothing is changed but a store that was never opened.

    `thorough` reads every byte that has a checksum as well.
    """
    checks = [python(), sqlite(), arithmetic(), *libraries()]
    try:
        settings = load_settings()
        checks += [home(settings), *addresses(settings)]
        workspace = open_workspace(settings)
    except RollcastError as error:
        return [*checks, Check("stores", "failed", str(error))]
    checks.append(Check("stores", "ok", f"{workspace.engine.dialect.name} reachable, schema up to date"))
    checks += [scrub.database(workspace, thorough), ports(settings)]
    try:
        checks += [api_keys(workspace), overdue.check(workspace)]
        for dataset in catalogue.datasets(workspace.engine):
            checks += dataset_checks(workspace, dataset)
            checks += scrub.checksums(workspace, dataset, moved) if thorough else []
    except Exception as error:  # a flipped bit can make anything of a stored word
        checks.append(Check("stored", "failed", sentence(error)))
    return checks


def exit_code(checks: Sequence[Check]) -> int:
    """1 when anything failed; a warning alone is 0."""
    return int(any(check.verdict == "failed" for check in checks))


def python() -> Check:
    """3.11 or newer."""
    return Check(
        "python", "ok" if sys.version_info >= (3, 11) else "failed", f"{platform.python_version()} (3.11 or newer)"
    )


def sqlite() -> Check:
    """The library that Python was built with."""
    known, wanted = sqlite3.sqlite_version, ".".join(map(str, SAFE_SQLITE))
    if sqlite3.sqlite_version_info >= SAFE_SQLITE:
        return Check("sqlite", "ok", known)
    return Check(
        "sqlite",
        "warning",
        f"{known}; before {wanted} a commit could be lost while the log is reset: use PostgreSQL for what matters",
    )


def arithmetic() -> Check:
    """What may be promised of a state that is folded again: see `forecasting.kernel.determinism`."""
    from forecasting.kernel.determinism import rows_are_independent

    if rows_are_independent():
        return Check("arithmetic", "ok", "a state that is folded again equals the rolled one bit for bit")
    return Check("arithmetic", "ok", "products depend on their batch here: states folded again agree within 1e-5")


def libraries() -> Iterator[Check]:
    """Installed versions against those that the package asks for; an extra that is not installed is left out."""
    from packaging.requirements import Requirement

    try:
        wanted = [Requirement(line) for line in metadata.requires("rollcast") or []]
    except metadata.PackageNotFoundError:
        yield Check("packages", "warning", "rollcast runs from a folder, not installed; run `make setup`")
        return
    wrong = [
        message
        for requirement in wanted
        if (message := version_mismatch(requirement.name, requirement.specifier.contains))
    ]
    yield Check(
        "packages",
        "failed" if wrong else "ok",
        "; ".join(dict.fromkeys(wrong)) or "every installed version is inside its range",
    )


def version_mismatch(name: str, accepts: Callable[..., bool]) -> str | None:
    """What is wrong with an installed package, if anything."""
    try:
        found = metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
    return None if accepts(found, prereleases=True) else f"{name} {found} is outside its range: run `make setup`"


def home(settings: Settings) -> Check:
    """The folder of everything that is stored."""
    existing = next(path for path in (settings.home, *settings.home.parents) if path.exists())
    if os.access(existing, os.W_OK):
        return Check("home", "ok", str(settings.home))
    return Check("home", "failed", f"{existing} cannot be written; set ROLLCAST_HOME or change its owner")


def addresses(settings: Settings) -> Iterator[Check]:
    """Servers that would listen for more than this machine, and whether they ask who is there."""
    prefect = os.environ.get("PREFECT_SERVER_API_HOST", "127.0.0.1")
    try:
        asked = "needs keys" if settings.asks_for_keys else "loopback only, without keys"
    except InvalidInput as error:
        yield Check("addresses", "failed", str(error))
        return
    if is_loopback(prefect) or os.environ.get("PREFECT_SERVER_API_AUTH_STRING"):
        yield Check("addresses", "ok", f"the service on {settings.host}: {asked}")
    else:
        yield Check(
            "addresses",
            "warning",
            f"PREFECT_SERVER_API_HOST={prefect}: reachable from outside, and nothing asks for a password; "
            "set PREFECT_SERVER_API_AUTH_STRING or use 127.0.0.1",
        )


def api_keys(workspace: Workspace) -> Check:
    """Whether somebody could ask the service where it asks for keys, and whose key is about to end."""
    at, settings = clock.now(), workspace.settings
    valid = [key for key in keys.keys(workspace.engine) if key.valid(at)]
    ending = [key for key in valid if key.expires_at is not None and key.expires_at < at + EXPIRES_SOON_DAYS * keys.DAY]
    if settings.auth != "off" and settings.asks_for_keys and not valid:
        return Check("keys", "warning", "requests need a key and there is none; `rollcast keys create` makes one")
    if ending:
        named = ", ".join(f"{key.id} ({key.name})" for key in ending)
        return Check(
            "keys", "warning", f"{named}: ends within {EXPIRES_SOON_DAYS} days; `rollcast keys rotate` makes the next"
        )
    return Check("keys", "ok", f"{len(valid)} valid")


def dataset_checks(workspace: Workspace, dataset: catalogue.Dataset) -> Iterator[Check]:
    """The lake, the promotion chain and the artifacts of one dataset."""
    yield scrub.lake(workspace, dataset)
    yield from scrub.issued(workspace, dataset)
    yield run_check(f"{dataset.name}: promotions", lambda: chain(workspace, dataset))
    yield run_check(f"{dataset.name}: artifacts", lambda: artifacts(workspace, dataset))
    if workspace.settings.mlflow and (workspace.settings.mlflow_path / "mlflow.db").exists():
        yield mirror(workspace, dataset)


def backups(settings: Settings) -> Check:
    """Whether there is somewhere to put a backup by itself."""
    if settings.backup_path is None:
        said = "nothing is backed up by itself; set ROLLCAST_BACKUP_PATH to a folder on another disk"
        return Check("backups", "warning", said)
    return Check("backups", "ok", f"into {settings.backup_path}, the newest {settings.backup_keep} stay")


def ports(settings: Settings) -> Check:
    """Whether something on our ports can be reached from outside this machine, where we would not let it."""
    from pipelines.upkeep import open_ports

    wanted = {settings.port: settings.host, 4200: os.environ.get("PREFECT_SERVER_API_HOST", "127.0.0.1")}
    if settings.prefect_port:
        wanted[settings.prefect_port] = "127.0.0.1"
    found = [port for port, host in wanted.items() if is_loopback(host) and open_ports.open_beyond_loopback(port)]
    if found:
        named = ", ".join(map(str, found))
        return Check("ports", "failed", f"something on port {named} listens beyond 127.0.0.1: stop it, or set its host")
    return Check("ports", "ok", "nothing of ours listens for other machines without being told to")


def chain(workspace: Workspace, dataset: catalogue.Dataset) -> str:
    """Every decision's hash follows from the one before."""
    promotions.verify_chain(workspace.engine, dataset.id)
    return f"{len(promotions.decisions(workspace.engine, dataset.id))} decisions, chain whole"


def artifacts(workspace: Workspace, dataset: catalogue.Dataset) -> str:
    """Every model's bytes match the digest that was registered."""
    rows = registry.models(workspace.engine, dataset.id)
    for row in rows:
        model_store.load(workspace, dataset, row.version)
    return f"{len(rows)} verified"


def mirror(workspace: Workspace, dataset: catalogue.Dataset) -> Check:
    """Where MLflow says something else than our own registry; ours is what the service obeys."""
    name = f"{dataset.name}: mirror"
    own = {row.version: row.digest for row in registry.models(workspace.engine, dataset.id)}
    served = promotions.served(workspace.engine, dataset.id)
    try:
        told = model_store.mirrored_versions(workspace, dataset)
    except Exception as error:
        return Check(name, "warning", f"MLflow cannot be read ({str(error).splitlines()[0][:120]})")
    missing = sorted(version for version, digest in own.items() if told.get(version, ("",))[0] != digest)
    champion = [version for version, (_, aliases) in told.items() if "champion" in aliases]
    if missing:
        return Check(name, "warning", f"MLflow lacks version {', '.join(map(str, missing))}; our own registry has it")
    if champion != ([served.version] if served else []):
        return Check(name, "warning", f"MLflow's champion is {champion or 'nobody'}; promote or roll back to set it")
    return Check(name, "ok", f"MLflow agrees on {len(own)} versions")
