"""Runs and schedules in the words of JupyterLab's scheduler screens, and what is typed there in ours."""

import ast
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jupyter_scheduler.exceptions import SchedulerError
from jupyter_scheduler.models import (
    CreateJob,
    CreateJobDefinition,
    DescribeJob,
    DescribeJobDefinition,
    ListJobDefinitionsQuery,
    ListJobsQuery,
    SortDirection,
    Status,
)

from workbench.errors import BadInputError
from workbench.notebook import declared_parameters, read_notebook, validate_parameters
from workbench.schedule.runs import Run
from workbench.schedule.schedules import Schedule

__all__ = [
    "ENVIRONMENT",
    "FACE",
    "FORMATS",
    "STATUS",
    "definition_of",
    "face_of",
    "job_of",
    "kept_options",
    "name_of",
    "page_of",
    "texts_of",
    "typed_parameters",
]

ENVIRONMENT = "workbench"
FORMATS = {"ipynb": "Notebook", "html": "HTML"}
FACE = "jupyter"  # in `options`: what only these screens need
STATUS = {
    "queued": Status.QUEUED,
    "running": Status.IN_PROGRESS,
    "stopping": Status.STOPPING,
    "completed": Status.COMPLETED,
    "failed": Status.FAILED,
    "stopped": Status.STOPPED,
    "skipped": Status.STOPPED,
}


def job_of(run: Run) -> DescribeJob:
    """A run as the screens show a job."""
    face = face_of(run.options)
    return DescribeJob(
        input_filename=Path(run.pipeline).name,
        runtime_environment_name=ENVIRONMENT,
        runtime_environment_parameters={},
        output_formats=face.get("output_formats", ["ipynb"] if run.pipeline.endswith(".ipynb") else []),
        idempotency_token=face.get("token") or None,
        job_definition_id=run.schedule_id or None,
        parameters=texts_of(run.parameters),
        tags=face.get("tags", []),
        name=run.name,
        job_id=run.id,
        url=f"/jobs/{run.id}",
        create_time=_ms(run.scheduled_ns),
        update_time=_ms(run.heartbeat_ns),
        start_time=_ms(run.started_ns) or None,
        end_time=_ms(run.ended_ns) or None,
        status=STATUS[run.status],
        status_message=run.detail or None,
    )


def definition_of(schedule: Schedule) -> DescribeJobDefinition:
    """A schedule as the screens show a job definition."""
    face = face_of(schedule.options)
    return DescribeJobDefinition(
        input_filename=Path(schedule.pipeline).name,
        runtime_environment_name=ENVIRONMENT,
        runtime_environment_parameters={},
        output_formats=face.get("output_formats", []),
        parameters=texts_of(schedule.parameters),
        tags=face.get("tags", []),
        name=schedule.name,
        schedule=schedule.cron or None,
        timezone=schedule.timezone,
        job_definition_id=schedule.id,
        create_time=_ms(schedule.created_ns),
        update_time=face.get("updated_ms", _ms(schedule.created_ns)),
        active=schedule.enabled,
    )


def kept_options(model: CreateJob | CreateJobDefinition, **more: str) -> dict[str, Any]:
    """What of a form only the screens need, kept in the options."""
    formats = model.output_formats or []
    if unknown := set(formats) - set(FORMATS):
        raise BadInputError(f"expected the formats {', '.join(FORMATS)}, found {', '.join(sorted(unknown))}")
    return {"output_formats": formats, "tags": list(model.tags or []), **more}


def face_of(options: Mapping[str, Any]) -> dict[str, Any]:
    """What was kept in the options for the screens."""
    return dict(options.get(FACE, {}))


def name_of(name: str | None, staged: Path) -> str:
    """The name given, or the notebook's."""
    return (name or "").strip()[:200] or staged.stem


def typed_parameters(notebook: Path, texts: Mapping[str, str]) -> dict[str, Any]:
    """Parameters as the form gives them, text only, in the types that the notebook declares."""
    if not texts or notebook.suffix != ".ipynb":
        return dict(texts)
    found = read_notebook(notebook)
    declared = declared_parameters(found)
    values: dict[str, Any] = {}
    for name, text in texts.items():
        kind = declared[name].kind if name in declared else "str"
        values[name] = text if kind == "str" else _plain(name, text, kind=kind)
    return validate_parameters(found, values)


def _plain(name: str, text: Any, *, kind: str) -> Any:
    if not isinstance(text, str):
        return text
    words = {"true": True, "false": False, "null": None, "none": None}
    if text.strip().lower() in words:
        return words[text.strip().lower()]
    try:
        return ast.literal_eval(text.strip())
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        if kind == "any":
            return text
        raise BadInputError(f"parameter {name}: expected {kind}, found {text!r:.60}") from None


def texts_of(parameters: Mapping[str, Any]) -> dict[str, str]:
    """Parameters as text, for the form."""
    return {name: value if isinstance(value, str) else repr(value) for name, value in parameters.items()}


def _ms(time_ns: int) -> int:
    return time_ns // 1_000_000


def page_of(found: list[Any], query: ListJobsQuery | ListJobDefinitionsQuery) -> tuple[list[Any], str | None]:
    """The part of a list that a query asks for, in its order, and the token of the next part."""
    for wanted in reversed(list(query.sort_by or [])):
        if found and not hasattr(found[0], wanted.name):
            raise SchedulerError(f"there is nothing called {wanted.name!r} to sort by")
        descending = wanted.direction is SortDirection.desc
        found.sort(key=lambda job, name=wanted.name: _order(getattr(job, name)), reverse=descending)  # type: ignore[misc]  # a default binds the name
    first = int(query.next_token or 0)
    last = first + int(query.max_items or len(found))
    return found[first:last], str(last) if last < len(found) else None


def _order(value: Any) -> tuple[bool, int, str]:
    """A key for values that may be missing: numbers by size, the rest by its text."""
    if isinstance(value, int):
        return True, value, ""
    return value is not None, 0, str(value)
