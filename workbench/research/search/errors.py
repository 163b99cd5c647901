"""What can go wrong with a search."""

from workbench.errors import BadInputError, WorkbenchError

__all__ = ["LostWorkerError", "OtherSearchError"]


class LostWorkerError(WorkbenchError):
    """Workers end again and again at the same points."""


class OtherSearchError(BadInputError):
    """A folder holds another search than the one to go on with."""
