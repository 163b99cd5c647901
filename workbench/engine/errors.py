"""What the engine refuses."""

from workbench.errors import BadInputError, WorkbenchError

__all__ = ["TimeReversedError", "UnsupportedAccountCurrencyError"]


class UnsupportedAccountCurrencyError(BadInputError):
    """An instrument is not quoted in the account's currency, and no conversion prices are at hand."""


class TimeReversedError(WorkbenchError):
    """A quote or a bar is older than what the engine has already seen."""
