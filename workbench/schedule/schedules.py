"""Schedules: what runs when, and what happens to a run that was missed."""

import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from workbench.errors import BadInputError
from workbench.schedule.cron import check_cron, check_timezone, next_run_ns
from workbench.schedule.errors import NoSuchScheduleError
from workbench.schedule.pipeline import check_target
from workbench.schedule.runs import ACTIVE, Run, add_run
from workbench.store.schema import schedule_runs, schedules

__all__ = [
    "Misfire",
    "Schedule",
    "add_schedule",
    "change_schedule",
    "enable_schedule",
    "get_schedule",
    "list_schedules",
    "remove_schedule",
    "run_now",
]

DEFAULT_TIMEOUT_S = 4 * 3_600.0


class Misfire(StrEnum):
    """What happens to runs that came due while no scheduler was working."""

    SKIP = "skip"  # none of them runs; that they were skipped is recorded
    RUN_ONCE = "run_once"  # one run makes up for all of them


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """A pipeline or a notebook, when it runs, and with which parameters."""

    id: str
    name: str
    pipeline: str  # path of the YAML or of one notebook
    parameters: Mapping[str, Any]
    cron: str  # empty: only when started by hand
    timezone: str
    misfire: Misfire
    enabled: bool
    next_run_ns: int  # 0 for none
    created_by: str
    created_ns: int
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def timeout_s(self) -> float:
        """How long a run may take before it is ended."""
        return float(self.options.get("timeout_s", DEFAULT_TIMEOUT_S))


def add_schedule(
    engine: sa.Engine,
    *,
    name: str,
    pipeline: Path | str,
    cron: str = "",
    timezone: str = "UTC",
    parameters: Mapping[str, Any] | None = None,
    misfire: str = Misfire.SKIP,
    enabled: bool = True,
    timeout_s: float = DEFAULT_TIMEOUT_S,
    created_by: str,
    options: Mapping[str, Any] | None = None,
    now_ns: int | None = None,
) -> Schedule:
    """Keep a new schedule.

    Raises
    ------
    BadInputError
        The expression, zone, policy, time limit, pipeline or a parameter can not be used.
    """
    path = Path(pipeline).absolute()
    given = dict(parameters or {})
    check_target(path, given)
    check_timezone(timezone)
    now = time.time_ns() if now_ns is None else now_ns
    row = {
        "id": str(uuid.uuid4()),
        "name": _name(name),
        "pipeline": str(path),
        "parameters": given,
        "cron": check_cron(cron) if cron else "",
        "timezone": timezone,
        "misfire": str(_misfire(misfire)),
        "enabled": enabled,
        "next_run_ns": next_run_ns(cron, timezone, after_ns=now) if cron and enabled else 0,
        "created_by": created_by,
        "created_ns": now,
        "options": {**(options or {}), "timeout_s": _timeout(timeout_s)},
    }
    with engine.begin() as connection:
        connection.execute(schedules.insert().values(**row))
    return _schedule(row)


def list_schedules(engine: sa.Engine) -> list[Schedule]:
    """Every schedule, oldest first."""
    query = sa.select(schedules).order_by(schedules.c.created_ns, schedules.c.id)
    with engine.connect() as connection:
        return [_schedule(row) for row in connection.execute(query).mappings()]


def get_schedule(engine: sa.Engine, schedule_id: str) -> Schedule:
    """One schedule.

    Raises
    ------
    NoSuchScheduleError
        There is none of this id.
    """
    query = sa.select(schedules).where(schedules.c.id == schedule_id)
    with engine.connect() as connection:
        row = connection.execute(query).mappings().one_or_none()
    if row is None:
        raise NoSuchScheduleError(f"expected a schedule with the id {schedule_id!r}, found none")
    return _schedule(row)


def change_schedule(engine: sa.Engine, schedule_id: str, **changes: Any) -> Schedule:
    """Change what is given: `name`, `pipeline`, `parameters`, `cron`, `timezone`, `misfire`, `enabled`,
    `timeout_s`; `options` are added to those it has. Runs that were due before are not made up for.

    Raises
    ------
    NoSuchScheduleError, BadInputError
        There is none of this id, or a value can not be used.
    """
    old = get_schedule(engine, schedule_id)
    known = (
        "name",
        "pipeline",
        "parameters",
        "cron",
        "timezone",
        "misfire",
        "enabled",
        "timeout_s",
        "options",
    )
    if extra := set(changes) - set(known):
        raise BadInputError(f"a schedule has no {', '.join(sorted(extra))}; it has {', '.join(known)}")
    new: dict[str, Any] = {
        "name": _name(changes.get("name", old.name)),
        "pipeline": str(Path(changes.get("pipeline", old.pipeline)).absolute()),
        "parameters": dict(changes.get("parameters", old.parameters)),
        "cron": check_cron(changes["cron"]) if changes.get("cron") else changes.get("cron", old.cron),
        "timezone": check_timezone(changes.get("timezone", old.timezone)).key,
        "misfire": str(_misfire(changes.get("misfire", old.misfire))),
        "enabled": bool(changes.get("enabled", old.enabled)),
        "options": {**old.options, **changes.get("options", {})},
    }
    if "timeout_s" in changes:
        new["options"]["timeout_s"] = _timeout(changes["timeout_s"])
    if "pipeline" in changes or "parameters" in changes:
        check_target(Path(new["pipeline"]), new["parameters"])
    timed = (old.cron, old.timezone, old.enabled) != (new["cron"], new["timezone"], new["enabled"])
    if timed:
        runs = new["cron"] and new["enabled"]
        new["next_run_ns"] = next_run_ns(new["cron"], new["timezone"], after_ns=time.time_ns()) if runs else 0
    with engine.begin() as connection:
        connection.execute(schedules.update().where(schedules.c.id == schedule_id).values(**new))
    return get_schedule(engine, schedule_id)


