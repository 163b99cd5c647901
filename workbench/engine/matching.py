"""One account at a broker: orders in, fills out, on quotes and bars."""

import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from workbench.domain.accounts import AccountRules, AccountSnapshot, Position, Trade, WaitingOrder
from workbench.domain.calendar import day_open_ns, to_datetime
from workbench.domain.cost_book import CostBook
from workbench.domain.instruments import Instrument, InstrumentId
from workbench.domain.orders import ClientOrderId, ExitChange, Fill, FillReason, Order
from workbench.domain.quotes import Bar, Quote
from workbench.engine import core
from workbench.engine.accounts import (
    account_books,
    account_state,
    account_tables,
    as_cost_books,
    engine_error,
)
from workbench.engine.errors import TimeReversedError
from workbench.engine.rows import check_order, check_quote, exit_levels, order_row, rows_of, trailing_level
from workbench.errors import BadInputError

__all__ = ["CANCEL_REASONS", "EXPIRED", "FILL_REASONS", "MatchingEngine", "account_books"]

FILL_REASONS = (
    FillReason.MARKET,
    FillReason.STOP_LOSS,
    FillReason.TAKE_PROFIT,
    FillReason.MARGIN_CLOSEOUT,
    FillReason.LIMIT,
    FillReason.STOP,
    FillReason.MARKET_IF_TOUCHED,
    FillReason.TRAILING_STOP,
)
EXPIRED = "expired"
CANCEL_REASONS = (
    "nothing to close",
    "insufficient margin",
    "position too large",
    EXPIRED,
    "price bound passed",
    "not enough liquidity",
    "rest of an immediate order",
    "would reduce",
    "FIFO violation",
    "no such trade",
    "the order to replace does not wait",
)

_NS_PER_YEAR = 366 * 86_400 * 1_000_000_000
_NO_TIME = int(np.iinfo(np.int64).min)
_SNAPSHOT_FORMAT = 2
_ANY_RULES = AccountRules()


