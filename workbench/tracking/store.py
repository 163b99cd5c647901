"""MLflow's store: created once under a lock, in WAL mode, its artifacts beside it.

`bootstrap` is called before any kernel starts. It does not import MLflow, so it costs next to nothing
once the store is there.
"""

import hashlib
import os
import re
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import sqlalchemy as sa
from filelock import FileLock, Timeout

from workbench.settings import Settings
from workbench.tracking.errors import TrackingStoreError

__all__ = ["TrackingStore", "bootstrap", "current_store"]

_LOCK_TIMEOUT_S = 180.0
_PLACES = (  # where MLflow keeps absolute URIs of artifacts
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "source"),
    ("model_versions", "storage_location"),
)
_ARTIFACTS_VARIABLE = "WORKBENCH_ARTIFACTS"


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackingStore:
    """Where runs are kept."""

    uri: str
    artifacts: Path

    def environment(self) -> dict[str, str]:
        """What a process needs in its environment to use this store, and to use MLflow safely."""
        return {
            "MLFLOW_TRACKING_URI": self.uri,
            "MLFLOW_REGISTRY_URI": self.uri,
            _ARTIFACTS_VARIABLE: str(self.artifacts),
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "DO_NOT_TRACK": "true",
            "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
            "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
            "GIT_PYTHON_REFRESH": "quiet",
        }

    def artifact_location(self, experiment: str) -> str:
        """The folder of an experiment's artifacts, as a URI."""
        safe = re.sub(r"[^A-Za-z0-9._-]+", "-", experiment).strip("-.") or "experiment"
        return (self.artifacts / safe).resolve().as_uri()


def bootstrap(settings: Settings) -> TrackingStore:
    """Make sure the store exists at the installed MLflow's schema, and point this process at it.

    Safe to call from several processes at once, also on a new store: one creates it, the others wait.
    What was created is remembered in a small file beside it, so later calls only read that. When the folder
    was moved or copied meanwhile, the places of artifacts, which MLflow keeps as absolute URIs, move too.

    Raises
    ------
    TrackingStoreError
        The store could not be created or migrated.
    """
    store = TrackingStore(uri=settings.tracking_uri, artifacts=settings.mlruns_dir.resolve() / "artifacts")
    os.environ.update(store.environment())
    folder = settings.mlruns_dir
    stamp = folder / ".mlflow-schema"
    if _is_ready(store, stamp):
        return store
    folder.mkdir(parents=True, exist_ok=True)
    store.artifacts.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(folder / ".mlflow.lock", timeout=_LOCK_TIMEOUT_S):
            if not _is_ready(store, stamp):
                if not _has_schema(store, stamp):
                    _create(store)
                _follow_the_move(store, stamp)
                stamp.write_text(_stamp(store), encoding="utf-8")
    except Timeout:
        raise TrackingStoreError(
            f"expected {folder / '.mlflow.lock'} to become free within {_LOCK_TIMEOUT_S:g} s; another "
            "process is creating the store or hangs: look for `workbench.tracking.create`"
        ) from None
    return store


def current_store() -> TrackingStore:
    """The store that `bootstrap` pointed this process, or the one that started it, at.

    Raises
    ------
    TrackingStoreError
        `bootstrap` was not called.
    """
    uri, artifacts = os.environ.get("MLFLOW_TRACKING_URI", ""), os.environ.get(_ARTIFACTS_VARIABLE, "")
    if not uri or not artifacts:
        raise TrackingStoreError(
            "no MLflow store is set for this process; call workbench.tracking.bootstrap(settings) first"
        )
    return TrackingStore(uri=uri, artifacts=Path(artifacts))


def _version() -> str:
    return f"mlflow {version('mlflow')}"


def _stamp(store: TrackingStore) -> str:
    # a server's URI may hold a password, which no file may
    where = store.uri if _sqlite_file(store.uri) else hashlib.sha256(store.uri.encode()).hexdigest()
    return f"{_version()}\n{where}\n"


def _is_ready(store: TrackingStore, stamp: Path) -> bool:
    try:
        if stamp.read_text(encoding="utf-8") != _stamp(store):
            return False
    except FileNotFoundError:
        return False
    path = _sqlite_file(store.uri)
    return path is None or path.is_file()


def _has_schema(store: TrackingStore, stamp: Path) -> bool:
    """Whether the database is at the installed MLflow's schema, and perhaps lay elsewhere before."""
    path = _sqlite_file(store.uri)
    if path is None or not path.is_file() or not stamp.is_file():
        return False
    lines = stamp.read_text(encoding="utf-8").splitlines()
    return len(lines) == 2 and lines[0] == _version() and lines[1].startswith("sqlite:")


def _sqlite_file(uri: str) -> Path | None:
    url = sa.make_url(uri)
    return Path(str(url.database)) if url.get_backend_name() == "sqlite" else None


def _follow_the_move(store: TrackingStore, stamp: Path) -> None:
    """Rewrite the artifacts' URIs when the stamp says that the database lay elsewhere."""
    path = _sqlite_file(store.uri)
    if path is None or not stamp.is_file():
        return
    before = stamp.read_text(encoding="utf-8").splitlines()[1:2]
    if not before or not before[0].startswith("sqlite:") or before[0] == store.uri:
        return
    old = (Path(str(sa.make_url(before[0]).database)).parent / "artifacts").as_uri()
    new = store.artifacts.as_uri()
    with closing(sqlite3.connect(path, timeout=20)) as connection, connection:
        for table, column in _PLACES:
            connection.execute(
                f"UPDATE {table} SET {column} = ? || substr({column}, ?) "  # noqa: S608 - our own names
                f"WHERE substr({column}, 1, ?) = ?",
                (new, len(old) + 1, len(old) + 1, f"{old}/"),
            )


def _create(store: TrackingStore) -> None:
    path = _sqlite_file(store.uri)
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        with closing(sqlite3.connect(path, timeout=20)) as connection:
            connection.execute("PRAGMA journal_mode = WAL")  # the file keeps it
    done = subprocess.run(
        [sys.executable, "-m", "workbench.tracking.create", store.uri],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if line.strip()] or ["no message"]
        raise TrackingStoreError(
            f"MLflow's store {sa.make_url(store.uri).render_as_string(hide_password=True)} could not be "
            f"created or migrated: {lines[-1]}"
        )
