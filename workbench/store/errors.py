"""What can be wrong with a relational store."""

from workbench.errors import BadInputError, WorkbenchError

__all__ = ["NewerDatabaseError", "StoreMissingError", "StoreUrlError"]


class NewerDatabaseError(WorkbenchError):
    """The database was written by a newer workbench than this one."""


class StoreMissingError(WorkbenchError):
    """There is no database yet, or it has not been set up, and the caller may only read."""


class StoreUrlError(BadInputError):
    """The URL is not one of a store."""
