"""A card: one numbered promise of the port, and the stage on which it is tried."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from workbench.domain.orders import (
    TERMINAL_STATES,
    ClientOrderId,
    ExitChange,
    Order,
    OrderKind,
    OrderState,
)
from workbench.gateway.brokers.conformance.bench import Ability, Bench
from workbench.gateway.brokers.conformance.faults import Fault
from workbench.gateway.brokers.port import Broker, BrokerNews, Capabilities, Transaction, UnavailableError

__all__ = ["Card", "CardFailedError", "Stage", "deck", "need"]


class CardFailedError(AssertionError):
    """The adapter does not keep the promise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """One promise."""

    number: str  # C01 …
    group: str
    sentence: str
    run: Callable[["Stage"], None]
    abilities: frozenset[Ability] = frozenset()  # of the bench
    fault: Fault | None = None  # that the bench must be able to cause
    offered: Callable[[Capabilities], bool] = lambda capabilities: True  # by the broker


def need(kept: bool, found: str) -> None:
    """Fail the card unless the promise is `kept`."""
    if not kept:
        raise CardFailedError(found)


@dataclass(slots=True)
class Stage:
    """One card's account, logged on, with a first quote where the bench moves the market."""

    bench: Bench
    bid: int
    ask: int
    broker: Broker = field(init=False)
    _count: int = 0

    def __post_init__(self) -> None:
        self.broker = self.bench.broker()
        self.broker.connect()
        if Ability.MARKET in self.bench.abilities:
            self.bench.quote(self.bid, self.ask)

    # --- orders ---

    def order(self, units: int, **fields: object) -> Order:
        """An order with a client id of its own."""
        self._count += 1
        name = ClientOrderId(f"card-{self._count}")
        return Order(
            **{"client_order_id": name, "instrument": self.bench.instrument.id, "units": units, **fields}  # type: ignore[arg-type]
        )

    def waiting(self, units: int = 1_000, *, away: int = 500, **fields: object) -> Order:
        """A limit order that the market does not reach."""
        price = self.bid - away if units > 0 else self.ask + away
        return self.order(units, **{"kind": OrderKind.LIMIT, "price": price, **fields})

    def place(self, order: Order) -> Order:
        """Place it; what was placed."""
        self.broker.place(order)
        return order

    def hold(self, units: int = 1_000, **fields: object) -> Order:
        """Have a market order filled."""
        order = self.place(self.order(units, **fields))
        self.move(0)
        self.until_ended(order)
        return order

    def change(self, *, stop: int) -> ExitChange:
        """A new stop of what is held."""
        return ExitChange(instrument=self.bench.instrument.id, stop=stop)

    # --- the market ---

    def move(self, points: int, *, size: int = 0) -> None:
        """The market goes up by `points`, or down."""
        self.bid, self.ask = self.bid + points, self.ask + points
        self.bench.quote(self.bid, self.ask, size=size)

    # --- what is found out ---

    def record(self, order: Order | None = None, *, since: int = 0) -> list[Transaction]:
        """The broker's record, of one order or of all."""
        found = self.broker.transactions_since(since)
        return [item for item in found if order is None or item.client_order_id == order.client_order_id]

    def until(self, happened: Callable[[], bool], what: str) -> None:
        """Wait until something has happened at the broker."""
        deadline = time.monotonic() + self.bench.patience_s
        while not happened():
            need(time.monotonic() < deadline, f"{what} did not happen within {self.bench.patience_s:g} s")
            time.sleep(0.005)

    def until_ended(self, order: Order) -> Transaction:
        """Wait until an order has ended; its last transaction."""
        own = [OrderState.PARTIAL, *TERMINAL_STATES]

        def last() -> Transaction | None:
            found = [item for item in self.record(order) if item.state in own]
            return found[-1] if found and found[-1].state in TERMINAL_STATES else None

        self.until(lambda: last() is not None, f"an end of {order.client_order_id}")
        found = last()
        assert found is not None
        return found

    def until_news(self, wanted: Callable[[BrokerNews], bool], what: str) -> list[BrokerNews]:
        """Wait until the stream has brought something; all that it brought."""
        found: list[BrokerNews] = []

        def came() -> bool:
            found.extend(self.broker.news())
            return any(map(wanted, found))

        self.until(came, what)
        return found

    def held(self) -> int:
        """Units held by the broker's positions."""
        mine = self.bench.instrument.id
        return sum(item.units for item in self.broker.positions() if item.instrument == mine)

    def names_waiting(self) -> list[str]:
        """Client ids of the orders that wait."""
        return [item.order.client_order_id for item in self.broker.open_orders()]

    def settled(self, read: Callable[[], object]) -> None:
        """Wait until reports can be had again, after a fault that was healed."""

        def again() -> bool:
            try:
                read()
            except UnavailableError:
                return False
            return True

        self.until(again, "a report")


def deck(group: str, cards: list[Card]) -> Callable[..., Callable[[Callable[[Stage], None]], None]]:
    """What makes cards of functions and adds them to `cards`; a function's docstring is the sentence."""

    def card(
        number: str,
        *abilities: Ability,
        fault: Fault | None = None,
        offered: Callable[[Capabilities], bool] = lambda capabilities: True,
    ) -> Callable[[Callable[[Stage], None]], None]:
        def keep(run: Callable[[Stage], None]) -> None:
            sentence = " ".join((run.__doc__ or "").split())
            cards.append(
                Card(
                    number=number,
                    group=group,
                    sentence=sentence,
                    run=run,
                    abilities=frozenset(abilities),
                    fault=fault,
                    offered=offered,
                )
            )

        return keep

    return card
