"""A paper account: the engine takes the orders and executes them on the quotes and bars of the feed."""

from dataclasses import replace

from workbench.domain.accounts import AccountSnapshot, Position
from workbench.domain.instruments import Instrument
from workbench.domain.orders import (
    EXIT_REASONS,
    ClientOrderId,
    ExitChange,
    Fill,
    Order,
    OrderKind,
    TimeInForce,
)
from workbench.engine import MatchingEngine
from workbench.errors import BadInputError
from workbench.gateway.brokers.paper.config import PaperConfig
from workbench.gateway.brokers.paper.parsing import cancellation, order_report, transactions
from workbench.gateway.brokers.port import (
    Accepted,
    BrokerNews,
    Capabilities,
    ClientIdScope,
    OpenOrder,
    OrderReport,
    RejectedError,
    Transaction,
)
from workbench.gateway.messages import BarClosed, FeedEnded, FeedEvent, QuoteMoved

__all__ = ["PaperBroker"]


class PaperBroker:
    """The `Broker` port over a `MatchingEngine`; the same events and orders give the same books."""

    absence_is_proof = True  # its memory is the store's: what is not in it was never taken

    def __init__(self, config: PaperConfig) -> None:
        self._instruments = config.instruments
        self._mode = config.rules.mode
        self._engine = MatchingEngine(
            instruments=sorted((*config.instruments, *config.quoted), key=lambda item: item.id),
            cost_book=config.cost_book,
            currency=config.currency,
            balance=config.balance,
            rules=config.rules,
        )
        self._waiting: dict[ClientOrderId, OpenOrder] = {}
        self._broker_ids: dict[ClientOrderId, str] = {}  # of every order it ever had
        self._transactions: list[Transaction] = []
        self._placed = 0
        self._trades = 0
        self._seq = 0
        self._now_ns = 0  # of a bar whose quotes came one by one; 0 where the engine knows the time

    def capabilities(self) -> Capabilities:
        """See `Broker`."""
        return Capabilities(
            mode=self._mode,
            kinds=frozenset(OrderKind),
            times_in_force=frozenset(TimeInForce),
            exits_on_orders=True,
            exit_changes=True,
            atomic_replace=True,
            partial_fills=True,
            client_id_scope=ClientIdScope.ACCOUNT,
            client_id_length=32,
            absence_grace_ns=0,
            heartbeat_ns=0,
        )

    def connect(self) -> None:
        """See `Broker`: it is in this process."""

    def disconnect(self) -> None:
        """See `Broker`."""

    def news(self) -> tuple[BrokerNews, ...]:
        """See `Broker`: it is told the market and has no stream of its own."""
        return ()

    def time_ns(self) -> int:
        """See `Broker`: the last event's."""
        return self.account().time_ns

    def clock_offset_ns(self) -> int | None:
        """See `Broker`: the feed is its clock and ours."""
        return 0

    def account(self) -> AccountSnapshot:
        """See `Broker`; time 0 before the first event."""
        snapshot = self._engine.account()
        return snapshot if self._seq else replace(snapshot, time_ns=0)

    def instruments(self) -> tuple[Instrument, ...]:
        """See `Broker`."""
        return self._instruments

    def positions(self) -> tuple[Position, ...]:
        """See `Broker`."""
        return self._engine.account().positions

    def place(self, order: Order) -> Accepted:
        """See `Broker`."""
        if order.instrument not in {item.id for item in self._instruments}:
            raise RejectedError(f"this account does not trade {order.instrument}")
        if order.client_order_id in self._broker_ids:
            raise RejectedError(
                f"order {order.client_order_id} is waiting already or has ended; give each order its own id"
            )
        try:
            self._engine.submit(order, at_ns=self._now_ns or None)
        except BadInputError as error:
            raise RejectedError(str(error)) from None
        self._placed += 1
        accepted = Accepted(broker_order_id=f"P{self._placed:09d}")
        self._broker_ids[order.client_order_id] = accepted.broker_order_id
        self._waiting[order.client_order_id] = OpenOrder(
            broker_order_id=accepted.broker_order_id, order=order
        )
        return accepted

    def cancel(self, client_order_id: ClientOrderId, *, reason: str) -> bool:
        """See `Broker`."""
        if not self._engine.cancel(client_order_id):
            return False
        del self._waiting[client_order_id]
        self._transactions.append(
            cancellation(client_order_id, reason, event_seq=self._seq, number=len(self._transactions) + 1)
        )
        return True

    def replace(self, client_order_id: ClientOrderId, order: Order) -> Accepted:
        """See `Broker`."""
        if client_order_id not in self._waiting:
            raise RejectedError(f"order {client_order_id} does not wait any more; nothing was replaced")
        accepted = self.place(replace(order, replaces=client_order_id))
        del self._waiting[client_order_id]
        reason = f"replaced by {order.client_order_id}"
        self._transactions.append(
            cancellation(client_order_id, reason, event_seq=self._seq, number=len(self._transactions) + 1)
        )
        return accepted

    def change_exits(self, change: ExitChange) -> bool:
        """See `Broker`."""
        try:
            return self._engine.change_exits(change)
        except BadInputError as error:
            raise RejectedError(str(error)) from None

    def open_orders(self) -> tuple[OpenOrder, ...]:
        """See `Broker`."""
        return tuple(self._waiting.values())

    def order(self, client_order_id: ClientOrderId) -> OrderReport | None:
        """See `Broker`."""
        known = self._broker_ids.get(client_order_id)
        if known is None:
            return None
        return order_report(
            client_order_id, known, waiting=self._waiting.get(client_order_id), happened=self._transactions
        )

    def transactions_since(self, watermark: int) -> tuple[Transaction, ...]:
        """See `Broker`."""
        return tuple(self._transactions[watermark:])

    def take_event(self, event: FeedEvent) -> None:
        """See `Broker`: a quote executes what waits, a bar's range meets stops and targets."""
        if event.seq != self._seq + 1:
            raise ValueError(f"expected event {self._seq + 1}, found {event.seq}")
        self._seq = event.seq
        dropped: list[tuple[ClientOrderId, str]] = []
        fills: list[Fill] = []
        match event:
            case QuoteMoved(quote=quote):
                self._now_ns = 0
                fills = self._engine.on_quote(quote)
            case BarClosed(quoted=True, bar=bar):
                self._now_ns = bar.close_ns  # its quotes have been matched one by one
            case BarClosed(bars=bars):
                fills = [fill for bar in bars for fill in self._engine.on_bar(bar)]
            case FeedEnded():
                dropped = [(item, "the feed has ended") for item in self._engine.cancel_all()]
        dropped += self._engine.take_canceled()
        self._transactions += transactions(
            fills,
            dropped,
            event_seq=event.seq,
            last_number=len(self._transactions),
            last_trade=self._trades,
        )
        self._trades += len(fills)
        for fill in fills:
            if fill.reason not in EXIT_REASONS:
                self._reduce(fill.client_order_id, fill.remaining)
        for client_order_id, _ in dropped:
            self._reduce(client_order_id, 0)

    def _reduce(self, client_order_id: ClientOrderId, remaining: int) -> None:
        """Keep what is left of a waiting order; nothing when that is all filled or dropped."""
        if remaining == 0:
            self._waiting.pop(client_order_id, None)
        elif (known := self._waiting.get(client_order_id)) is not None:
            rest = replace(known.order, units=remaining)
            self._waiting[client_order_id] = replace(known, order=rest)
