"""Handing every quote to a strategy, in lock-step, without a commit a quote.

A quote is in the pinned data, and the books as of it follow from the quotes and orders before. So only the
events that mean something are written, before the strategy sees them or before what it decided is sent:
closed bars, executions, and the events on which it decided something. What lies between is computed again
for a kernel that comes back, and must lead to the decisions that were written down; a gateway that comes
back takes up the quotes that its kernel had seen meanwhile.
"""

from collections.abc import Mapping
from typing import Any

import msgspec
import sqlalchemy as sa

from workbench.domain.accounts import AccountSnapshot
from workbench.domain.orders import Fill
from workbench.gateway.controls.halting import note, watch_controls
from workbench.gateway.desk import Desk
from workbench.gateway.history import load_history
from workbench.gateway.market_data.memory import QuoteMemory
from workbench.gateway.messages import (
    EventReply,
    FeedEvent,
    KernelReply,
    NextEvent,
    QuoteMoved,
    Refused,
    Waiting,
)
from workbench.gateway.records import write_ack, write_books, write_delivery, write_transactions
from workbench.gateway.trading import State, Trading
from workbench.store.schema import deliveries

__all__ = [
    "SKIPPED",
    "follows_quotes",
    "next_quote_event",
    "skip_event",
    "write_before_intent",
    "write_last_event",
]

SKIPPED = {"skipped": True}
"""The decision of an event that went by without the strategy, while its position was closed for it."""


def follows_quotes(trading: Trading) -> bool:
    """Whether its feed has quotes that are not written one by one."""
    return trading.spec.feed.kind != "replay"


def next_quote_event(desk: Desk, trading: Trading, request: NextEvent) -> KernelReply:
    """The event after `request.after`, quotes too, or that there is none yet."""
    if trading.state is State.FROZEN:
        return Refused(reason=trading.detail)
    if request.after < 0 or not _catch_up(desk, trading, until=request.after):
        return Refused(
            reason=f"expected the number of an event up to {trading.decision_seq}, found {request.after}"
        )
    if request.after < trading.decision_seq:
        return _again(desk, trading, request.after)
    _acknowledge(desk, trading, request.decision)
    event = None
    if trading.state is State.RUNNING and not trading.ended:
        event = trading.feed.event(trading.seq + 1)
    if event is None:
        return Waiting(killed=bool(desk.kill_over(trading)))
    return _hand_over(desk, trading, event, after=request.after)


def write_before_intent(desk: Desk, trading: Trading, event_seq: int) -> None:
    """Make the event durable that the strategy is about to act on, with the books as of it."""
    if not _catch_up(desk, trading, until=event_seq) or event_seq != trading.decision_seq:
        return  # what comes of it is refused or denied there
    write_last_event(desk, trading)


def skip_event(desk: Desk, trading: Trading) -> None:
    """Take one event that the strategy does not see; that it did not is written down."""
    event = trading.feed.event(trading.seq + 1)
    if event is None:
        return
    _hand_over(desk, trading, event, after=trading.decision_seq, skipped=True)


def _memory(trading: Trading) -> QuoteMemory:
    if trading.memory is None:
        trading.memory = QuoteMemory(written=trading.decision_seq)
    return trading.memory


def _hand_over(
    desk: Desk, trading: Trading, event: FeedEvent, *, after: int, skipped: bool = False
) -> EventReply:
    trading.take(event)
    snapshot = trading.broker.account()
    found = trading.broker.transactions_since(trading.watermark)
    memory = _memory(trading)
    if skipped or found or not isinstance(event, QuoteMoved):
        with desk.ledger.change("delivery") as change:
            write_transactions(change, trading, found, now_ns=desk.ledger.now_ns())
            write_books(change, trading, snapshot)
            write_delivery(change, trading, event, snapshot)
            if skipped:
                write_ack(change, trading.spec.deployment_id, seq=event.seq, decision=SKIPPED)
        memory.written = event.seq
    fresh = tuple(item.fill for item in found if item.fill is not None)
    _tell(desk, trading, fresh)
    trading.watermark += len(found)
    trading.fills += len(fresh)
    since, trading.undelivered = (*trading.undelivered, *fresh), [*trading.undelivered, *fresh]
    if not skipped:
        trading.undelivered = []
    trading.decision_seq, trading.acked = event.seq, skipped
    memory.before, memory.decision = after, SKIPPED if skipped else {}
    memory.last = EventReply(event=event, account=snapshot, fills=since, replayed=False, decision={})
    note(trading, found)
    watch_controls(desk, trading)
    return memory.last


