"""The verbs every broker has here; a broker's own words end at its adapter's `parsing.py`.

What an adapter promises, whoever the broker is:

* **An answer is definite or it is not.** A verb that changes something returns (it was done), raises
  `RejectedError` (it was certainly not done) or raises `AmbiguousError` (nobody knows). No answer, half an
  answer, one that can not be read, a server's own failure: ambiguous. Only what the broker's documentation
  says proves that nothing was done may become `RejectedError`.
* **Placing happens once.** No verb that places or replaces is tried again by an adapter.
* **A report is whole or an error.** A verb that reads returns the broker's complete answer, paged to its
  end, or raises `UnavailableError`: never a part, and never nothing for "I could not find out".
* **The broker's record decides.** Everything that happens to an order gets the next number of the
  account's record (`Transaction.number`) and is found by `transactions_since`, even if the stream lost it.

`docs/brokers.md` maps OANDA v20 and FIX 4.4 onto this and says how to write an adapter;
`workbench.gateway.brokers.conformance` holds the cards that every adapter passes.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from workbench.domain.accounts import AccountMode, AccountSnapshot, Position
from workbench.domain.instruments import Instrument
from workbench.domain.orders import (
    ClientOrderId,
    ExitChange,
    Fill,
    Order,
    OrderKind,
    OrderState,
    TimeInForce,
)
from workbench.domain.quotes import Quote
from workbench.errors import WorkbenchError
from workbench.gateway.messages import FeedEvent

__all__ = [
    "EXTERNAL_PREFIX",
    "Accepted",
    "AmbiguousError",
    "Beat",
    "Broker",
    "BrokerNews",
    "Capabilities",
    "ClientIdScope",
    "Lost",
    "NotAuthorizedError",
    "OpenOrder",
    "OrderReport",
    "QuoteNews",
    "RateLimitedError",
    "RejectedError",
    "Transaction",
    "TransactionNews",
    "UnavailableError",
    "give",
]

EXTERNAL_PREFIX = "ext-"
"""An order that somebody else placed on the account is shown under this and the broker's own id."""


# --- how a verb fails ----------------------------------------------------------------------------------


class AmbiguousError(WorkbenchError):
    """Nobody knows whether the broker did it: no answer, or one that proves nothing."""


class RejectedError(WorkbenchError):
    """The broker says, definitively, that it does not do it; what was before still is."""


class NotAuthorizedError(RejectedError):
    """The broker does not know the credential any more: nothing was done, and nothing more will be."""


class RateLimitedError(RejectedError):
    """Too many requests: this one was certainly not taken; wait before the next."""


class UnavailableError(WorkbenchError):
    """A report could not be had whole, or there is no connection; asking again is safe."""


# --- what a broker can do ------------------------------------------------------------------------------


class ClientIdScope(StrEnum):
    """How far the broker itself refuses a client order id that it has seen before."""

    ACCOUNT = "ACCOUNT"  # for ever
    PENDING = "PENDING"  # while an order of that id waits: a filled market order does not block a second
    NONE = "NONE"  # never


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What an account at this broker can do; an order that needs more is refused before it is sent."""

    mode: AccountMode
    kinds: frozenset[OrderKind]
    times_in_force: frozenset[TimeInForce]
    exits_on_orders: bool  # stop, target and trailing stop come with the order
    exit_changes: bool  # those of what is held can be changed
    atomic_replace: bool  # at no moment do the old order and the new one wait together
    partial_fills: bool
    client_id_scope: ClientIdScope
    client_id_length: int  # longest client order id
    absence_grace_ns: int  # after this, an order the complete record does not show was never taken
    heartbeat_ns: int  # longest silence of a healthy stream, 0 for a broker in this process


# --- what a broker shows -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """The broker has the order."""

    broker_order_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenOrder:
    """An order the broker has and has not executed; `order.units` are those that still wait."""

    broker_order_id: str
    order: Order


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderReport:
    """What the broker says of one order, waiting or ended."""

    client_order_id: ClientOrderId
    broker_order_id: str
    state: OrderState
    remaining: int  # units not filled, signed; 0 once it has ended
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Transaction:
    """One thing that happened at the broker: an execution, or an order's end without one."""

    number: int  # from 1, rising: the watermark
    event_seq: int  # the feed event on which it happened; 0 where the broker knows of no feed
    client_order_id: ClientOrderId
    state: OrderState
    fill: Fill | None
    broker_trade_id: str  # of the fill, empty for none
    reason: str


