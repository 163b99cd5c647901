"""The errors a person can do something about."""

__all__ = ["BadInputError", "WorkbenchError", "WorkbenchWarning"]


class WorkbenchError(Exception):
    """Something was not as it should be; the message says what was expected, what was found and what to do.

    Entry points show the message alone, without a traceback.
    """


class BadInputError(WorkbenchError):
    """What a person or a file gave can not be used."""


class WorkbenchWarning(UserWarning):
    """Something a person should look at, though the work can go on."""
