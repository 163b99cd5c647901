"""Where everything lies in the state of the compiled core: columns, codes and empty arrays."""

from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = [
    "ACCOUNT_SIZE",
    "A_AMBIGUOUS",
    "A_BALANCE",
    "A_CALLED",
    "A_CALLS",
    "A_CANCELED",
    "A_CLOSEOUT_POLICY",
    "A_CLOSEOUT_PPM",
    "A_COMMISSION",
    "A_CONVERTS",
    "A_COSTED",
    "A_ERROR",
    "A_ERROR_BOOK",
    "A_FILLS",
    "A_FINANCING",
    "A_LADDERS",
    "A_LATENCY",
    "A_MARGIN_MODE",
    "A_MODE",
    "A_NEXT_EXPIRY",
    "A_ORDER_DUE",
    "A_ORDER_PAID",
    "A_PENDING",
    "A_ROLLED",
    "A_TIME",
    "A_TRADES",
    "BOOK_SIZE",
    "B_ASK",
    "B_ASKS",
    "B_BASE_BOOK",
    "B_BASE_KIND",
    "B_BID",
    "B_BIDS",
    "B_COMMISSION_LOT",
    "B_COMMISSION_MINIMUM",
    "B_COMMISSION_PPM",
    "B_COST",
    "B_FINANCED",
    "B_FINANCING",
    "B_LADDER",
    "B_LEGS",
    "B_LEG_1",
    "B_LEG_2",
    "B_LONGS",
    "B_LONG_PPM",
    "B_LOT_UNITS",
    "B_MARGIN_PPM",
    "B_MARKUP_PPM",
    "B_MICRO_PER_POINT",
    "B_ORDER",
    "B_SHORTS",
    "B_SHORT_PPM",
    "B_SLIPPAGE",
    "B_SLIPPAGE_PPM",
    "B_STOP",
    "B_STOP_ORDER",
    "B_TARGET",
    "B_TARGET_ORDER",
    "B_TRAIL",
    "B_TRAIL_BEST",
    "B_TRAIL_ORDER",
    "B_UNITS",
    "CANCELED_BOUND",
    "CANCELED_EXPIRED",
    "CANCELED_FIFO",
    "CANCELED_INSUFFICIENT_LIQUIDITY",
    "CANCELED_INSUFFICIENT_MARGIN",
    "CANCELED_NOTHING_TO_CLOSE",
    "CANCELED_NOT_REPLACED",
    "CANCELED_NO_TRADE",
    "CANCELED_REST",
    "CANCELED_SIZE",
    "CANCELED_TOO_LARGE",
    "CANCELED_WOULD_REDUCE",
    "CLOSEOUT_ALL",
    "CLOSEOUT_LARGEST_LOSS",
    "COST_SIZE",
    "C_ORDER",
    "C_REASON",
    "ERROR_NO_CONVERSION",
    "ERROR_TOO_LARGE",
    "FAR",
    "FILL_DEFAULT",
    "FILL_OPEN_ONLY",
    "FILL_REDUCE_FIRST",
    "FILL_REDUCE_ONLY",
    "FILL_SIZE",
    "FINANCING_ANNUAL",
    "FINANCING_ANNUAL_360",
    "FINANCING_CURRENCY",
    "FINANCING_POINTS",
    "F_BALANCE",
    "F_BOOK",
    "F_COMMISSION",
    "F_LEFT",
    "F_ORDER",
    "F_POSITION",
    "F_PRICE",
    "F_REALIZED",
    "F_REASON",
    "F_SPREAD",
    "F_TIME",
    "F_TRADE",
    "F_UNITS",
    "KIND_LIMIT",
    "KIND_MARKET",
    "KIND_STOP",
    "KIND_TOUCHED",
    "LEVELS",
    "MARGIN_ABSOLUTE_SUM",
    "MARGIN_MAXIMAL_SIDE",
    "MARGIN_NET_SUM",
    "MAX_POINTS",
    "MAX_UNITS",
    "MAX_VALUE",
    "MODE_FIFO",
    "MODE_HEDGING",
    "MODE_NETTING",
    "PENDING_SIZE",
    "PPM",
    "P_ACTIVE",
    "P_BOOK",
    "P_BOUND",
    "P_CLOSES",
    "P_DUE",
    "P_EXPIRES",
    "P_FORCE",
    "P_KIND",
    "P_ORDER",
    "P_PAID",
    "P_POSITION_FILL",
    "P_PRICE",
    "P_SIDE",
    "P_STOP_DISTANCE",
    "P_STOP_PRICE",
    "P_TARGET_DISTANCE",
    "P_TARGET_PRICE",
    "P_TRAIL_DISTANCE",
    "P_TRIGGER",
    "P_UNITS",
    "REASON_LIMIT",
    "REASON_MARGIN_CLOSEOUT",
    "REASON_MARKET",
    "REASON_STOP",
    "REASON_STOP_LOSS",
    "REASON_TAKE_PROFIT",
    "REASON_TOUCHED",
    "REASON_TRAILING_STOP",
    "SIDE_LIMIT",
    "SIDE_STOP",
    "SIDE_UNKNOWN",
    "TRADE_SIZE",
    "TRIGGER_ASK",
    "TRIGGER_BID",
    "TRIGGER_DEFAULT",
    "TRIGGER_INVERSE",
    "TRIGGER_MID",
    "T_BOOK",
    "T_TIME",
    "WAITS_FOK",
    "WAITS_GTC",
    "WAITS_IOC",
    "Int",
    "Ints",
    "new_account",
    "new_books",
    "new_costs",
    "new_rows",
    "set_book",
]

