"""All settings. Every one has a default that works.

Precedence: environment (`ROLLCAST_*`), `.env`, `rollcast.toml`, default. A process reads them once, at its start.
"""

from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError, field_validator, model_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from data.errors import InvalidInput


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach a server on this address. Names other than localhost are not resolved."""
    return host in ("localhost", "::1") or (host.startswith("127.") and host.replace(".", "").isdecimal())


def find_home() -> Path:
    """The nearest `.rollcast` folder from the working folder upwards; without one, that in the working folder."""
    here = Path.cwd()
    return next((f / ".rollcast" for f in (here, *here.parents) if (f / ".rollcast").is_dir()), here / ".rollcast")


class Settings(BaseSettings):
    """The settings of a process; immutable once read."""

    model_config = SettingsConfigDict(
        env_prefix="ROLLCAST_",
        env_file=".env",
        env_ignore_empty=True,
        toml_file="rollcast.toml",
        extra="forbid",  # of our own prefix only: a .env file may serve other programs too
        dotenv_filtering="match_prefix",
        frozen=True,
    )

    home: Path = Field(default_factory=find_home, description="Folder of everything a command stores")
    data: Path | None = Field(default=None, description="Folder with larger data sets, for benchmarks and some tests")
    database_url: str = Field(
        default="", repr=False, description="Live store; SQLite in the home folder unless a PostgreSQL URL is given"
    )
    mlflow: bool = Field(default=True, description="Mirror runs and model versions to an MLflow registry")
    host: str = Field(default="127.0.0.1", description="Address the service listens on")
    port: int = Field(default=8000, ge=0, le=65535, description="Port the service listens on; 0 takes a free one")
    future_tolerance_s: int = Field(default=300, ge=0, description="How far ahead of the clock a stamp may be, seconds")
    auth: Literal["auto", "on", "off"] = Field(
        default="auto",
        description="Whether requests need an API key; auto: unless the service listens on loopback only",
    )
    allowed_hosts: str = Field(
        default="",
        description="Host names the service answers to, comma-separated; on loopback its own names are added",
    )
    trusted_proxies: str = Field(default="", description="Proxies whose X-Forwarded-For is used, comma-separated")
    key_rate: float = Field(default=1000, ge=0, description="Requests a second of one key; 0 = no limit")
    address_rate: float = Field(default=1000, ge=0, description="Requests a second of one address; 0 = no limit")
    max_connections: int = Field(
        default=1000, gt=0, description="Connections open at once; further ones are answered 503"
    )
    max_body_bytes: int = Field(default=2_000_000, gt=0, description="Largest request body, bytes")
    body_deadline_s: float = Field(default=10.0, gt=0, description="Time a request's body may take to arrive, seconds")
    forecast_cache_bytes: int = Field(
        default=64_000_000,
        ge=0,
        description="Memory for forecasts that were sent and whose state has not changed, bytes",
    )
    history_bytes: int = Field(
        default=2_000_000_000,
        ge=0,
        description="Values of the past that the live store keeps for the service, bytes; 0 = none",
    )
    idempotency_keep_s: float = Field(
        default=86_400.0, gt=0, description="How long the answer to an Idempotency-Key is kept, seconds"
    )
    shipped_model: bool = Field(
        default=True,
        description="Let the model that ships with Rollcast serve a dataset from its first ingest until another passes",
    )
    gate_gain: float = Field(
        default=0.01, ge=0, lt=1, description="Relative gain that the promotion gate requires of a candidate"
    )
    gate_largest_bytes: int = Field(
        default=64_000_000, gt=0, description="Largest artifact that the promotion gate accepts, bytes"
    )
    gate_longest_ms: float = Field(
        default=100.0,
        gt=0,
        description="Longest time for one step and one forecast of one series that the gate accepts, milliseconds",
    )
    shadow_targets: int = Field(
        default=500,
        gt=0,
        description="Live values that challenger and champion must both have forecast before the gate decides",
    )
    retrain_minutes: float = Field(default=6.0, gt=0, description="Time that a retraining may take, minutes")
    retrain_into: Literal["gate", "shadow"] = Field(
        default="gate",
        description="Where a retrained version goes: to the promotion gate at once, or into shadow first",
    )
    retrain_cooldown_h: float = Field(
        default=12.0, ge=0, description="Least time between two trainings of a dataset that the monitor queues, hours"
    )
    retrain_daily: int = Field(default=8, ge=0, description="Trainings a day that the monitor queues, all datasets")
    retrain_growth: float = Field(
        default=0.25,
        ge=0,
        description="Share of new steps since the last training above which the monitor queues one; 0 = never",
    )
    retrain_after_days: float = Field(
        default=0.0,
        ge=0,
        description="Age of the newest version above which the monitor queues a training, days; 0 = never",
    )
    poll_every_s: float = Field(default=1.0, gt=0, description="Time between two checks for new promotions, seconds")
    runs_keep_days: int = Field(default=90, ge=1, description="How long prune keeps the record of a run, days")
    forecasts_keep_days: int = Field(default=90, ge=1, description="How long prune keeps issued forecasts, days")
    log_most_rows: int = Field(
        default=5_000_000,
        ge=0,
        description="Rows of a dataset's live log above which compact makes new contexts, so that it can be cut",
    )
    vintages_bytes: int = Field(
        default=1_000_000_000,
        ge=0,
        description="Earlier forecasts that the live store keeps, bytes; the oldest leave first; 0 = none",
    )
    snapshot_every_s: float = Field(default=60.0, gt=0, description="Time between state snapshots, seconds")
    prefect_port: int = Field(
        default=0, ge=0, le=65535, description="Port of `rollcast pipelines serve` on loopback; 0 takes a free one"
    )
    flow_timeout_s: float = Field(default=21_600.0, gt=0, description="Longest that a flow may run, seconds")
    canary_schedule: str = Field(
        default="every 1m", description="When the canary flow runs, whose success shows that schedules run"
    )
    jobs_schedule: str = Field(default="every 5m", description="When queued trainings run")
    monitor_schedule: str = Field(default="every 1h", description="When drift and coverage are checked")
    compact_schedule: str = Field(default="every 1h", description="When old rows of the live log move into the lake")
    backup_path: Path | None = Field(default=None, description="Folder of backups, on another disk than the home")
    backup_keep: int = Field(default=7, ge=1, description="How many scheduled backups are kept")
    backup_schedule: str = Field(default="30 2 * * * UTC", description="When the stores are backed up")
    prune_schedule: str = Field(default="30 3 * * 0 UTC", description="When data that is no longer needed is deleted")

    @field_validator("home", "data", "backup_path")
    @classmethod
    def _absolute(cls, path: Path | None) -> Path | None:
        return path.expanduser().absolute() if path else None

    @model_validator(mode="after")
    def _default_database(self) -> "Settings":
        if not self.database_url:  # the model is frozen, except for its own validation
            object.__setattr__(self, "database_url", f"sqlite:///{self.home / 'live.db'}")
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Flags first, then environment, `.env` and `rollcast.toml`."""
        return init_settings, env_settings, dotenv_settings, TomlConfigSettingsSource(settings_cls)

    @property
    def asks_for_keys(self) -> bool:
        """Whether requests need a key. Raises InvalidInput for `off` on an address beyond loopback."""
        local = is_loopback(self.host)
        if self.auth == "off" and not local:
            raise InvalidInput(
                f"requests without keys are taken on loopback alone, not on {self.host}; use auto, or host 127.0.0.1",
                source="ROLLCAST_AUTH",
            )
        return self.auth == "on" or not local

    @property
    def lake_path(self) -> Path:
        """Delta tables of history."""
        return self.home / "lake"

    @property
    def mlflow_path(self) -> Path:
        """MLflow's database and files."""
        return self.home / "mlflow"

    @property
    def prefect_path(self) -> Path:
        """Prefect's home."""
        return self.home / "prefect"

    @property
    def runs_path(self) -> Path:
        """Logs and checkpoints of training runs."""
        return self.home / "runs"


def load_settings(**overrides: Any) -> Settings:
    """Read the settings. Raises InvalidInput, which names the first wrong one."""
    try:
        return Settings(**overrides)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        name = "_".join(str(part) for part in first["loc"]).upper()
        raise InvalidInput(
            f"the setting is wrong ({first['msg'].lower()}); .env.example lists every setting",
            source=name if name.startswith("ROLLCAST_") else f"ROLLCAST_{name}",
        ) from None
