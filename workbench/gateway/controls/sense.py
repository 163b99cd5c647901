"""Whether an order makes sense at all, whatever the limits are."""

import re

from workbench.domain.orders import Order, OrderKind
from workbench.gateway.controls.exposure import Denial, Exposure

__all__ = ["GATEWAY_PREFIX", "MOST_POINTS", "MOST_UNITS", "check_sense"]

GATEWAY_PREFIX = "gw-"  # of the gateway's own orders
MOST_UNITS = 10**12
MOST_POINTS = 10**9
_POINTS = (
    *("price", "price_bound", "stop_distance", "target_distance", "trailing_distance"),
    *("stop_price", "target_price"),
)
_CLIENT_ORDER_ID = re.compile(r"[A-Za-z0-9-]{1,32}")


def check_sense(order: Order, exposure: Exposure) -> Denial | None:
    """F45: what can not be meant is denied before anything is computed with it."""
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
    elif order.closes is not None and not exposure.by_trade:
        wrong = f"expected no trade to close, the account keeps one position, found {order.closes!r}"
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
