"""What a strategy in Python sees in a fast run: looked up when it is asked for, and no sooner."""

import numbers
from collections.abc import Iterator, Mapping
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from workbench.domain.accounts import AccountSnapshot, Position, WaitingOrder
from workbench.domain.calendar import day_close_ns, session_of
from workbench.domain.instruments import Instrument, InstrumentId
from workbench.domain.money import to_decimal
from workbench.domain.orders import ClientOrderId, ExitChange, Order, OrderKind, TimeInForce
from workbench.domain.quotes import Bar, Quote
from workbench.engine import core, layout
from workbench.errors import BadInputError
from workbench.research.outcome import BACKTEST, ORDERS_PER_EVENT, event_of_bar
from workbench.strategy import AccountView, Expr, MarketView
from workbench.strategy.decision import client_order_id
from workbench.strategy.program import PRICES
from workbench.strategy.signals import evaluate_expression
from workbench.strategy.sizes import MAX_ORDER_UNITS
from workbench.strategy.views import InstrumentView

if TYPE_CHECKING:
    from workbench.research.callback import Run

__all__ = ["LazyAccount", "LazyMarket", "LazyTicks", "PlainOrder"]

_MOST_POINTS, _MOST_UNITS = layout.MAX_POINTS, layout.MAX_UNITS
_DEFAULT_FILL, _REDUCES = layout.FILL_DEFAULT, layout.FILL_REDUCE_ONLY


class PlainOrder(NamedTuple):
    """An order at the market with no terms but distances: all that most are, and much cheaper than `Order`.

    Nothing in it is left to check.
    """

    client_order_id: ClientOrderId
    units: int  # signed
    fill: int  # as the engine has it, layout.FILL_DEFAULT or FILL_REDUCE_ONLY
    stop: int  # distances in points, 0 for none
    target: int
    trailing: int

    @property
    def replaces(self) -> None:
        """No other order."""
        return


class _LazyInstrument(InstrumentView):
    """The one instrument; bars are made when they are asked for."""

    def __init__(self, run: "Run", market: "LazyMarket") -> None:
        super().__init__(run.record, market)
        self._run = run

    def __len__(self) -> int:
        return self._run.known_bars()

    @property
    def bar(self) -> Bar:
        known = self._run.known_bars()
        if not known:
            raise BadInputError(f"{self.instrument.id}: no bar has closed yet; ask len(...) first")
        return self._run.bars.bar(known - 1)

    @property
    def quote(self) -> Quote:
        run = self._run
        if run.by_tick:
            bid, ask = run.columns[2], run.columns[6]
        else:
            bid, ask = run.columns[5], run.columns[9]
        return Quote(
            instrument=self.instrument.id,
            time_ns=int(run.close_ns[run.at]),
            bid=int(bid[run.at]),
            ask=int(ask[run.at]),
        )

    @property
    def just_closed(self) -> bool:
        known = self._run.known_bars()
        return bool(known) and int(self._run.bars.close_ns[known - 1]) == self._market.time_ns

    def bars(self, count: int | None = None) -> list[Bar]:
        known = self._run.known_bars()
        first = 0 if count is None else max(0, known - _checked(count))
        return [self._run.bars.bar(i) for i in range(first, known)]

    def column(self, name: str, count: int | None = None) -> npt.NDArray[np.int64]:
        if name not in PRICES:
            raise BadInputError(f"column: expected one of {', '.join(PRICES)}, found {name!r}")
        known = self._run.known_bars()
        first = 0 if count is None else max(0, known - _checked(count))
        part: npt.NDArray[np.int64] = getattr(self._run.bars, name)[first:known].copy()
        return part

    def value(self, expr: Expr) -> float:
        return self._market.value(expr)


