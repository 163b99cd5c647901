"""Strategies written in Python on one instrument: the replay without the events in which nothing can happen.

The strategy is called at every bar (or tick). The engine is asked only where an order waits, an exit or a
rollover is reached, or margin may matter; between, prices are looked up when the strategy asks. The tests
hold it to the replay, bit for bit.
"""

import struct
from typing import Any

import numpy as np
import numpy.typing as npt

from workbench.domain.accounts import AccountMode
from workbench.domain.orders import ClientOrderId, Order
from workbench.engine import core, layout
from workbench.engine.accounts import engine_error
from workbench.engine.matching import CANCEL_REASONS
from workbench.engine.rows import check_order, exit_levels, order_values
from workbench.errors import BadInputError
from workbench.market import Bars
from workbench.market.ticks import Ticks
from workbench.research import callback_steps as steps
from workbench.research.account_terms import AccountTerms
from workbench.research.callback_views import LazyAccount, LazyMarket, LazyTicks, PlainOrder
from workbench.research.events import step_addresses
from workbench.research.given import Given
from workbench.research.outcome import ORDERS_PER_EVENT, Outcome, event_of_bar, order_key
from workbench.research.path import bar_path, tick_path
from workbench.strategy import Strategy
from workbench.strategy.errors import in_code_of, strategy_failed

__all__ = ["Run", "run_by_callback"]

Ints = npt.NDArray[np.int64]

