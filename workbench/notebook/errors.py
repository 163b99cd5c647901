"""What can be wrong with a notebook, and what can go wrong while it runs."""

from workbench.errors import BadInputError, WorkbenchError

__all__ = [
    "DeployNotLastError",
    "KernelStartError",
    "NoDeployError",
    "NoParametersCellError",
    "NotANotebookError",
    "NotebookFailedError",
]


class NotANotebookError(BadInputError):
    """The file can not be read as a notebook."""


class NoParametersCellError(BadInputError):
    """The notebook has no cell tagged `parameters`, or more than one."""


class NoDeployError(BadInputError):
    """No cell calls `deploy(...)`."""


class DeployNotLastError(BadInputError):
    """Code follows the cell that calls `deploy(...)`, or more than one cell calls it."""


class KernelStartError(WorkbenchError):
    """The kernel did not come up."""


class NotebookFailedError(WorkbenchError):
    """A run of a notebook did not reach its end.

    Attributes
    ----------
    cell
        Number of the code cell, counted from 1 as in the notebook; None when no cell ran.
    error_class
        Class of the exception, as in ``ZeroDivisionError``.
    """

    def __init__(self, message: str, *, cell: int | None = None, error_class: str = "") -> None:
        super().__init__(message)
        self.cell = cell
        self.error_class = error_class