class LazyMarket(MarketView):
    """`MarketView` of a fast run: expressions are computed once, over all bars, and read at the present one.

    They are causal by construction, so what comes later does not show.
    """

    def __init__(self, run: "Run") -> None:
        super().__init__(run.record, run.bars.timeframe)
        self._run = run
        self._main = _LazyInstrument(run, self)
        self._views = {run.record.id: self._main}
        self._computed: dict[str, list[float]] = {}
        self._index = -1  # of the last closed bar

    @property
    def time_ns(self) -> int:
        return int(self._run.close_ns[self._run.at])

    def value(self, expr: Expr) -> float:
        try:
            return self._computed[expr.key][self._index]
        except (KeyError, AttributeError):
            return self._column_of(expr)[self._index]

    def _column_of(self, expr: Expr) -> list[float]:
        if not isinstance(expr, Expr):
            raise BadInputError(
                f"value: expected an expression such as sma(bar.mid.close, 20), found {expr!r}"
            )
        column: list[float] = evaluate_expression(expr, self._run.bars).tolist()
        column.append(float("nan"))  # at -1: no bar has closed yet
        self._computed[expr.key] = column
        return column

    def __iter__(self) -> Iterator[InstrumentView]:
        return iter((self._main,))


class LazyTicks(LazyMarket):
    """The same, called at every tick."""

    def value(self, expr: Expr) -> float:
        self._index = self._run.known_bars() - 1
        return super().value(expr)


