"""What goes over the simulated wire: one JSON request, one JSON reply with a status, as over HTTP."""

import msgspec

from workbench.domain.accounts import AccountSnapshot, Position
from workbench.domain.instruments import Instrument
from workbench.domain.orders import ExitChange, Order
from workbench.gateway.brokers.port import OpenOrder, OrderReport, Transaction

__all__ = ["Page", "Reply", "Request", "TimedOutError", "Word"]


class TimedOutError(Exception):
    """No reply came."""


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """One verb."""

    verb: str
    order: Order | None = None
    name: str = ""
    since: int = 0
    change: ExitChange | None = None


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """A status as HTTP has it, and a body."""

    status: int
    body: bytes


class Word(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of an answer to a verb that changes something."""

    id: str = ""
    done: bool = True
    reason: str = ""
    proof: bool = False  # that nothing was done


class Page(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of a report; `count` lines were sent."""

    count: int
    last: int = 0  # number of the record's last transaction that is shown
    transactions: tuple[Transaction, ...] = ()
    open_orders: tuple[OpenOrder, ...] = ()
    positions: tuple[Position, ...] = ()
    account: AccountSnapshot | None = None
    order: OrderReport | None = None
    instruments: tuple[Instrument, ...] = ()