def enable_schedule(engine: sa.Engine, schedule_id: str, *, enabled: bool = True) -> Schedule:
    """Switch a schedule on or off; switched on again it waits for its next time."""
    return change_schedule(engine, schedule_id, enabled=enabled)


def remove_schedule(engine: sa.Engine, schedule_id: str) -> None:
    """Remove a schedule; its runs stay, and one that is queued or running goes on.

    Raises
    ------
    NoSuchScheduleError
        There is none of this id.
    """
    with engine.begin() as connection:
        if not connection.execute(schedules.delete().where(schedules.c.id == schedule_id)).rowcount:
            raise NoSuchScheduleError(f"expected a schedule with the id {schedule_id!r}, found none")


def run_now(
    engine: sa.Engine, schedule_id: str, *, by: str, parameters: Mapping[str, Any] | None = None
) -> Run:
    """Queue a run of a schedule at once; its timetable stays as it is.

    Raises
    ------
    NoSuchScheduleError, BadInputError
        There is none of this id, or a parameter can not be used.
    """
    schedule = get_schedule(engine, schedule_id)
    given = {**schedule.parameters, **(parameters or {})}
    check_target(Path(schedule.pipeline), given)
    with engine.begin() as connection:
        return add_run(
            connection,
            name=schedule.name,
            pipeline=schedule.pipeline,
            parameters=given,
            schedule_id=schedule.id,
            created_by=by,
            options=schedule.options,
        )


def fire_due(engine: sa.Engine, *, now_ns: int, grace_ns: int) -> list[str]:
    """Queue what came due by `now_ns`, each moment at most once; the ids of the runs queued.

    A moment counts as missed when it lies more than `grace_ns` back.
    """
    query = sa.select(schedules).where(
        schedules.c.enabled, schedules.c.next_run_ns > 0, schedules.c.next_run_ns <= now_ns
    )
    queued: list[str] = []
    with engine.connect() as connection:
        due = [_schedule(row) for row in connection.execute(query).mappings()]
    for schedule in due:
        following = next_run_ns(schedule.cron, schedule.timezone, after_ns=now_ns)
        with engine.begin() as connection:
            claimed = connection.execute(
                schedules.update()
                .where(schedules.c.id == schedule.id, schedules.c.next_run_ns == schedule.next_run_ns)
                .values(next_run_ns=following)
            ).rowcount
            if not claimed:
                continue  # changed or fired by somebody else since
            status, detail = _fate(connection, schedule, now_ns=now_ns, grace_ns=grace_ns)
            run = add_run(
                connection,
                name=schedule.name,
                pipeline=schedule.pipeline,
                parameters=schedule.parameters,
                schedule_id=schedule.id,
                created_by=schedule.created_by,
                scheduled_ns=schedule.next_run_ns,
                status=status,
                detail=detail,
                options=schedule.options,
            )
            if status == "queued":
                queued.append(run.id)
    return queued


def _fate(connection: sa.Connection, schedule: Schedule, *, now_ns: int, grace_ns: int) -> tuple[str, str]:
    """Whether what came due is queued or skipped, and why."""
    active = connection.scalar(
        sa.select(sa.func.count())
        .select_from(schedule_runs)
        .where(schedule_runs.c.schedule_id == schedule.id, schedule_runs.c.status.in_(ACTIVE))
    )
    if active:
        return "skipped", "its run before is still going"
    if now_ns - schedule.next_run_ns <= grace_ns:
        return "queued", ""
    late = f"missed by {(now_ns - schedule.next_run_ns) / 60e9:.0f} minutes: no scheduler was working"
    if schedule.misfire is Misfire.RUN_ONCE:
        return "queued", f"{late}; made up for once"
    return "skipped", f"{late}; skipped, as the schedule says"


def _schedule(row: Any) -> Schedule:
    return Schedule(**{**row, "misfire": Misfire(row["misfire"]), "enabled": bool(row["enabled"])})


def _name(name: str) -> str:
    if not name.strip() or len(name) > 200:
        raise BadInputError(f"expected a schedule's name of 1 to 200 characters, found {name[:210]!r}")
    return name.strip()


def _misfire(value: str) -> Misfire:
    try:
        return Misfire(value)
    except ValueError:
        raise BadInputError(f"misfire: expected {' or '.join(Misfire)}, found {value!r}") from None


def _timeout(value: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 1 <= value <= 7 * 86_400:
        raise BadInputError(f"timeout_s: expected 1 to 604800 seconds, found {value!r}")
    return float(value)
