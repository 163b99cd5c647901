"""The engine again, from its rules alone: exact fractions, plain objects, no care for speed.

It takes what `MatchingEngine` takes and keeps what came of it in plain tuples, to compare with. Nothing here
was taken from `workbench.engine`: where the two differ, the rules in its documentation decide.
"""

from collections.abc import Iterator

from tests.engine.slow_books import SlowBooks
from tests.engine.slow_holdings import (
    Holding,
    Waiting,
    closing_prices,
    exit_order,
    to_natural_side,
    twice_trigger,
)
from tests.engine.slow_money import (
    MILLION,
    Market,
    day_ends,
    days_charged,
    financing,
)
from workbench.domain.accounts import AccountMode, CloseOut
from workbench.domain.calendar import day_close_ns, day_open_ns, session_of
from workbench.domain.orders import ExitChange, Order, OrderKind, PositionFill, TimeInForce
from workbench.domain.quotes import Bar, Quote

IMMEDIATE = (TimeInForce.FOK, TimeInForce.IOC)

NOTHING_TO_CLOSE = "nothing to close"
MARGIN = "insufficient margin"
EXPIRED = "expired"
BOUND = "price bound passed"
LIQUIDITY = "not enough liquidity"
REST = "rest of an immediate order"
WOULD_REDUCE = "would reduce"
FIFO_VIOLATION = "FIFO violation"
NO_TRADE = "no such trade"
NOT_REPLACED = "the order to replace does not wait"


