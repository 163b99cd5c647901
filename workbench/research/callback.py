"""Strategies written in Python on one instrument: the replay without the events in which nothing can happen.

The strategy is called at every bar (or tick). The engine is asked only where an order waits, an exit or a
rollover is reached, or margin may matter; between, prices are looked up when the strategy asks. The tests
hold it to the replay, bit for bit.
"""

import numpy as np
import numpy.typing as npt

from workbench.domain.accounts import AccountMode
from workbench.domain.orders import ClientOrderId, Order
from workbench.engine import core
from workbench.engine.accounts import engine_error
from workbench.engine.matching import CANCEL_REASONS
from workbench.engine.rows import check_order, exit_levels, order_values
from workbench.indicators.compiled import compiled
from workbench.market import Bars
from workbench.market.ticks import Ticks
from workbench.research.account_terms import AccountTerms
from workbench.research.callback_views import LazyAccount, LazyMarket, LazyTicks
from workbench.research.calls import call, whole_at
from workbench.research.events import step_addresses
from workbench.research.given import Given
from workbench.research.outcome import Outcome, event_of_bar, order_key
from workbench.research.path import bar_path, tick_path
from workbench.research.plain_steps import margin_levels
from workbench.strategy import Strategy
from workbench.strategy.errors import in_code_of, strategy_failed

__all__ = ["Run", "run_by_callback"]

Ints = npt.NDArray[np.int64]


@compiled
def _catch_up(path: Ints, first: int, stop: int, account: Ints, books: Ints) -> None:
    """Take over the prices of elements `first` to `stop` (exclusive), in which nothing happened."""
    if stop <= first:
        return
    if books[0, core.B_TRAIL] != 0:
        best = books[0, core.B_TRAIL_BEST]
        for i in range(first, stop):
            if books[0, core.B_UNITS] > 0:
                best = max(best, whole_at(path[2], i), whole_at(path[3], i))
            else:
                best = min(best, whole_at(path[6], i), whole_at(path[8], i))
        books[0, core.B_TRAIL_BEST] = best
    books[0, core.B_BID] = whole_at(path[5], stop - 1)
    books[0, core.B_ASK] = whole_at(path[9], stop - 1)
    account[core.A_TIME] = whole_at(path[1], stop - 1)


@compiled
def _hand_in(
    path: Ints, first: int, stop: int, account: Ints, books: Ints, pending: Ints, orders: Ints
) -> None:
    """Orders decided after element `stop` - 1."""
    _catch_up(path, first, stop, account, books)
    for number in range(orders.shape[0]):
        core.core_place(account, books, pending, orders[number])