Ints = npt.NDArray[np.int64]
Int = Any  # an int64 read from an array: numpy and Python integers alike

PPM = 1_000_000
MAX_UNITS = 1_000_000_000
MAX_VALUE = 1_000_000_000_000_000_000  # micro-units: 10**12 of the currency
FAR = 1 << 62
LEVELS = 10  # of a ladder, each side
MAX_POINTS = 1_000_000_000  # of a price

(
    A_BALANCE,
    A_FINANCING,
    A_COMMISSION,
    A_TIME,
    A_ROLLED,  # rows of the rollovers done with
    A_PENDING,
    A_FILLS,
    A_CANCELED,
    A_AMBIGUOUS,
    A_TRADES,  # rows of trades in use; 0 in a netting account
    A_COSTED,  # rows of the cost changes done with
    A_NEXT_EXPIRY,  # no waiting order expires before
    A_CALLED,  # 1 while the margin used is the equity at mid or more
    A_CALLS,  # how often that began
    A_ERROR,  # 0, or why the state is void: ERROR_...
    A_ERROR_BOOK,  # and of which instrument
    A_ORDER_DUE,  # commission of the order that fills, by its fills ...
    A_ORDER_PAID,  # ... and what it has paid: more if there is a minimum
    A_LADDERS,  # 1 once a quote came with sizes
    # settings
    A_CONVERTS,  # 1 if an instrument is not quoted in the account's currency
    A_MODE,
    A_MARGIN_MODE,
    A_CLOSEOUT_POLICY,
    A_CLOSEOUT_PPM,
    A_LATENCY,  # ns
) = range(25)
ACCOUNT_SIZE = 25

MODE_NETTING, MODE_HEDGING, MODE_FIFO = range(3)
MARGIN_ABSOLUTE_SUM, MARGIN_MAXIMAL_SIDE, MARGIN_NET_SUM = range(3)
CLOSEOUT_ALL, CLOSEOUT_LARGEST_LOSS = range(2)
ERROR_NO_CONVERSION, ERROR_TOO_LARGE = 1, 2