_pack = struct.Struct(f"={layout.PENDING_SIZE}q").pack_into  # an order as the row that the engine takes
_ROW_BYTES = 8 * layout.PENDING_SIZE
_MARKET, _GTC, _TRIGGER = layout.KIND_MARKET, layout.WAITS_GTC, layout.TRIGGER_DEFAULT
_FRAME_AT, _FRAME_RESULTS = steps.AT, slice(steps.RESULTS, None)


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
        self.canceled = core.new_rows(core.CANCELED_SIZE)
        self.fills = core.new_rows(core.FILL_SIZE)
        self.trades = core.new_rows(core.TRADE_SIZE, capacity=1)
        self.handed_in = core.new_rows(core.PENDING_SIZE)  # orders of one element
        self.kept = core.new_rows(core.FILL_SIZE, capacity=1_024)  # fills of the run, and when they were
        self.kept_at = np.zeros(1_024, np.int64)
        self.equity = np.empty(self.count, np.int64)
        self.at = -1  # the element whose close (or tick) is decided on
        self.seen = -1  # the last that the engine has taken, or caught up with
        self.noted = 0  # equity is written up to here
        self.waiting = 0  # orders that the engine has, or more
        self.filled = 0  # fills kept
        self.units, self.balance, self.cost, self.paid = 0, terms.balance, 0, 0
        self.financing: list[tuple[int, int]] = []
        self.refused: list[tuple[int, str]] = []
        self.keys: dict[ClientOrderId, int] = {}
        self.steps = step_addresses()
        self.frame = steps.new_frame()
        self.cells = self.frame.data  # quicker to set one number in than an array
        for place, array in (
            (steps.PATH, self.path),
            (steps.STEPS, self.steps),
            (steps.ACCOUNT, self.account),
            (steps.BOOKS, self.books),
            (steps.TRADES, self.trades),
            (steps.ROLL_NS, self.roll_ns),
            (steps.ROLL_DAYS, self.roll_days),
            (steps.COSTS, self.costs),
            (steps.ROLL_AT, self.roll_at),
            (steps.EQUITY, self.equity),
        ):
            steps.set_table(self.frame, place, array)
        self._tell_buffers()
        self._trade(strategy)

    def _trade(self, strategy: Strategy) -> None:
        self.name = strategy.name
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

    def _tell_buffers(self) -> None:
        """Where those lie that grow."""
        for name, array in (
            (steps.PENDING, self.pending),
            (steps.FILLS, self.fills),
            (steps.CANCELED, self.canceled),
            (steps.TABLE, self.handed_in),
            (steps.KEPT_FILLS, self.kept),
            (steps.KEPT_AT, self.kept_at),
        ):
            steps.set_table(self.frame, name, array)
        self.space = self.handed_in.data

    def _make_room(self) -> None:
        """For what the engine may write when it takes an element."""
        waiting = self.waiting
        if 2 * waiting + 8 > len(self.fills):
            self.fills = core.new_rows(core.FILL_SIZE, capacity=4 * waiting + 16)
        if waiting + 2 > len(self.canceled):
            self.canceled = core.grown(self.canceled, waiting + 4)
        if self.filled + len(self.fills) > len(self.kept):
            self.kept = core.grown(self.kept, len(self.kept) + len(self.fills))
            self.kept_at = np.concatenate(
                (self.kept_at, np.zeros(len(self.kept) - len(self.kept_at), np.int64))
            )
        self._tell_buffers()

    def _step(self, at: int) -> int:
        """The engine takes an element."""
        waiting, cells = self.waiting, self.cells
        if (
            2 * waiting + 8 > len(self.fills)
            or waiting + 2 > len(self.canceled)
            or self.filled + len(self.fills) > len(self.kept)
        ):
            self._make_room()
        cells[_FRAME_AT] = at
        steps.advance(self.frame)
        (
            loud,
            wrong,
            canceled,
            self.balance,
            self.units,
            self.cost,
            at_open,
            fills_at_open,
            paid,
            filled,
            self.waiting,
        ) = cells[_FRAME_RESULTS].tolist()
        self.seen = self.noted = at
        if wrong:
            raise engine_error(self.account, [self.record])
        if paid != self.paid or at_open != self.paid:
            for booked, before in ((at_open, 0), (paid, fills_at_open)):
                if booked != self.paid:
                    self.financing.append((self.filled + before, booked - self.paid))
                    self.paid = booked
        self.filled += filled
        if canceled:
            self.refused += [(key, CANCEL_REASONS[why]) for key, why in self.canceled[:canceled].tolist()]
            self.account[core.A_CANCELED] = 0
        return loud

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
        orders: list[Any] = view._orders  # of plain ones too
        keys = self.keys
        count = len(orders)
        if self.waiting + count >= len(self.pending) or count > len(self.handed_in):
            self._make_room_for(count)
        first_key, table, replacing = order_key(event_of_bar(self.at), 0), self.handed_in, False
        for number, order in enumerate(orders):
            key = first_key + number
            if type(order) is PlainOrder:
                name, units, fill, stop, target, trailing = order
                row = (key, 0, units, _MARKET, 0, 0, _GTC, 0, fill, _TRIGGER, stop, target, trailing)
                _pack(self.space, _ROW_BYTES * number, *row, 0, 0, 0, 0, 0, 0, 0)
                keys[name] = key
                continue
            check_order(order, rules=self.terms.rules)
            keys[order.client_order_id] = key
            closes = keys.get(order.closes, 0) if order.closes is not None else 0
            now = int(self.close_ns[self.at])
            table[number] = order_values(order, key=key, k=0, closes=closes, now_ns=now)
            replacing = replacing or order.replaces is not None
        if replacing:
            self.catch_up()
            self._hand_in_one_by_one(orders, table[:count])
        else:
            self.cells[steps.ORDERS] = count  # the engine takes them before the next element
        self.waiting += count
        view._taken()

    def _make_room_for(self, count: int) -> None:
        """For so many orders more."""
        if count > ORDERS_PER_EVENT:
            raise BadInputError(
                f"{self.name}: expected at most {ORDERS_PER_EVENT:,} orders on one event, found {count:,}"
            )
        while self.waiting + count >= len(self.pending):
            self.pending = core.grown(self.pending, len(self.pending))
        if count > len(self.handed_in):
            self.handed_in = core.new_rows(core.PENDING_SIZE, capacity=2 * count)
        self._tell_buffers()

    def _hand_in_one_by_one(self, orders: list[Order], table: Ints) -> None:
        """Orders of which some take the place of others."""
        account, books = self.account, self.books
        if account.item(core.A_CANCELED) + len(orders) > len(self.canceled):
            self.canceled = core.grown(self.canceled, len(self.canceled) + len(orders))
            self._tell_buffers()
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
        if self.seen < self.at:
            steps.catch_up(self.path, self.seen + 1, self.at + 1, self.account, self.books)
            self.seen = self.at
            self.cells[steps.FIRST] = self.at + 1

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
        return Outcome(
            fills=self.kept[: self.filled].copy(),
            fill_bar=self.kept_at[: self.filled].copy(),
            equity=self.equity,
            financing_before_fill=booked[:, 0].copy(),
            financing_amount=booked[:, 1].copy(),
            refused=tuple(self.refused),
            ambiguous_bars=int(self.account[core.A_AMBIGUOUS]),
            margin_calls=int(self.account[core.A_CALLS]),
            round_ns=self.close_ns,
            financing_book=np.zeros(len(booked), np.int64),
        )
