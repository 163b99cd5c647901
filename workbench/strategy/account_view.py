"""The account as a strategy sees it, and the way to place orders."""

import numbers
from collections.abc import Callable, Mapping
from decimal import Decimal

from workbench.domain.accounts import AccountSnapshot
from workbench.domain.instruments import Instrument, InstrumentId
from workbench.domain.money import to_decimal
from workbench.domain.orders import ClientOrderId, Order, OrderKind, TimeInForce
from workbench.errors import BadInputError
from workbench.strategy.sizes import MAX_ORDER_UNITS

__all__ = ["AccountView"]

Target = str | int


class AccountView:
    """The account as of now, and the way to place orders; they can fill at the next quote and no earlier.

    ``buy(1_000)`` trades the strategy's first instrument, ``buy("GBP_USD", 1_000)`` another. Prices are
    points, or prices as text or Decimal as in ``buy_limit(1_000, price="1.0850")``; distances are points.
    """

    def __init__(
        self,
        snapshot: AccountSnapshot,
        *,
        instrument: Instrument,
        next_id: Callable[[int], ClientOrderId],
        instruments: Mapping[InstrumentId, Instrument] | None = None,
        waiting: Mapping[ClientOrderId, Order] | None = None,
    ) -> None:
        self.snapshot = snapshot
        self._instrument = instrument
        self._instruments = instruments or {instrument.id: instrument}
        self._next_id = next_id
        self._waiting = dict(waiting or {})
        self._orders: list[Order] = []
        self._cancels: list[ClientOrderId] = []

    @property
    def units(self) -> int:
        """Signed units held of the strategy's first instrument."""
        return self.snapshot.units(self._instrument.id)

    def units_of(self, instrument: str) -> int:
        """Signed units held of an instrument."""
        return self.snapshot.units(self._record(instrument).id)

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
        """The limit, stop and touched orders placed so far that were neither withdrawn nor have expired.

        One of them may be filled already: look at what is held.
        """
        return tuple(self._waiting.values())

    def buy(
        self,
        of: Target,
        units: int | None = None,
        *,
        stop: int = 0,
        target: int = 0,
        trailing: int = 0,
        price_bound: Decimal | str | int = 0,
    ) -> ClientOrderId:
        """Buy at the next quote; `stop`, `target` and `trailing` are distances in points, 0 for none."""
        return self._place(
            "buy", 1, of, units, stop=stop, target=target, trailing=trailing, bound=price_bound
        )

    def sell(
        self,
        of: Target,
        units: int | None = None,
        *,
        stop: int = 0,
        target: int = 0,
        trailing: int = 0,
        price_bound: Decimal | str | int = 0,
    ) -> ClientOrderId:
        """Sell at the next quote; `stop`, `target` and `trailing` are distances in points, 0 for none."""
        return self._place(
            "sell", -1, of, units, stop=stop, target=target, trailing=trailing, bound=price_bound
        )

    def buy_limit(self, of: Target, units: int | None = None, **terms: Decimal | str | int) -> ClientOrderId:
        """Buy once the ask is `price` or better.

        Takes ``price``, and ``stop``, ``target``, ``trailing`` (distances in points), ``stop_price``,
        ``target_price``, ``time_in_force`` (GTC, GFD, FOK, IOC) or ``expires_ns``.
        """
        return self._wait("buy_limit", OrderKind.LIMIT, 1, of, units, terms)

    def sell_limit(self, of: Target, units: int | None = None, **terms: Decimal | str | int) -> ClientOrderId:
        """Sell once the bid is `price` or better; terms as of `buy_limit`."""
        return self._wait("sell_limit", OrderKind.LIMIT, -1, of, units, terms)

    def buy_stop(self, of: Target, units: int | None = None, **terms: Decimal | str | int) -> ClientOrderId:
        """Buy once the ask is `price` or worse; terms as of `buy_limit`, and ``price_bound``."""
        return self._wait("buy_stop", OrderKind.STOP, 1, of, units, terms)

    def sell_stop(self, of: Target, units: int | None = None, **terms: Decimal | str | int) -> ClientOrderId:
        """Sell once the bid is `price` or worse; terms as of `buy_stop`."""
        return self._wait("sell_stop", OrderKind.STOP, -1, of, units, terms)

    def buy_if_touched(
        self, of: Target, units: int | None = None, **terms: Decimal | str | int
    ) -> ClientOrderId:
        """Buy once the price reaches `price` from where it is; terms as of `buy_stop`."""
        return self._wait("buy_if_touched", OrderKind.MARKET_IF_TOUCHED, 1, of, units, terms)

    def sell_if_touched(
        self, of: Target, units: int | None = None, **terms: Decimal | str | int
    ) -> ClientOrderId:
        """Sell once the price reaches `price` from where it is; terms as of `buy_stop`."""
        return self._wait("sell_if_touched", OrderKind.MARKET_IF_TOUCHED, -1, of, units, terms)

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
            self._submit(record, -longs, reduce_only=True)
            return self._submit(record, shorts, reduce_only=True)
        held = self.snapshot.units(record.id)
        if held == 0:
            return None
        part = abs(held) if units is None else min(abs(held), self._units("close", record, units))
        return self._submit(record, -part if held > 0 else part, reduce_only=True)

    def close_trade(self, order_id: ClientOrderId, instrument: str | None = None) -> ClientOrderId:
        """Close the trade that an order opened, in an account that keeps trades apart."""
        record = self._record(instrument)
        found = next(
            (item for item in getattr(self.snapshot, "trades", ()) if item.client_order_id == order_id), None
        )
        if found is None:
            raise BadInputError(f"close_trade: no open trade of order {order_id!r}")
        return self._submit(record, -int(found.units), closes=order_id)

    def cancel(self, order_id: ClientOrderId) -> None:
        """Withdraw a waiting order; one that has filled or gone already stays as it is."""
        if not isinstance(order_id, str):
            raise BadInputError(f"cancel: expected the id that placing it gave, found {order_id!r}")
        if order_id in (item.client_order_id for item in self._orders):
            raise BadInputError(f"cancel: order {order_id} was placed just now; leave it out instead")
        self._waiting.pop(order_id, None)
        self._cancels.append(order_id)

    def cancel_all(self, instrument: str | None = None) -> None:
        """Withdraw every waiting order, or those of one instrument."""
        only = None if instrument is None else self._record(instrument).id
        placed = {item.client_order_id for item in self._orders}
        for order in list(self._waiting.values()):
            if only in (None, order.instrument) and order.client_order_id not in placed:
                self.cancel(order.client_order_id)

    def _record(self, instrument: str | None) -> Instrument:
        if instrument is None:
            return self._instrument
        if instrument not in self._instruments:
            raise BadInputError(
                f"expected an instrument traded, one of {', '.join(self._instruments)}, found {instrument!r}"
            )
        return self._instruments[InstrumentId(instrument)]

    def _what(self, verb: str, of: Target, units: int | None) -> tuple[Instrument, int]:
        if isinstance(of, str):
            record = self._record(of)
            return record, self._units(verb, record, units)
        if units is not None:
            raise BadInputError(f"{verb}: expected an instrument and units, found {of!r} and {units!r}")
        return self._instrument, self._units(verb, self._instrument, of)

    def _units(self, verb: str, item: Instrument, units: object) -> int:
        whole = isinstance(units, numbers.Integral) and not isinstance(units, bool)
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
        sign: int,
        of: Target,
        units: int | None,
        *,
        stop: int,
        target: int,
        trailing: int,
        bound: Decimal | str | int,
    ) -> ClientOrderId:
        record, count = self._what(verb, of, units)
        return self._submit(
            record,
            sign * count,
            price_bound=_points("price_bound", bound, record, optional=True),
            stop_distance=_distance("stop", stop),
            target_distance=_distance("target", target),
            trailing_distance=_distance("trailing", trailing),
        )

    def _wait(
        self,
        verb: str,
        kind: OrderKind,
        sign: int,
        of: Target,
        units: int | None,
        terms: Mapping[str, Decimal | str | int],
    ) -> ClientOrderId:
        known = [
            "price",
            "stop",
            "target",
            "trailing",
            "stop_price",
            "target_price",
            "time_in_force",
            "expires_ns",
        ]
        if kind is not OrderKind.LIMIT:
            known.append("price_bound")
        if "price" not in terms or set(terms) - set(known):
            raise BadInputError(
                f"{verb}: expected price= and perhaps {', '.join(known[1:])}, "
                f"found {', '.join(terms) or 'none'}"
            )
        record, count = self._what(verb, of, units)
        expires = _distance("expires_ns", terms.get("expires_ns", 0))
        if expires and ("time_in_force" in terms or expires <= self.snapshot.time_ns):
            raise BadInputError(
                f"{verb} expires_ns: expected an instant after now without time_in_force, found {expires}"
            )
        return self._submit(
            record,
            sign * count,
            kind=kind,
            price=_points("price", terms["price"], record),
            price_bound=_points("price_bound", terms.get("price_bound", 0), record, optional=True),
            stop_distance=_distance("stop", terms.get("stop", 0)),
            target_distance=_distance("target", terms.get("target", 0)),
            trailing_distance=_distance("trailing", terms.get("trailing", 0)),
            stop_price=_points("stop_price", terms.get("stop_price", 0), record, optional=True),
            target_price=_points("target_price", terms.get("target_price", 0), record, optional=True),
            time_in_force=TimeInForce.GTD if expires else _in_force(verb, terms.get("time_in_force", "GTC")),
            expires_ns=expires,
        )

    def _submit(
        self,
        record: Instrument,
        units: int,
        *,
        kind: OrderKind = OrderKind.MARKET,
        price: int = 0,
        price_bound: int = 0,
        time_in_force: TimeInForce = TimeInForce.GTC,
        expires_ns: int = 0,
        reduce_only: bool = False,
        stop_distance: int = 0,
        target_distance: int = 0,
        trailing_distance: int = 0,
        stop_price: int = 0,
        target_price: int = 0,
        closes: ClientOrderId | None = None,
    ) -> ClientOrderId:
        if (stop_distance and stop_price) or (target_distance and target_price):
            raise BadInputError("expected a stop (target) by distance or by price, found both")
        order = Order(
            client_order_id=self._next_id(len(self._orders)),
            instrument=record.id,
            units=units,
            kind=kind,
            price=price,
            price_bound=price_bound,
            time_in_force=time_in_force,
            expires_ns=expires_ns,
            reduce_only=reduce_only,
            stop_distance=stop_distance,
            target_distance=target_distance,
            trailing_distance=trailing_distance,
            stop_price=stop_price,
            target_price=target_price,
            closes=closes,
        )
        self._orders.append(order)
        if kind is not OrderKind.MARKET and time_in_force not in (TimeInForce.FOK, TimeInForce.IOC):
            self._waiting[order.client_order_id] = order
        return order.client_order_id


