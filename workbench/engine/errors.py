"""What the engine refuses."""

from workbench.errors import BadInputError, WorkbenchError

__all__ = [
    "AmountTooLargeError",
    "EngineError",
    "MissingConversionError",
    "TimeReversedError",
    "UnsupportedAccountCurrencyError",
]


class UnsupportedAccountCurrencyError(BadInputError):
    """An instrument is not quoted in the account's currency, and no conversion prices are at hand."""


class TimeReversedError(WorkbenchError):
    """A quote or a bar is older than what the engine has already seen."""


class EngineError(WorkbenchError):
    """The state of an account is void: it can not go on."""


class MissingConversionError(EngineError):
    """A booking needs the price of a conversion pair that has not been quoted yet."""


class AmountTooLargeError(EngineError):
    """An amount does not fit the account's whole numbers."""
