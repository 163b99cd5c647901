"""A notebook run by papermill as one MLflow run: parameters, code, what it showed, how it ended."""

import contextlib
import json
import shutil
import tempfile
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workbench.notebook import (
    Notebook,
    NotebookRun,
    Progress,
    RunStatus,
    ensure_idea,
    read_notebook,
    run_notebook,
    validate_parameters,
)
from workbench.settings import Settings
from workbench.tracking.code_version import code_version
from workbench.tracking.errors import NoSuchRunError
from workbench.tracking.runs import (
    TAG_CODE,
    TAG_IDEA,
    TAG_NOTEBOOK,
    TAG_NOTEBOOK_SHA256,
    client,
    finish_run,
    log_artifact,
    log_dict,
    log_params,
    run_data,
    set_tags,
    start_run,
)
from workbench.tracking.store import bootstrap

__all__ = [
    "EXECUTED_NOTEBOOK",
    "TrackedRun",
    "executed_notebook",
    "notebook_tags",
    "run_parameters",
    "run_tracked",
    "settings_environment",
]

EXECUTED_NOTEBOOK = "notebook/executed.ipynb"  # artifact
_PARAMETERS = "notebook/parameters.json"
_STATUS = {
    RunStatus.COMPLETED: "FINISHED",
    RunStatus.FAILED: "FAILED",
    RunStatus.TIMED_OUT: "FAILED",
    RunStatus.STOPPED: "KILLED",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackedRun:
    """A notebook's run and its MLflow run."""

    run_id: str
    run: NotebookRun


def run_tracked(
    path: Path,
    *,
    settings: Settings,
    parameters: Mapping[str, Any] | None = None,
    output: Path | None = None,
    experiment: str = "workbench",
    kernel_name: str = "workbench",
    env: Mapping[str, str] | None = None,
    timeout_s: float = 3_600.0,
    cell_timeout_s: float | None = None,
    progress: Callable[[Progress], None] | None = None,
    stop: threading.Event | None = None,
    tags: Mapping[str, str] | None = None,
) -> TrackedRun:
    """Run a notebook in the research kernel under a new MLflow run, and log the executed notebook.

    The notebook's own calls log to the same run. The run ends as FINISHED, FAILED or KILLED, as the notebook
    did; look at `run.ok` or call `run.raise_for_status()`.

    Parameters
    ----------
    output
        Where to keep the executed notebook besides the run's artifacts; nowhere else when None, and then
        `run.executed_path` does not outlive the call.
    env
        Added to the kernel's environment.

    Raises
    ------
    NotANotebookError, NoParametersCellError, BadInputError
        The notebook or the parameters can not be used; no run was made.
    """
    path = Path(path)
    notebook = read_notebook(path)
    given = validate_parameters(notebook, parameters) if parameters else {}
    store = bootstrap(settings)
    idea = ensure_idea(path)
    run_id = start_run(
        path.stem, experiment, {**notebook_tags(notebook, settings=settings, idea=idea), **(tags or {})}
    )
    status = "FAILED"
    try:
        log_params(run_id, {f"notebook.{name}": value for name, value in given.items()})
        log_dict(run_id, given, _PARAMETERS)
        with tempfile.TemporaryDirectory() as folder:
            run = run_notebook(
                path,
                output or Path(folder) / "executed.ipynb",
                parameters=given,
                kernel_name=kernel_name,
                env={
                    **settings_environment(settings),
                    **store.environment(),
                    "WORKBENCH_RUN_ID": run_id,
                    "MLFLOW_RUN_ID": run_id,  # the notebook's own first mlflow.start_run() joins it
                    "WORKBENCH_MODE": "research",
                    "WORKBENCH_IDEA": idea,
                    **(env or {}),
                },
                timeout_s=timeout_s,
                cell_timeout_s=cell_timeout_s,
                progress=progress,
                stop=stop,
            )
            executed = Path(folder) / Path(EXECUTED_NOTEBOOK).name
            if run.executed_path != executed:
                shutil.copyfile(run.executed_path, executed)
            log_artifact(run_id, executed, str(Path(EXECUTED_NOTEBOOK).parent))
        if run.error:
            set_tags(run_id, {"workbench.error": run.error})
        status = _STATUS[run.status]
    except KeyboardInterrupt:
        status = "KILLED"
        raise
    finally:
        finish_run(run_id, status)
    return TrackedRun(run_id=run_id, run=run)


def notebook_tags(notebook: Notebook, *, settings: Settings, idea: str) -> dict[str, str]:
    """What a run is tagged with for its notebook: place, source, idea, code, person."""
    return {
        TAG_CODE: str(code_version(notebook.path.absolute().parent)),
        TAG_NOTEBOOK: _relative(notebook.path, settings.project),
        TAG_NOTEBOOK_SHA256: notebook.source_sha256,
        TAG_IDEA: idea,
        "mlflow.user": settings.user,
        "mlflow.source.name": notebook.path.name,
        "mlflow.source.type": "NOTEBOOK",
    }


def settings_environment(settings: Settings) -> dict[str, str]:
    """The environment that gives a kernel these settings; the gateway's database is none of its business."""
    return {
        "WORKBENCH_HOME": str(settings.home.resolve()),
        "WORKBENCH_PROJECT": str(settings.project.resolve()),
        "WORKBENCH_MLRUNS": str(settings.mlruns_dir.resolve()),
        "WORKBENCH_USER": settings.user,
        **({"WORKBENCH_DATABASE_URL": settings.database_url} if settings.database_url else {}),
        **({"WORKBENCH_MLFLOW_URI": settings.mlflow_uri} if settings.mlflow_uri else {}),
    }


def executed_notebook(run_id: str, folder: Path) -> Path:
    """The notebook that a run executed, copied into `folder`.

    Raises
    ------
    NoSuchRunError
        There is no such run, or it logged no executed notebook.
    """
    return _artifact(run_id, EXECUTED_NOTEBOOK, folder)


def run_parameters(run_id: str) -> dict[str, Any]:
    """The parameters a notebook run was given, without the notebook's own defaults."""
    with tempfile.TemporaryDirectory() as folder:
        value: dict[str, Any] = json.loads(_artifact(run_id, _PARAMETERS, Path(folder)).read_text("utf-8"))
    return value


def _artifact(run_id: str, artifact: str, folder: Path) -> Path:
    run_data(run_id)
    found: str | None = None
    with contextlib.suppress(OSError):
        found = client().download_artifacts(run_id, artifact, str(folder))
    if found is None or not Path(found).is_file():
        raise NoSuchRunError(
            f"expected the run {run_id} to have {artifact}, found none; run the notebook again"
        )
    return Path(found)


def _relative(path: Path, project: Path) -> str:
    try:
        return path.resolve().relative_to(project.resolve()).as_posix()
    except ValueError:
        return str(path.resolve())
