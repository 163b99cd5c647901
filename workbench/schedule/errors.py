"""What can be wrong with a schedule, a pipeline or the scheduler."""

from workbench.errors import BadInputError, WorkbenchError

__all__ = [
    "BadCronError",
    "BadPipelineError",
    "NoSuchRunError",
    "NoSuchScheduleError",
    "PipelineFailedError",
    "SchedulerRunningError",
]


class BadCronError(BadInputError):
    """A cron expression or a time zone can not be used."""


class BadPipelineError(BadInputError):
    """A pipeline's file can not be used; the message names the place in it."""


class NoSuchScheduleError(WorkbenchError):
    """There is no schedule of this id."""


class NoSuchRunError(WorkbenchError):
    """There is no run of this id."""


class PipelineFailedError(WorkbenchError):
    """A step of a pipeline did not reach its end."""


class SchedulerRunningError(WorkbenchError):
    """Another scheduler works for this home already."""