def _distance(name: str, value: object) -> int:
    whole = isinstance(value, numbers.Integral) and not isinstance(value, bool)
    if not whole or value < 0:  # type: ignore[operator]  # a whole number
        raise BadInputError(f"{name}: expected a distance of 0 or more whole points, found {value!r}")
    return int(value)  # type: ignore[call-overload,no-any-return]  # a whole number


def _points(name: str, value: object, record: Instrument, *, optional: bool = False) -> int:
    if isinstance(value, str | Decimal):
        try:
            value = record.to_points(value)
        except (ValueError, ArithmeticError):
            raise BadInputError(
                f"{name}: expected a price of {record.id} with at most {record.digits} decimals, "
                f"found {value!r}"
            ) from None
    whole = isinstance(value, numbers.Integral) and not isinstance(value, bool)
    if not whole or value < (0 if optional else 1):  # type: ignore[operator]  # a whole number
        raise BadInputError(f"{name}: expected whole points above 0, or a price as text, found {value!r}")
    return int(value)  # type: ignore[call-overload,no-any-return]  # a whole number


def _in_force(verb: str, value: object) -> TimeInForce:
    known = ("GTC", "GFD", "FOK", "IOC")
    if value not in known:
        raise BadInputError(f"{verb} time_in_force: expected one of {', '.join(known)}, found {value!r}")
    return TimeInForce(str(value))
