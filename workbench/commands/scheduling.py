"""`workbench pipeline` and `workbench schedule`: notebooks run by papermill, by hand and on a timetable."""

import sys
from pathlib import Path
from typing import Any

import click

from workbench.commands.answering import answers, columns, json_option, parameters_from, show
from workbench.domain.calendar import to_datetime
from workbench.settings import load_settings

__all__ = ["pipeline", "schedule"]


@click.group()
def pipeline() -> None:
    """Run pipelines of notebooks."""


@pipeline.command("run")
@click.argument("path", type=click.Path(path_type=Path))
@click.option("-p", "given", multiple=True, metavar="NAME=VALUE", help="A parameter of the pipeline.")
@json_option
@answers
def pipeline_run(path: Path, given: tuple[str, ...], as_json: bool) -> None:
    """Run a pipeline's YAML, or one notebook, now."""
    from workbench.schedule import run_pipeline

    settings = load_settings()

    def told(progress: Any) -> None:
        if not as_json:
            click.echo(f"  {progress}", err=True)

    result = run_pipeline(path, settings, parameters_from(given), told, by=settings.user)
    show(
        {
            "id": result.id,
            "status": result.status,
            "detail": result.detail,
            "steps": [step.to_json() for step in result.steps],
        },
        as_json=as_json,
        text=lambda: [
            *columns(
                [(step.name, step.status, step.detail) for step in result.steps], ("step", "status", "detail")
            ),
            f"{result.name}: {result.status}",
            *(f"wrote {path}" for path in result.files),
        ],
    )
    if not result.ok:
        sys.exit(1)


@click.group()
def schedule() -> None:
    """Keep pipelines on a timetable; the scheduler of `workbench up` runs them."""


@schedule.command("add")
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--cron", required=True, help="Five fields, as in '30 17 * * mon-fri'.")
@click.option("--timezone", default="America/New_York", show_default=True)
@click.option("--name", help="Default: the file's name.")
@click.option("--misfire", type=click.Choice(["skip", "run_once"]), default="run_once", show_default=True)
@click.option("-p", "given", multiple=True, metavar="NAME=VALUE")
@json_option
@answers
def schedule_add(
    path: Path,
    cron: str,
    timezone: str,
    name: str | None,
    misfire: str,
    given: tuple[str, ...],
    as_json: bool,
) -> None:
    """Put a pipeline or a notebook on a timetable."""
    from workbench.schedule import add_schedule
    from workbench.store import open_store

    settings = load_settings()
    found = add_schedule(
        open_store(settings.store_url),
        name=name or path.stem,
        pipeline=path,
        cron=cron,
        timezone=timezone,
        parameters=parameters_from(given),
        misfire=misfire,
        created_by=settings.user,
    )
    show(
        {"id": found.id, "name": found.name, "next_run_ns": found.next_run_ns},
        as_json=as_json,
        text=lambda: [f"schedule {found.id}: {found.name}, next {_when(found.next_run_ns)}"],
    )


@schedule.command("list")
@json_option
@answers
def schedule_list(as_json: bool) -> None:
    """List the schedules and their last runs."""
    from workbench.schedule import list_runs, list_schedules
    from workbench.store import open_store

    engine = open_store(load_settings().store_url)
    schedules, runs = list_schedules(engine), list_runs(engine)
    last: dict[str, str] = {}
    for run in sorted(runs, key=lambda item: item.scheduled_ns):
        last[run.schedule_id] = run.status
    show(
        [
            {
                "id": item.id,
                "name": item.name,
                "cron": item.cron,
                "timezone": item.timezone,
                "enabled": item.enabled,
                "next_run_ns": item.next_run_ns,
                "last": last.get(item.id, ""),
            }
            for item in schedules
        ],
        as_json=as_json,
        text=lambda: columns(
            [
                (
                    item.id[:8],
                    item.name,
                    f"{item.cron or 'by hand'} {item.timezone}",
                    _when(item.next_run_ns) if item.enabled else "paused",
                    last.get(item.id, "-"),
                )
                for item in schedules
            ],
            ("id", "name", "when", "next (UTC)", "last run"),
        ),
    )


@schedule.command("remove")
@click.argument("schedule_id")
@answers
def schedule_remove(schedule_id: str) -> None:
    """Take a schedule off the timetable; what it ran stays on record."""
    from workbench.schedule import list_schedules, remove_schedule
    from workbench.store import open_store

    engine = open_store(load_settings().store_url)
    whole = next((item.id for item in list_schedules(engine) if item.id.startswith(schedule_id)), schedule_id)
    remove_schedule(engine, whole)
    click.echo(f"removed {whole}")


def _when(time_ns: int) -> str:
    return f"{to_datetime(time_ns):%Y-%m-%d %H:%M}" if time_ns else "never"
