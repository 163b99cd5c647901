"""Pipelines of notebooks run by papermill, schedules and the scheduler."""

from workbench.schedule.cron import check_cron, due_times, next_run_ns
from workbench.schedule.errors import (
    BadCronError,
    BadPipelineError,
    NoSuchRunError,
    NoSuchScheduleError,
    PipelineFailedError,
    SchedulerRunningError,
)
from workbench.schedule.pipeline import Pipeline, load_pipeline
from workbench.schedule.running import PipelineProgress, PipelineResult, StepResult, run_pipeline
from workbench.schedule.runs import Run, delete_run, get_run, list_runs, request_stop
from workbench.schedule.scheduler import Scheduler, lease
from workbench.schedule.schedules import (
    Misfire,
    Schedule,
    add_schedule,
    change_schedule,
    enable_schedule,
    get_schedule,
    list_schedules,
    remove_schedule,
    run_now,
)

__all__ = [
    "BadCronError",
    "BadPipelineError",
    "Misfire",
    "NoSuchRunError",
    "NoSuchScheduleError",
    "Pipeline",
    "PipelineFailedError",
    "PipelineProgress",
    "PipelineResult",
    "Run",
    "Schedule",
    "Scheduler",
    "SchedulerRunningError",
    "StepResult",
    "add_schedule",
    "change_schedule",
    "check_cron",
    "delete_run",
    "due_times",
    "enable_schedule",
    "get_run",
    "get_schedule",
    "lease",
    "list_runs",
    "list_schedules",
    "load_pipeline",
    "next_run_ns",
    "remove_schedule",
    "request_stop",
    "run_now",
    "run_pipeline",
]
