"""The books: double entry, in whole micro-units, zero-sum in each currency after every posting.

They are derived: opening balance, fills, financing and adjustments, posted in any order, give the same
books. Accounts are ``cash``, ``position:EUR_USD`` (units held in the base currency, less what they cost in
the quote currency), ``market:EUR_USD`` (the other side of every exchange), ``commission``, ``financing``,
``opening``, ``adjustment`` and ``conversion``. The method is that of currency trading accounts: P. Selinger,
"Tutorial on Multiple Currency Accounting" (2005).
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from workbench.domain.instruments import Instrument, InstrumentId
from workbench.domain.orders import Fill
from workbench.errors import WorkbenchError

__all__ = ["MICRO", "Books", "Posting", "UnbalancedError"]

MICRO = 1_000_000


class UnbalancedError(WorkbenchError):
    """A posting whose sides do not add up to zero in each currency."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Posting:
    """One side of an entry."""

    account: str
    currency: str
    amount: int  # micro-units, signed


class Books:
    """The balances of one deployment's accounts at a broker.

    Parameters
    ----------
    currency
        That of the broker's account.
    """

    def __init__(self, currency: str) -> None:
        self.currency = currency
        self._balances: defaultdict[tuple[str, str], int] = defaultdict(int)
        self._units: defaultdict[InstrumentId, int] = defaultdict(int)

    def copy(self) -> "Books":
        """Books that go on from here on their own."""
        other = Books(self.currency)
        other._balances = self._balances.copy()
        other._units = self._units.copy()
        return other

    @property
    def cash(self) -> int:
        """The account's balance: what was put in, gained, paid and received; without what is unrealised."""
        return self._balances["cash", self.currency]

    @property
    def commission(self) -> int:
        """Commission paid, 0 or more."""
        return self._balances["commission", self.currency]

    @property
    def financing(self) -> int:
        """Financing received (+) or paid (-)."""
        return -self._balances["financing", self.currency]

    def units(self, instrument: InstrumentId) -> int:
        """Units held of an instrument, signed."""
        return self._units.get(instrument, 0)

    def held(self) -> Mapping[InstrumentId, int]:
        """All that is held, signed, by instrument."""
        return {name: units for name, units in sorted(self._units.items()) if units}

    def cost(self, record: Instrument) -> int:
        """What the units held cost in the quote currency, signed as the units are; 0 when flat."""
        return -self._balances[f"position:{record.id}", record.quote]

    def unrealized(self, record: Instrument, *, bid: int, ask: int) -> int:
        """Profit not booked yet at the closing side, in the quote currency; prices in points."""
        units = self.units(record.id)
        price = bid if units > 0 else ask
        return units * price * record.micro_per_point - self.cost(record) if units else 0

    def post(self, postings: Iterable[Posting]) -> None:
        """Post an entry, whole.

        Raises
        ------
        UnbalancedError
            Its sides do not add up to zero in a currency; nothing was posted.
        """
        sides = tuple(postings)
        sums: defaultdict[str, int] = defaultdict(int)
        for side in sides:
            sums[side.currency] += side.amount
        if wrong := {currency: amount for currency, amount in sums.items() if amount}:
            raise UnbalancedError(f"expected sides that add up to zero in each currency, found {wrong}")
        for side in sides:
            self._balances[side.account, side.currency] += side.amount

    def open(self, balance: int) -> None:
        """The balance that the books begin with."""
        self._move("cash", "opening", self.currency, balance)

    def finance(self, amount: int) -> None:
        """Financing received (+) or paid (-)."""
        self._move("cash", "financing", self.currency, amount)

    def fill(self, record: Instrument, fill: Fill) -> None:
        """An execution: units against their price, profit into cash, commission out of it."""
        self._exchange(record, fill.units, fill.price)
        if record.quote == self.currency:
            self._move("cash", f"position:{record.id}", self.currency, fill.realized)
        else:
            self._move("cash", "conversion", self.currency, fill.realized)
        self._move("commission", "cash", self.currency, fill.commission)

    def adjust(self, record: Instrument | None, *, units: int, price: int, cost: int, cash: int) -> None:
        """A named person takes the broker's word over the books.

        Parameters
        ----------
        units, price
            Added to what is held, at a price in points.
        cost
            Micro-units of the quote currency that what is held then costs more.
        cash
            Micro-units added to the balance.
        """
        if record is not None:
            self._exchange(record, units, price)
            self._move("adjustment", f"position:{record.id}", record.quote, cost)
        self._move("cash", "adjustment", self.currency, cash)

    def trial_balance(self) -> dict[str, int]:
        """The sum of all accounts in each currency: all zero, or the books are broken."""
        sums: defaultdict[str, int] = defaultdict(int)
        for (_, currency), amount in self._balances.items():
            sums[currency] += amount
        return dict(sums)

    def balances(self) -> dict[str, dict[str, int]]:
        """Every account's balances that are not zero, by account and currency."""
        found: dict[str, dict[str, int]] = {}
        for (account, currency), amount in sorted(self._balances.items()):
            if amount:
                found.setdefault(account, {})[currency] = amount
        return found

    def _exchange(self, record: Instrument, units: int, price: int) -> None:
        """Units of the base currency for units times price of the quote currency, at the market."""
        position, market = f"position:{record.id}", f"market:{record.id}"
        self._move(position, market, record.base, units * MICRO)
        self._move(market, position, record.quote, units * price * record.micro_per_point)
        self._units[record.id] += units

    def _move(self, into: str, out_of: str, currency: str, amount: int) -> None:
        if amount:
            self.post(
                (
                    Posting(account=into, currency=currency, amount=amount),
                    Posting(account=out_of, currency=currency, amount=-amount),
                )
            )
