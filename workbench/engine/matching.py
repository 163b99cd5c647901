"""One account at a broker: orders in, fills out, on quotes and bars."""

import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from workbench.domain.accounts import AccountSnapshot, Position
from workbench.domain.calendar import rollovers, to_datetime
from workbench.domain.cost_book import CostBook
from workbench.domain.instruments import Instrument, InstrumentId
from workbench.domain.orders import ClientOrderId, Fill, FillReason, Order
from workbench.domain.quotes import Bar, Quote
from workbench.engine import core
from workbench.engine.errors import TimeReversedError, UnsupportedAccountCurrencyError
from workbench.errors import BadInputError

__all__ = ["CANCEL_REASONS", "FILL_REASONS", "MatchingEngine", "account_books"]

FILL_REASONS = (FillReason.MARKET, FillReason.STOP_LOSS, FillReason.TAKE_PROFIT, FillReason.MARGIN_CLOSEOUT)
CANCEL_REASONS = ("nothing to close", "insufficient margin", "position too large")

_NS_PER_YEAR = 366 * 86_400 * 1_000_000_000
_NO_TIME = int(np.iinfo(np.int64).min)
_SNAPSHOT_FORMAT = 1


def account_books(instruments: Sequence[Instrument], *, cost_book: CostBook, currency: str) -> core.Ints:
    """The compiled core's books for `instruments`, in their order.

    Raises
    ------
    UnsupportedAccountCurrencyError
        An instrument is not quoted in `currency`.
    BadInputError
        No instrument, the same one twice, or one without an entry in the cost book.
    """
    if not instruments or len({item.id for item in instruments}) != len(instruments):
        raise BadInputError(
            "expected one or more different instruments, found "
            f"{', '.join(item.id for item in instruments) or 'none'}"
        )
    books = core.new_books(len(instruments))
    for k, item in enumerate(instruments):
        if item.quote != currency:
            raise UnsupportedAccountCurrencyError(
                f"{item.id} books its profit in {item.quote}, the account is in {currency}: that needs "
                f"prices of {item.quote} in {currency}, which the engine is not given; "
                f"use an account in {item.quote}"
            )
        costs = cost_book.of(item.id)
        core.set_book(
            books,
            k,
            micro_per_point=item.micro_per_point,
            commission_ppm=costs.commission_ppm,
            financing_long_ppm=costs.financing_long_ppm,
            financing_short_ppm=costs.financing_short_ppm,
            margin_rate_ppm=costs.margin_rate_ppm,
            slippage_points=costs.slippage_points,
        )
    return books


