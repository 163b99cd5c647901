"""What the slow engine holds, is worth and books: equity, margin, positions and fills in exact fractions."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from tests.engine.slow_holdings import (
    Holding,
    Waiting,
)
from tests.engine.slow_money import (
    MILLION,
    Exchange,
    Market,
    commission,
    half_even,
)
from workbench.domain.accounts import AccountMode, AccountRules, HedgedMargin
from workbench.domain.cost_book import CostBook
from workbench.domain.instruments import Instrument
from workbench.domain.orders import PositionFill


@dataclass
class SlowBooks:
    """The holdings of an account, and the bookings of what is executed."""

    instruments: Sequence[Instrument]
    books: Sequence[CostBook]
    currency: str
    balance: int
    rules: AccountRules = field(default_factory=AccountRules)
    financing: int = 0
    commission: int = 0
    ambiguous: int = 0
    margin_calls: int = 0
    called: bool = False
    time_ns: int | None = None
    waiting: list[Waiting] = field(default_factory=list)
    holdings: list[Holding] = field(default_factory=list)
    canceled: list[tuple[str, str]] = field(default_factory=list)
    fills: list[tuple[object, ...]] = field(default_factory=list)

    def __post_init__(self) -> None:
        ordered = sorted(self.instruments, key=lambda item: item.id)
        first = self.books[0]
        self.markets = {item.id: Market(item, first.of(item.id)) for item in ordered}
        self.exchange = Exchange(self.markets, self.currency)

    # --- figures ------------------------------------------------------------------------------------

    def units(self, instrument: str) -> int:
        return sum(held.units for held in self._held(instrument))

    def unrealized(self, held: Holding) -> int:
        return self.exchange.gain_or_loss(held.market, held.profit(held.closing))

    def equity(self) -> int:
        return self.balance + sum(self.unrealized(held) for held in self.holdings)

    def twice_equity_at_mid(self) -> int:
        return 2 * self.balance + sum(
            half_even(2 * held.profit(held.market.mid) * self.exchange.at_mid(held.market.instrument.quote))
            for held in self.holdings
        )

    def margin(self, instead: dict[str, tuple[int, int]] | None = None) -> int:
        """Margin used; `instead` has longs and shorts that differ from what is held."""
        total = 0
        for name, market in self.markets.items():
            longs, shorts = (instead or {}).get(name) or self._sides(name)
            if self.rules.mode != AccountMode.HEDGING or self.rules.hedged_margin == HedgedMargin.NET_SUM:
                counted = abs(longs - shorts)
            elif self.rules.hedged_margin == HedgedMargin.MAXIMAL_SIDE:
                counted = max(longs, shorts)
            else:
                counted = longs + shorts
            if counted:
                value = counted * MILLION * self.exchange.base_at_mid(market)
                total += half_even(value * market.costs.margin_rate_ppm / MILLION)
        return total

    def _sides(self, name: str) -> tuple[int, int]:
        held = self._held(name)
        longs = sum(item.units for item in held if item.units > 0)
        return longs, -sum(item.units for item in held if item.units < 0)

    def _held(self, name: str) -> list[Holding]:
        return [held for held in self.holdings if held.market.instrument.id == name]

    def _waiting_for(self, name: str) -> list[Waiting]:
        return [item for item in self.waiting if item.order.instrument == name]

    def _closes_first(self, item: Waiting) -> list[Holding]:
        """What the order closes before it opens anything, in order."""
        order = item.order
        held = self._held(order.instrument)
        if order.closes:
            return [one for one in held if one.trade == order.closes]
        fill = PositionFill.REDUCE_ONLY if order.reduce_only else order.position_fill
        if fill is PositionFill.DEFAULT:
            fill = (
                PositionFill.OPEN_ONLY
                if self.rules.mode == AccountMode.HEDGING
                else PositionFill.REDUCE_FIRST
            )
        return [] if fill is PositionFill.OPEN_ONLY else [one for one in held if one.side != item.side]

    # --- booking ------------------------------------------------------------------------------------

    def _execute(self, item: Waiting, units: int, price: int, *, best: int | None = None) -> Holding | None:
        """Fill units of an order at a price; what it opened or added to, if anything."""
        order, side, left = item.order, item.side, abs(units)
        name, reason = order.client_order_id, str(order.kind)
        closing = self._closes_first(item)
        if self.rules.mode == AccountMode.NETTING:
            return self._net(item, units, price, best)
        for held in closing:
            if left:
                part = min(left, abs(held.units))
                self._close(held, side * part, price, name, reason, item)
                left -= part
        if not left or order.closes:
            return None
        mine = [one for one in self._held(order.instrument) if one.trade == name]
        held = mine[0] if mine else Holding(self.markets[order.instrument], name, name)
        if not mine:
            self.holdings.append(held)
        self._open(held, side * left, price, item, best)
        return held

    def _net(self, item: Waiting, units: int, price: int, best: int | None) -> Holding | None:
        order = item.order
        name, market = order.client_order_id, self.markets[order.instrument]
        held = next(iter(self._held(order.instrument)), None)
        if held is None:
            held = Holding(market, name, name)
            self.holdings.append(held)
            self.holdings.sort(key=lambda one: one.market.instrument.id)
        elif held.side != item.side:
            if abs(units) <= abs(held.units):
                self._close(held, units, price, name, str(order.kind), item)
                return None
            return self._turn(held, units, price, item, best)
        self._open(held, units, price, item, best)
        return held

    def _turn(self, held: Holding, units: int, price: int, item: Waiting, best: int | None) -> Holding:
        """One fill that closes a position and opens the opposite one."""
        realized = self.exchange.gain_or_loss(held.market, held.profit(price))
        held.units, held.cost = held.units + units, (held.units + units) * price * held.market.micro
        held.stop = held.target = held.trail = None
        self._bring_exits(held, price, item, best)
        self._book(
            held.market, units, price, realized, item.order.client_order_id, str(item.order.kind), item
        )
        return held

    def _open(self, held: Holding, units: int, price: int, item: Waiting, best: int | None) -> None:
        held.units += units
        held.cost += units * price * held.market.micro
        self._bring_exits(held, price, item, best)
        self._book(held.market, units, price, 0, item.order.client_order_id, str(item.order.kind), item)

    def _bring_exits(self, held: Holding, price: int, item: Waiting, best: int | None) -> None:
        order, side = item.order, held.side
        name = order.client_order_id
        held.order = name
        stop = order.stop_price or (order.stop_distance and price - side * order.stop_distance)
        target = order.target_price or (order.target_distance and price + side * order.target_distance)
        if order.stop_price or order.stop_distance:
            held.stop = (stop, name) if stop > 0 else None
        if order.target_price or order.target_distance:
            held.target = (target, name) if target > 0 else None
        if order.trailing_distance:
            held.trail = (order.trailing_distance, name)
            held.best = held.closing if best is None else best

    def _close(self, held: Holding, units: int, price: int, order: str, reason: str, paying: Waiting) -> None:
        part = half_even(Fraction(held.cost * abs(units), abs(held.units)))
        realized = self.exchange.gain_or_loss(
            held.market, Fraction(-units * price * held.market.micro - part)
        )
        held.units, held.cost = held.units + units, held.cost - part
        if not held.units:
            self.holdings.remove(held)
        self._book(held.market, units, price, realized, order, reason, paying)

    def _book(
        self, market: Market, units: int, price: int, realized: int, order: str, reason: str, paying: Waiting
    ) -> None:
        paying.due += commission(self.exchange, market, units, price)
        owed = max(market.costs.commission_minimum, paying.due)
        paid = max(0, owed - paying.paid)  # nothing is given back when the minimum falls
        paying.paid += paid
        self.commission += paid
        self.balance += realized - paid
        name = market.instrument.id
        self.fills.append(
            (order, name, self.time_ns, units, price, reason, paid, realized, self.units(name), self.balance)
        )
