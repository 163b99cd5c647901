"""Runs of pipelines and notebooks: queued, running, and how they ended.

A run that is going is known by its process: pid and start time. When that process is gone without having
said how the run ended, the run has failed; none stays "running" for ever.
"""

import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from workbench.schedule.errors import NoSuchRunError
from workbench.store.schema import schedule_runs

__all__ = [
    "ACTIVE",
    "Run",
    "add_run",
    "change_run",
    "delete_run",
    "end_run",
    "get_run",
    "list_runs",
    "request_stop",
]

ACTIVE = ("queued", "running", "stopping")
ENDED = ("completed", "failed", "stopped", "skipped")


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run."""

    id: str
    schedule_id: str  # empty when started by hand
    name: str
    pipeline: str
    parameters: Mapping[str, Any]
    status: str  # queued | running | stopping | completed | failed | stopped | skipped
    detail: str  # one sentence: how far it is, or why it ended so
    pid: int
    pid_started: float
    scheduled_ns: int
    started_ns: int  # 0 for not yet
    ended_ns: int  # 0 for not yet
    heartbeat_ns: int
    outputs: Mapping[str, Any]  # {"steps": [...], "files": [...]}
    created_by: str
    options: Mapping[str, Any]

    @property
    def steps(self) -> list[dict[str, Any]]:
        """The result of each step so far."""
        return list(self.outputs.get("steps", []))

    @property
    def files(self) -> list[str]:
        """Paths of the files it wrote."""
        return list(self.outputs.get("files", []))


def add_run(
    connection: sa.Connection,
    *,
    name: str,
    pipeline: str,
    parameters: Mapping[str, Any],
    created_by: str,
    schedule_id: str = "",
    scheduled_ns: int | None = None,
    status: str = "queued",
    detail: str = "",
    options: Mapping[str, Any] | None = None,
    pid: int = 0,
    pid_started: float = 0.0,
) -> Run:
    """Enter a run, queued unless said otherwise."""
    now = time.time_ns()
    row: dict[str, Any] = {
        "id": str(uuid.uuid4()),
        "schedule_id": schedule_id,
        "name": name,
        "pipeline": pipeline,
        "parameters": dict(parameters),
        "status": status,
        "detail": detail,
        "pid": pid,
        "pid_started": pid_started,
        "scheduled_ns": now if scheduled_ns is None else scheduled_ns,
        "started_ns": now if status == "running" else 0,
        "ended_ns": now if status in ENDED else 0,
        "heartbeat_ns": now,
        "outputs": {},
        "created_by": created_by,
        "options": dict(options or {}),
    }
    connection.execute(schedule_runs.insert().values(**row))
    return Run(**row)


def get_run(engine: sa.Engine, run_id: str) -> Run:
    """One run.

    Raises
    ------
    NoSuchRunError
        There is none of this id.
    """
    with engine.connect() as connection:
        row = (
            connection.execute(sa.select(schedule_runs).where(schedule_runs.c.id == run_id))
            .mappings()
            .one_or_none()
        )
    if row is None:
        raise NoSuchRunError(f"expected a run with the id {run_id!r}, found none")
    return Run(**row)


def list_runs(
    engine: sa.Engine,
    *,
    schedule_id: str | None = None,
    status: Sequence[str] | None = None,
    most: int = 1_000,
) -> list[Run]:
    """Runs, newest first."""
    query = sa.select(schedule_runs).order_by(
        schedule_runs.c.scheduled_ns.desc(), schedule_runs.c.heartbeat_ns.desc(), schedule_runs.c.id
    )
    if schedule_id is not None:
        query = query.where(schedule_runs.c.schedule_id == schedule_id)
    if status is not None:
        query = query.where(schedule_runs.c.status.in_(tuple(status)))
    with engine.connect() as connection:
        return [Run(**row) for row in connection.execute(query.limit(most)).mappings()]


def change_run(engine: sa.Engine, run_id: str, *, when: Sequence[str], **values: Any) -> bool:
    """Change a run if its status is one of `when`; whether it was."""
    with engine.begin() as connection:
        done = connection.execute(
            schedule_runs.update()
            .where(schedule_runs.c.id == run_id, schedule_runs.c.status.in_(tuple(when)))
            .values(**values)
        )
    return bool(done.rowcount)


def end_run(engine: sa.Engine, run_id: str, *, status: str, detail: str, **values: Any) -> bool:
    """Say how a run ended; the first word counts, False when it had ended before."""
    now = time.time_ns()
    return change_run(
        engine, run_id, when=ACTIVE, status=status, detail=detail, ended_ns=now, heartbeat_ns=now, **values
    )


def request_stop(engine: sa.Engine, run_id: str, *, by: str) -> Run:
    """Ask for a run to be stopped: one that waits is stopped at once, a running one by the scheduler.

    A run that has ended stays as it is.
    """
    get_run(engine, run_id)
    now = time.time_ns()
    detail = f"stopped by {by}"
    if not change_run(
        engine, run_id, when=("queued",), status="stopped", detail=detail, ended_ns=now, heartbeat_ns=now
    ):
        change_run(engine, run_id, when=("running",), status="stopping", detail=f"being {detail}")
    return get_run(engine, run_id)


def delete_run(engine: sa.Engine, run_id: str) -> None:
    """Remove the record of a run that has ended; the files it wrote stay.

    Raises
    ------
    NoSuchRunError
        There is none of this id that has ended.
    """
    with engine.begin() as connection:
        done = connection.execute(
            schedule_runs.delete().where(schedule_runs.c.id == run_id, schedule_runs.c.status.in_(ENDED))
        )
    if not done.rowcount:
        raise NoSuchRunError(f"expected a run {run_id!r} that has ended, found none; stop it first")
