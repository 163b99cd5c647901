"""Small accounts and prices for the engine's tests."""

from datetime import UTC, date, datetime
from decimal import Decimal

from workbench.domain.accounts import AccountRules
from workbench.domain.calendar import to_ns
from workbench.domain.cost_book import CostBook, InstrumentCosts
from workbench.domain.instruments import Instrument, instrument
from workbench.domain.money import to_decimal, to_micro
from workbench.domain.orders import ClientOrderId, Fill, Order
from workbench.domain.quotes import Bar, Quote
from workbench.engine import MatchingEngine

MINUTE = 60_000_000_000


def at(text: str) -> int:
    """Nanoseconds of a moment in UTC, as in "2026-03-02 12:00"."""
    return to_ns(datetime.fromisoformat(text).replace(tzinfo=UTC))


NOON = at("2026-03-02 12:00")  # a Monday


def free_of_cost(**changes: object) -> InstrumentCosts:
    """Costs of nothing but a margin of 2 %, with changes."""
    values = {
        "commission_ppm": 0,
        "financing_long_ppm": 0,
        "financing_short_ppm": 0,
        "margin_rate_ppm": 20_000,
        **changes,
    }
    return InstrumentCosts(spread_points=(0,) * 168, **values)


class Desk:
    """A matching engine that is talked to in prices and whole currency units."""

    def __init__(
        self,
        *names: str | Instrument,
        balance: str = "100000",
        costs: InstrumentCosts | None = None,
        currency: str = "",
        **rules: object,
    ) -> None:
        self.records: list[Instrument] = [
            instrument(item) if isinstance(item, str) else item for item in names or ("EUR_USD",)
        ]
        self.costs = costs or free_of_cost()
        book = CostBook(
            broker="made up",
            valid_from=date(2026, 1, 1),
            costs={item.id: self.costs for item in self.records},
        )
        self.engine = MatchingEngine(
            instruments=self.records,
            cost_book=book,
            currency=currency or self.records[0].quote,
            balance=to_micro(Decimal(balance)),
            rules=AccountRules(**rules),
        )
        self.time_ns = NOON
        self._placed = 0

    def order(
        self, units: int, *, stop: int = 0, target: int = 0, reduce_only: bool = False, k: int = 0
    ) -> ClientOrderId:
        """Submit a market order; stop and target are distances in points."""
        self._placed += 1
        name = ClientOrderId(f"order-{self._placed}")
        self.engine.submit(
            Order(
                client_order_id=name,
                instrument=self.records[k].id,
                units=units,
                stop_distance=stop,
                target_distance=target,
                reduce_only=reduce_only,
            )
        )
        return name

    def place(self, units: int, *, k: int = 0, **fields: object) -> ClientOrderId:
        """Submit any order; fields are those of `Order`, prices in points."""
        self._placed += 1
        name = ClientOrderId(f"order-{self._placed}")
        self.engine.submit(Order(client_order_id=name, instrument=self.records[k].id, units=units, **fields))
        return name

    def points(self, bid: int, ask: int | None = None, *, k: int = 0, **fields: object) -> list[Fill]:
        """The next quote, a minute later, in points."""
        self.time_ns += MINUTE
        ask = bid if ask is None else ask
        record = self.records[k]
        return self.engine.on_quote(
            Quote(instrument=record.id, time_ns=self.time_ns, bid=bid, ask=ask, **fields)
        )

    def quote(
        self, bid: str, ask: str | None = None, *, k: int = 0, time_ns: int | None = None
    ) -> list[Fill]:
        """The next quote, a minute later unless told."""
        self.time_ns = self.time_ns + MINUTE if time_ns is None else time_ns
        record = self.records[k]
        return self.engine.on_quote(
            Quote(
                instrument=record.id,
                time_ns=self.time_ns,
                bid=record.to_points(bid),
                ask=record.to_points(ask or bid),
            )
        )

    def bar(self, bids: str, *, spread: int = 0, minutes: int = 60, k: int = 0) -> list[Fill]:
        """A bar of "open high low close" bid prices, quote and range; fills of both."""
        record = self.records[k]
        first, high, low, last = (record.to_points(item) for item in bids.split())
        begin, self.time_ns = self.time_ns, self.time_ns + minutes * MINUTE
        opened = Quote(instrument=record.id, time_ns=begin, bid=first, ask=first + spread)
        fills = self.engine.on_quote(opened)
        return fills + self.engine.on_bar(
            Bar(
                instrument=record.id,
                open_ns=begin,
                close_ns=self.time_ns,
                bid_open=first,
                bid_high=high,
                bid_low=low,
                bid_close=last,
                ask_open=first + spread,
                ask_high=high + spread,
                ask_low=low + spread,
                ask_close=last + spread,
            )
        )

    @property
    def balance(self) -> Decimal:
        """The balance in currency units."""
        return to_decimal(self.engine.account().balance)

    @property
    def equity(self) -> Decimal:
        """The equity in currency units."""
        return to_decimal(self.engine.account().equity)