@compiled
def _advance(
    steps: Ints,
    path: Ints,
    first: int,
    at: int,
    count: int,
    roll_at: Ints,
    account: Ints,
    books: Ints,
    pending: Ints,
    trades: Ints,
    fills: Ints,
    canceled: Ints,
    roll_ns: Ints,
    roll_days: Ints,
    costs: Ints,
    equity: Ints,
    noted: int,
    opened: Ints,
) -> int:
    """Let the engine take element `at`, after those from `first` on; the next one that it must see.

    The equity is written from `noted` to there; `opened` tells financing and fills after the opening quote.
    """
    held = books[0, core.B_UNITS]
    value = account[core.A_BALANCE]
    if held == 0:
        for i in range(noted, at):
            equity[i] = value
    else:
        value -= books[0, core.B_COST]
        point = held * books[0, core.B_MICRO_PER_POINT]
        closing = path[5] if held > 0 else path[9]
        for i in range(noted, at):
            equity[i] = value + point * whole_at(closing, i)
    _catch_up(path, first, at, account, books)
    bid, ask = whole_at(path[2], at), whole_at(path[6], at)
    opens, closes = whole_at(path[0], at), whole_at(path[1], at)
    call(
        steps[0],
        (account, books, 0, opens, bid, ask, pending, trades, fills, canceled, roll_ns, roll_days, costs),
    )
    opened[0], opened[1] = account[core.A_FINANCING], account[core.A_FILLS]
    if path[11] != 0 and account[core.A_ERROR] == 0:
        call(
            steps[1],
            (
                account,
                books,
                0,
                opens,
                closes,
                bid,
                whole_at(path[3], at),
                whole_at(path[4], at),
                whole_at(path[5], at),
                ask,
                whole_at(path[7], at),
                whole_at(path[8], at),
                whole_at(path[9], at),
                pending,
                trades,
                fills,
                canceled,
                roll_ns,
                roll_days,
                costs,
            ),
        )
    if account[core.A_PENDING] > 0 or account[core.A_CALLED] != 0:
        return at + 1
    units = books[0, core.B_UNITS]
    if units == 0:
        return count
    rolled = account[core.A_ROLLED]
    stop = min(count, roll_at[rolled]) if rolled < roll_at.shape[0] else count
    least, most = margin_levels(
        account[core.A_BALANCE],
        units,
        books[0, core.B_COST],
        books[0, core.B_MICRO_PER_POINT],
        books[0, core.B_MARGIN_PPM],
    )
    level, goal = books[0, core.B_STOP], books[0, core.B_TARGET]
    distance, best = books[0, core.B_TRAIL], books[0, core.B_TRAIL_BEST]
    sign = np.int64(1) if units > 0 else np.int64(-1)
    # of the closing side: first, best and worst of an element, as columns of the path
    side, top, low = (2, 3, 4) if units > 0 else (6, 8, 7)
    for i in range(at + 1, stop):
        mid, after = (
            whole_at(path[2], i) + whole_at(path[6], i),
            whole_at(path[5], i) + whole_at(path[9], i),
        )
        if min(mid, after) <= least or max(mid, after) >= most:
            return i
        start, worst = sign * whole_at(path[side], i), sign * whole_at(path[low], i)
        high, end = sign * whole_at(path[top], i), sign * whole_at(path[side + 3], i)
        worst, high = min(start, worst), max(start, high)
        if (level != 0 and worst <= sign * level) or (goal != 0 and high >= sign * goal):
            return i
        if distance != 0:
            reached = max(sign * best, start)
            if worst <= reached - distance:
                return i
            reached = max(reached, high)
            if end <= reached - distance:
                return i
            best = sign * reached
    return stop


def run_by_callback(strategy: Strategy, given: Given, terms: AccountTerms) -> Outcome | None:
    """Trade a strategy written with `on_bar` or `on_tick`, or None where that takes the whole replay."""
    if not given.is_plain or terms.rules.mode is not AccountMode.NETTING:
        return None
    if terms.rules.close_out_ppm > core.PPM or given.by_size:
        return None
    ((name, bars),) = given.decided.items()
    if bars.instrument.quote != terms.currency:  # profits are converted
        return None
    by_tick = strategy.form == "on_tick"
    whole, matched = given.whole[name], given.matched[name]
    if by_tick and (isinstance(matched, Bars) or type(strategy).on_bar is not Strategy.on_bar):
        return None
    if not by_tick and whole is not bars:
        return None
    return Run(strategy.fresh(), given, terms, by_tick=by_tick).outcome()


