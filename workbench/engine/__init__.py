"""The compiled core: order matching and accounts; runs backtest, replay and paper alike."""

from workbench.engine.errors import TimeReversedError, UnsupportedAccountCurrencyError
from workbench.engine.matching import CANCEL_REASONS, FILL_REASONS, MatchingEngine, account_books

__all__ = [
    "CANCEL_REASONS",
    "FILL_REASONS",
    "MatchingEngine",
    "TimeReversedError",
    "UnsupportedAccountCurrencyError",
    "account_books",
]
