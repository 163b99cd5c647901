"""Run a notebook and keep the run: an MLflow run around it, with what it was run on and what came out."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workbench.notebook import (
    Notebook,
    NotebookRun,
    Progress,
    ensure_idea,
    read_notebook,
    run_notebook,
    validate_parameters,
)
from workbench.settings import Settings
from workbench.tracking.code_version import code_version
from workbench.tracking.runs import (
    TAG_CODE,
    TAG_IDEA,
    TAG_NOTEBOOK,
    TAG_NOTEBOOK_SHA256,
    finish_run,
    log_artifact,
    log_params,
    set_tags,
    start_run,
)
from workbench.tracking.store import bootstrap

__all__ = ["TrackedRun", "notebook_tags", "run_tracked", "settings_environment"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackedRun:
    """A run of a notebook, and the MLflow run that keeps it."""

    run_id: str
    run: NotebookRun


def run_tracked(
    path: Path | str,
    output: Path | str,
    *,
    settings: Settings,
    parameters: Mapping[str, Any] | None = None,
    experiment: str = "",
    kernel_name: str = "workbench",
    env: Mapping[str, str] | None = None,
    timeout_s: float = 3600.0,
    cell_timeout_s: float | None = None,
    progress: Callable[[Progress], None] | None = None,
    stop: threading.Event | None = None,
    tags: Mapping[str, str] | None = None,
) -> TrackedRun:
    """Run a notebook inside an MLflow run, which also gets the executed notebook.

    Parameters
    ----------
    experiment
        The notebook's name when empty.

    Raises
    ------
    BadInputError
        The notebook or its parameters can not be used; no MLflow run was made.
    """
    notebook = read_notebook(path)
    checked = validate_parameters(notebook, parameters) if parameters else {}
    store = bootstrap(settings)
    idea = ensure_idea(notebook.path)
    run_id = start_run(
        notebook.name,
        experiment or notebook.name,
        {**notebook_tags(notebook, idea=idea, user=settings.user), **(tags or {})},
    )
    status = "FAILED"
    try:
        log_params(run_id, {f"notebook.{name}": value for name, value in checked.items()})
        run = run_notebook(
            notebook.path,
            output,
            parameters=checked,
            kernel_name=kernel_name,
            env={
                **settings_environment(settings),
                **store.environment(),
                "WORKBENCH_RUN_ID": run_id,
                "WORKBENCH_MODE": "research",
                "WORKBENCH_IDEA": idea,
                **(env or {}),
            },
            timeout_s=timeout_s,
            cell_timeout_s=cell_timeout_s,
            progress=progress,
            stop=stop,
        )
        set_tags(run_id, {"workbench.run_status": str(run.status), "workbench.run_error": run.error})
        log_artifact(run_id, run.executed_path, "notebook")
        status = "FINISHED" if run.ok else "FAILED"
    except KeyboardInterrupt:
        status = "KILLED"
        raise
    finally:
        finish_run(run_id, status)
    return TrackedRun(run_id=run_id, run=run)


def notebook_tags(notebook: Notebook, *, idea: str, user: str) -> dict[str, str]:
    """What a run is tagged with for its notebook: name, source, idea, code, person."""
    code = code_version(notebook.path.absolute().parent)
    return {
        TAG_NOTEBOOK: str(notebook.path.absolute()),
        TAG_NOTEBOOK_SHA256: notebook.source_sha256,
        TAG_IDEA: idea,
        TAG_CODE: str(code),
        "mlflow.source.name": notebook.path.name,
        "mlflow.source.type": "NOTEBOOK",
        "mlflow.user": user,
    }


def settings_environment(settings: Settings) -> dict[str, str]:
    """The environment that gives a kernel these settings; the gateway's database is none of its business."""
    return {
        "WORKBENCH_HOME": str(settings.home.absolute()),
        "WORKBENCH_PROJECT": str(settings.project.absolute()),
        "WORKBENCH_MLRUNS": str(settings.mlruns_dir.absolute()),
        "WORKBENCH_USER": settings.user,
        **({"WORKBENCH_DATABASE_URL": settings.database_url} if settings.database_url else {}),
        **({"WORKBENCH_MLFLOW_URI": settings.mlflow_uri} if settings.mlflow_uri else {}),
    }
