"""Orders and quotes checked, and orders written as the rows that the compiled core takes."""

import numpy as np

from workbench.domain.accounts import AccountMode, AccountRules
from workbench.domain.calendar import day_close_ns, session_of
from workbench.domain.orders import (
    ExitChange,
    Order,
    OrderKind,
    PositionFill,
    TimeInForce,
    TriggerSide,
)
from workbench.domain.quotes import Quote
from workbench.engine import layout
from workbench.engine.layout import Ints
from workbench.errors import BadInputError

__all__ = [
    "check_order",
    "check_quote",
    "exit_levels",
    "order_row",
    "order_values",
    "rows_of",
    "trailing_level",
]

_KINDS = {
    OrderKind.MARKET: layout.KIND_MARKET,
    OrderKind.LIMIT: layout.KIND_LIMIT,
    OrderKind.STOP: layout.KIND_STOP,
    OrderKind.MARKET_IF_TOUCHED: layout.KIND_TOUCHED,
}
_FORCES = {TimeInForce.FOK: layout.WAITS_FOK, TimeInForce.IOC: layout.WAITS_IOC}
_FILLS = {
    PositionFill.DEFAULT: layout.FILL_DEFAULT,
    PositionFill.REDUCE_ONLY: layout.FILL_REDUCE_ONLY,
    PositionFill.OPEN_ONLY: layout.FILL_OPEN_ONLY,
    PositionFill.REDUCE_FIRST: layout.FILL_REDUCE_FIRST,
}
_TRIGGERS = {
    TriggerSide.DEFAULT: layout.TRIGGER_DEFAULT,
    TriggerSide.INVERSE: layout.TRIGGER_INVERSE,
    TriggerSide.BID: layout.TRIGGER_BID,
    TriggerSide.ASK: layout.TRIGGER_ASK,
    TriggerSide.MID: layout.TRIGGER_MID,
}
_DISTANCES = ("stop_distance", "target_distance", "trailing_distance", "stop_price", "target_price")


def check_order(order: Order, *, rules: AccountRules) -> None:
    """Refuse an order that makes no sense whatever the market does.

    Raises
    ------
    BadInputError
        Units, levels, distances or times that can not be, or do not belong together.
    """
    wrong = _wrong(order, rules)
    if wrong:
        raise BadInputError(f"order {order.client_order_id}: {wrong}")


def _wrong(order: Order, rules: AccountRules) -> str:
    if order.units == 0 or abs(order.units) > layout.MAX_UNITS:
        return f"expected 1 to {layout.MAX_UNITS:,} units to buy or sell, found {order.units:,}"
    most = layout.MAX_POINTS
    if not (
        0 <= order.stop_distance <= most
        and 0 <= order.target_distance <= most
        and 0 <= order.trailing_distance <= most
        and 0 <= order.stop_price <= most
        and 0 <= order.target_price <= most
        and 0 <= order.price_bound <= most
    ):
        amounts = {name: getattr(order, name) for name in (*_DISTANCES, "price_bound")}
        found = " and ".join(f"{name} {amount}" for name, amount in amounts.items() if amount)
        return f"expected stop and target distances and levels of 0 or more points, found {found}"
    at_market = order.kind == OrderKind.MARKET
    if at_market != (order.price == 0) or not 0 <= order.price <= layout.MAX_POINTS:
        wanted = "no level" if at_market else f"a level of 1 to {layout.MAX_POINTS:,} points"
        return f"expected {wanted} of a {order.kind} order, found {order.price}"
    if (order.time_in_force == TimeInForce.GTD) != (order.expires_ns > 0):
        found = f"{order.expires_ns} with {order.time_in_force}"
        return f"expected expires_ns with GTD and only there, found {found}"
    if order.reduce_only and order.position_fill == PositionFill.OPEN_ONLY:
        return "expected reduce_only or OPEN_ONLY, found both"
    if order.closes is not None and rules.mode == AccountMode.NETTING:
        return (
            f"expected closes only where trades are kept apart, found {order.closes!r} in a netting account"
        )
    return ""


