"""What an order may say besides instrument and units: one set of terms, checked where they are given."""

import numbers
from collections.abc import Callable, Mapping
from dataclasses import replace
from decimal import Decimal
from enum import StrEnum
from typing import Any, Required, TypedDict

from workbench.domain.instruments import Instrument, InstrumentId
from workbench.domain.orders import ClientOrderId, Order, OrderKind, PositionFill, TimeInForce, TriggerSide
from workbench.errors import BadInputError

__all__ = [
    "ExitTerms",
    "LimitTerms",
    "MarketTerms",
    "Price",
    "ReplacingTerms",
    "StopTerms",
    "changed_order",
    "distance",
    "is_whole",
    "level",
    "new_order",
]

Price = Decimal | str | int  # whole points, or a price as text or Decimal

_MOST_POINTS = 1_000_000_000
_FORCES = ("GTC", "GFD", "FOK", "IOC")
_EXITS = ("stop", "target", "trailing", "stop_price", "target_price")
_KNOWN = {
    OrderKind.MARKET: frozenset((*_EXITS, "price_bound", "time_in_force", "position_fill")),
    OrderKind.LIMIT: frozenset((*_EXITS, "price", "time_in_force", "expires_ns", "position_fill", "trigger")),
}
_KNOWN[OrderKind.STOP] = _KNOWN[OrderKind.MARKET_IF_TOUCHED] = _KNOWN[OrderKind.LIMIT] | {"price_bound"}
_COLUMNS = {"stop": "stop_distance", "target": "target_distance", "trailing": "trailing_distance"}


class ExitTerms(TypedDict, total=False):
    """The exits that an order brings, 0 for none."""

    stop: int  # of the stop loss, points from the fill's price
    target: int  # of the take profit, points from the fill's price
    trailing: int  # of the trailing stop, points from the best price since
    stop_price: Price  # the stop loss at a level instead
    target_price: Price


class MarketTerms(ExitTerms, total=False):
    """Terms of a market order."""

    price_bound: Price  # the worst price at which it may fill
    time_in_force: str  # GTC, FOK or IOC
    position_fill: str  # a `PositionFill`


class _Waiting(ExitTerms, total=False):
    time_in_force: str  # GTC, GFD, FOK or IOC
    expires_ns: int  # instead of a time in force
    position_fill: str  # a `PositionFill`
    trigger: str  # a `TriggerSide`


class LimitTerms(_Waiting, total=False):
    """Terms of a limit order."""

    price: Required[Price]


class StopTerms(LimitTerms, total=False):
    """Terms of a stop or if-touched order."""

    price_bound: Price  # the worst price at which it may fill


class ReplacingTerms(_Waiting, total=False):
    """Terms of a waiting order in the place of another; those not given stay."""

    price: Price
    price_bound: Price


def new_order(
    verb: str,
    kind: OrderKind,
    record: Instrument,
    units: int,
    terms: Mapping[str, Any],
    *,
    name: ClientOrderId,
    now_ns: int = 0,
    quote: Callable[[InstrumentId], tuple[int, int] | None] | None = None,
) -> Order:
    """An order with all its terms checked; prices become points.

    Parameters
    ----------
    units
        Signed.
    now_ns, quote
        Present time, and what gives bid and ask; without it a level is not compared with the market.

    Raises
    ------
    BadInputError
        A term that this kind of order does not have, one that can not be, or terms that contradict another.
    """
    at_market = kind is OrderKind.MARKET
    if not terms and at_market:
        return Order(client_order_id=name, instrument=record.id, units=units)
    known = _KNOWN[kind]
    if not terms.keys() <= known or ("price" not in terms and not at_market):
        wanted = ("price= and perhaps " if not at_market else "") + ", ".join(sorted(known - {"price"}))
        raise BadInputError(f"{verb}: expected {wanted}, found {', '.join(terms) or 'none'}")
    columns: dict[str, Any] = {}
    for term, value in terms.items():
        column = _COLUMNS.get(term, term)
        if column is not term and type(value) is int and 0 <= value <= _MOST_POINTS:  # by far the most
            if value:
                columns[column] = value
        else:
            columns[column] = _READERS[term](verb, term, value, record)
    if columns.get("expires_ns"):
        if "time_in_force" in columns or columns["expires_ns"] <= now_ns:
            raise BadInputError(
                f"{verb} expires_ns: expected an instant after now without time_in_force, "
                f"found {columns['expires_ns']}"
            )
        columns["time_in_force"] = TimeInForce.GTD
    order = Order(client_order_id=name, instrument=record.id, units=units, kind=kind, **columns)
    if columns:
        _check_sense(verb, order, record, quote)
    return order


def changed_order(
    verb: str,
    old: Order,
    record: Instrument,
    units: int,
    terms: Mapping[str, Any],
    *,
    name: ClientOrderId,
    now_ns: int,
) -> Order:
    """An order in the place of `old`, with its terms where no others are given.

    A stop (target) given by distance takes the place of one by level, and the other way round; so do
    `time_in_force` and `expires_ns`.
    """
    kept: dict[str, Any] = {
        "price": old.price,
        "price_bound": old.price_bound,
        "stop": old.stop_distance,
        "target": old.target_distance,
        "trailing": old.trailing_distance,
        "stop_price": old.stop_price,
        "target_price": old.target_price,
        "position_fill": PositionFill.REDUCE_ONLY if old.reduce_only else old.position_fill,
        "trigger": old.trigger,
    }
    if old.time_in_force is TimeInForce.GTD:
        kept["expires_ns"] = old.expires_ns
    else:
        kept["time_in_force"] = old.time_in_force
    for one, other in (("stop", "stop_price"), ("target", "target_price"), ("expires_ns", "time_in_force")):
        if one in terms:
            kept.pop(other, None)
        if other in terms:
            kept.pop(one, None)
    chosen = {term: value for term, value in kept.items() if value or term == "price"} | dict(terms)
    order = new_order(verb, old.kind, record, units, chosen, name=name, now_ns=now_ns)
    return replace(order, replaces=old.client_order_id)


