"""MLflow runs by explicit id: MLflow's "active run" follows the thread and is lost between cells.

Every function works on the store that `bootstrap` pointed the process at.
"""

import getpass
import json
import math
import tempfile
import time
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import pandas as pd

from workbench.tracking.errors import NoSuchRunError
from workbench.tracking.store import current_store

if TYPE_CHECKING:
    from mlflow import MlflowClient

__all__ = [
    "TAG_CANDIDATE",
    "TAG_CODE",
    "TAG_DATA",
    "TAG_IDEA",
    "TAG_NOTEBOOK",
    "TAG_NOTEBOOK_SHA256",
    "TAG_RESULT",
    "Result",
    "add_data",
    "client",
    "finish_run",
    "log_artifact",
    "log_dict",
    "log_figure",
    "log_metrics",
    "log_params",
    "log_result",
    "log_table",
    "log_text",
    "run_data",
    "set_tags",
    "start_run",
]

TAG_DATA = "workbench.data"  # fingerprints of the data, separated by spaces
TAG_CODE = "workbench.code"
TAG_NOTEBOOK = "workbench.notebook"
TAG_NOTEBOOK_SHA256 = "workbench.notebook_sha256"
TAG_IDEA = "workbench.idea"
TAG_RESULT = "workbench.result_digest"  # of the last result
TAG_CANDIDATE = "workbench.candidate"  # digest of the strategy that `deploy` registered

_LONGEST = 5_000  # characters of a parameter or tag; MLflow's limits are 6,000 and 8,000
_BATCH = 100  # parameters a request, MLflow's limit


class Priced(Protocol):
    """What has a version: a cost book."""

    @property
    def version(self) -> str:
        """Hash of the content."""


class Result(Protocol):
    """What `log_result` needs of a backtest's result: `workbench.research.BacktestResult`."""

    @property
    def spec(self) -> Mapping[str, Any]:
        """The strategy's canonical description."""

    @property
    def name(self) -> str:
        """The strategy's name."""

    @property
    def parameters(self) -> Mapping[str, Any]:
        """The strategy's parameters."""

    @property
    def metrics(self) -> Mapping[str, float | int | str]:
        """Statistics by name."""

    @property
    def digest(self) -> str:
        """Hash of fills and equity."""

    @property
    def fingerprint(self) -> str:
        """Of the data."""

    @property
    def cost_book(self) -> Priced:
        """What it was priced by."""

    def to_frame(self) -> pd.DataFrame:
        """The equity curve, one row a bar."""


def client() -> "MlflowClient":
    """A client of the store in force."""
    return _client(current_store().uri)


def start_run(name: str, experiment: str = "workbench", tags: Mapping[str, str] | None = None) -> str:
    """Start a run and return its id. The experiment is created when missing."""
    tagged = {key: str(value)[:_LONGEST] for key, value in (tags or {}).items()}
    tagged.setdefault("mlflow.user", getpass.getuser())
    run = client().create_run(
        _experiment_id(experiment), run_name=name, tags=tagged, start_time=time.time_ns() // 1_000_000
    )
    return str(run.info.run_id)


def finish_run(run_id: str, status: str = "FINISHED") -> None:
    """End a run: ``FINISHED``, ``FAILED`` or ``KILLED``."""
    client().set_terminated(run_id, status=status)


def set_tags(run_id: str, tags: Mapping[str, str]) -> None:
    """Set tags; the last value of a tag counts."""
    for key, value in tags.items():
        client().set_tag(run_id, key, str(value)[:_LONGEST])


def log_params(run_id: str, params: Mapping[str, Any]) -> None:
    """Log parameters; MLflow keeps the first value of a name for ever."""
    from mlflow.entities import Param

    items = [Param(key, str(value)[:_LONGEST]) for key, value in params.items()]
    for start in range(0, len(items), _BATCH):
        client().log_batch(run_id, params=items[start : start + _BATCH])


def log_metrics(run_id: str, metrics: Mapping[str, float | int | str], *, step: int = 0) -> None:
    """Log those metrics that are finite numbers; the rest belongs into tags or tables."""
    from mlflow.entities import Metric

    now = time.time_ns() // 1_000_000
    items = [
        Metric(key, float(value), now, step)
        for key, value in metrics.items()
        if isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
    ]
    client().log_batch(run_id, metrics=items)


