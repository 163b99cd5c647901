"""The compiled core: order matching and accounts; runs backtest, replay and paper alike."""

from workbench.engine.accounts import account_books, account_state, account_tables, engine_error
from workbench.engine.errors import (
    AmountTooLargeError,
    EngineError,
    MissingConversionError,
    TimeReversedError,
    UnsupportedAccountCurrencyError,
)
from workbench.engine.matching import CANCEL_REASONS, EXPIRED, FILL_REASONS, MatchingEngine

__all__ = [
    "CANCEL_REASONS",
    "EXPIRED",
    "FILL_REASONS",
    "AmountTooLargeError",
    "EngineError",
    "MatchingEngine",
    "MissingConversionError",
    "TimeReversedError",
    "UnsupportedAccountCurrencyError",
    "account_books",
    "account_state",
    "account_tables",
    "engine_error",
]