# a holding: the position of a netting account lies in its book, a trade of others in a row of trades;
# these columns are the same in both
(
    B_UNITS,
    B_COST,  # micro-units of the quote currency, signed as the units
    B_STOP,  # points, 0 for none
    B_TARGET,
    B_STOP_ORDER,  # keys of the orders that set them
    B_TARGET_ORDER,
    B_ORDER,  # key of the last order that opened or added
    B_TRAIL,  # distance in points, 0 for none
    B_TRAIL_BEST,  # best price of the closing side so far
    B_TRAIL_ORDER,
) = range(10)
(T_BOOK, T_TIME) = range(10, 12)
TRADE_SIZE = 12
# last quote ... sizes of the last quote ... how to convert ... costs
(
    B_BID,  # points, 0 before the first quote
    B_ASK,
    B_MICRO_PER_POINT,  # of the quote currency
    B_BIDS,  # levels of the ladder, 0 for none: any size at the best price
    B_ASKS,
    B_LEGS,  # conversions from the quote to the account's currency: 0, 1 or 2
    B_LEG_1,  # book of the pair + 1, negative if the pair is turned round (its base is what is wanted)
    B_LEG_2,
    B_BASE_KIND,  # 0 by its own mid, 1 base is the account's currency, 2 by B_BASE_BOOK
    B_BASE_BOOK,  # as B_LEG_1
    B_LONGS,  # units of the trades, where positions are not netted
    B_SHORTS,
    B_LOT_UNITS,
    B_COMMISSION_PPM,
    B_LONG_PPM,  # by B_FINANCING
    B_SHORT_PPM,
    B_MARGIN_PPM,
    B_SLIPPAGE,
    B_SLIPPAGE_PPM,  # of the spread
    B_COMMISSION_MINIMUM,  # micro-units of the account's currency an order
    B_COMMISSION_LOT,  # the same a lot
    B_FINANCING,
    B_MARKUP_PPM,
    B_FINANCED,  # booked at rollovers so far, micro-units of the account's currency
    B_LADDER,  # LEVELS pairs of price and units of the bid, then of the ask
) = range(10, 35)
BOOK_SIZE = B_LADDER + 4 * LEVELS

FINANCING_ANNUAL, FINANCING_ANNUAL_360, FINANCING_POINTS, FINANCING_CURRENCY = range(4)

# a change of costs: when, of which book, then the columns from B_COMMISSION_PPM to B_MARKUP_PPM
COST_SIZE = 2 + B_MARKUP_PPM - B_COMMISSION_PPM + 1

(
    P_ORDER,
    P_BOOK,
    P_UNITS,  # still to fill
    P_KIND,
    P_PRICE,
    P_BOUND,
    P_FORCE,  # WAITS_...: GTD and GFD are WAITS_GTC with P_EXPIRES
    P_EXPIRES,  # ns, 0 for never
    P_POSITION_FILL,
    P_TRIGGER,
    P_STOP_DISTANCE,
    P_TARGET_DISTANCE,
    P_TRAIL_DISTANCE,
    P_STOP_PRICE,
    P_TARGET_PRICE,
    P_CLOSES,  # key of the order that opened the trade, 0 for none
    P_ACTIVE,  # ns, the earliest time of a fill
    P_SIDE,  # of a market-if-touched order
    P_DUE,  # as A_ORDER_DUE
    P_PAID,
) = range(20)
PENDING_SIZE = 20

KIND_MARKET, KIND_LIMIT, KIND_STOP, KIND_TOUCHED = range(4)
WAITS_GTC, WAITS_FOK, WAITS_IOC = range(3)
FILL_DEFAULT, FILL_REDUCE_ONLY, FILL_OPEN_ONLY, FILL_REDUCE_FIRST = range(4)
TRIGGER_DEFAULT, TRIGGER_INVERSE, TRIGGER_BID, TRIGGER_ASK, TRIGGER_MID = range(5)
SIDE_UNKNOWN, SIDE_LIMIT, SIDE_STOP = range(3)

(
    F_ORDER,
    F_BOOK,
    F_TIME,
    F_UNITS,
    F_PRICE,
    F_REASON,
    F_COMMISSION,
    F_REALIZED,
    F_POSITION,  # units of the instrument held after it, longs less shorts
    F_BALANCE,
    F_SPREAD,  # points between bid and ask of the last quote, for the account of costs
    F_TRADE,  # key of the order that opened the trade; 0 in a netting account
    F_LEFT,  # units of the order that wait on, 0 when it is done with
) = range(13)
FILL_SIZE = 13

