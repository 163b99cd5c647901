"""When the price has reached the level of a waiting order: by a quote, or within a bar."""

from typing import Any

from workbench.engine.layout import (
    B_ASK,
    B_BID,
    KIND_LIMIT,
    KIND_TOUCHED,
    P_BOOK,
    P_KIND,
    P_PRICE,
    P_SIDE,
    P_TRIGGER,
    P_UNITS,
    SIDE_LIMIT,
    SIDE_STOP,
    TRIGGER_ASK,
    TRIGGER_BID,
    TRIGGER_DEFAULT,
    TRIGGER_INVERSE,
    Int,
    Ints,
)
from workbench.indicators.compiled import borrowing, stays_apart

__all__ = [
    "as_limit",
    "compared_doubled",
    "reached",
    "side_of",
    "triggered",
]


@borrowing
def as_limit(order: Ints) -> Any:
    kind = order[P_KIND]
    return kind == KIND_LIMIT or (kind == KIND_TOUCHED and order[P_SIDE] == SIDE_LIMIT)


@borrowing
def compared_doubled(order: Ints, bid: int, ask: int) -> Int:
    """Twice the price that an order's level is compared with."""
    stays_apart()
    side = _compared(order)
    if side == TRIGGER_ASK:
        return 2 * ask
    return 2 * bid if side == TRIGGER_BID else bid + ask


@borrowing
def side_of(books: Ints, order: Ints) -> Int:
    """Whether a market-if-touched order acts as a limit or as a stop, by where the price lies now."""
    k = order[P_BOOK]
    price = compared_doubled(order, books[k, B_BID], books[k, B_ASK])
    sign = 1 if order[P_UNITS] > 0 else -1
    return SIDE_LIMIT if sign * price >= 2 * sign * order[P_PRICE] else SIDE_STOP


@borrowing
def triggered(books: Ints, k: int, order: Ints) -> Any:
    """Whether the present quote of `k` has reached the level of an order."""
    stays_apart()
    bid, ask, level = books[k, B_BID], books[k, B_ASK], order[P_PRICE]
    sign = 1 if order[P_UNITS] > 0 else -1
    price = compared_doubled(order, bid, ask)
    if not as_limit(order):
        return sign * price >= 2 * sign * level
    natural = ask if sign > 0 else bid
    return sign * price <= 2 * sign * level and sign * natural <= sign * level


@borrowing
def reached(
    books: Ints,
    k: int,
    order: Ints,
    bid_open: int,
    bid_high: int,
    bid_low: int,
    ask_open: int,
    ask_high: int,
    ask_low: int,
) -> Int:
    """The price (before slippage) at which a bar's range fills an order, 0 for none."""
    stays_apart()
    level = order[P_PRICE]
    buys = order[P_UNITS] > 0
    sign = 1 if buys else -1
    opened = compared_doubled(order, bid_open, ask_open)
    first = ask_open if buys else bid_open
    if as_limit(order):  # a limit comes into reach at the low for buys, at the high for sells
        extreme = (
            compared_doubled(order, bid_low, ask_low) if buys else compared_doubled(order, bid_high, ask_high)
        )
        natural = ask_low if buys else bid_high
        if sign * opened <= 2 * sign * level and sign * first <= sign * level:
            return first
        if (
            min(sign * extreme, sign * opened) <= 2 * sign * level
            and min(sign * natural, sign * first) <= sign * level
        ):
            return level
        return 0
    extreme = (
        compared_doubled(order, bid_high, ask_high) if buys else compared_doubled(order, bid_low, ask_low)
    )
    if sign * opened >= 2 * sign * level:
        return first
    if sign * extreme < 2 * sign * level:
        return 0
    spread = max(0, books[k, B_ASK] - books[k, B_BID])
    side = _compared(order)
    if side == (TRIGGER_ASK if buys else TRIGGER_BID):
        return level
    if side == (TRIGGER_BID if buys else TRIGGER_ASK):
        return max(1, level + sign * spread)
    return max(1, level + sign * ((spread + 1) // 2))


@borrowing
def _compared(order: Ints) -> Int:
    """Which price an order's level is compared with: TRIGGER_BID, TRIGGER_ASK or TRIGGER_MID."""
    trigger = order[P_TRIGGER]
    if trigger == TRIGGER_DEFAULT:
        return TRIGGER_ASK if order[P_UNITS] > 0 else TRIGGER_BID
    if trigger == TRIGGER_INVERSE:
        return TRIGGER_BID if order[P_UNITS] > 0 else TRIGGER_ASK
    return trigger