def log_table(run_id: str, frame: pd.DataFrame, artifact: str) -> None:
    """Log a frame as Parquet at the artifact path `artifact`, as in ``equity.parquet``."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / Path(artifact).name
        frame.to_parquet(path)
        _log_file(run_id, path, artifact)


def log_figure(run_id: str, figure: Any, artifact: str) -> None:
    """Log a matplotlib figure, or the bytes of a picture, at the artifact path `artifact`."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / Path(artifact).name
        if isinstance(figure, bytes):
            path.write_bytes(figure)
        else:
            figure.savefig(path, bbox_inches="tight")
        _log_file(run_id, path, artifact)


def log_text(run_id: str, text: str, artifact: str) -> None:
    """Log a text file."""
    client().log_text(run_id, text, artifact)


def log_dict(run_id: str, value: Mapping[str, Any], artifact: str) -> None:
    """Log a value as JSON with sorted names."""
    log_text(run_id, json.dumps(value, sort_keys=True, indent=2, default=str) + "\n", artifact)


def log_artifact(run_id: str, path: Path | str, folder: str = "") -> None:
    """Log a file as it is, into `folder` of the run's artifacts."""
    client().log_artifact(run_id, str(path), folder or None)


def log_result(run_id: str, result: Result, *, number: int = 1) -> None:
    """Log a backtest: parameters, metrics, equity curve, description, data and costs.

    The metrics of a run are those of its last result, with earlier ones in their history; parameters of
    a second and later result carry its number, since MLflow keeps the first value of a name.
    """
    prefix = "" if number == 1 else f"{number}."
    folder = f"result_{number:02d}"
    log_params(
        run_id,
        {
            f"{prefix}strategy": result.name,
            **{f"{prefix}strategy.{key}": value for key, value in result.parameters.items()},
            f"{prefix}cost_book": result.cost_book.version,
        },
    )
    log_metrics(run_id, result.metrics, step=number)
    log_table(run_id, result.to_frame(), f"{folder}/equity.parquet")
    log_dict(run_id, dict(result.spec), f"{folder}/spec.json")
    log_dict(run_id, dict(result.metrics), f"{folder}/metrics.json")
    add_data(run_id, result.fingerprint)
    set_tags(run_id, {TAG_RESULT: result.digest})


def add_data(run_id: str, fingerprint: str) -> None:
    """Tag a run with one more dataset it used."""
    known = run_data(run_id)["tags"].get(TAG_DATA, "").split()
    if fingerprint not in known:
        set_tags(run_id, {TAG_DATA: " ".join([*known, fingerprint])})


def run_data(run_id: str) -> dict[str, Any]:
    """Name, status, params, metrics, tags and artifact paths' root of a run.

    Raises
    ------
    NoSuchRunError
        The store has no such run.
    """
    from mlflow.exceptions import MlflowException

    try:
        run = client().get_run(run_id)
    except MlflowException as error:
        raise NoSuchRunError(
            f"expected a run of {current_store().uri}, found none with id {run_id!r}: {error.message}"
        ) from error
    return {
        "run_id": run.info.run_id,
        "name": run.info.run_name,
        "status": run.info.status,
        "experiment_id": run.info.experiment_id,
        "start_ms": run.info.start_time,
        "end_ms": run.info.end_time,
        "artifact_uri": run.info.artifact_uri,
        "params": dict(run.data.params),
        "metrics": dict(run.data.metrics),
        "tags": dict(run.data.tags),
    }


def _log_file(run_id: str, path: Path, artifact: str) -> None:
    parent = str(Path(artifact).parent)
    client().log_artifact(run_id, str(path), None if parent == "." else parent)


@lru_cache(maxsize=4)
def _client(uri: str) -> "MlflowClient":
    from mlflow import MlflowClient

    return MlflowClient(tracking_uri=uri, registry_uri=uri)


def _experiment_id(name: str) -> str:
    from mlflow.exceptions import MlflowException

    found = client().get_experiment_by_name(name)
    if found is not None and found.lifecycle_stage == "deleted":
        client().restore_experiment(found.experiment_id)
    if found is None:
        try:
            return str(client().create_experiment(name, current_store().artifact_location(name)))
        except MlflowException:
            found = client().get_experiment_by_name(name)  # another process was faster
            if found is None:
                raise
    return str(found.experiment_id)