(C_ORDER, C_REASON) = range(2)
CANCELED_SIZE = 2

(
    REASON_MARKET,
    REASON_STOP_LOSS,
    REASON_TAKE_PROFIT,
    REASON_MARGIN_CLOSEOUT,
    REASON_LIMIT,
    REASON_STOP,
    REASON_TOUCHED,
    REASON_TRAILING_STOP,
) = range(8)
(
    CANCELED_NOTHING_TO_CLOSE,
    CANCELED_INSUFFICIENT_MARGIN,
    CANCELED_TOO_LARGE,
    CANCELED_EXPIRED,
    CANCELED_BOUND,
    CANCELED_INSUFFICIENT_LIQUIDITY,
    CANCELED_REST,
    CANCELED_WOULD_REDUCE,
    CANCELED_FIFO,
    CANCELED_NO_TRADE,
    CANCELED_NOT_REPLACED,
) = range(11)


def new_account(
    balance: int,
    *,
    time_ns: int = np.iinfo(np.int64).min,
    mode: int = MODE_NETTING,
    margin_mode: int = MARGIN_ABSOLUTE_SUM,
    closeout_policy: int = CLOSEOUT_ALL,
    closeout_ppm: int = PPM // 2,
    latency_ns: int = 0,
) -> Ints:
    """The state of an account with `balance` micro-units and no positions."""
    account = np.zeros(ACCOUNT_SIZE, np.int64)
    account[A_BALANCE] = balance
    account[A_TIME] = time_ns
    account[A_NEXT_EXPIRY] = FAR
    account[A_MODE] = mode
    account[A_MARGIN_MODE] = margin_mode
    account[A_CLOSEOUT_POLICY] = closeout_policy
    account[A_CLOSEOUT_PPM] = closeout_ppm
    account[A_LATENCY] = latency_ns
    return account


def new_books(count: int) -> Ints:
    """Empty books for `count` instruments; fill in the costs with `set_book`."""
    return np.zeros((count, BOOK_SIZE), np.int64)


def new_rows(size: int, *, capacity: int = 64) -> Ints:
    """A buffer for `capacity` fills, orders, trades or cancellations: `size` is FILL_SIZE and so on."""
    return np.zeros((capacity, size), np.int64)


def new_costs() -> Ints:
    """No change of costs."""
    return np.zeros((0, COST_SIZE), np.int64)


def set_book(
    books: Ints,
    k: int,
    *,
    micro_per_point: int,
    commission_ppm: int = 0,
    financing_long_ppm: int = 0,
    financing_short_ppm: int = 0,
    margin_rate_ppm: int = PPM,
    slippage_points: int = 0,
    slippage_spread_ppm: int = 0,
    commission_minimum: int = 0,
    commission_lot: int = 0,
    lot_units: int = 100_000,
    financing: int = FINANCING_ANNUAL,
    conversion_markup_ppm: int = 0,
) -> None:
    """Write the constants of instrument `k`; see `workbench.engine.accounts` for its conversion."""
    books[k, B_MICRO_PER_POINT] = micro_per_point
    books[k, B_COMMISSION_PPM] = commission_ppm
    books[k, B_LONG_PPM] = financing_long_ppm
    books[k, B_SHORT_PPM] = financing_short_ppm
    books[k, B_MARGIN_PPM] = margin_rate_ppm
    books[k, B_SLIPPAGE] = slippage_points
    books[k, B_SLIPPAGE_PPM] = slippage_spread_ppm
    books[k, B_COMMISSION_MINIMUM] = commission_minimum
    books[k, B_COMMISSION_LOT] = commission_lot
    books[k, B_LOT_UNITS] = lot_units
    books[k, B_FINANCING] = financing
    books[k, B_MARKUP_PPM] = conversion_markup_ppm