# --- what a broker tells unasked -----------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class QuoteNews:
    """A new quote."""

    quote: Quote


@dataclass(frozen=True, slots=True, kw_only=True)
class TransactionNews:
    """Something happened on the account. It may come twice, late or never: the record decides."""

    transaction: Transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class Beat:
    """The stream is alive."""

    time_ns: int  # the broker's clock
    last_transaction: int  # a number above ours: something was missed, ask `transactions_since`


@dataclass(frozen=True, slots=True, kw_only=True)
class Lost:
    """The connection is gone: closed, cut or silent for too long. Nothing follows before `connect`."""

    reason: str


BrokerNews = QuoteNews | TransactionNews | Beat | Lost


class Broker(Protocol):
    """A broker's account, used from one thread."""

    absence_is_proof: bool
    """Whether an order that `open_orders` and the transactions do not show was certainly never taken."""

    # --- connection ---

    def capabilities(self) -> Capabilities:
        """What the account can do; known without a connection."""

    def connect(self) -> None:
        """Log on and open the streams; done before: nothing. `NotAuthorizedError`, `UnavailableError`."""

    def disconnect(self) -> None:
        """Close the streams. Orders stay as they are."""

    def news(self) -> tuple[BrokerNews, ...]:
        """What the streams have brought since the last call, in order; never waits."""

    def time_ns(self) -> int:
        """The broker's clock as last heard; 0 before that."""

    def clock_offset_ns(self) -> int | None:
        """The broker's clock less ours as last heard on an open stream; None while that is not known."""

    # --- reports: `UnavailableError` when they can not be had whole ---

    def account(self) -> AccountSnapshot:
        """The books as of the last event."""

    def instruments(self) -> tuple[Instrument, ...]:
        """What can be traded."""

    def positions(self) -> tuple[Position, ...]:
        """What is held."""

    def open_orders(self) -> tuple[OpenOrder, ...]:
        """The orders that wait, in the order they came; those of others too (`EXTERNAL_PREFIX`)."""

    def order(self, client_order_id: ClientOrderId) -> OrderReport | None:
        """One order, waiting or ended; None when the broker says that it has none of that id."""

    def transactions_since(self, watermark: int) -> tuple[Transaction, ...]:
        """Everything that happened after transaction `watermark`, in order."""

    # --- orders ---

    def place(self, order: Order) -> Accepted:
        """Hand an order over, once. `AmbiguousError` leaves it UNKNOWN; it is never tried again."""

    def cancel(self, client_order_id: ClientOrderId, *, reason: str) -> bool:
        """Take an order back; False when the broker does not have it any more.

        It may be asked for again. `AmbiguousError`: nobody knows whether it was done.
        """

    def replace(self, client_order_id: ClientOrderId, order: Order) -> Accepted:
        """Take an order back and hand another over in its place; the old one never stays beside it.

        `RejectedError`: the old one is as it was, or had ended before. `AmbiguousError`: the old one may
        wait, or the new one; both are counted until the broker's record says which.
        """

    def change_exits(self, change: ExitChange) -> bool:
        """Change the stop, target and trailing stop of what is held; False when nothing of the kind is.

        Asked again it comes to the same levels. A level that the price has passed closes at the market:
        where a broker refuses such a level, the adapter closes. `RejectedError`: the exits are as they were.
        `AmbiguousError`: they may be the old ones or the new ones.
        """

    def take_event(self, event: FeedEvent) -> None:
        """What the market did; a broker with an exchange of its own behind it has nothing to do."""


def give(broker: Broker, order: Order) -> Accepted:
    """Hand an order over, once: alone, or in the place of the one that it replaces."""
    return broker.place(order) if order.replaces is None else broker.replace(order.replaces, order)