def _acknowledge(desk: Desk, trading: Trading, decision: Mapping[str, Any]) -> None:
    """The strategy has done with the last event; a decision is written at once, nothing is not."""
    if trading.acked:
        return
    if decision:
        write_last_event(desk, trading)
        with desk.ledger.change("acknowledgement") as change:
            write_ack(change, trading.spec.deployment_id, seq=trading.decision_seq, decision=decision)
    trading.acked = True
    _memory(trading).decision = dict(decision)


def write_last_event(desk: Desk, trading: Trading) -> None:
    """Make the last event durable, before something is done to the account after it."""
    memory = trading.memory
    if memory is None or memory.last is None or memory.written >= trading.decision_seq:
        return
    with desk.ledger.change("delivery") as change:
        write_books(change, trading, memory.last.account)
        write_delivery(change, trading, memory.last.event, memory.last.account)
    memory.written = trading.decision_seq


def _catch_up(desk: Desk, trading: Trading, *, until: int) -> bool:
    """Take the events that the strategy has seen and the store has not; whether they are there.

    They had no effect: an execution is written before the strategy hears of it, and a decision before it
    is sent.
    """
    if trading.decision_seq < until:
        trading.feed.recall(until)  # their time has come before this process began
    while trading.decision_seq < until:
        event = None if trading.ended else trading.feed.event(trading.seq + 1)
        if event is None:
            return False
        _hand_over(desk, trading, event, after=trading.decision_seq)
    return True


def _again(desk: Desk, trading: Trading, after: int) -> KernelReply:
    """An event that was handed over before, with what was decided on it then."""
    memory = _memory(trading)
    if memory.last is not None and after >= memory.before:
        if trading.acked:
            return msgspec.structs.replace(memory.last, replayed=True, decision=memory.decision)
        return memory.last
    if memory.again is None or memory.again.seq > after:
        memory.again = _Again(desk, trading)
    reply: EventReply = memory.again.next_after(after)
    if reply.event.seq == trading.decision_seq and not trading.acked:
        return msgspec.structs.replace(reply, replayed=False, decision={})
    if reply.event.seq >= trading.decision_seq:
        memory.again = None
    return reply


class _Again:
    """A deployment's past, computed once more beside its present."""

    def __init__(self, desk: Desk, trading: Trading) -> None:
        from workbench.gateway.recovery import new_trading

        self.seq = 0
        self._past = new_trading(desk, trading.spec, feed=trading.feed)
        name = trading.spec.deployment_id
        query = sa.select(deliveries.c.event_seq, deliveries.c.decision).where(
            deliveries.c.deployment_id == name
        )
        with desk.engine.connect() as connection:
            self._history = load_history(connection, name)
            self._decided = {row.event_seq: row.decision for row in connection.execute(query)}
        self._seen = 0

    def next_after(self, after: int) -> EventReply:
        """The first event after `after` that the strategy saw."""
        fills: list[Fill] = []
        while True:
            event, snapshot = self._step()
            found = self._past.broker.transactions_since(self._seen)
            self._seen += len(found)
            fills += [item.fill for item in found if item.fill is not None]
            self._history.apply(self._past.broker, self.seq)
            decision = self._decided.get(self.seq, {})
            if decision == SKIPPED:
                continue
            if self.seq <= after:
                fills.clear()
            else:
                return EventReply(
                    event=event, account=snapshot, fills=tuple(fills), replayed=True, decision=decision
                )

    def _step(self) -> tuple[FeedEvent, AccountSnapshot]:
        event = self._past.feed.event(self.seq + 1)
        assert event is not None  # it has happened
        self._past.take(event)
        self.seq += 1
        return event, self._past.broker.account()


def _tell(desk: Desk, trading: Trading, found: tuple[Fill, ...]) -> None:
    for fill in found:
        desk.log.info(
            "fill",
            deployment_id=trading.spec.deployment_id,
            client_order_id=fill.client_order_id,
            time_ns=fill.time_ns,
            units=fill.units,
            price=fill.price,
            reason=fill.reason.value,
        )
