"""What the gateway knows of an account at a broker outside this process: its own books and the evidence.

Nothing in it is guessed. A position is the sum of fills and adjustments; an order is live until the broker's
record or a named person ends it; whatever is not known counts at its worst.
"""

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from workbench.domain.accounts import AccountSnapshot, Position
from workbench.domain.instruments import Instrument, InstrumentId
from workbench.domain.orders import ClientOrderId, ExitChange, Order, OrderState
from workbench.gateway.books import Books
from workbench.gateway.breaker import Breaker
from workbench.gateway.brokers.port import OpenOrder

__all__ = ["Known", "Levels", "Phase", "Standing", "Wish"]


class Phase(StrEnum):
    """Whether the broker's record and the books have been brought together."""

    AWAY = "away"  # no connection
    RECONCILING = "reconciling"  # connected; no new orders, cancels and the kill switch pass
    READY = "ready"


@dataclass(slots=True, kw_only=True)
class Known:
    """One of our orders that has not ended."""

    order: Order  # as asked
    state: OrderState
    broker_order_id: str = ""
    filled: int = 0  # units, signed, of the fills of the order itself
    sent_s: float  # monotonic: when it was handed over, or this process began
    doubted_s: float = 0.0  # monotonic: since when the broker does not show it, 0 for it does

    @property
    def left(self) -> Order | None:
        """The order with the units that are still to come; None when there are none."""
        units = self.order.units - self.filled
        if units * self.order.units <= 0:
            return None
        return replace(self.order, units=units)


@dataclass(frozen=True, slots=True, kw_only=True)
class Levels:
    """Exits of a position at the broker, in points; 0 for none."""

    stop: int
    target: int
    trailing: int


_NO_LEVELS = Levels(stop=0, target=0, trailing=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """Other exits that were asked for, and nobody knows whether they stand."""

    change: ExitChange
    since_s: float  # monotonic: when it was told, or this process began


@dataclass(slots=True, kw_only=True)
class Standing:
    """An account elsewhere, as far as it is known."""

    books: Books
    breaker: Breaker
    phase: Phase = Phase.AWAY
    detail: str = "not connected yet"
    opened: bool = False  # whether the books have begun
    authorized: bool = True
    watermark: int = 0
    financing: int = 0  # booked, and `opening_financing` what was before the books began
    opening_financing: int = 0
    orders: dict[ClientOrderId, Known] = field(default_factory=dict)
    cancels: set[ClientOrderId] = field(default_factory=set)  # wished and not confirmed: CANCEL_PENDING
    wishes: dict[tuple[int, int], Wish] = field(default_factory=dict)  # by event and number: UNKNOWN
    levels: dict[InstrumentId, Levels] = field(default_factory=dict)  # of the last report
    opening_balance: int = 0
    external: tuple[OpenOrder, ...] = ()  # of others: counted, never touched
    strangers: set[ClientOrderId] = field(default_factory=set)  # orders of another gateway, told of
    frozen: dict[InstrumentId, str] = field(default_factory=dict)
    mismatch_s: dict[InstrumentId, float] = field(default_factory=dict)  # monotonic, since when
    news: bool = True  # there is something to fetch
    tried_s: float = -1e18  # monotonic, of the last pull
    heard_s: float = 0.0  # monotonic, of the last sign of life
    pause_until_s: float = -1e18  # monotonic: the broker wants fewer requests
    reconciled: int = 0  # how often
    released: bool = False  # another deployment has the account: nobody listens for this one
    compared_s: float | None = None  # monotonic, when books and record were last found to be the same
    monotonic: Callable[[], float] = time.monotonic

    def reconcile_age_ns(self) -> int | None:
        """How long ago the books were last found to be the broker's; None before that."""
        if self.compared_s is None:
            return None
        return max(0, round((self.monotonic() - self.compared_s) * 1e9))

    @property
    def away(self) -> bool:
        """Whether nobody answers there."""
        return self.phase is Phase.AWAY

    def copy(self) -> "Standing":
        """A standing to change while a change is not durable yet."""
        return replace(
            self,
            books=self.books.copy(),
            orders={name: replace(known) for name, known in self.orders.items()},
            cancels=set(self.cancels),
            wishes=dict(self.wishes),
            levels=dict(self.levels),
            strangers=set(self.strangers),
            frozen=dict(self.frozen),
            mismatch_s=dict(self.mismatch_s),
        )

    def waiting(self) -> list[Order]:
        """What may still be executed: ours in every state that is not an end, UNKNOWN too, and others'."""
        ours = (known.left for known in self.orders.values())
        return [order for order in ours if order is not None] + [item.order for item in self.external]

    def unknown(self) -> list[ClientOrderId]:
        """The orders that nobody knows of, sorted."""
        return sorted(name for name, known in self.orders.items() if known.state is OrderState.UNKNOWN)

    def snapshot(
        self,
        records: Iterable[Instrument],
        *,
        prices: Mapping[InstrumentId, tuple[int, int]],
        margin_rates_ppm: Mapping[InstrumentId, int],
        time_ns: int,
    ) -> AccountSnapshot:
        """The books as of a moment, at the last prices."""
        positions = []
        margin = at_mid = unrealized = 0
        for record in records:
            units = self.books.units(record.id)
            if not units:
                continue
            cost = self.books.cost(record)
            bid, ask = prices.get(record.id, (0, 0))
            known = bid > 0
            profit = self.books.unrealized(record, bid=bid, ask=ask) if known else 0
            unrealized += profit
            at_mid += (units * (bid + ask) * record.micro_per_point) // 2 - cost if known else 0
            value = abs(units) * ask * record.micro_per_point if known else abs(cost)
            margin += -(-value * margin_rates_ppm[record.id] // 1_000_000)
            levels = self.levels.get(record.id, _NO_LEVELS)
            positions.append(
                Position(
                    instrument=record.id,
                    units=units,
                    average_price=round(cost / (units * record.micro_per_point)),
                    unrealized=profit,
                    stop=levels.stop,
                    target=levels.target,
                    trailing=levels.trailing,
                )
            )
        return AccountSnapshot(
            time_ns=time_ns,
            currency=self.books.currency,
            balance=self.books.cash,
            equity=self.books.cash + unrealized,
            margin_used=margin,
            financing=self.books.financing,
            commission=self.books.commission,
            positions=tuple(positions),
            mid_equity=self.books.cash + at_mid,
        )
