"""The MLflow mirror: runs, versions and aliases for MLflow's tools. The service follows the promotion log instead.

`mlflow` is imported only here, and only when a mirror is opened: the import takes a second. The first process that
opens its database migrates it; a lock file keeps two processes from doing that at once.
"""

import fcntl
import logging
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from forecasting.rolling.bundle import Bundle, save

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("DO_NOT_TRACK", "1")


class MlflowMirror:
    """Registered models under one folder: `mlflow.db` and `artifacts/`. The model's name is the dataset's."""

    def __init__(self, folder: Path) -> None:
        """`folder` is created if it is missing; the first use of a new one takes some seconds."""
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.uri = folder, f"sqlite:///{folder / 'mlflow.db'}"
        with self._lock():
            for name in ("alembic", "mlflow"):
                logging.getLogger(name).setLevel(logging.WARNING)
            from mlflow import MlflowClient

            self._client = MlflowClient(tracking_uri=self.uri, registry_uri=self.uri)
            self._experiment = self._experiment_id()

    @contextmanager
    def _lock(self) -> Iterator[None]:
        with open(self.folder / "lock", "w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def _experiment_id(self) -> str:
        found = self._client.get_experiment_by_name("rollcast")
        if found:
            return str(found.experiment_id)
        return str(self._client.create_experiment("rollcast", artifact_location=(self.folder / "artifacts").as_uri()))

    def register(self, name: str, version: int, bundle: Bundle, metrics: dict[str, float]) -> str:
        """Logs a bundle as a run with its artifact, and registers it as a version of `name`. Returns MLflow's version
        number.

        Our own version and digest are tags: the model is identified by them and not by MLflow's number.
        """
        run = self._client.create_run(self._experiment, run_name=f"{name}-{version}")
        run_id = run.info.run_id
        for key, value in {**bundle.config.to_dict(), "steps": bundle.manifest.get("steps")}.items():
            self._client.log_param(run_id, key, str(value)[:500])
        for key, value in metrics.items():
            self._client.log_metric(run_id, key, value)
        with tempfile.TemporaryDirectory() as folder:
            save(bundle, Path(folder) / "bundle")
            self._client.log_artifacts(run_id, str(Path(folder) / "bundle"), "bundle")
        self._client.set_terminated(run_id)
        self._ensure(name)
        tags = {"version": str(version), "digest": bundle.digest, "kind": bundle.config.kind}
        source = f"{run.info.artifact_uri}/bundle"
        made = self._client.create_model_version(name, source, run_id, tags=tags)
        return str(made.version)

    def _ensure(self, name: str) -> None:
        if not [model for model in self._client.search_registered_models() if model.name == name]:
            self._client.create_registered_model(name)

    def forget(self, name: str) -> None:
        """Deletes a registered model with all its versions, and their runs with parameters, metrics and artifacts."""
        found = self._client.search_model_versions(f"name = '{name}'")
        runs = {str(version.run_id) for version in found if version.run_id}
        if [model for model in self._client.search_registered_models() if model.name == name]:
            self._client.delete_registered_model(name)
        for run_id in sorted(runs):
            self._client.delete_run(run_id)
            shutil.rmtree(self.folder / "artifacts" / run_id, ignore_errors=True)

    def alias(self, name: str, alias: str, version: int) -> None:
        """Points champion, previous or challenger at our `version`; does nothing if that version was never mirrored."""
        for found in self._client.search_model_versions(f"name = '{name}'"):
            if found.tags.get("version") == str(version):
                self._client.set_registered_model_alias(name, alias, found.version)

    def versions(self, name: str) -> list[dict[str, Any]]:
        """Our version numbers, digests and aliases as MLflow has them, oldest first."""
        found = self._client.search_model_versions(f"name = '{name}'")
        pointed = self._client.get_registered_model(name).aliases if found else {}  # a search does not return them
        rows: list[dict[str, Any]] = [
            {
                "version": int(v.tags["version"]),
                "digest": v.tags["digest"],
                "aliases": [alias for alias, version in pointed.items() if int(version) == int(v.version)],
            }
            for v in found
            if "version" in v.tags
        ]
        return sorted(rows, key=lambda row: int(row["version"]))
