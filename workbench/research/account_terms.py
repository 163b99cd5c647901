"""The account that a run begins with, and its state for the compiled core."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from workbench.domain.accounts import AccountRules
from workbench.domain.cost_book import CostBook
from workbench.domain.instruments import Instrument
from workbench.engine import core
from workbench.engine.accounts import account_books, account_state, account_tables
from workbench.research.given import Given

__all__ = ["AccountTerms"]

Ints = npt.NDArray[np.int64]

_KNOWN: dict[tuple[int, tuple[Instrument, ...], int, int], tuple[CostBook, Ints, Ints]] = {}


@dataclass(frozen=True, kw_only=True, eq=False)
class AccountTerms:
    """The account that a run begins with."""

    currency: str
    balance: int  # micro-units
    cost_books: tuple[CostBook, ...]
    rules: AccountRules

    def state(self, given: Given) -> tuple[Ints, Ints, Ints, Ints, Ints]:
        """Account, books, rollovers, their days and the changes of costs, for the compiled core."""
        account = account_state(self.balance, self.rules)
        books = account_books(
            given.instruments, cost_book=self.cost_books, currency=self.currency, account=account
        )
        start, end = given.span
        if len(self.cost_books) == 1:
            roll_ns, roll_days = _rollovers(given.instruments, self.cost_books[0], start - 1, end)
            return account, books, roll_ns, roll_days, core.new_costs()
        tables = account_tables(
            given.instruments, cost_book=self.cost_books, after_ns=start - 1, until_ns=end
        )
        return account, books, *tables


def _rollovers(
    instruments: tuple[Instrument, ...], cost_book: CostBook, after_ns: int, until_ns: int
) -> tuple[Ints, Ints]:
    """The rollovers in `(after_ns, until_ns]`, kept: finding them costs as much as a year of bars."""
    key = (id(cost_book), instruments, after_ns, until_ns)
    if key not in _KNOWN:
        roll_ns, roll_days, _ = account_tables(
            instruments, cost_book=cost_book, after_ns=after_ns, until_ns=until_ns
        )
        while len(_KNOWN) >= 16:
            _KNOWN.pop(next(iter(_KNOWN)), None)
        _KNOWN[key] = (cost_book, roll_ns, roll_days)  # with the book, so that no other gets its id
    _, roll_ns, roll_days = _KNOWN[key]
    return roll_ns, roll_days