class MatchingEngine:
    """Matches market orders, stops and targets for one netting account; the rules are those of `core`.

    Feed it in order of time: either quotes alone, or for each bar its first quote with `on_quote` and then
    the bar with `on_bar`. It has no clock of its own.
    """

    def __init__(
        self, *, instruments: Sequence[Instrument], cost_book: CostBook, currency: str, balance: int
    ) -> None:
        if isinstance(balance, bool) or not isinstance(balance, int | np.integer):
            raise BadInputError(f"balance: expected whole micro-units of {currency}, found {balance!r}")
        self._instruments = tuple(instruments)
        self._currency = currency
        self._index = {item.id: k for k, item in enumerate(self._instruments)}
        self._books = account_books(self._instruments, cost_book=cost_book, currency=currency)
        self._account = core.new_account(int(balance))
        self._pending = core.new_rows(core.PENDING_SIZE)
        # no fill stays in it between two events, so its room depends on the waiting orders alone
        self._fills = core.new_rows(core.FILL_SIZE, capacity=64 + 4 * len(self._instruments))
        self._summary = np.zeros(3, np.int64)
        self._time_ns = _NO_TIME
        self._canceled = core.new_rows(core.CANCELED_SIZE)
        self._roll_ns = np.empty(0, np.int64)
        self._roll_days = np.empty(0, np.int64)
        self._rolled_until: int | None = None
        self._ids: dict[int, ClientOrderId] = {}
        self._next_key = 0

    @property
    def time_ns(self) -> int:
        """Time of the last quote or bar close; the least int64 before the first."""
        return self._time_ns

    @property
    def ambiguous_bars(self) -> int:
        """Bars that reached both stop and target, taken as the stop."""
        return int(self._account[core.A_AMBIGUOUS])

    def submit(self, order: Order) -> None:
        """Take an order that fills at the next quote of its instrument.

        Raises
        ------
        BadInputError
            Unknown instrument, no or too many units, a negative distance, or the id of a waiting order.
        """
        k = self._book_of(order.instrument)
        if order.units == 0 or abs(order.units) > core.MAX_UNITS:
            raise BadInputError(
                f"order {order.client_order_id}: expected 1 to {core.MAX_UNITS:,} units to buy or sell, "
                f"found {order.units:,}"
            )
        if order.stop_distance < 0 or order.target_distance < 0:
            raise BadInputError(
                f"order {order.client_order_id}: expected stop and target distances of 0 or more points, "
                f"found {order.stop_distance} and {order.target_distance}"
            )
        if order.client_order_id in self._waiting():
            raise BadInputError(
                f"order {order.client_order_id} is waiting already; give each order its own id"
            )
        self._pending = core.pending_room(self._account, self._pending)
        self._canceled = core.pending_room(self._account, self._canceled)
        self._fills = core.ensure_room(self._account, self._pending, self._books, self._fills)
        key, self._next_key = self._next_key, self._next_key + 1
        self._ids[key] = order.client_order_id
        core.core_submit(
            self._account,
            self._pending,
            key,
            k,
            order.units,
            int(order.reduce_only),
            order.stop_distance,
            order.target_distance,
        )

    def cancel_all(self) -> list[ClientOrderId]:
        """Drop all waiting orders; their ids, in the order they came."""
        waiting = self._waiting()
        self._account[core.A_PENDING] = 0
        return waiting

    def on_quote(self, quote: Quote) -> list[Fill]:
        """Take a quote; what was executed on it.

        Raises
        ------
        BadInputError
            Unknown instrument or a price below one point.
        TimeReversedError
            The quote is older than the last.
        """
        k = self._book_of(quote.instrument)
        if quote.bid < 1 or quote.ask < 1:
            raise BadInputError(
                f"{quote.instrument}: expected prices of 1 point or more, found {quote.bid}/{quote.ask}"
            )
        self._advance(quote.time_ns)
        core.core_quote(
            self._account,
            self._books,
            k,
            quote.time_ns,
            quote.bid,
            quote.ask,
            self._pending,
            self._fills,
            self._canceled,
            self._roll_ns,
            self._roll_days,
        )
        return self._take_fills()

    def on_bar(self, bar: Bar) -> list[Fill]:
        """Take the rest of a bar whose open was given as a quote; the stop or target it reached.

        Raises
        ------
        BadInputError
            Unknown instrument, or a low below one point.
        TimeReversedError
            The bar ends before the last quote or bar.
        """
        k = self._book_of(bar.instrument)
        if bar.bid_low < 1 or bar.ask_low < 1:
            raise BadInputError(
                f"{bar.instrument}: expected prices of 1 point or more, found a low of "
                f"{min(bar.bid_low, bar.ask_low)}"
            )
        self._advance(bar.close_ns)
        core.core_range(
            self._account,
            self._books,
            k,
            bar.close_ns,
            bar.bid_open,
            bar.bid_high,
            bar.bid_low,
            bar.bid_close,
            bar.ask_open,
            bar.ask_high,
            bar.ask_low,
            bar.ask_close,
            self._fills,
            self._roll_ns,
            self._roll_days,
        )
        return self._take_fills()

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
        core.core_summary(self._account, self._books, self._summary)
        account = self._account.tolist()
        equity, margin_used, held = self._summary.tolist()
        positions: tuple[Position, ...] = ()
        if held:
            rows = enumerate(self._books.tolist())
            positions = tuple(self._position(k, row) for k, row in rows if row[core.B_UNITS] != 0)
        return AccountSnapshot(
            time_ns=self._time_ns,
            currency=self._currency,
            balance=account[core.A_BALANCE],
            equity=equity,
            margin_used=margin_used,
            financing=account[core.A_FINANCING],
            commission=account[core.A_COMMISSION],
            positions=positions,
        )

    def snapshot(self) -> bytes:
        """The whole state, for `restore` of an engine made with the same arguments."""
        account = self._account
        value = {
            "format": _SNAPSHOT_FORMAT,
            "instruments": [item.id for item in self._instruments],
            "account": account.tolist(),
            "books": self._books.tolist(),
            "pending": self._pending[: account[core.A_PENDING]].tolist(),
            "canceled": self._canceled[: account[core.A_CANCELED]].tolist(),
            "rolled_until": self._rolled_until,
            "rollovers": [self._roll_ns.tolist(), self._roll_days.tolist()],
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
        self._books = np.array(value["books"], np.int64)
        self._time_ns = int(self._account[core.A_TIME])
        self._pending = _rows(value["pending"], core.PENDING_SIZE)
        self._canceled = _rows(value["canceled"], core.CANCELED_SIZE, spare=len(value["pending"]))
        self._fills = core.ensure_room(self._account, self._pending, self._books, self._fills)
        self._rolled_until = value["rolled_until"]
        self._roll_ns, self._roll_days = (np.array(item, np.int64) for item in value["rollovers"])
        self._ids = {int(key): ClientOrderId(name) for key, name in value["ids"]}
        self._next_key = value["next_key"]

    def _book_of(self, name: InstrumentId) -> int:
        found = self._index.get(name)
        if found is None:
            raise BadInputError(f"this account trades {', '.join(self._index)}, found {name}")
        return found

    def _waiting(self) -> list[ClientOrderId]:
        rows = self._pending[: self._account[core.A_PENDING]]
        return [self._ids[int(row[core.P_ORDER])] for row in rows]

    def _advance(self, time_ns: int) -> None:
        """Check that time does not run back, and know the rollovers up to it."""
        if time_ns < self._time_ns:
            raise TimeReversedError(
                f"expected nothing older than {to_datetime(self._time_ns).isoformat()}, found "
                f"{to_datetime(time_ns).isoformat()}; feed quotes and bars in order of time"
            )
        if self._rolled_until is None:  # nothing is held before the first quote
            self._rolled_until = time_ns - 1
        self._time_ns = time_ns
        if time_ns > self._rolled_until:
            horizon = time_ns + _NS_PER_YEAR
            more = list(rollovers(self._rolled_until, horizon))
            left = int(self._account[core.A_ROLLED])
            self._roll_ns = np.append(self._roll_ns[left:], np.array([item[0] for item in more], np.int64))
            self._roll_days = np.append(
                self._roll_days[left:], np.array([item[1] for item in more], np.int64)
            )
            self._account[core.A_ROLLED] = 0
            self._rolled_until = horizon

    def _take_fills(self) -> list[Fill]:
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
        )

    def _forget(self) -> None:
        """Drop the ids of orders that nothing refers to any more, once there are many."""
        if len(self._ids) < 4096:
            return
        account, books = self._account, self._books
        used = {
            *books[:, [core.B_STOP_ORDER, core.B_TARGET_ORDER, core.B_ORDER]].ravel().tolist(),
            *self._pending[: account[core.A_PENDING], core.P_ORDER].tolist(),
            *self._canceled[: account[core.A_CANCELED], core.C_ORDER].tolist(),
        }
        self._ids = {key: name for key, name in self._ids.items() if key in used}

    def _position(self, k: int, book: list[int]) -> Position:
        size = abs(book[core.B_UNITS]) * book[core.B_MICRO_PER_POINT]
        return Position(
            instrument=self._instruments[k].id,
            units=book[core.B_UNITS],
            average_price=int(core.divide_half_even(abs(book[core.B_COST]), size)),
            unrealized=int(core.core_unrealized(self._books, k)),
            stop=book[core.B_STOP],
            target=book[core.B_TARGET],
        )


def _rows(rows: list[list[int]], size: int, *, spare: int = 0) -> core.Ints:
    buffer = core.new_rows(size, capacity=64 + len(rows) + spare)
    if rows:
        buffer[: len(rows)] = rows
    return buffer
