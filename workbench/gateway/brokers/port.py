"""The verbs every broker has here; a broker's own words end at its adapter's `parsing.py`."""

from dataclasses import dataclass
from typing import Protocol

from workbench.domain.accounts import AccountSnapshot, Position
from workbench.domain.instruments import Instrument
from workbench.domain.orders import ClientOrderId, Fill, Order, OrderState
from workbench.errors import WorkbenchError
from workbench.gateway.messages import FeedEvent

__all__ = ["Accepted", "AmbiguousError", "Broker", "OpenOrder", "RejectedError", "Transaction"]


class AmbiguousError(WorkbenchError):
    """Nobody knows whether the broker has the order: no answer, or one that proves nothing."""


class RejectedError(WorkbenchError):
    """The broker says, definitively, that it does not take the order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """The broker has the order."""

    broker_order_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenOrder:
    """An order the broker has and has not executed."""

    broker_order_id: str
    order: Order


@dataclass(frozen=True, slots=True, kw_only=True)
class Transaction:
    """One thing that happened at the broker: an execution, or an order's end without one."""

    number: int  # from 1, gap-free: the watermark
    event_seq: int  # the feed event on which it happened
    client_order_id: ClientOrderId
    state: OrderState
    fill: Fill | None
    broker_trade_id: str  # of the fill, empty for none
    reason: str


class Broker(Protocol):
    """A broker's account."""

    absence_is_proof: bool
    """Whether an order that `open_orders` and the transactions do not show was certainly never taken."""

    def account(self) -> AccountSnapshot:
        """The books as of the last event."""

    def instruments(self) -> tuple[Instrument, ...]:
        """What can be traded."""

    def positions(self) -> tuple[Position, ...]:
        """What is held."""

    def place(self, order: Order) -> Accepted:
        """Hand an order over, once. `AmbiguousError` leaves it UNKNOWN; it is never tried again."""

    def cancel(self, client_order_id: ClientOrderId, *, reason: str) -> bool:
        """Take an order back; False when the broker does not have it any more.

        It may be asked for again. `AmbiguousError`: nobody knows whether it was done.
        """

    def replace(self, client_order_id: ClientOrderId, order: Order) -> Accepted:
        """Take an order back and hand another over in its place; the old one never stays beside it."""

    def open_orders(self) -> tuple[OpenOrder, ...]:
        """The orders that wait, in the order they came."""

    def transactions_since(self, watermark: int) -> tuple[Transaction, ...]:
        """Everything that happened after transaction `watermark`, in order."""

    def take_event(self, event: FeedEvent) -> None:
        """What the market did; a broker with an exchange of its own behind it has nothing to do."""