class LazyAccount(AccountView):
    """`AccountView` of a fast run."""

    def __init__(self, run: "Run") -> None:
        self._run = run
        self._instrument = run.record
        self._instruments = {run.record.id: run.record}
        self._next_id = self._named
        self._waiting: dict[ClientOrderId, Order] = {}
        self._ends: dict[ClientOrderId, int] = {}
        self._quotes = self._quote_of
        self._orders: list[Order] = []
        self._cancels: list[ClientOrderId] = []
        self._changes: list[ExitChange] = []
        self._asked: list[str] = []  # that something beside orders is to be done
        self._prefix = client_order_id(BACKTEST, 0, 0).removesuffix("0-0")

    @property
    def snapshot(self) -> AccountSnapshot:  # type: ignore[override]  # made when it is asked for
        """The whole account."""
        run = self._run
        run.catch_up()
        summary = np.zeros(4, np.int64)
        core.core_summary(run.account, run.books, run.trades, summary)
        account, book = run.account.tolist(), run.books[0].tolist()
        positions = (self._held(book),) if book[core.B_UNITS] else ()
        return AccountSnapshot(
            time_ns=int(run.close_ns[run.at]),
            currency=run.terms.currency,
            balance=account[core.A_BALANCE],
            equity=int(summary[0]),
            margin_used=int(summary[1]),
            financing=account[core.A_FINANCING],
            commission=account[core.A_COMMISSION],
            positions=positions,
            margin_calls=account[core.A_CALLS],
            mid_equity=int(core.divide_half_even(int(summary[3]), 2)),
            waiting=tuple(
                WaitingOrder(client_order_id=self._named_by(key), units=units)
                for key, units in run.pending_units()
            ),
        )

    def position(self, instrument: str | None = None) -> Position | None:
        """What is held, with its average price and exits in points; None when nothing is."""
        self._record(instrument)
        if self._run.units == 0:
            return None
        self._run.catch_up()
        return self._held(self._run.books[0].tolist())

    def _held(self, book: list[int]) -> Position:
        units, cost, micro = book[core.B_UNITS], book[core.B_COST], book[core.B_MICRO_PER_POINT]
        sign, distance = (1 if units > 0 else -1), book[core.B_TRAIL]
        closing = book[core.B_BID if units > 0 else core.B_ASK]
        return Position(
            instrument=self._instrument.id,
            units=units,
            average_price=int(core.divide_half_even(abs(cost), abs(units) * micro)),
            unrealized=units * micro * closing - cost,
            stop=book[core.B_STOP],
            target=book[core.B_TARGET],
            trailing=max(0, book[core.B_TRAIL_BEST] - sign * distance) if distance else 0,
        )

    @property
    def units(self) -> int:
        """Signed units held."""
        return self._run.units

    @property
    def balance(self) -> Decimal:
        """Balance in the account's currency."""
        return to_decimal(self._run.balance)

    @property
    def equity(self) -> Decimal:
        """Balance and open profit in the account's currency."""
        return to_decimal(self._run.value())

    def close(self, instrument: str | None = None, *, units: int | None = None) -> ClientOrderId | None:
        """Close what is held, or `units` of it, at the next quote; None when nothing is."""
        held = self._run.units
        if instrument is None and units is None:
            return self._close(self._instrument, -held) if held else None
        record = self._record(instrument)
        if held == 0:
            return None
        part = abs(held) if units is None else min(abs(held), self._units("close", record, units))
        return self._close(record, -part if held > 0 else part)

    def cancel(self, order_id: ClientOrderId) -> None:
        """Withdraw a waiting order; one that has filled or gone already stays as it is."""
        super().cancel(order_id)
        self._asked.append("cancel")

    def change_exits(self, instrument: str | None = None, **terms: Any) -> bool:
        """See `AccountView`."""
        held = super().change_exits(instrument, **terms)
        if self._changes:
            self._asked.append("change")
        return held

    def _place(
        self,
        verb: str,
        kind: OrderKind,
        sign: int,
        of: str | int,
        units: int | None,
        terms: Mapping[str, Any],
    ) -> ClientOrderId:
        record = self._instrument
        if (
            kind is OrderKind.MARKET
            and type(of) is int
            and units is None
            and record.minimum_units <= of <= MAX_ORDER_UNITS
            and of % record.unit_step == 0
        ):
            stop = target = trailing = 0
            for term, value in terms.items():
                if type(value) is not int or not 0 <= value <= _MOST_POINTS:
                    break
                if term == "stop":
                    stop = value
                elif term == "target":
                    target = value
                elif term == "trailing":
                    trailing = value
                else:
                    break
            else:
                downwards = stop if sign > 0 else target
                if downwards == 0 or downwards < self._quote_of(record.id)[1 if sign > 0 else 0]:
                    return self._add_plain(sign * of, _DEFAULT_FILL, stop, target, trailing)
        return super()._place(verb, kind, sign, of, units, terms)  # which says what is wrong, too

    def _close(self, record: Instrument, units: int, *, trade: ClientOrderId | None = None) -> ClientOrderId:
        if trade is None and 0 < abs(units) <= _MOST_UNITS:
            return self._add_plain(units, _REDUCES, 0, 0, 0)
        return super()._close(record, units, trade=trade)

    def _add_plain(self, units: int, fill: int, stop: int, target: int, trailing: int) -> ClientOrderId:
        # the name is that of `_named`: an element's number and that of an order in it are small
        orders: list[Any] = self._orders
        name = ClientOrderId(f"{self._prefix}{event_of_bar(self._run.at)}-{len(orders)}")
        orders.append(PlainOrder(name, units, fill, stop, target, trailing))
        return name

    def _taken(self) -> None:
        """The orders were handed in: remember those that wait."""
        if self._waiting:
            now = int(self._run.close_ns[self._run.at])
            for order in self._orders:
                if order.client_order_id in self._waiting and order.time_in_force is TimeInForce.GFD:
                    self._ends[order.client_order_id] = day_close_ns(session_of(now))
        self._orders.clear()
        if self._asked:
            self._cancels.clear()
            self._changes.clear()
            self._asked.clear()

    def _forget_ended(self) -> None:
        """Drop the orders that wait no more, and what is filled of the others."""
        now, keys = self._now_ns(), self._run.keys
        left = dict(self._run.pending_units())
        for name, order in list(self._waiting.items()):
            ends = order.expires_ns or self._ends.get(name, 0)
            units = left.get(keys[name], 0)
            if units == 0 or (ends and ends <= now):
                self._waiting.pop(name, None)
                self._ends.pop(name, None)
            elif units != order.units:
                self._waiting[name] = replace(order, units=units)

    def _quote_of(self, name: InstrumentId) -> tuple[int, int]:
        run = self._run
        bid, ask = (2, 6) if run.by_tick else (5, 9)
        return int(run.columns[bid][run.at]), int(run.columns[ask][run.at])

    def _now_ns(self) -> int:
        return int(self._run.close_ns[self._run.at])

    def _named_by(self, key: int) -> ClientOrderId:
        return client_order_id(BACKTEST, *divmod(key, ORDERS_PER_EVENT))

    def _named(self, number: int) -> ClientOrderId:
        return client_order_id(BACKTEST, event_of_bar(self._run.at), number)


def _checked(count: object) -> int:
    if isinstance(count, bool) or not isinstance(count, numbers.Integral) or count < 1:
        raise BadInputError(f"bars: expected a count of 1 or more, found {count!r}")
    return int(count)