def level(verb: str, term: str, value: object, record: Instrument) -> int:
    """A level in points, given so or as a price; 0 for none."""
    if isinstance(value, str | Decimal):
        try:
            value = record.to_points(value)
        except (ValueError, ArithmeticError):
            raise BadInputError(
                f"{verb} {term}: expected a price of {record.id} with at most {record.digits} decimals, "
                f"found {value!r}"
            ) from None
    least = 1 if term == "price" else 0
    if not is_whole(value) or not least <= value <= _MOST_POINTS:  # type: ignore[operator]  # a whole number
        raise BadInputError(
            f"{verb} {term}: expected whole points above 0, or a price as text, found {value!r}"
        )
    return int(value)  # type: ignore[call-overload,no-any-return]  # a whole number


def distance(verb: str, term: str, value: object, record: Instrument | None = None) -> int:
    """A distance in points, 0 for none."""
    if not is_whole(value) or not 0 <= value <= _MOST_POINTS:  # type: ignore[operator]  # a whole number
        raise BadInputError(f"{verb} {term}: expected a distance of 0 or more whole points, found {value!r}")
    return int(value)  # type: ignore[call-overload,no-any-return]  # a whole number


def is_whole(value: object) -> bool:
    """Whether it is a whole number, and not a truth value."""
    # the first is by far the quickest to tell, and what nearly all are
    return type(value) is int or (isinstance(value, numbers.Integral) and not isinstance(value, bool))


def _instant(verb: str, term: str, value: object, record: Instrument) -> int:
    if not is_whole(value) or value < 0:  # type: ignore[operator]  # a whole number
        raise BadInputError(f"{verb} {term}: expected nanoseconds since 1970 UTC, found {value!r}")
    return int(value)  # type: ignore[call-overload,no-any-return]  # a whole number


def _one_of(kind: type[StrEnum]) -> Callable[[str, str, object, Instrument], StrEnum]:
    def read(verb: str, term: str, value: object, record: Instrument) -> StrEnum:
        if value not in tuple(kind):
            raise BadInputError(f"{verb} {term}: expected one of {', '.join(kind)}, found {value!r}")
        return kind(str(value))

    return read


def _force(verb: str, term: str, value: object, record: Instrument) -> TimeInForce:
    if value not in _FORCES:
        raise BadInputError(f"{verb} {term}: expected one of {', '.join(_FORCES)}, found {value!r}")
    return TimeInForce(str(value))


_READERS: Mapping[str, Callable[[str, str, object, Instrument], object]] = {
    **dict.fromkeys(("price", "price_bound", "stop_price", "target_price"), level),
    **dict.fromkeys(("stop", "target", "trailing"), distance),
    "time_in_force": _force,
    "expires_ns": _instant,
    "position_fill": _one_of(PositionFill),
    "trigger": _one_of(TriggerSide),
}


def _check_sense(
    verb: str,
    order: Order,
    record: Instrument,
    quote: Callable[[InstrumentId], tuple[int, int] | None] | None,
) -> None:
    """Refuse levels that contradict each other, whatever the market does next."""
    if (order.stop_distance and order.stop_price) or (order.target_distance and order.target_price):
        raise BadInputError(f"{verb}: expected a stop (target) by distance or by price, found both")
    if order.kind is OrderKind.MARKET and order.time_in_force is TimeInForce.GFD:
        raise BadInputError(
            f"{verb} time_in_force: expected one of GTC, FOK, IOC of an order at the market, found 'GFD'"
        )
    sign = 1 if order.units > 0 else -1
    at = order.price
    if at == 0:
        found = quote(record.id) if quote is not None else None
        if found is None:
            return
        at = found[0 if sign < 0 else 1]
        if not (order.stop_price or order.target_price):
            downwards = order.stop_distance if sign > 0 else order.target_distance
            if downwards < at:  # a distance is on its own side, and this one ends above 0
                return
    where = f"its price {record.to_price(at)}" if order.price else f"the market at {record.to_price(at)}"
    levels = []
    if order.stop_price or order.stop_distance:
        levels.append(("stop", order.stop_price or at - sign * order.stop_distance, -sign))
    if order.target_price or order.target_distance:
        levels.append(("target", order.target_price or at + sign * order.target_distance, sign))
    for term, level_, side in levels:
        if side * level_ <= side * at or level_ < 1:
            raise BadInputError(
                f"{verb}: expected a {term} {'above' if side > 0 else 'below'} {where}, "
                f"found {record.to_price(level_)}"
            )
    if order.kind is OrderKind.STOP and order.price_bound and sign * order.price_bound < sign * at:
        raise BadInputError(
            f"{verb} price_bound: expected {where} or a worse one, found "
            f"{record.to_price(order.price_bound)}; the order could never fill"
        )
