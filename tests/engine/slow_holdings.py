"""What the slow engine holds and what waits in it, with the prices that concern each."""

from dataclasses import dataclass
from fractions import Fraction

from tests.engine.slow_money import Market
from workbench.domain.orders import Order, OrderKind, TriggerSide
from workbench.domain.quotes import Bar


@dataclass
class Holding:
    """The position of an instrument, or in a hedging account one trade."""

    market: Market
    trade: str  # the order that opened it
    order: str  # the order that opened or added to it last
    units: int = 0
    cost: int = 0  # micro-units of the quote currency
    stop: tuple[int, str] | None = None  # level, and the order that brought it
    target: tuple[int, str] | None = None
    trail: tuple[int, str] | None = None  # distance
    best: int = 0  # price of the closing side since the trailing stop was set

    @property
    def side(self) -> int:
        return 1 if self.units > 0 else -1

    def profit(self, price: Fraction | int) -> Fraction:
        return Fraction(self.units * price * self.market.micro - self.cost)

    @property
    def closing(self) -> int:
        return self.market.price(-self.side)

    def passed(self, level: int, price: int) -> bool:
        """Whether a stop at `level` is reached by a price of the closing side."""
        return (price - level) * self.side <= 0

    def gained(self, level: int, price: int) -> bool:
        """Whether a target at `level` is reached."""
        return (price - level) * self.side >= 0

    @property
    def trail_level(self) -> int:
        assert self.trail is not None
        return self.best - self.side * self.trail[0]

    def nearest_stop(self) -> tuple[int, str, str] | None:
        """Level, order and reason of the stop loss or trailing stop, whichever is nearer to the price."""
        found = []
        if self.stop:
            found.append((*self.stop, "STOP_LOSS"))
        if self.trail:
            found.append((self.trail_level, self.trail[1], "TRAILING_STOP"))
        return max(found, key=lambda item: item[0] * self.side, default=None)  # the first of equal ones

    def ratchet(self, price: int) -> None:
        if self.trail and (price - self.best) * self.side > 0:
            self.best = price


@dataclass
class Waiting:
    """An order that waits, and what of it was done."""

    order: Order
    left: int  # signed units
    earliest: int | None
    acts_as: OrderKind
    expires: int | None = None
    decided: bool = True  # of a market-if-touched order: whether it is a limit or a stop
    due: int = 0
    paid: int = 0

    @property
    def side(self) -> int:
        return 1 if self.order.units > 0 else -1


def exit_order(held: Holding) -> Order:
    """An exit is an order of its own as far as commission goes."""
    return Order(client_order_id=held.order, instrument=held.market.instrument.id, units=-held.units)


def closing_prices(side: int, bar: Bar) -> tuple[int, int, int, int]:
    """Open, low, high and close of the side at which a position is closed."""
    if side > 0:
        return bar.bid_open, bar.bid_low, bar.bid_high, bar.bid_close
    return bar.ask_open, bar.ask_low, bar.ask_high, bar.ask_close


def twice_trigger(item: Waiting, bid: int, ask: int) -> int:
    """Twice the price that is compared with an order's level."""
    trigger, buys = item.order.trigger, item.side > 0
    if trigger is TriggerSide.MID:
        return bid + ask
    if trigger is TriggerSide.DEFAULT:
        return 2 * (ask if buys else bid)
    if trigger is TriggerSide.INVERSE:
        return 2 * (bid if buys else ask)
    return 2 * (bid if trigger is TriggerSide.BID else ask)


def to_natural_side(item: Waiting, market: Market) -> int:
    """Points between the trigger's side, when it reaches the level, and the side at which the order fills."""
    trigger, buys = item.order.trigger, item.side > 0
    if trigger is TriggerSide.MID:
        return (market.spread + 1) // 2
    other = TriggerSide.BID if buys else TriggerSide.ASK
    return market.spread if trigger in (TriggerSide.INVERSE, other) else 0
