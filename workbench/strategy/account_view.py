"""The account as a strategy sees it, and the way to place and withdraw orders and to change exits."""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, Unpack

from workbench.domain.accounts import AccountSnapshot, Position, Trade
from workbench.domain.instruments import Instrument, InstrumentId
from workbench.domain.money import to_decimal
from workbench.domain.orders import ClientOrderId, ExitChange, Order, OrderKind, TimeInForce
from workbench.errors import BadInputError
from workbench.strategy.order_terms import (
    LimitTerms,
    MarketTerms,
    Price,
    ReplacingTerms,
    StopTerms,
    changed_order,
    distance,
    is_whole,
    level,
    new_order,
)
from workbench.strategy.sizes import MAX_ORDER_UNITS

__all__ = ["AccountView"]

Target = str | int
Quotes = Callable[[InstrumentId], tuple[int, int] | None]  # bid and ask, None before the first


class AccountView:
    """The account as of now, and the way to place orders; they can fill at the next quote and no earlier.

    ``buy(1_000)`` trades the strategy's first instrument, ``buy("GBP_USD", 1_000)`` another. Prices are
    points, or prices as text or Decimal as in ``buy_limit(1_000, price="1.0850")``; distances are points.

    Every order takes the exits ``stop``, ``target`` and ``trailing`` (distances in points from the price at
    which it fills), or ``stop_price`` and ``target_price`` (levels), and ``position_fill`` (a
    `PositionFill`). All but limit orders take ``price_bound``, the worst price at which they may fill.
    Orders at the market take ``time_in_force`` GTC, FOK or IOC, those that wait GTC, GFD, FOK or IOC or
    ``expires_ns``, and ``trigger`` (a `TriggerSide`): the side of the market that is compared with `price`.
    """

    def __init__(
        self,
        snapshot: AccountSnapshot,
        *,
        instrument: Instrument,
        next_id: Callable[[int], ClientOrderId],
        instruments: Mapping[InstrumentId, Instrument] | None = None,
        waiting: Mapping[ClientOrderId, Order] | None = None,
        quotes: Quotes | None = None,
    ) -> None:
        self.snapshot = snapshot
        self._instrument = instrument
        self._instruments = instruments or {instrument.id: instrument}
        self._next_id = next_id
        self._waiting = dict(waiting or {})
        self._quotes = quotes
        self._orders: list[Order] = []
        self._cancels: list[ClientOrderId] = []
        self._changes: list[ExitChange] = []

    @property
    def units(self) -> int:
        """Signed units held of the strategy's first instrument."""
        return self.snapshot.units(self._instrument.id)

    def units_of(self, instrument: str) -> int:
        """Signed units held of an instrument."""
        return self.snapshot.units(self._record(instrument).id)

    def position(self, instrument: str | None = None) -> Position | None:
        """What is held of an instrument, with its average price and exits in points; None when nothing is."""
        name = self._record(instrument).id
        return next((item for item in self.snapshot.positions if item.instrument == name), None)

    @property
    def trades(self) -> tuple[Trade, ...]:
        """The open trades of a hedging or FIFO account, the oldest first; none where positions are netted."""
        return self.snapshot.trades

    @property
    def balance(self) -> Decimal:
        """Balance in the account's currency."""
        return to_decimal(self.snapshot.balance)

    @property
    def equity(self) -> Decimal:
        """Balance and open profit in the account's currency."""
        return to_decimal(self.snapshot.equity)

    @property
    def waiting(self) -> tuple[Order, ...]:
        """The limit, stop and touched orders that wait, with the units that are still to fill.

        One placed or withdrawn just now counts as done.
        """
        return tuple(self._waiting.values())

    def buy(self, of: Target, units: int | None = None, **terms: Unpack[MarketTerms]) -> ClientOrderId:
        """Buy at the next quote."""
        return self._place("buy", OrderKind.MARKET, 1, of, units, terms)

    def sell(self, of: Target, units: int | None = None, **terms: Unpack[MarketTerms]) -> ClientOrderId:
        """Sell at the next quote."""
        return self._place("sell", OrderKind.MARKET, -1, of, units, terms)

    def buy_limit(self, of: Target, units: int | None = None, **terms: Unpack[LimitTerms]) -> ClientOrderId:
        """Buy once the ask is `price` or better."""
        return self._place("buy_limit", OrderKind.LIMIT, 1, of, units, terms)

    def sell_limit(self, of: Target, units: int | None = None, **terms: Unpack[LimitTerms]) -> ClientOrderId:
        """Sell once the bid is `price` or better."""
        return self._place("sell_limit", OrderKind.LIMIT, -1, of, units, terms)

    def buy_stop(self, of: Target, units: int | None = None, **terms: Unpack[StopTerms]) -> ClientOrderId:
        """Buy once the ask is `price` or worse."""
        return self._place("buy_stop", OrderKind.STOP, 1, of, units, terms)

    def sell_stop(self, of: Target, units: int | None = None, **terms: Unpack[StopTerms]) -> ClientOrderId:
        """Sell once the bid is `price` or worse."""
        return self._place("sell_stop", OrderKind.STOP, -1, of, units, terms)

    def buy_if_touched(
        self, of: Target, units: int | None = None, **terms: Unpack[StopTerms]
    ) -> ClientOrderId:
        """Buy once the price reaches `price` from where it is."""
        return self._place("buy_if_touched", OrderKind.MARKET_IF_TOUCHED, 1, of, units, terms)

    def sell_if_touched(
        self, of: Target, units: int | None = None, **terms: Unpack[StopTerms]
    ) -> ClientOrderId:
        """Sell once the price reaches `price` from where it is."""
        return self._place("sell_if_touched", OrderKind.MARKET_IF_TOUCHED, -1, of, units, terms)

    def replace(
        self, order_id: ClientOrderId, *, units: int | None = None, **terms: Unpack[ReplacingTerms]
    ) -> ClientOrderId | None:
        """Put another order in the place of a waiting one; the id of the new one, None if it waits no more.

        What is not given stays as it is; `units` is how many the new one is for, without a sign. The broker
        does both or neither: an order that has filled by then is not replaced, and the new one is dropped.
        """
        old = self._known_waiting("replace", order_id)
        if old is None:
            return None
        record = self._instruments[old.instrument]
        count = abs(old.units) if units is None else self._units("replace", record, units)
        order = changed_order(
            "replace",
            old,
            record,
            count if old.units > 0 else -count,
            terms,
            name=self._next_id(len(self._orders)),
            now_ns=self._now_ns(),
        )
        del self._waiting[order_id]
        return self._add(order)

    def change_exits(
        self,
        instrument: str | None = None,
        *,
        trade: ClientOrderId | None = None,
        stop: int | None = None,
        target: int | None = None,
        trailing: int | None = None,
        stop_price: Price | None = None,
        target_price: Price | None = None,
    ) -> bool:
        """Change the exits of what is held of an instrument, from the next quote on; False when nothing is.

        Parameters
        ----------
        trade
            In an account that keeps trades apart: the one whose exits change, by the order that opened it.
        stop, target
            New distances in points from the present price of the side that closes; 0 removes.
        trailing
            New distance of the trailing stop, which starts at the present price; 0 removes.
        stop_price, target_price
            New levels instead. One that the price has passed already closes at the next quote.

        Notes
        -----
        What is not given stays. To move a stop by hand, give its level::

            held = account.position()
            level = market.quote.bid - 200
            if held and level > held.stop:
                account.change_exits(stop_price=level)
        """
        record = self._record(instrument)
        asked = {"stop": stop, "target": target, "trailing": trailing} | {
            "stop_price": stop_price,
            "target_price": target_price,
        }
        given = {term: value for term, value in asked.items() if value is not None}
        if not given or {"stop", "stop_price"} <= given.keys() or {"target", "target_price"} <= given.keys():
            raise BadInputError(
                "change_exits: expected one or more of stop or stop_price, target or target_price, and "
                f"trailing, found {', '.join(given) or 'none'}"
            )
        if trade is not None and self.snapshot.positions and not self.trades:
            raise BadInputError(
                f"change_exits: expected no trade= in an account that nets its positions, found {trade!r}; "
                "the exits are those of the position"
            )
        held: Position | Trade | None = self.position(record.id) if trade is None else self._trade(trade)
        if trade is None and any(item.instrument == record.id for item in self.trades):
            raise BadInputError(
                f"change_exits: expected trade=, as this account keeps trades apart; {record.id} has "
                f"{', '.join(item.client_order_id for item in self.trades if item.instrument == record.id)}"
            )
        if held is None or held.units == 0:
            return False
        if held.instrument != record.id:
            record = self._record(held.instrument)
        change = ExitChange(
            instrument=record.id,
            trade=trade,
            stop=self._exit_level("stop", given, record, below=held.units > 0),
            target=self._exit_level("target", given, record, below=held.units < 0),
            trailing=distance("change_exits", "trailing", trailing) if trailing is not None else None,
        )
        same = change.stop in (None, held.stop) and change.target in (None, held.target)
        changed = any((item.instrument, item.trade) == (record.id, trade) for item in self._changes)
        if changed or not same or change.trailing is not None:
            self._changes.append(change)
        return True

    def close(self, instrument: str | None = None, *, units: int | None = None) -> ClientOrderId | None:
        """Close what is held of an instrument, or `units` of it, at the next quote; None when nothing is.

        Where longs and shorts are held at once, two orders close both; the id is that of the second.
        """
        record = self._record(instrument)
        sizes = [item.units for item in self.snapshot.trades if item.instrument == record.id]
        longs, shorts = sum(size for size in sizes if size > 0), -sum(size for size in sizes if size < 0)
        if longs and shorts:
            if units is not None:
                raise BadInputError(
                    f"close: longs ({longs:,}) and shorts ({shorts:,}) of {record.id} are held, so {units!r} "
                    "units could be of either; use close_trade"
                )
            self._close(record, -longs)
            return self._close(record, shorts)
        held = self.snapshot.units(record.id)
        if held == 0:
            return None
        part = abs(held) if units is None else min(abs(held), self._units("close", record, units))
        return self._close(record, -part if held > 0 else part)

    def close_trade(self, order_id: ClientOrderId, instrument: str | None = None) -> ClientOrderId:
        """Close the trade that an order opened, in an account that keeps trades apart."""
        record = self._record(instrument)
        found = self._trade(order_id)
        if found is None:
            raise BadInputError(f"close_trade: no open trade of order {order_id!r}")
        return self._close(record, -int(found.units), trade=order_id)

    def cancel(self, order_id: ClientOrderId) -> None:
        """Withdraw a waiting order; one that has filled or gone already stays as it is."""
        self._known_waiting("cancel", order_id)
        self._waiting.pop(order_id, None)
        self._cancels.append(order_id)

    def cancel_all(self, instrument: str | None = None) -> None:
        """Withdraw every waiting order, or those of one instrument."""
        only = None if instrument is None else self._record(instrument).id
        placed = {item.client_order_id for item in self._orders}
        for order in list(self._waiting.values()):
            if only in (None, order.instrument) and order.client_order_id not in placed:
                self.cancel(order.client_order_id)

    def _known_waiting(self, verb: str, order_id: ClientOrderId) -> Order | None:
        """The waiting order of an id that this strategy was given; None when it waits no more."""
        if not isinstance(order_id, str):
            raise BadInputError(f"{verb}: expected the id that placing it gave, found {order_id!r}")
        if order_id in (item.client_order_id for item in self._orders):
            raise BadInputError(f"{verb}: order {order_id} was placed just now; leave it out instead")
        if order_id in (item.replaces for item in self._orders):
            raise BadInputError(f"{verb}: order {order_id} was replaced just now; leave that out instead")
        if order_id not in self._waiting and not self._was_given(order_id):
            waiting = ", ".join(self._waiting) or "none"
            raise BadInputError(
                f"{verb}: expected an id that this strategy was given on an earlier event, found "
                f"{order_id!r}; waiting now: {waiting}"
            )
        return self._waiting.get(order_id)

    def _was_given(self, order_id: str) -> bool:
        """Whether an id is of the form of this deployment's, and of an event before this one."""
        name, _, last = order_id.rpartition("-")
        own, _, number = name.rpartition("-")
        mine, _, now = self._next_id(0).rpartition("-")[0].rpartition("-")
        whole = all(item.isascii() and item.isdecimal() for item in (last, number))
        return own == mine and whole and int(number) < int(now)

    def _trade(self, order_id: ClientOrderId) -> Trade | None:
        return next((item for item in self.snapshot.trades if item.client_order_id == order_id), None)

    def _exit_level(
        self, name: str, given: Mapping[str, Any], record: Instrument, *, below: bool
    ) -> int | None:
        """A new stop or target as a level; None where it stays."""
        if f"{name}_price" in given:
            return level("change_exits", f"{name}_price", given[f"{name}_price"], record)
        if name not in given:
            return None
        away = distance("change_exits", name, given[name])
        if away == 0:
            return 0
        bid, ask = self._quote(record)
        # the side that closes: a long's stop lies below the bid, a short's above the ask
        long = below == (name == "stop")
        found = (bid if long else ask) + (-away if below else away)
        if found < 1:
            raise BadInputError(f"change_exits {name}: expected a level above 0, found a distance of {away}")
        return found

    def _quote(self, record: Instrument) -> tuple[int, int]:
        found = None if self._quotes is None else self._quotes(record.id)
        if found is None:
            raise BadInputError(f"{record.id}: expected a quote to count from, found none; give a level")
        return found

    def _now_ns(self) -> int:
        return self.snapshot.time_ns

    def _record(self, instrument: str | None) -> Instrument:
        if instrument is None:
            return self._instrument
        if instrument not in self._instruments:
            raise BadInputError(
                f"expected an instrument traded, one of {', '.join(self._instruments)}, found {instrument!r}"
            )
        return self._instruments[InstrumentId(instrument)]

    def _units(self, verb: str, item: Instrument, units: object) -> int:
        whole = is_whole(units)
        number = int(units) if whole else 0  # type: ignore[call-overload]  # a whole number
        if not whole or not item.minimum_units <= number <= MAX_ORDER_UNITS or number % item.unit_step:
            raise BadInputError(
                f"{verb}: expected {item.minimum_units} to {MAX_ORDER_UNITS:,} units in steps of "
                f"{item.unit_step}, found {units!r}"
            )
        return number

    def _place(
        self,
        verb: str,
        kind: OrderKind,
        sign: int,
        of: Target,
        units: int | None,
        terms: Mapping[str, Any],
    ) -> ClientOrderId:
        if isinstance(of, str):
            record = self._record(of)
            count = self._units(verb, record, units)
        elif units is not None:
            raise BadInputError(f"{verb}: expected an instrument and units, found {of!r} and {units!r}")
        else:
            record, count = self._instrument, self._units(verb, self._instrument, of)
        order = new_order(
            verb,
            kind,
            record,
            sign * count,
            terms,
            name=self._next_id(len(self._orders)),
            now_ns=self._now_ns() if "expires_ns" in terms else 0,
            quote=self._quotes,
        )
        return self._add(order)

    def _close(self, record: Instrument, units: int, *, trade: ClientOrderId | None = None) -> ClientOrderId:
        order = Order(
            client_order_id=self._next_id(len(self._orders)),
            instrument=record.id,
            units=units,
            reduce_only=trade is None,
            closes=trade,
        )
        return self._add(order)

    def _add(self, order: Order) -> ClientOrderId:
        self._orders.append(order)
        if order.kind is not OrderKind.MARKET and order.time_in_force not in (
            TimeInForce.FOK,
            TimeInForce.IOC,
        ):
            self._waiting[order.client_order_id] = order
        return order.client_order_id