class MatchingEngine:
    """Matches orders for one account; the rules are those of `workbench.engine.core`.

    Feed it in order of time: either quotes alone, or for each bar its first quote with `on_quote` and then
    the bar with `on_bar`. It has no clock of its own. Instruments that are not quoted in the account's
    currency need a pair to convert by among the instruments, and its quotes.
    """

    def __init__(
        self,
        *,
        instruments: Sequence[Instrument],
        cost_book: CostBook | Sequence[CostBook],
        currency: str,
        balance: int,
        rules: AccountRules = _ANY_RULES,
    ) -> None:
        if isinstance(balance, bool) or not isinstance(balance, int | np.integer):
            raise BadInputError(f"balance: expected whole micro-units of {currency}, found {balance!r}")
        self._instruments = tuple(sorted(instruments, key=lambda item: item.id))
        self._currency = currency
        self._index = {item.id: k for k, item in enumerate(self._instruments)}
        self._cost_books = as_cost_books(cost_book)
        self._rules = rules
        self._account = account_state(int(balance), rules)
        self._books = account_books(
            self._instruments, cost_book=self._cost_books, currency=currency, account=self._account
        )
        self._pending = core.new_rows(core.PENDING_SIZE)
        self._trades = core.new_rows(core.TRADE_SIZE)
        # no fill stays in it between two events, so its room depends on what waits and is held alone
        self._fills = core.new_rows(core.FILL_SIZE, capacity=64 + 4 * len(self._instruments))
        self._canceled = core.new_rows(core.CANCELED_SIZE)
        self._summary = np.zeros(4, np.int64)
        self._time_ns = _NO_TIME
        self._roll_ns, self._roll_days = (
            np.empty(0, np.int64),
            np.zeros((0, len(self._instruments)), np.int64),
        )
        self._costs = core.new_costs()
        self._rolled_until: int | None = None  # how far the table of rollovers goes
        self._rolled: int | None = None  # until when they are done with
        self._ids: dict[int, ClientOrderId] = {}
        self._next_key = 1

    @property
    def time_ns(self) -> int:
        """Time of the last quote or bar close; the least int64 before the first."""
        return self._time_ns

    @property
    def ambiguous_bars(self) -> int:
        """How often a bar reached both stop and target (or entry and stop), taken as the stop."""
        return int(self._account[core.A_AMBIGUOUS])

    def submit(self, order: Order, *, at_ns: int | None = None) -> None:
        """Take an order; one at the market fills at the next quote of its instrument.

        One that replaces another takes its place at once, and is dropped where the other does not wait.

        `at_ns` is when it was handed in, where that is after the last quote: latency and a day's end count
        from it.

        Raises
        ------
        BadInputError
            Unknown instrument, no or too many units, a level, distance or time that can not be, or the id of
            a waiting order.
        """
        k = self._book_of(order.instrument)
        check_order(order, rules=self._rules)
        if order.client_order_id in self._waiting():
            raise BadInputError(
                f"order {order.client_order_id} is waiting already; give each order its own id"
            )
        if at_ns is not None and at_ns > self._time_ns:
            self._time_ns = self._account[core.A_TIME] = at_ns
        self._pending = core.pending_room(self._account, self._pending)
        self._canceled = core.pending_room(self._account, self._canceled)
        key, self._next_key = self._next_key, self._next_key + 1
        row = order_row(order, key=key, k=k, closes=self._key_of(order.closes), now_ns=self._time_ns)
        self._ids[key] = order.client_order_id
        if order.replaces is None:
            core.core_place(self._account, self._books, self._pending, row)
        else:
            old = self._waiting_key(order.replaces)
            core.core_replace(self._account, self._books, self._pending, self._canceled, old, row)

    def cancel(self, client_order_id: ClientOrderId) -> bool:
        """Drop a waiting order; whether it was waiting."""
        return bool(core.core_cancel(self._account, self._pending, self._waiting_key(client_order_id)))

    def cancel_all(self, instrument: InstrumentId | None = None) -> list[ClientOrderId]:
        """Drop all waiting orders, or those of one instrument; their ids, in the order they came."""
        k = -1 if instrument is None else self._book_of(instrument)
        dropped = self._waiting(k)
        core.core_cancel_book(self._account, self._pending, k)
        return dropped

    def change_exits(self, change: ExitChange) -> bool:
        """Change the exits of a position, or of one trade; whether anything of the kind is held.

        Raises
        ------
        BadInputError
            Unknown instrument, a level or distance below 0, or a trade left out or named wrongly.
        """
        k = self._book_of(change.instrument)
        levels = exit_levels(change, rules=self._rules)
        key = self._key_of(change.trade)
        return bool(core.core_change_exits(self._account, self._books, self._trades, k, key, *levels))

    def on_quote(self, quote: Quote) -> list[Fill]:
        """Take a quote; what was executed on it.

        Raises
        ------
        BadInputError
            Unknown instrument, a price below one point, or sizes that can not be.
        TimeReversedError
            The quote is older than the last.
        MissingConversionError
            Something was to be booked that no quote has come for to convert it.
        """
        k = self._book_of(quote.instrument)
        check_quote(quote)
        self._advance(quote.time_ns)
        core.core_no_ladder(self._books, k)
        for asks, levels in ((0, quote.bids), (1, quote.asks)):
            for level, (price, units) in enumerate(levels):
                core.core_ladder(self._account, self._books, k, asks, level, price, units)
        self._make_room()
        core.core_quote(
            self._account,
            self._books,
            k,
            quote.time_ns,
            quote.bid,
            quote.ask,
            self._pending,
            self._trades,
            self._fills,
            self._canceled,
            self._roll_ns,
            self._roll_days,
            self._costs,
        )
        self._rolled = quote.time_ns
        return self._take_fills()

    def on_bar(self, bar: Bar) -> list[Fill]:
        """Take the rest of a bar whose open was given as a quote; what its range has filled.

        Raises
        ------
        BadInputError
            Unknown instrument, or a low below one point.
        TimeReversedError
            The bar ends before the last quote or bar.
        MissingConversionError
            Something was to be booked that no quote has come for to convert it.
        """
        k = self._book_of(bar.instrument)
        if bar.bid_low < 1 or bar.ask_low < 1 or max(bar.bid_high, bar.ask_high) > core.MAX_POINTS:
            raise BadInputError(
                f"{bar.instrument}: expected prices of 1 to {core.MAX_POINTS:,} points, found a low of "
                f"{min(bar.bid_low, bar.ask_low)} and a high of {max(bar.bid_high, bar.ask_high)}"
            )
        self._advance(bar.close_ns)
        self._make_room()
        core.core_range(
            self._account,
            self._books,
            k,
            bar.open_ns,
            bar.close_ns,
            bar.bid_open,
            bar.bid_high,
            bar.bid_low,
            bar.bid_close,
            bar.ask_open,
            bar.ask_high,
            bar.ask_low,
            bar.ask_close,
            self._pending,
            self._trades,
            self._fills,
            self._canceled,
            self._roll_ns,
            self._roll_days,
            self._costs,
        )
        self._rolled = bar.close_ns - 1
        return self._take_fills()

    def waiting(self) -> tuple[ClientOrderId, ...]:
        """The orders that wait, in the order they came."""
        return tuple(self._waiting())

    def take_canceled(self) -> list[tuple[ClientOrderId, str]]:
        """The orders dropped since the last call, with the reason, one of `CANCEL_REASONS`."""
        count = int(self._account[core.A_CANCELED])
        self._account[core.A_CANCELED] = 0
        return [
            (self._ids[int(row[core.C_ORDER])], CANCEL_REASONS[int(row[core.C_REASON])])
            for row in self._canceled[:count]
        ]

    def account(self) -> AccountSnapshot:
        """The books as of the last quote or bar."""
        core.core_summary(self._account, self._books, self._trades, self._summary)
        self._check()
        account = self._account.tolist()
        equity, margin_used, held, mid_doubled = self._summary.tolist()
        positions: tuple[Position, ...] = ()
        if held:
            rows = enumerate(self._books.tolist())
            found = (self._position(k, row) for k, row in rows)
            positions = tuple(item for item in found if item is not None)
        return AccountSnapshot(
            time_ns=self._time_ns,
            currency=self._currency,
            balance=account[core.A_BALANCE],
            equity=equity,
            margin_used=margin_used,
            financing=account[core.A_FINANCING],
            commission=account[core.A_COMMISSION],
            positions=positions,
            trades=tuple(self._trade(row) for row in self._trades[: account[core.A_TRADES]].tolist()),
            margin_calls=account[core.A_CALLS],
            mid_equity=int(core.divide_half_even(mid_doubled, 2)),
            waiting=self._waiting_orders(account[core.A_PENDING]) if account[core.A_PENDING] else (),
        )

    def financing(self) -> dict[InstrumentId, int]:
        """What rollovers have booked so far for each instrument, micro-units of the account's currency."""
        booked = self._books[:, core.B_FINANCED].tolist()
        return dict(zip(self._index, booked, strict=True))

    def snapshot(self) -> bytes:
        """The whole state, for `restore` of an engine made with the same arguments."""
        account = self._account.copy()
        account[[core.A_ROLLED, core.A_COSTED]] = 0  # of the tables, which `restore` makes anew
        width = core.BOOK_SIZE if account[core.A_LADDERS] else core.B_LADDER
        value = {
            "format": _SNAPSHOT_FORMAT,
            "instruments": [item.id for item in self._instruments],
            "account": account.tolist(),
            "books": self._books[:, :width].tolist(),
            "pending": self._pending[: account[core.A_PENDING]].tolist(),
            "trades": self._trades[: account[core.A_TRADES]].tolist(),
            "canceled": self._canceled[: account[core.A_CANCELED]].tolist(),
            "rolled": self._rolled,
            "ids": [[key, name] for key, name in sorted(self._ids.items())],
            "next_key": self._next_key,
        }
        return json.dumps(value, separators=(",", ":")).encode()

    def restore(self, state: bytes) -> None:
        """Take over a state that `snapshot` wrote.

        Raises
        ------
        BadInputError
            It is of another format or of other instruments.
        """
        value: dict[str, Any] = json.loads(state)
        names = [item.id for item in self._instruments]
        if value.get("format") != _SNAPSHOT_FORMAT or value.get("instruments") != names:
            raise BadInputError(
                f"expected an engine state of format {_SNAPSHOT_FORMAT} for {', '.join(names)}, found "
                f"format {value.get('format')} for {', '.join(value.get('instruments', []))}"
            )
        self._account = np.array(value["account"], np.int64)
        books = np.array(value["books"], np.int64)
        self._books = core.new_books(len(names))
        self._books[:, : books.shape[1]] = books
        self._time_ns = int(self._account[core.A_TIME])
        self._pending = rows_of(value["pending"], core.PENDING_SIZE)
        self._trades = rows_of(value["trades"], core.TRADE_SIZE)
        self._canceled = rows_of(value["canceled"], core.CANCELED_SIZE, spare=len(value["pending"]))
        self._make_room()
        self._rolled = value["rolled"]
        self._rolled_until = None
        if self._rolled is not None:
            self._know_rollovers(self._rolled, self._rolled + _NS_PER_YEAR)
        self._ids = {int(key): ClientOrderId(name) for key, name in value["ids"]}
        self._next_key = value["next_key"]

    def _book_of(self, name: InstrumentId) -> int:
        found = self._index.get(name)
        if found is None:
            raise BadInputError(f"this account trades {', '.join(self._index)}, found {name}")
        return found

    def _waiting_orders(self, count: int) -> tuple[WaitingOrder, ...]:
        rows = self._pending[:count].tolist()
        return tuple(
            WaitingOrder(client_order_id=self._ids[row[core.P_ORDER]], units=row[core.P_UNITS])
            for row in rows
        )

    def _waiting(self, k: int = -1) -> list[ClientOrderId]:
        rows = self._pending[: self._account[core.A_PENDING]]
        return [self._ids[int(row[core.P_ORDER])] for row in rows if k in (-1, row[core.P_BOOK])]

    def _waiting_key(self, name: ClientOrderId) -> int:
        """The key of a waiting order; -1 when none of that name waits."""
        rows = self._pending[: self._account[core.A_PENDING], core.P_ORDER].tolist()
        return next((key for key in rows if self._ids[key] == name), -1)

    def _key_of(self, name: ClientOrderId | None) -> int:
        """The key of a trade by the order that opens it; -1 when there is none of that name."""
        if name is None:
            return 0
        return next((key for key in sorted(self._ids, reverse=True) if self._ids[key] == name), -1)

    def _make_room(self) -> None:
        self._fills = core.ensure_room(self._account, self._pending, self._books, self._fills)
        self._trades = core.trades_room(self._account, self._pending, self._trades)

    def _check(self) -> None:
        if self._account[core.A_ERROR] != 0:
            raise engine_error(self._account, self._instruments)

    def _advance(self, time_ns: int) -> None:
        """Check that time does not run back, and know the rollovers up to it."""
        if time_ns < self._time_ns:
            raise TimeReversedError(
                f"expected nothing older than {to_datetime(self._time_ns).isoformat()}, found "
                f"{to_datetime(time_ns).isoformat()}; feed quotes and bars in order of time"
            )
        if self._rolled_until is None:  # nothing is held before the first quote
            first = self._cost_books[0].valid_from
            if len(self._cost_books) > 1 and time_ns < day_open_ns(first):
                raise BadInputError(
                    f"expected quotes from {first} on, when the first cost book begins, found one of "
                    f"{to_datetime(time_ns).isoformat()}; add an earlier book"
                )
            self._rolled = self._rolled_until = time_ns - 1
        self._time_ns = time_ns
        if time_ns > self._rolled_until and self._rolled is not None:
            self._know_rollovers(self._rolled, time_ns + _NS_PER_YEAR)

    def _know_rollovers(self, after_ns: int, until_ns: int) -> None:
        self._roll_ns, self._roll_days, self._costs = account_tables(
            self._instruments, cost_book=self._cost_books, after_ns=after_ns, until_ns=until_ns
        )
        self._account[core.A_ROLLED] = 0
        self._account[core.A_COSTED] = 0
        self._rolled_until = until_ns

    def _take_fills(self) -> list[Fill]:
        self._check()
        count = int(self._account[core.A_FILLS])
        if not count:
            return []
        self._account[core.A_FILLS] = 0
        fills = [self._fill(row) for row in self._fills[:count].tolist()]
        self._forget()
        return fills

    def _fill(self, row: list[int]) -> Fill:
        return Fill(
            client_order_id=self._ids[row[core.F_ORDER]],
            instrument=self._instruments[row[core.F_BOOK]].id,
            time_ns=row[core.F_TIME],
            units=row[core.F_UNITS],
            price=row[core.F_PRICE],
            reason=FILL_REASONS[row[core.F_REASON]],
            commission=row[core.F_COMMISSION],
            realized=row[core.F_REALIZED],
            position=row[core.F_POSITION],
            balance=row[core.F_BALANCE],
            remaining=row[core.F_LEFT],
            trade=self._ids[row[core.F_TRADE]] if row[core.F_TRADE] else None,
        )

    def _forget(self) -> None:
        """Drop the ids of orders that nothing refers to any more, once there are many."""
        if len(self._ids) < 4096:
            return
        account, books = self._account, self._books
        orders = [core.B_STOP_ORDER, core.B_TARGET_ORDER, core.B_TRAIL_ORDER, core.B_ORDER]
        pending = self._pending[: account[core.A_PENDING]]
        used = {
            *books[:, orders].ravel().tolist(),
            *self._trades[: account[core.A_TRADES], orders].ravel().tolist(),
            *pending[:, [core.P_ORDER, core.P_CLOSES]].ravel().tolist(),
            *self._canceled[: account[core.A_CANCELED], core.C_ORDER].tolist(),
        }
        self._ids = {key: name for key, name in self._ids.items() if key in used}

    def _position(self, k: int, book: list[int]) -> Position | None:
        units, cost = book[core.B_UNITS], book[core.B_COST]
        trades = [
            row for row in self._trades[: self._account[core.A_TRADES]].tolist() if row[core.T_BOOK] == k
        ]
        if units == 0 and not trades:
            return None
        units += sum(row[core.B_UNITS] for row in trades)
        cost += sum(row[core.B_COST] for row in trades)
        return Position(
            instrument=self._instruments[k].id,
            units=units,
            average_price=self._average(k, units, cost),
            unrealized=int(core.core_unrealized(self._account, self._books, self._trades, k)),
            stop=book[core.B_STOP],
            target=book[core.B_TARGET],
            trailing=trailing_level(book),
        )

    def _trade(self, row: list[int]) -> Trade:
        k = row[core.T_BOOK]
        book = self._books[k].tolist()
        price = book[core.B_BID] if row[core.B_UNITS] > 0 else book[core.B_ASK]
        profit = row[core.B_UNITS] * price * book[core.B_MICRO_PER_POINT] - row[core.B_COST]
        return Trade(
            client_order_id=self._ids[row[core.B_ORDER]],
            instrument=self._instruments[k].id,
            opened_ns=row[core.T_TIME],
            units=row[core.B_UNITS],
            average_price=self._average(k, row[core.B_UNITS], row[core.B_COST]),
            unrealized=int(core.in_account_currency(self._account, self._books, k, profit)),
            stop=row[core.B_STOP],
            target=row[core.B_TARGET],
            trailing=trailing_level(row),
        )

    def _average(self, k: int, units: int, cost: int) -> int:
        if units == 0:  # as much long as short
            return 0
        size = units * int(self._books[k, core.B_MICRO_PER_POINT])
        return int(core.divide_half_even(cost if size > 0 else -cost, abs(size)))
