"""Controls: what an order must pass before it is sent. A limit of zero, or a missing one, passes nothing.

Numbers and names are those of the controls' table in the documentation. Orders that can only reduce a
position pass R05, R09, R11 and R12, so that a limit never keeps anybody in a position.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from workbench.domain.instruments import Instrument
from workbench.domain.limits import Limits
from workbench.domain.orders import Order, OrderKind, PositionFill

__all__ = ["GATEWAY_PREFIX", "MOST_POINTS", "MOST_UNITS", "Denial", "Exposure", "check_order", "worst_margin"]

GATEWAY_PREFIX = "gw-"  # of the gateway's own orders
MOST_UNITS = 10**12
MOST_POINTS = 10**9
_POINTS = (
    *("price", "price_bound", "stop_distance", "target_distance", "trailing_distance"),
    *("stop_price", "target_price"),
)
_CLIENT_ORDER_ID = re.compile(r"[A-Za-z0-9-]{1,32}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Denial:
    """Why an order is not sent."""

    control: str
    reason: str  # names the limit and the observed value


@dataclass(frozen=True, slots=True, kw_only=True)
class Exposure:
    """What an order is judged against, as of one moment."""

    instrument: Instrument
    margin_rate_ppm: int
    bid: int  # points, of the last price
    ask: int
    equity: int  # micro-units
    day_start_equity: int  # as of the last 17:00 New York
    position: int  # units of the instrument
    waiting: tuple[Order, ...]  # sent and not ended, UNKNOWN ones with them, of the instrument
    waiting_elsewhere: int = 0  # how many of the account's other instruments
    margin_elsewhere: int = 0  # micro-units, the most that the other instruments can come to need
    orders_last_minute: int  # by the feed's clock
    killed: str  # the kill in force over this deployment, empty for none


def check_order(order: Order, *, limits: Limits, exposure: Exposure) -> Denial | None:
    """The first control that stops `order`; None when it may be sent."""
    return next((denial for check in _CHECKS if (denial := check(order, limits, exposure))), None)


def worst_margin(record: Instrument, waiting: Sequence[Order], *, held: int, ask: int, rate_ppm: int) -> int:
    """The most margin, in micro-units, that what is held of an instrument and what waits can come to need."""
    dearest = max(ask, *(item.price for item in waiting), 0)
    value = _worst_units(waiting, held) * dearest * record.micro_per_point
    return -(-value * rate_ppm // 1_000_000)


def _sense(order: Order, limits: Limits, exposure: Exposure) -> Denial | None:
    step, least = exposure.instrument.unit_step, exposure.instrument.minimum_units
    wrong = ""
    if not _CLIENT_ORDER_ID.fullmatch(order.client_order_id):
        wrong = (
            f"expected a client order id of 1 to 32 letters, digits and '-', found {order.client_order_id!r}"
        )
    elif order.client_order_id.startswith(GATEWAY_PREFIX):
        wrong = (
            f"expected a client order id without the gateway's own prefix, found {order.client_order_id!r}"
        )
    elif order.units == 0 or abs(order.units) > MOST_UNITS:
        wrong = f"expected 1 to {MOST_UNITS} units to buy or sell, found {order.units}"
    elif not order.reduce_only and (order.units % step or abs(order.units) < least):
        wrong = f"expected {least} units or more in steps of {step}, found {order.units}"
    elif not all(0 <= getattr(order, name) <= MOST_POINTS for name in _POINTS):
        found = ", ".join(f"{name} {getattr(order, name)}" for name in _POINTS)
        wrong = f"expected stop and target distances and levels of 0 to {MOST_POINTS} points, found {found}"
    elif (order.kind is OrderKind.MARKET) != (order.price == 0):
        wrong = f"expected a level for a waiting order and none at the market, found {order.price}"
    elif order.price and not exposure.bid // 2 <= order.price <= 2 * exposure.ask:
        wrong = (
            f"expected a level between half and twice the market at {exposure.bid}/{exposure.ask} points, "
            f"found {order.price}"
        )
    return Denial(control="F45", reason=f"F45 order sense: {wrong}") if wrong else None


def _kill(order: Order, limits: Limits, exposure: Exposure) -> Denial | None:
    if not exposure.killed:
        return None
    return Denial(control="R23", reason=f"R23 kill switch: no new orders, found a kill of {exposure.killed}")


def _allowed_instruments(order: Order, limits: Limits, exposure: Exposure) -> Denial | None:
    if order.instrument in limits.instruments and order.instrument == exposure.instrument.id:
        return None
    names = ", ".join(limits.instruments) or "none"
    return Denial(control="R18", reason=f"R18 instruments: limit {names}, observed {order.instrument}")


def _units(order: Order, limits: Limits, exposure: Exposure) -> Denial | None:
    return _over("R04", "order units", limits.max_order_units, abs(order.units))


def _value(order: Order, limits: Limits, exposure: Exposure) -> Denial | None:
    price = max(exposure.ask if order.units > 0 else exposure.bid, order.price)
    value = abs(order.units) * price * exposure.instrument.micro_per_point
    return _over("R03", "order value in micro-units", limits.max_order_value, value)


def _open_orders(order: Order, limits: Limits, exposure: Exposure) -> Denial | None:
    waiting = len(exposure.waiting) + exposure.waiting_elsewhere
    return _over("R08", "open orders", limits.max_open_orders, waiting + 1)


def _rate(order: Order, limits: Limits, exposure: Exposure) -> Denial | None:
    if order.reduce_only:
        return None
    return _over("R05", "orders a minute", limits.max_orders_per_minute, exposure.orders_last_minute + 1)


def _position(order: Order, limits: Limits, exposure: Exposure) -> Denial | None:
    if order.reduce_only:
        return None
    worst = _worst_units((*exposure.waiting, order), exposure.position)
    return _over("R09", "position units", limits.max_position_units, worst)


def _margin(order: Order, limits: Limits, exposure: Exposure) -> Denial | None:
    if order.reduce_only:
        return None
    margin = exposure.margin_elsewhere + worst_margin(
        exposure.instrument,
        (*exposure.waiting, order),
        held=exposure.position,
        ask=exposure.ask,
        rate_ppm=exposure.margin_rate_ppm,
    )
    use_ppm = -(-margin * 1_000_000 // exposure.equity) if exposure.equity > 0 else 1_000_000_000
    return _over("R11", "margin use in millionths of equity", limits.max_margin_use_ppm, use_ppm)


def _daily_loss(order: Order, limits: Limits, exposure: Exposure) -> Denial | None:
    loss = exposure.day_start_equity - exposure.equity
    if order.reduce_only or (limits.max_daily_loss and loss <= limits.max_daily_loss):
        return None
    return Denial(
        control="R12",
        reason=(
            f"R12 daily loss in micro-units: limit {limits.max_daily_loss}, observed {loss}; "
            "only orders that reduce until 17:00 New York"
        ),
    )


def _worst_units(waiting: Sequence[Order], held: int) -> int:
    """The largest position, long or short, that any of the waiting orders can lead to."""
    moves = [_move(item, held) for item in waiting]
    longest = held + sum(move for move in moves if move > 0)
    shortest = held + sum(move for move in moves if move < 0)
    return max(abs(longest), abs(shortest))


def _move(order: Order, held: int) -> int:
    if not (order.reduce_only or order.position_fill is PositionFill.REDUCE_ONLY):
        return order.units
    if order.units * held >= 0:
        return 0
    return max(order.units, -held) if held > 0 else min(order.units, -held)


def _over(control: str, what: str, limit: int, observed: int) -> Denial | None:
    if observed <= limit:
        return None
    return Denial(control=control, reason=f"{control} {what}: limit {limit}, observed {observed}")


_CHECKS: Iterable[Callable[[Order, Limits, Exposure], Denial | None]] = (
    _sense,
    _kill,
    _allowed_instruments,
    _units,
    _value,
    _open_orders,
    _rate,
    _position,
    _margin,
    _daily_loss,
)
