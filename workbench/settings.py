"""Where the workbench keeps its things: environment (`WORKBENCH_…`), then `workbench.toml`, then defaults.

Entry points read the settings once and pass on the values a function needs.
"""

import hashlib
import json
import os
import stat
import tempfile
from pathlib import Path
from typing import Any

import platformdirs
from pydantic import Field, ValidationError
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from workbench.domain.instrument_records import instruments_from_file
from workbench.domain.instruments import refresh_instruments
from workbench.errors import BadInputError

__all__ = ["Settings", "load_settings", "project_folder"]


def project_folder(start: Path | None = None) -> Path:
    """The nearest folder, from `start` up, that holds a `workbench.toml` or both notebooks/ and mlruns/."""
    here = (start or Path.cwd()).resolve()
    for folder in (here, *here.parents):
        if (folder / "workbench.toml").is_file():
            return folder
        if (folder / "notebooks").is_dir() and (folder / "mlruns").is_dir():
            return folder
    return here


class Settings(BaseSettings):
    """The workbench's settings; every field can be set as `WORKBENCH_<NAME>`."""

    model_config = SettingsConfigDict(env_prefix="WORKBENCH_", extra="forbid", frozen=True)

    home: Path = Field(default_factory=lambda: Path(platformdirs.user_data_dir("workbench")))
    project: Path = Field(default_factory=project_folder)
    database_url: str = ""  # releases, approvals, deployments, trials, schedules; default SQLite in home
    gateway_database_url: str = ""  # intents, orders, fills, journal; default a SQLite file of its own
    market_url: str = ""  # market data for a team, as in s3://bucket/market; default a folder in home
    mlruns: Path | None = None  # default: project/mlruns
    mlflow_uri: str = ""  # default: sqlite in mlruns
    user: str = Field(
        default_factory=lambda: os.environ.get("USER") or os.environ.get("LOGNAME") or "somebody"
    )
    approvers: tuple[str, ...] = ()  # who may change limits; with two or more, raising one needs a second
    lab_port: int = 8888
    voila_port: int = 8866
    mlflow_port: int = 5055
    gateway_metrics_port: int = 0  # for Prometheus, on loopback; 0: none
    supervisor_metrics_port: int = 0
    traces_url: str = ""  # an OTLP collector, as in http://127.0.0.1:4318/v1/traces; default: no traces

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments first, then the environment, then `workbench.toml` of the project."""
        toml = project_folder() / "workbench.toml"
        return (init_settings, env_settings, TomlConfigSettingsSource(settings_cls, toml_file=toml))

    @property
    def market_dir(self) -> Path:
        """The market store's folder."""
        return self.home / "market"

    @property
    def market_root(self) -> Path | str:
        """Where the market store's files lie: the folder, or the team's URL."""
        return self.market_url or self.market_dir

    @property
    def instruments_file(self) -> Path:
        """Your broker's instrument records, which go before those shipped; need not be there."""
        return self.home / "instruments.json"

    @property
    def releases_dir(self) -> Path:
        """Where release bundles are kept, one folder a release."""
        return self.home / "releases"

    @property
    def deployments_dir(self) -> Path:
        """Where each deployment's notebook and logs are kept."""
        return self.home / "deployments"

    @property
    def reports_dir(self) -> Path:
        """Where pipelines write their reports."""
        return self.home / "reports"

    @property
    def logs_dir(self) -> Path:
        """Logs of the workbench's processes."""
        return self.home / "logs"

    @property
    def alerts_file(self) -> Path:
        """Where alerts go, an apprise URL a line, its owner's alone; need not be there."""
        return self.home / "alerts.urls"

    @property
    def credentials_dir(self) -> Path:
        """Secrets of accounts at brokers, a file each, mode 0700."""
        return self.home / "credentials"

    @property
    def kills_dir(self) -> Path:
        """Kills that are not in the gateway's store yet, mode 0700."""
        return self.home / "kills"

    @property
    def keys_dir(self) -> Path:
        """Signing keys, mode 0700."""
        return self.home / "keys"

    @property
    def mlruns_dir(self) -> Path:
        """MLflow's default store."""
        return self.mlruns or self.project / "mlruns"

    @property
    def tracking_uri(self) -> str:
        """MLflow's tracking URI."""
        return self.mlflow_uri or f"sqlite:///{(self.mlruns_dir / 'mlflow.db').resolve()}"

    @property
    def store_url(self) -> str:
        """The relational store's URL."""
        return self.database_url or f"sqlite:///{(self.home / 'workbench.db').resolve()}"

    @property
    def gateway_store_url(self) -> str:
        """The gateway's own store's URL."""
        return self.gateway_database_url or f"sqlite:///{(self.home / 'gateway.db').resolve()}"

    @property
    def runtime_dir(self) -> Path:
        """Unix sockets of this home, in a short private folder (a socket's path has at most 107 bytes)."""
        base = Path(os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir())
        digest = hashlib.sha256(str(self.home.resolve()).encode()).hexdigest()[:10]
        folder = base / f"workbench-{os.getuid()}-{digest}"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = folder.stat()
        if found.st_uid != os.getuid() or stat.S_IMODE(found.st_mode) != 0o700:
            raise BadInputError(f"{folder} must belong to you alone (mode 0700); remove it and try again")
        return folder

    @property
    def gateway_socket(self) -> Path:
        """Where live kernels ask for events and send intents."""
        return self.runtime_dir / "gateway.sock"

    @property
    def operator_socket(self) -> Path:
        """Where people's verbs (status, stop, kill…) reach the gateway."""
        return self.runtime_dir / "operator.sock"

    def quotes_socket(self, source: str) -> Path:
        """Where a broker's adapter or another program publishes quotes."""
        return self.runtime_dir / f"quotes-{source}.sock"

    @property
    def supervisor_socket(self) -> Path:
        """Where people's verbs reach the supervisor."""
        return self.runtime_dir / "supervisor.sock"


def load_settings(**values: Any) -> Settings:
    """The settings in force.

    Raises
    ------
    BadInputError
        A value can not be used; the message names the setting.
    """
    try:
        settings = Settings(**values)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"]) or "settings"
        raise BadInputError(
            f"setting {name!r}: {first['msg']}; see workbench.toml or WORKBENCH_{name.upper()}"
        ) from None
    _refresh_instruments(settings.instruments_file)
    return settings


def _refresh_instruments(path: Path) -> None:
    if not path.is_file():
        refresh_instruments(())
        return
    text = path.read_text(encoding="utf-8")
    try:
        refresh_instruments(instruments_from_file(json.loads(text)))
    except (ValueError, BadInputError) as error:
        raise BadInputError(
            f"{path} is damaged: {error}; mend or remove it, then `workbench data instruments --refresh`"
        ) from None