class SlowEngine(SlowBooks):
    """Takes quotes, bars and orders as `MatchingEngine` does."""

    # --- what one asks of it ------------------------------------------------------------------------

    def submit(self, order: Order) -> None:
        if order.replaces is not None and not self.cancel(order.replaces):
            self.canceled.append((order.client_order_id, NOT_REPLACED))
            return
        latency = self.rules.latency_ns
        earliest = None if self.time_ns is None else self.time_ns + latency
        item = Waiting(order, order.units, earliest, order.kind, self._expiry(order))
        if order.kind is OrderKind.MARKET_IF_TOUCHED:
            item.decided = False
            self._decide_touched(item)
        self.waiting.append(item)

    def _expiry(self, order: Order) -> int | None:
        if order.time_in_force is TimeInForce.GTD:
            return order.expires_ns
        if order.time_in_force is TimeInForce.GFD:
            return day_close_ns(session_of(self.time_ns or 0))
        return None

    def cancel(self, name: str) -> bool:
        found = [item for item in self.waiting if item.order.client_order_id == name]
        for item in found:
            self.waiting.remove(item)
        return bool(found)

    def change_exits(self, change: ExitChange) -> bool:
        for held in self._held(change.instrument):
            if change.trade in (None, held.trade):
                if change.stop is not None:
                    held.stop = (change.stop, held.order) if change.stop else None
                if change.target is not None:
                    held.target = (change.target, held.order) if change.target else None
                if change.trailing is not None:
                    held.trail = (change.trailing, held.order) if change.trailing else None
                    held.best = held.closing
                return True
        return False

    def on_quote(self, quote: Quote) -> None:
        self._pass_time(quote.time_ns, inclusive=True)
        self._expire(quote.time_ns)
        self.time_ns = quote.time_ns
        market = self.markets[quote.instrument]
        market.bid, market.ask = quote.bid, quote.ask
        market.ladders = {
            -1: [list(level) for level in quote.bids] if quote.bids else None,
            1: [list(level) for level in quote.asks] if quote.asks else None,
        }
        for item in self._waiting_for(quote.instrument):
            self._decide_touched(item)
        for held in self._held(quote.instrument):
            self._exit_at_quote(held)
        for held in self._held(quote.instrument):
            held.ratchet(held.closing)
        for item in self._waiting_for(quote.instrument):
            if item.earliest is None or item.earliest <= quote.time_ns:
                self._try_at_quote(item, market)
        self._check_margin()

    def on_bar(self, bar: Bar) -> None:
        self._pass_time(bar.close_ns, inclusive=False)
        self._expire(bar.close_ns - 1)
        self.time_ns = bar.close_ns
        market = self.markets[bar.instrument]
        for held in self._held(bar.instrument):
            self._exit_in_range(held, bar)
        for item in self._waiting_for(bar.instrument):
            if item.earliest is None or item.earliest <= bar.open_ns:
                self._try_in_range(item, market, bar)
        market.bid, market.ask = bar.bid_close, bar.ask_close
        market.ladders = {}
        self._check_margin()

    # --- time ---------------------------------------------------------------------------------------

    def _pass_time(self, until_ns: int, *, inclusive: bool) -> None:
        # before the first event nothing is held; costs of its own moment count from it on
        after = until_ns - 1 if self.time_ns is None else self.time_ns
        if self.time_ns is not None and not self._passed_inclusive:
            after -= 1  # a bar's end leaves the day's end at that very instant to what comes next
        for instant, day in day_ends(after, until_ns, inclusive=inclusive):
            for held in self.holdings:
                amount = financing(self.exchange, held.market, held.units, days_charged(held.market, day))
                self.financing += amount
                self.balance += amount
            self._change_costs(instant)
        if self.time_ns is None:
            self._change_costs(until_ns)
        self._passed_inclusive = inclusive

    _passed_inclusive = True

    def _change_costs(self, instant: int) -> None:
        started = [item for item in self.books if day_open_ns(item.valid_from) <= instant]
        book = started[-1] if started else self.books[0]
        for name, market in self.markets.items():
            market.costs = book.of(name)

    def _expire(self, now_ns: int) -> None:
        for item in list(self.waiting):
            if item.expires is not None and item.expires <= now_ns:
                self._drop(item, EXPIRED)

    def _drop(self, item: Waiting, reason: str) -> None:
        self.waiting.remove(item)
        self.canceled.append((item.order.client_order_id, reason))

    # --- exits of what is held ----------------------------------------------------------------------

    def _exit_at_quote(self, held: Holding) -> None:
        price = held.closing
        if held.stop and held.passed(held.stop[0], price):
            self._leave(held, held.stop[1], "STOP_LOSS")
        elif held.trail and held.passed(held.trail_level, price):
            self._leave(held, held.trail[1], "TRAILING_STOP")
        elif held.target and held.gained(held.target[0], price):
            self._leave(held, held.target[1], "TAKE_PROFIT", limit=held.target[0])

    def _leave(self, held: Holding, order: str, reason: str, *, limit: int | None = None) -> bool:
        """Close a holding at the market, as far as the sizes go; with a limit without slippage."""
        side, filled = -held.side, False
        paying = Waiting(exit_order(held), 0, None, OrderKind.MARKET)
        for price, units in list(self._levels(held.market, side, abs(held.units), limit=limit)):
            paid = price if limit is not None else held.market.slipped(price, side)
            self._take(held.market, side, price, units)
            self._close(held, side * units, paid, order, reason, paying)
            filled = True
        return filled

    def _levels(
        self, market: Market, side: int, wanted: int, *, limit: int | None = None
    ) -> Iterator[tuple[int, int]]:
        """Prices and units to be had, from the best on."""
        ladder = market.ladders.get(side)
        for price, there in [[market.price(side), wanted]] if ladder is None else ladder:
            units = min(wanted, there)
            if not units:
                continue
            if limit is not None and (price - limit) * side > 0:
                return
            wanted -= units
            yield price, units

    def _take(self, market: Market, side: int, price: int, units: int) -> None:
        ladder = market.ladders.get(side)
        if ladder is not None:
            level = next(level for level in ladder if level[0] == price and level[1] >= units)
            level[1] -= units

    def _exit_in_range(self, held: Holding, bar: Bar) -> None:
        opened, low, high, closed = closing_prices(held.side, bar)
        market, side = held.market, -held.side
        worst, best = (low, high) if held.side > 0 else (high, low)
        near = held.nearest_stop()
        if held.stop and held.passed(held.stop[0], opened):
            self._leave_at(held, held.stop[1], market.slipped(opened, side), "STOP_LOSS")
        elif held.trail and held.passed(held.trail_level, opened):
            self._leave_at(held, held.trail[1], market.slipped(opened, side), "TRAILING_STOP")
        elif held.target and held.gained(held.target[0], opened):
            self._leave_at(held, held.target[1], opened, "TAKE_PROFIT")
        elif near and held.passed(near[0], worst):
            if held.target and held.gained(held.target[0], best):
                self.ambiguous += 1
            self._leave_at(held, near[1], market.slipped(near[0], side), near[2])
        elif held.target and held.gained(held.target[0], best):
            self._leave_at(held, held.target[1], held.target[0], "TAKE_PROFIT")
        elif held.trail:
            held.ratchet(best)
            if held.passed(held.trail_level, closed):
                price = market.slipped(held.trail_level, side)
                self._leave_at(held, held.trail[1], price, "TRAILING_STOP")

    def _leave_at(self, held: Holding, order: str, price: int, reason: str) -> None:
        paying = Waiting(exit_order(held), 0, None, OrderKind.MARKET)
        self._close(held, -held.units, price, order, reason, paying)

    # --- orders at a quote --------------------------------------------------------------------------

    def _decide_touched(self, item: Waiting) -> None:
        market = self.markets[item.order.instrument]
        if item.decided or not market.bid:
            return
        twice = twice_trigger(item, market.bid, market.ask)
        is_limit = (twice - 2 * item.order.price) * item.side >= 0
        item.acts_as = OrderKind.LIMIT if is_limit else OrderKind.STOP
        item.decided = True

    def _try_at_quote(self, item: Waiting, market: Market) -> None:
        order, side = item.order, item.side
        beyond = (twice_trigger(item, market.bid, market.ask) - 2 * order.price) * side
        if item.acts_as is OrderKind.LIMIT:
            triggered = beyond <= 0 and (market.price(side) - order.price) * side <= 0
        else:
            triggered = item.acts_as is OrderKind.MARKET or beyond >= 0
        if not triggered:
            self._end_if_immediate(item)
            return
        wanted = self._wanted(item)
        if wanted is None:
            return
        levels, bounded = self._offered(item, market, abs(wanted))
        found = sum(units for _, units, _ in levels)
        if found < abs(wanted) and order.time_in_force is TimeInForce.FOK:
            self._drop(item, BOUND if bounded else LIQUIDITY)
            return
        if found and not self._affordable(item, side * found):
            self._drop(item, MARGIN)
            return
        for price, units, paid in levels:
            self._take(market, side, price, units)
            self._execute(item, side * units, paid)
        if found:  # cut to what there is to close; an order that took nothing stays what it was
            item.left = wanted - side * found
        if not item.left:
            self.waiting.remove(item)
        elif bounded:
            self._drop(item, BOUND)
        else:
            self._end_if_immediate(item)

    def _end_if_immediate(self, item: Waiting) -> None:
        if item.order.time_in_force is TimeInForce.FOK:
            self._drop(item, LIQUIDITY)
        elif item.order.time_in_force is TimeInForce.IOC:
            self._drop(item, REST)

    def _offered(self, item: Waiting, market: Market, wanted: int) -> tuple[list[tuple[int, int, int]], bool]:
        """Level, units and price paid of what the order can take now; whether its bound cut it short."""
        order, side, found = item.order, item.side, []
        is_limit = item.acts_as is OrderKind.LIMIT
        for price, units in self._levels(market, side, wanted, limit=order.price if is_limit else None):
            paid = price if is_limit else market.slipped(price, side)
            if not is_limit and order.price_bound and (paid - order.price_bound) * side > 0:
                return found, True
            found.append((price, units, paid))
        return found, False

    def _wanted(self, item: Waiting) -> int | None:
        """Signed units the order may fill now by what is held; None once it was dropped."""
        order, side, left = item.order, item.side, abs(item.left)
        held = self._held(order.instrument)
        if order.closes:
            return self._wanted_of_trade(item, held)
        against = [one for one in held if one.side != side]
        if order.reduce_only or order.position_fill is PositionFill.REDUCE_ONLY:
            there = sum(abs(one.units) for one in against)
            if not there:
                self._drop(item, NOTHING_TO_CLOSE)
                return None
            return side * min(left, there)
        if (
            order.position_fill is PositionFill.OPEN_ONLY
            and against
            and self.rules.mode != AccountMode.HEDGING
        ):
            self._drop(item, WOULD_REDUCE)
            return None
        return item.left

    def _wanted_of_trade(self, item: Waiting, held: list[Holding]) -> int | None:
        found = next((one for one in held if one.trade == item.order.closes), None)
        if found is None:
            self._drop(item, NO_TRADE)
            return None
        if found.side == item.side:
            self._drop(item, NOTHING_TO_CLOSE)
            return None
        older = held[: held.index(found)]
        if self.rules.mode == AccountMode.FIFO and older:
            whole = abs(item.left) >= abs(found.units)
            if not whole or any(abs(one.units) == abs(found.units) for one in older):
                self._drop(item, FIFO_VIOLATION)
                return None
        return item.side * min(abs(item.left), abs(found.units))

    def _affordable(self, item: Waiting, units: int) -> bool:
        name = item.order.instrument
        closing = min(abs(units), sum(abs(one.units) for one in self._closes_first(item)))
        opening = abs(units) - closing
        if not opening:
            return True
        longs, shorts = self._sides(name)
        if item.side > 0:
            longs, shorts = longs + opening, shorts - closing
        else:
            longs, shorts = longs - closing, shorts + opening
        return self.margin({name: (longs, shorts)}) <= self.equity()

    # --- orders in the range of a bar ---------------------------------------------------------------

    def _try_in_range(self, item: Waiting, market: Market, bar: Bar) -> None:
        order, side = item.order, item.side
        if item.acts_as is OrderKind.MARKET or order.time_in_force in IMMEDIATE:
            return
        is_limit = item.acts_as is OrderKind.LIMIT
        level = self._reached_in_range(item, market, bar)
        if level is None:
            return
        price = level if is_limit else market.slipped(level, side)
        wanted = self._wanted(item)
        if wanted is None:
            return
        if not is_limit and order.price_bound and (price - order.price_bound) * side > 0:
            self._drop(item, BOUND)
            return
        if not self._affordable(item, wanted):
            self._drop(item, MARGIN)
            return
        opened = self._execute(item, wanted, price, best=level - side * market.spread)
        self.waiting.remove(item)
        if opened is not None:
            self._exit_after_entry(opened, item, bar)

    def _reached_in_range(self, item: Waiting, market: Market, bar: Bar) -> int | None:
        """The price at which a bar fills an order, before slippage: its level, or the open that passed it."""
        order, side = item.order, item.side
        opened = twice_trigger(item, bar.bid_open, bar.ask_open)
        lowest = twice_trigger(item, bar.bid_low, bar.ask_low)
        highest = twice_trigger(item, bar.bid_high, bar.ask_high)
        natural = bar.ask_open if side > 0 else bar.bid_open
        if item.acts_as is OrderKind.LIMIT:
            if (opened - 2 * order.price) * side <= 0 and (natural - order.price) * side <= 0:
                return natural
            cheapest = bar.ask_low if side > 0 else bar.bid_high
            toward = lowest if side > 0 else highest
            reached = (toward - 2 * order.price) * side <= 0 and (cheapest - order.price) * side <= 0
            return order.price if reached else None
        if (opened - 2 * order.price) * side >= 0:
            return natural
        toward = highest if side > 0 else lowest
        if (toward - 2 * order.price) * side < 0:
            return None
        return max(1, order.price + side * to_natural_side(item, market))

    def _exit_after_entry(self, held: Holding, item: Waiting, bar: Bar) -> None:
        """The exits an order brought, against the range it was filled in."""
        name = item.order.client_order_id
        _, low, high, closed = closing_prices(held.side, bar)
        worst, best = (low, high) if held.side > 0 else (high, low)
        brought = Holding(held.market, "", "", held.units)
        brought.stop = held.stop if held.stop and held.stop[1] == name else None
        brought.trail = held.trail if held.trail and held.trail[1] == name else None
        brought.best = held.best
        near = brought.nearest_stop()
        by_stop = item.acts_as is OrderKind.STOP
        if near and held.passed(near[0], worst):
            self.ambiguous += by_stop
            self._leave_at(held, near[1], held.market.slipped(near[0], -held.side), near[2])
            return
        if held.target and held.target[1] == name:
            level = held.target[0]
            if held.gained(level, closed) or (by_stop and held.gained(level, best)):
                self._leave_at(held, name, level, "TAKE_PROFIT")
                return
        if brought.trail:
            held.ratchet(closed)

    # --- margin -------------------------------------------------------------------------------------

    def _check_margin(self) -> None:
        if not self.holdings:
            self.called = False
            return
        twice, used = self.twice_equity_at_mid(), self.margin()
        was, self.called = self.called, twice <= 2 * used
        self.margin_calls += self.called and not was
        if twice * MILLION > 2 * used * self.rules.close_out_ppm:
            return
        if self.rules.close_out == CloseOut.ALL:
            order = list(self.markets)
            for held in sorted(self.holdings, key=lambda one: order.index(one.market.instrument.id)):
                self._leave(held, held.order, "MARGIN_CLOSEOUT")
            return
        while self.holdings:
            if self.twice_equity_at_mid() * MILLION > 2 * self.margin() * self.rules.close_out_ppm:
                return
            order = list(self.markets)
            worst = min(
                self.holdings,
                key=lambda one: (self.unrealized(one), order.index(one.market.instrument.id)),
            )
            if not self._leave(worst, worst.order, "MARGIN_CLOSEOUT"):
                return