def exit_levels(change: ExitChange, *, rules: AccountRules) -> tuple[int, int, int]:
    """Stop, target and trailing distance as `core_change_exits` takes them: -1 for what stays.

    Raises
    ------
    BadInputError
        A level or distance below 0, or a trade left out or named wrongly.
    """
    if (change.trade is None) != (rules.mode == AccountMode.NETTING):
        what = "trade" if change.trade is None else "position"
        raise BadInputError(
            f"{change.instrument}: expected the exits of a {what}, found trade={change.trade!r}; name the "
            "trade in a hedging or FIFO account and only there"
        )
    asked = (change.stop, change.target, change.trailing)
    if any(item is not None and not 0 <= item <= layout.MAX_POINTS for item in asked):
        raise BadInputError(
            f"{change.instrument}: expected levels and distances of 0 to {layout.MAX_POINTS:,} points, found "
            f"stop {change.stop}, target {change.target}, trailing {change.trailing}"
        )
    stop, target, trailing = (-1 if item is None else item for item in asked)
    return stop, target, trailing


def order_row(order: Order, *, key: int, k: int, closes: int, now_ns: int) -> Ints:
    """An order of instrument `k` as `core_place` takes it; see `order_values`."""
    return np.array(order_values(order, key=key, k=k, closes=closes, now_ns=now_ns), np.int64)


def order_values(order: Order, *, key: int, k: int, closes: int, now_ns: int) -> tuple[int, ...]:
    """The columns of `order_row`; a good-for-day order ends with the present session.

    Raises
    ------
    BadInputError
        A good-for-day order before the first quote.
    """
    expires = order.expires_ns
    if order.time_in_force == TimeInForce.GFD:
        if now_ns < 0:
            raise BadInputError(
                f"order {order.client_order_id}: expected a quote before a good-for-day order, found none; "
                "without it the day is not known"
            )
        expires = day_close_ns(session_of(now_ns))
    return (  # in the order of layout's columns
        key,  # P_ORDER
        k,  # P_BOOK
        order.units,
        _KINDS[order.kind],
        order.price,
        order.price_bound,
        _FORCES.get(order.time_in_force, layout.WAITS_GTC),
        expires,
        layout.FILL_REDUCE_ONLY if order.reduce_only else _FILLS[order.position_fill],
        _TRIGGERS[order.trigger],
        order.stop_distance,
        order.target_distance,
        order.trailing_distance,
        order.stop_price,
        order.target_price,
        closes,
        0,  # P_ACTIVE and the rest are the engine's
        0,
        0,
        0,
    )


def check_quote(quote: Quote) -> None:
    """Refuse a quote with a price or sizes that can not be.

    Raises
    ------
    BadInputError
        A price below one point, too many levels, levels out of order, or a best level that is not the quote.
    """
    if not (1 <= quote.bid <= layout.MAX_POINTS and 1 <= quote.ask <= layout.MAX_POINTS):
        raise BadInputError(
            f"{quote.instrument}: expected prices of 1 point or more and at most {layout.MAX_POINTS:,}, "
            f"found {quote.bid}/{quote.ask}"
        )
    for best, sign, levels in ((quote.bid, -1, quote.bids), (quote.ask, 1, quote.asks)):
        if not levels:
            continue
        prices = [sign * price for price, _ in levels]
        if (
            len(levels) > layout.LEVELS
            or levels[0][0] != best
            or prices != sorted(set(prices))
            or not all(1 <= price <= layout.MAX_POINTS and units >= 1 for price, units in levels)
        ):
            raise BadInputError(
                f"{quote.instrument}: expected up to {layout.LEVELS} levels from {best} on, the best first, "
                f"each with a unit or more, found {levels}"
            )


def trailing_level(holding: list[int]) -> int:
    """Where the trailing stop of a holding lies, 0 when it has none (or none above 0)."""
    if holding[layout.B_TRAIL] == 0:
        return 0
    sign = 1 if holding[layout.B_UNITS] > 0 else -1
    return max(0, holding[layout.B_TRAIL_BEST] - sign * holding[layout.B_TRAIL])


def rows_of(rows: list[list[int]], size: int, *, spare: int = 0) -> Ints:
    """A buffer of the engine that begins with `rows`, with room for more."""
    buffer = layout.new_rows(size, capacity=64 + len(rows) + spare)
    if rows:
        buffer[: len(rows)] = rows
    return buffer
