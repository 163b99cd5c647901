"""What can go wrong in a notebook's own calls."""

from workbench.errors import BadInputError, WorkbenchError

__all__ = ["NotDeployableError", "NotLiveError", "NotebookFailedError", "UnknownModeError"]


class NotDeployableError(BadInputError):
    """`deploy` was given something that can not trade."""


class NotLiveError(WorkbenchError):
    """A notebook was told it runs live, but its process is no live kernel."""


class NotebookFailedError(WorkbenchError):
    """A notebook that is to be checked does not run to its end."""


class UnknownModeError(BadInputError):
    """`WORKBENCH_MODE` names no mode."""