class Run:
    """One run; the views look at it."""

    def __init__(self, strategy: Strategy, given: Given, terms: AccountTerms, *, by_tick: bool) -> None:
        ((name, bars),) = given.decided.items()
        matched = given.matched[name]
        self.terms, self.given, self.by_tick = terms, given, by_tick
        self.bars, self.first = bars, given.first[name]
        self.record = bars.instrument
        path = tick_path(matched) if isinstance(matched, Ticks) else bar_path(given.traded[name])
        assert path is not None  # only decided bars without an element have none
        self.columns = path.columns
        self.open_ns, self.close_ns = path.columns[0], path.columns[1]
        self.count = len(self.open_ns)
        state = terms.state(given)
        self.account, self.books, self.roll_ns, self.roll_days, self.costs = state
        self.roll_at, _ = path.rollovers(self.roll_ns)
        self.path = np.array(
            [*(int(item.ctypes.data) for item in path.columns), self.count, int(path.ranges)], np.int64
        )
        self.pending = core.new_rows(core.PENDING_SIZE)
        self.trades = core.new_rows(core.TRADE_SIZE, capacity=1)
        self.fills = core.new_rows(core.FILL_SIZE)
        self.canceled = core.new_rows(core.CANCELED_SIZE)
        self.steps = step_addresses()
        self.at = -1  # the element whose close (or tick) is decided on
        self.seen = -1  # the last that the engine has taken, or caught up with
        self.noted = 0  # equity is written up to here
        self.units, self.balance, self.cost, self.paid = 0, terms.balance, 0, 0
        self.equity = np.empty(self.count, np.int64)
        self.rows: list[Ints] = []
        self.row_count = 0
        self.fill_round: list[int] = []
        self.financing: list[tuple[int, int]] = []
        self.opened = np.zeros(2, np.int64)
        self.refused: list[tuple[int, str]] = []
        self.keys: dict[ClientOrderId, int] = {}
        self._trade(strategy)

    def _trade(self, strategy: Strategy) -> None:
        market = (LazyTicks if self.by_tick else LazyMarket)(self)
        account = LazyAccount(self)
        waiting, orders, asked = account._waiting, account._orders, account._asked  # kept, not replaced
        method = strategy.on_tick if self.by_tick else strategy.on_bar
        loud, first = self.count, self.first
        try:
            for at in range(self.count):
                if at == loud:
                    loud = self._step(at)
                self.at = at
                market._index = first + at
                if waiting:
                    account._forget_ended()
                method(market, account)
                if orders or asked:
                    self._follow(account)
                    loud = at + 1
        except Exception as error:
            if not in_code_of(method, error):
                raise
            raise strategy_failed(
                error,
                strategy=strategy.name,
                verb=method.__name__,
                instrument=self.record.id,
                time_ns=market.time_ns,
            ) from error
        self._note(self.count)

    def _step(self, at: int) -> int:
        """The engine takes an element."""
        waiting = self.account.item(core.A_PENDING)
        if 2 * waiting + 8 > len(self.fills):
            self.fills = core.new_rows(core.FILL_SIZE, capacity=4 * waiting + 16)
        if waiting + 2 > len(self.canceled):
            self.canceled = core.new_rows(core.CANCELED_SIZE, capacity=2 * waiting + 4)
        account = self.account
        loud = _advance(
            self.steps,
            self.path,
            self.seen + 1,
            at,
            self.count,
            self.roll_at,
            account,
            self.books,
            self.pending,
            self.trades,
            self.fills,
            self.canceled,
            self.roll_ns,
            self.roll_days,
            self.costs,
            self.equity,
            self.noted,
            self.opened,
        )
        self.seen = self.noted = at
        state = account.tolist()
        if state[core.A_ERROR]:
            raise engine_error(account, [self.record])
        at_open, fills_at_open = self.opened.tolist()
        for booked, before in ((at_open, 0), (state[core.A_FINANCING], fills_at_open)):
            if booked != self.paid:
                self.financing.append((self.row_count + before, booked - self.paid))
                self.paid = booked
        if count := state[core.A_FILLS]:
            self.rows.append(self.fills[:count].copy())
            self.row_count += count
            self.fill_round += [at] * count
            account[core.A_FILLS] = 0
        if count := state[core.A_CANCELED]:
            self.refused += [(key, CANCEL_REASONS[why]) for key, why in self.canceled[:count].tolist()]
            account[core.A_CANCELED] = 0
        self.balance = state[core.A_BALANCE]
        self.units, self.cost = self.books.item(0, core.B_UNITS), self.books.item(0, core.B_COST)
        return int(loud)

    def _follow(self, view: LazyAccount) -> None:
        """Withdraw and hand in what was decided at the present element."""
        if view._cancels or view._changes:
            self.catch_up()
            for name in view._cancels:
                if name in self.keys:
                    core.core_cancel(self.account, self.pending, self.keys[name])
            for change in view._changes:
                levels = exit_levels(change, rules=self.terms.rules)
                core.core_change_exits(self.account, self.books, self.trades, 0, 0, *levels)
        first_key = order_key(event_of_bar(self.at), 0)
        now = int(self.close_ns[self.at])
        rows, keys = [], self.keys
        replacing = False
        for key, order in enumerate(view._orders, first_key):
            check_order(order, rules=self.terms.rules)
            keys[order.client_order_id] = key
            closes = keys.get(order.closes, 0) if order.closes is not None else 0
            rows.append(order_values(order, key=key, k=0, closes=closes, now_ns=now))
            replacing = replacing or order.replaces is not None
        while self.account.item(core.A_PENDING) + len(rows) + 1 > len(self.pending):
            self.pending = core.grown(self.pending, len(self.pending))
        if rows:
            table = np.array(rows, np.int64)
            if replacing:
                self.catch_up()
                self._hand_in_one_by_one(view._orders, table)
            else:
                until = self.at + 1
                _hand_in(self.path, self.seen + 1, until, self.account, self.books, self.pending, table)
                self.seen = max(self.seen, self.at)
        view._taken()

    def _hand_in_one_by_one(self, orders: list[Order], table: Ints) -> None:
        """Orders of which some take the place of others."""
        account, books = self.account, self.books
        if account.item(core.A_CANCELED) + len(orders) > len(self.canceled):
            self.canceled = core.grown(self.canceled, len(self.canceled) + len(orders))
        for order, row in zip(orders, table, strict=True):
            if order.replaces is None:
                core.core_place(account, books, self.pending, row)
            else:
                old = self.keys.get(order.replaces, -1)
                core.core_replace(account, books, self.pending, self.canceled, old, row)

    def pending_units(self) -> list[tuple[int, int]]:
        """Key and units still to fill of each order that waits, in the order they came."""
        count = self.account.item(core.A_PENDING)
        if count == 0:
            return []
        rows = self.pending[:count].tolist()
        return [(row[core.P_ORDER], row[core.P_UNITS]) for row in rows]

    def known_bars(self) -> int:
        """Bars that have closed by now."""
        if not self.by_tick:
            return self.first + self.at + 1
        return int(np.searchsorted(self.bars.close_ns, self.close_ns[self.at], side="right"))

    def catch_up(self) -> None:
        """Bring the engine's prices to the present element."""
        _catch_up(self.path, self.seen + 1, self.at + 1, self.account, self.books)
        self.seen = max(self.seen, self.at)

    def _note(self, until: int) -> None:
        """Write the equity of the elements since the last change."""
        part = slice(self.noted, until)
        if self.units == 0:
            self.equity[part] = self.balance
        else:
            prices = self.columns[5 if self.units > 0 else 9][part]
            self.equity[part] = self.balance - self.cost + self.units * self.record.micro_per_point * prices
        self.noted = until

    def value(self) -> int:
        """Equity now, micro-units."""
        if self.units == 0:
            return self.balance
        price = int(self.columns[5 if self.units > 0 else 9][self.at])
        return self.balance - self.cost + self.units * self.record.micro_per_point * price

    def outcome(self) -> Outcome:
        """All of it as arrays."""
        booked = np.array(self.financing, np.int64).reshape(-1, 2)
        empty = np.empty((0, core.FILL_SIZE), np.int64)
        return Outcome(
            fills=np.concatenate(self.rows) if self.rows else empty,
            fill_bar=np.array(self.fill_round, np.int64),
            equity=self.equity,
            financing_before_fill=booked[:, 0].copy(),
            financing_amount=booked[:, 1].copy(),
            refused=tuple(self.refused),
            ambiguous_bars=int(self.account[core.A_AMBIGUOUS]),
            margin_calls=int(self.account[core.A_CALLS]),
            round_ns=self.close_ns,
            financing_book=np.zeros(len(booked), np.int64),
        )
