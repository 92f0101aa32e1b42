"""`rollcast doctor`: checks the installation and what it stored. Each check is one line that says what to do."""

from __future__ import annotations

import os
import platform
import sqlite3
import sys
from collections.abc import Callable, Iterator, Sequence
from importlib import metadata

from data import clock
from data.changes import deletions
from data.errors import InvalidInput, RollcastError, counted, first_line
from data.grid.durations import DAY
from data.records.runs import sentence
from data.settings import Settings, is_loopback, load_settings
from data.store import catalogue, keys, promotions, registry
from pipelines.console import ProgressCallback
from pipelines.models import model_store
from pipelines.monitoring import overdue
from pipelines.monitoring.check import Check, run_check
from pipelines.upkeep import scrub
from pipelines.workspace import Workspace, open_workspace

SAFE_SQLITE = (3, 51, 3)  # earlier versions can, rarely, lose a commit while the WAL is reset
EXPIRES_SOON_DAYS = 14  # a key that expires within these days is a warning


def examine(thorough: bool = False, progress: ProgressCallback = lambda done, total, words: None) -> list[Check]:
    """Every check, in the order of repair. Nothing is changed, except that a missing store is created.

    `thorough` also reads every byte that has a checksum.
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
        checks += [api_keys(workspace), overdue.check(workspace), unfinished(workspace)]
        for dataset in catalogue.datasets(workspace.engine):
            checks += dataset_checks(workspace, dataset)
            checks += scrub.checksums(workspace, dataset, progress) if thorough else []
    except Exception as error:  # a flipped bit in the store can raise any error
        checks.append(Check("stored", "failed", sentence(error)))
    return checks


def exit_code(checks: Sequence[Check]) -> int:
    """1 when anything failed; a warning alone is 0."""
    return int(any(check.verdict == "failed" for check in checks))


def python() -> Check:
    """Whether Python is 3.11 or newer."""
    return Check(
        "python", "ok" if sys.version_info >= (3, 11) else "failed", f"{platform.python_version()} (3.11 or newer)"
    )


def sqlite() -> Check:
    """The version of the SQLite library."""
    found, safe = sqlite3.sqlite_version, ".".join(map(str, SAFE_SQLITE))
    if sqlite3.sqlite_version_info >= SAFE_SQLITE:
        return Check("sqlite", "ok", found)
    return Check(
        "sqlite",
        "warning",
        f"{found}; before {safe} a commit could be lost while the WAL is reset: use PostgreSQL for important data",
    )


def arithmetic() -> Check:
    """How exactly a state that is folded again equals the rolled one: see `forecasting.kernel.determinism`."""
    from forecasting.kernel.determinism import rows_are_independent

    if rows_are_independent():
        return Check("arithmetic", "ok", "a state that is folded again equals the rolled one bit for bit")
    return Check(
        "arithmetic", "ok", "matrix products depend on their batch here: states folded again agree within 1e-5"
    )


def libraries() -> Iterator[Check]:
    """Installed versions against the ranges of the package; an extra that is not installed is left out."""
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
    """A sentence if an installed package is outside its range, else None."""
    try:
        found = metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
    return None if accepts(found, prereleases=True) else f"{name} {found} is outside its range: run `make setup`"


def home(settings: Settings) -> Check:
    """Whether the home folder can be written."""
    existing = next(path for path in (settings.home, *settings.home.parents) if path.exists())
    if os.access(existing, os.W_OK):
        return Check("home", "ok", str(settings.home))
    return Check("home", "failed", f"{existing} cannot be written; set ROLLCAST_HOME or change its owner")


def addresses(settings: Settings) -> Iterator[Check]:
    """Whether servers that other machines can reach ask for keys or a password."""
    prefect = os.environ.get("PREFECT_SERVER_API_HOST", "127.0.0.1")
    try:
        access = "needs keys" if settings.asks_for_keys else "loopback only, without keys"
    except InvalidInput as error:
        yield Check("addresses", "failed", str(error))
        return
    if is_loopback(prefect) or os.environ.get("PREFECT_SERVER_API_AUTH_STRING"):
        yield Check("addresses", "ok", f"the service on {settings.host}: {access}")
    else:
        yield Check(
            "addresses",
            "warning",
            f"PREFECT_SERVER_API_HOST={prefect}: reachable from other machines without a password; "
            "set PREFECT_SERVER_API_AUTH_STRING or use 127.0.0.1",
        )


def api_keys(workspace: Workspace) -> Check:
    """Whether there is a valid key where the service needs one, and which keys expire soon."""
    at, settings = clock.now(), workspace.settings
    valid = [key for key in keys.keys(workspace.engine) if key.valid(at)]
    expiring = [key for key in valid if key.expires_at is not None and key.expires_at < at + EXPIRES_SOON_DAYS * DAY]
    if settings.auth != "off" and settings.asks_for_keys and not valid:
        return Check("keys", "warning", "requests need a key and there is none; `rollcast keys create` makes one")
    if expiring:
        named = ", ".join(f"{key.id} ({key.name})" for key in expiring)
        return Check(
            "keys",
            "warning",
            f"{named}: expires within {EXPIRES_SOON_DAYS} days; `rollcast keys rotate` makes its successor",
        )
    return Check("keys", "ok", f"{len(valid)} valid")


def unfinished(workspace: Workspace) -> Check:
    """Whether a deletion was begun and not finished, or waits to be run; and the promotion log of deleted datasets."""
    found = deletions.unfinished(workspace.engine)
    begun = [str(own.id) for own in found if own.state == "running"]
    if begun:
        words = f"deletion {', '.join(begun)} was begun and is not finished; `rollcast jobs run` finishes it"
        return Check("deletions", "warning", words)
    buried = [own for own in deletions.deletions(workspace.engine, states=("done",)) if own.kind == "dataset"]
    for own in buried:
        try:
            promotions.verify_chain(workspace.engine, own.dataset_id)
        except RollcastError as error:
            return Check("deletions", "failed", str(error))
    waiting = f"{len(found)} wait for `rollcast jobs run`" if found else "none is unfinished"
    return Check("deletions", "ok", f"{waiting}; {counted(len(buried), 'dataset')} deleted, their promotions verify")


def dataset_checks(workspace: Workspace, dataset: catalogue.Dataset) -> Iterator[Check]:
    """The lake, the promotion chain and the artifacts of one dataset."""
    yield scrub.lake(workspace, dataset)
    yield from scrub.issued(workspace, dataset)
    yield run_check(f"{dataset.name}: promotions", lambda: chain(workspace, dataset))
    yield run_check(f"{dataset.name}: artifacts", lambda: artifacts(workspace, dataset))
    if workspace.settings.mlflow and (workspace.settings.mlflow_path / "mlflow.db").exists():
        yield mirror(workspace, dataset)


def ports(settings: Settings) -> Check:
    """Whether other machines can reach one of our ports though its server should listen on the loopback only."""
    from pipelines.upkeep import open_ports

    hosts = {settings.port: settings.host, 4200: os.environ.get("PREFECT_SERVER_API_HOST", "127.0.0.1")}
    if settings.prefect_port:
        hosts[settings.prefect_port] = "127.0.0.1"
    found = [port for port, host in hosts.items() if is_loopback(host) and open_ports.open_beyond_loopback(port)]
    if found:
        named = ", ".join(map(str, found))
        return Check("ports", "failed", f"a process on port {named} listens beyond 127.0.0.1: stop it, or set its host")
    return Check("ports", "ok", "other machines reach no port of ours that is meant for this machine")


def chain(workspace: Workspace, dataset: catalogue.Dataset) -> str:
    """Check the hash chain of the promotion log."""
    promotions.verify_chain(workspace.engine, dataset.id)
    return f"{counted(len(promotions.decisions(workspace.engine, dataset.id)), 'decision')}, chain whole"


def artifacts(workspace: Workspace, dataset: catalogue.Dataset) -> str:
    """Check every artifact against its registered digest."""
    rows = registry.models(workspace.engine, dataset.id)
    for row in rows:
        model_store.load(workspace, dataset, row.version)
    return f"{len(rows)} verified"


def mirror(workspace: Workspace, dataset: catalogue.Dataset) -> Check:
    """Whether the MLflow mirror agrees with our registry. The service reads only the registry."""
    name = f"{dataset.name}: mirror"
    own = {row.version: row.digest for row in registry.models(workspace.engine, dataset.id)}
    served = promotions.served(workspace.engine, dataset.id)
    try:
        mirrored = model_store.mirrored_versions(workspace, dataset)
    except Exception as error:
        return Check(name, "warning", f"MLflow cannot be read ({first_line(error, longest=120)})")
    missing = sorted(version for version, digest in own.items() if mirrored.get(version, ("",))[0] != digest)
    champion = [version for version, (_, aliases) in mirrored.items() if "champion" in aliases]
    if missing:
        return Check(name, "warning", f"MLflow lacks version {', '.join(map(str, missing))}; the registry has it")
    if champion != ([served.version] if served else []):
        return Check(name, "warning", f"MLflow's champion is {champion or 'none'}; `rollcast jobs run` sets it")
    return Check(name, "ok", f"MLflow agrees on {counted(len(own), 'version')}")
