"""What can be wrong with what a dashboard reads."""

from workbench.errors import WorkbenchError

__all__ = ["StoreUnreadableError"]


class StoreUnreadableError(WorkbenchError):
    """A store is there and does not answer."""
