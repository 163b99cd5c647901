"""The gateway's side of the simulated broker: the broker port over the simulated wire."""

from dataclasses import dataclass, field
from typing import TypeVar

import msgspec

from workbench.domain.accounts import AccountMode, AccountSnapshot, Position
from workbench.domain.instruments import Instrument
from workbench.domain.orders import ClientOrderId, ExitChange, Order, OrderKind, TimeInForce
from workbench.gateway.brokers.port import (
    Accepted,
    AmbiguousError,
    Beat,
    BrokerNews,
    Capabilities,
    ClientIdScope,
    Lost,
    NotAuthorizedError,
    OpenOrder,
    OrderReport,
    RateLimitedError,
    RejectedError,
    Transaction,
    UnavailableError,
)
from workbench.gateway.messages import FeedEvent
from workbench.gateway.simulation.network import Network
from workbench.gateway.simulation.wire import Page, Reply, Request, TimedOutError, Word

__all__ = ["GRACE_S", "SimulatedBroker"]

GRACE_S = 6.0
_HEARTBEAT_S = 10.0
_T = TypeVar("_T")
_CAPABILITIES = Capabilities(
    mode=AccountMode.NETTING,
    kinds=frozenset(OrderKind),
    times_in_force=frozenset(TimeInForce),
    exits_on_orders=True,
    exit_changes=True,
    atomic_replace=False,
    partial_fills=True,
    client_id_scope=ClientIdScope.PENDING,
    client_id_length=32,
    absence_grace_ns=round(GRACE_S * 1e9),
    heartbeat_ns=round(_HEARTBEAT_S * 1e9),
)


@dataclass(slots=True)
class SimulatedBroker:
    """See `workbench.gateway.brokers.port.Broker`."""

    network: Network
    absence_is_proof: bool = False
    _connected: bool = field(default=False)

    def capabilities(self) -> Capabilities:
        """See `Broker`."""
        return _CAPABILITIES

    def connect(self) -> None:
        """See `Broker`."""
        if self._connected:
            return
        if self.network.house.troubles.unauthorized:
            self.network.connect()
            self.network.hits["F06"] += 1
            raise NotAuthorizedError("token expired")
        if not self.network.connect():
            raise UnavailableError("connection refused")
        self._connected = True

    def disconnect(self) -> None:
        """See `Broker`."""
        self._connected = False

    def news(self) -> tuple[BrokerNews, ...]:
        """See `Broker`."""
        troubles = self.network.house.troubles
        if not self._connected:
            return (Lost(reason="not connected"),)
        if self.network.cut:
            self.network.cut = False
            return (Lost(reason="connection reset"),)
        if troubles.flap:
            self.network.hits["F25"] += 1
            return (Lost(reason="connection reset"),)
        if troubles.down:
            return (Lost(reason="connection reset"),)
        if troubles.half_open or troubles.silent_stream:
            self.network.hits["F24" if troubles.half_open else "F23"] += 1
            return ()
        last = self.network.house.record[-1].number if self.network.house.record else 0
        return (Beat(time_ns=self.network.clock.wall_ns(), last_transaction=last),)

    def time_ns(self) -> int:
        """See `Broker`."""
        return self.network.clock.wall_ns() - self.network.clock.wall_offset_ns

    def clock_offset_ns(self) -> int | None:
        """See `Broker`."""
        return -self.network.clock.wall_offset_ns if self._connected else None

    def account(self) -> AccountSnapshot:
        """See `Broker`."""
        found = self._page("account").account
        if found is None:
            raise UnavailableError("expected the account, found a page without it")
        return found

    def instruments(self) -> tuple[Instrument, ...]:
        """See `Broker`."""
        return self._page("instruments").instruments

    def positions(self) -> tuple[Position, ...]:
        """See `Broker`."""
        return self._page("positions").positions

    def open_orders(self) -> tuple[OpenOrder, ...]:
        """See `Broker`."""
        return self._page("open_orders").open_orders

    def order(self, client_order_id: ClientOrderId) -> OrderReport | None:
        """See `Broker`."""
        return self._page("order", name=client_order_id).order

    def transactions_since(self, watermark: int) -> tuple[Transaction, ...]:
        """See `Broker`; a page that misses a line is no report."""
        page = self._page("transactions", since=watermark)
        if len(page.transactions) != page.count:
            raise UnavailableError(
                f"expected {page.count} lines of the record, found {len(page.transactions)}"
            )
        return tuple(sorted(page.transactions, key=lambda item: item.number))

    def place(self, order: Order) -> Accepted:
        """See `Broker`."""
        return Accepted(broker_order_id=self._change(Request(verb="place", order=order)).id)

    def cancel(self, client_order_id: ClientOrderId, *, reason: str) -> bool:
        """See `Broker`."""
        return self._change(Request(verb="cancel", name=client_order_id)).done

    def replace(self, client_order_id: ClientOrderId, order: Order) -> Accepted:
        """See `Broker`."""
        word = self._change(Request(verb="replace", name=client_order_id, order=order))
        return Accepted(broker_order_id=word.id)

    def change_exits(self, change: ExitChange) -> bool:
        """See `Broker`."""
        return self._change(Request(verb="exits", change=change)).done

    def take_event(self, event: FeedEvent) -> None:
        """See `Broker`: its market has moved as far as ours, at least."""
        self.network.house.move_to(event.seq)

    def _change(self, request: Request) -> Word:
        """The word of a verb that changes something: done, certainly not done, or nobody knows."""
        try:
            reply = self.network.ask(request)
        except TimedOutError as error:
            raise AmbiguousError(f"{request.verb}: {error}") from None
        _refuse(request, reply)
        word = _parsed(reply, Word)
        if word is None or reply.status >= 500:
            raise AmbiguousError(f"{request.verb}: status {reply.status}, body {reply.body[:200]!r}")
        if reply.status >= 400:
            if word.proof:
                raise RejectedError(word.reason)
            raise AmbiguousError(f"{request.verb}: status {reply.status}: {word.reason}")
        return word

    def _page(self, verb: str, *, since: int = 0, name: str = "") -> Page:
        request = Request(verb=verb, since=since, name=name)
        try:
            reply = self.network.ask(request)
        except TimedOutError as error:
            raise UnavailableError(f"{verb}: {error}") from None
        _refuse(request, reply)
        page = _parsed(reply, Page) if reply.status == 200 else None
        if page is None:
            raise UnavailableError(
                f"{verb}: status {reply.status}, {len(reply.body)} bytes that can not be read"
            )
        return page


def _refuse(request: Request, reply: Reply) -> None:
    if reply.status in (401, 403):
        raise NotAuthorizedError(f"{request.verb}: the token has expired")
    if reply.status == 429:
        raise RateLimitedError(f"{request.verb}: too many requests")


def _parsed(reply: Reply, kind: type[_T]) -> _T | None:
    try:
        return msgspec.json.decode(reply.body, type=kind)
    except msgspec.DecodeError:
        return None
