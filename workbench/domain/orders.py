"""Orders and fills: what was asked, what was done."""

from dataclasses import dataclass
from enum import StrEnum
from typing import NewType

from workbench.domain.instruments import InstrumentId

__all__ = ["TERMINAL_STATES", "ClientOrderId", "Fill", "FillReason", "MarketOrder", "OrderState"]

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


TERMINAL_STATES = frozenset(
    {OrderState.FILLED, OrderState.CANCELED, OrderState.EXPIRED, OrderState.REJECTED, OrderState.DENIED}
)


class FillReason(StrEnum):
    """Why an execution happened."""

    MARKET = "MARKET"
    STOP_LOSS = "STOP_LOSS"
    TAKE_PROFIT = "TAKE_PROFIT"
    MARGIN_CLOSEOUT = "MARGIN_CLOSEOUT"


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketOrder:
    """A market order: it fills at the next quote, buys at the ask and sells at the bid."""

    client_order_id: ClientOrderId
    instrument: InstrumentId
    units: int  # base currency, positive buys, negative sells
    reduce_only: bool = False  # never opens or turns a position; cut to what there is to close
    stop_distance: int = 0  # points from the fill price, 0 for no stop loss
    target_distance: int = 0  # points from the fill price, 0 for no take profit


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
