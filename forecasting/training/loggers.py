"""Loggers of a training's loss by step."""

from pathlib import Path

from pytorch_lightning.loggers import CSVLogger, Logger, MLFlowLogger


def run_loggers(folder: Path, name: str, mlflow_uri: str | None) -> list[Logger]:
    """CSV under `folder`, and an MLflow run if a tracking address is given."""
    loggers: list[Logger] = [CSVLogger(folder, name="", version=name)]
    if mlflow_uri:
        loggers.append(MLFlowLogger("rollcast-training", run_name=name, tracking_uri=mlflow_uri))
    return loggers
