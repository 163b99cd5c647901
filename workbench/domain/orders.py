"""Orders and fills: what was asked, what was done."""

from dataclasses import dataclass
from enum import StrEnum
from typing import NewType

from workbench.domain.instruments import InstrumentId

__all__ = [
    "EXIT_REASONS",
    "TERMINAL_STATES",
    "ChangeState",
    "ClientOrderId",
    "ExitChange",
    "Fill",
    "FillReason",
    "Order",
    "OrderKind",
    "OrderState",
    "PositionFill",
    "TimeInForce",
    "TriggerSide",
]

ClientOrderId = NewType("ClientOrderId", str)  # deterministic; at most 32 of [A-Za-z0-9-]


class OrderState(StrEnum):
    """Where an order stands. UNKNOWN ends only by evidence from the broker or a named person."""

    INTENT = "INTENT"
    SENDING = "SENDING"
    WORKING = "WORKING"
    PARTIAL = "PARTIAL"
    FILLED = "FILLED"
    CANCELED = "CANCELED"
    EXPIRED = "EXPIRED"
    REJECTED = "REJECTED"
    UNKNOWN = "UNKNOWN"
    DENIED = "DENIED"
    ABSENT = "ABSENT"  # the broker's complete record proves that it never had it, or a named person says so


TERMINAL_STATES = frozenset(
    {
        OrderState.FILLED,
        OrderState.CANCELED,
        OrderState.EXPIRED,
        OrderState.REJECTED,
        OrderState.DENIED,
        OrderState.ABSENT,
    }
)


class OrderKind(StrEnum):
    """When an order fills; the words and rules are those of OANDA v20."""

    MARKET = "MARKET"  # at the next quote
    LIMIT = "LIMIT"  # once the price is its level or better
    STOP = "STOP"  # once the price is its level or worse
    MARKET_IF_TOUCHED = "MARKET_IF_TOUCHED"  # once the price reaches its level from where it was


class TimeInForce(StrEnum):
    """How long an order waits."""

    GTC = "GTC"  # until it is filled or canceled
    GTD = "GTD"  # until `Order.expires_ns`
    GFD = "GFD"  # until 17:00 New York
    FOK = "FOK"  # filled whole at the next quote or canceled
    IOC = "IOC"  # filled as far as possible at the next quote, the rest canceled


class PositionFill(StrEnum):
    """What an order may do to what is held."""

    DEFAULT = "DEFAULT"  # reduces first where positions are netted, opens where they are hedged
    OPEN_ONLY = "OPEN_ONLY"
    REDUCE_FIRST = "REDUCE_FIRST"
    REDUCE_ONLY = "REDUCE_ONLY"  # never opens or turns a position; cut to what there is to close


class TriggerSide(StrEnum):
    """Which price is compared with an order's level; the fill is at the natural side whatever it is."""

    DEFAULT = "DEFAULT"  # the ask for buys, the bid for sells
    INVERSE = "INVERSE"
    BID = "BID"
    ASK = "ASK"
    MID = "MID"


class FillReason(StrEnum):
    """Why an execution happened."""

    MARKET = "MARKET"
    STOP_LOSS = "STOP_LOSS"
    TAKE_PROFIT = "TAKE_PROFIT"
    MARGIN_CLOSEOUT = "MARGIN_CLOSEOUT"
    LIMIT = "LIMIT"
    STOP = "STOP"
    MARKET_IF_TOUCHED = "MARKET_IF_TOUCHED"
    TRAILING_STOP = "TRAILING_STOP"


EXIT_REASONS = frozenset(
    {
        FillReason.STOP_LOSS,
        FillReason.TAKE_PROFIT,
        FillReason.TRAILING_STOP,
        FillReason.MARGIN_CLOSEOUT,
    }
)
"""Fills that are not of the order that they are reported with, but of the exits that it brought."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """An order: by default a market order, which fills at the next quote, buys at the ask, sells at the bid.

    Prices and distances are whole points, 0 for none.
    """

    client_order_id: ClientOrderId
    instrument: InstrumentId
    units: int  # base currency, positive buys, negative sells
    kind: OrderKind = OrderKind.MARKET
    price: int = 0  # the level of a limit, stop or market-if-touched order
    price_bound: int = 0  # the worst price at which a market, stop or touched order may fill
    time_in_force: TimeInForce = TimeInForce.GTC
    expires_ns: int = 0  # of GTD
    position_fill: PositionFill = PositionFill.DEFAULT
    reduce_only: bool = False  # the same as `PositionFill.REDUCE_ONLY`
    trigger: TriggerSide = TriggerSide.DEFAULT
    stop_distance: int = 0  # of the stop loss, from the fill price
    target_distance: int = 0  # of the take profit, from the fill price
    trailing_distance: int = 0  # of the trailing stop, from the best price of the closing side
    stop_price: int = 0  # the stop loss at a level instead
    target_price: int = 0
    closes: ClientOrderId | None = None  # the trade to close, by the order that opened it; hedging accounts
    replaces: ClientOrderId | None = None  # the waiting order it stands in for; not taken if that is gone


class ChangeState(StrEnum):
    """Where a change of exits stands. While it is UNKNOWN, the old exits may stand or the new ones."""

    INTENT = "INTENT"
    DONE = "DONE"
    REJECTED = "REJECTED"
    UNKNOWN = "UNKNOWN"
    DENIED = "DENIED"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExitChange:
    """Other exits of what is held: of an instrument's position, or of one trade of a hedging account.

    In points; 0 removes an exit, None leaves it. A level that the price has passed is met at the next quote.
    """

    instrument: InstrumentId
    trade: ClientOrderId | None = None  # by the order that opened it; None where positions are netted
    stop: int | None = None  # level of the stop loss
    target: int | None = None  # level of the take profit
    trailing: int | None = None  # distance of the trailing stop, which starts anew at the present price


@dataclass(frozen=True, slots=True, kw_only=True)
class Fill:
    """One execution."""

    client_order_id: ClientOrderId  # of the order, or of the order whose stop or target this is
    instrument: InstrumentId
    time_ns: int
    units: int  # signed
    price: int  # points
    reason: FillReason
    commission: int  # micro-units of the account currency, 0 or more: paid
    realized: int  # micro-units, profit booked by this fill before commission
    position: int  # units held after it, signed
    balance: int  # micro-units of the account after it
    remaining: int = 0  # units of the order not filled yet, signed; they wait on or are reported canceled
    trade: ClientOrderId | None = None  # the order that opened the trade; None where positions are netted
