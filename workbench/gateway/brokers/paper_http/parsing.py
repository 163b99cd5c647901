"""The wire: JSON both ways, every answer checked against its type before anything believes it."""

from typing import TypeVar

import msgspec

from workbench.domain.accounts import AccountSnapshot, Position
from workbench.domain.instruments import Instrument
from workbench.domain.orders import ExitChange, Order
from workbench.domain.quotes import Quote
from workbench.gateway.brokers.port import (
    Accepted,
    Beat,
    BrokerNews,
    Capabilities,
    OpenOrder,
    OrderReport,
    QuoteNews,
    Transaction,
    TransactionNews,
)

__all__ = [
    "AccountReply",
    "BeatLine",
    "CancelBody",
    "CanceledReply",
    "ErrorCode",
    "ErrorReply",
    "ExitsBody",
    "ExitsReply",
    "InstrumentsReply",
    "OpenOrdersReply",
    "OrderBody",
    "OrderReply",
    "PlacedReply",
    "PositionsReply",
    "QuoteLine",
    "QuotesReply",
    "StreamLine",
    "TransactionLine",
    "TransactionsReply",
    "UnreadableError",
    "decode",
    "encode",
    "news_of",
]

_T = TypeVar("_T")


class UnreadableError(ValueError):
    """Bytes that are not what was expected."""


class _Message(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    pass


class ErrorCode:
    """What the server says beside a status of 400 and more. Another code, or none, proves nothing."""

    REJECTED = "REJECTED"  # certainly not done
    NOT_AUTHORIZED = "NOT_AUTHORIZED"
    TOO_MANY_REQUESTS = "TOO_MANY_REQUESTS"
    NO_SUCH_ORDER = "NO_SUCH_ORDER"
    BAD_REQUEST = "BAD_REQUEST"


class ErrorReply(_Message, frozen=True, kw_only=True):
    """Not done, and why."""

    code: str
    message: str


class AccountReply(_Message, frozen=True, kw_only=True):
    """The books, and what the account can do."""

    account: AccountSnapshot
    capabilities: Capabilities
    time_ns: int
    last_transaction: int


class InstrumentsReply(_Message, frozen=True, kw_only=True):
    """What can be traded."""

    instruments: tuple[Instrument, ...]


class PositionsReply(_Message, frozen=True, kw_only=True):
    """What is held."""

    positions: tuple[Position, ...]


class OpenOrdersReply(_Message, frozen=True, kw_only=True):
    """What waits."""

    orders: tuple[OpenOrder, ...]


class OrderReply(_Message, frozen=True, kw_only=True):
    """One order."""

    order: OrderReport


class TransactionsReply(_Message, frozen=True, kw_only=True):
    """A page of the record; `last` is the record's end, so that a page can be told from all of it."""

    transactions: tuple[Transaction, ...]
    last: int


class OrderBody(_Message, frozen=True, kw_only=True):
    """An order to place, or to put in another's place."""

    order: Order


class CancelBody(_Message, frozen=True, kw_only=True):
    """Why an order is taken back."""

    reason: str


class ExitsBody(_Message, frozen=True, kw_only=True):
    """New exits of what is held."""

    change: ExitChange


class ExitsReply(_Message, frozen=True, kw_only=True):
    """Whether anything of the kind is held."""

    changed: bool


class PlacedReply(_Message, frozen=True, kw_only=True):
    """The broker has the order."""

    accepted: Accepted


class CanceledReply(_Message, frozen=True, kw_only=True):
    """Whether there was an order to take back."""

    canceled: bool


class QuoteLine(_Message, frozen=True, kw_only=True, tag_field="type", tag="quote"):
    """A line of the stream."""

    quote: Quote
    seq: int = 0  # from 1 within the server's life


class TransactionLine(_Message, frozen=True, kw_only=True, tag_field="type", tag="transaction"):
    """A line of the stream."""

    transaction: Transaction


class BeatLine(_Message, frozen=True, kw_only=True, tag_field="type", tag="beat"):
    """A line of the stream."""

    time_ns: int
    last_transaction: int
    epoch: int = 0  # which life of the server its quotes are numbered in
    last_quote: int = 0  # the number of the last one


class QuotesReply(_Message, frozen=True, kw_only=True):
    """Quotes that were asked for again, in order; fewer where the server does not keep them any more."""

    epoch: int
    quotes: tuple[Quote, ...]


StreamLine = QuoteLine | TransactionLine | BeatLine


def encode(value: object) -> bytes:
    """A message as bytes."""
    return msgspec.json.encode(value)


def decode(body: bytes, kind: type[_T]) -> _T:
    """Bytes as a message.

    Raises
    ------
    UnreadableError
        They are cut, garbled or of another kind.
    """
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, ValueError) as error:
        raise UnreadableError(f"{error} in {body[:200]!r}") from None


def news_of(line: bytes) -> BrokerNews:
    """A line of the stream as the port has it; `UnreadableError` as `decode`."""
    match decode(line, StreamLine):  # type: ignore[arg-type]
        case QuoteLine(quote=quote):
            return QuoteNews(quote=quote)
        case TransactionLine(transaction=transaction):
            return TransactionNews(transaction=transaction)
        case BeatLine(time_ns=time_ns, last_transaction=last):
            return Beat(time_ns=time_ns, last_transaction=last)
    raise UnreadableError(f"a line of no known kind: {line[:200]!r}")
