"""Handing events to a strategy, in lock-step: the event after the one it has done with, and no further.

Each event is durable, with the books as of it, before the strategy sees it. A kernel that comes back gets
all former events again with what was decided then, so that it arrives at the state it had.
"""

from collections.abc import Mapping
from typing import Any

import msgspec
import sqlalchemy as sa

from workbench.domain.accounts import AccountSnapshot
from workbench.domain.orders import Fill
from workbench.gateway.broker_records import write_link
from workbench.gateway.controls.halting import note, watch_controls
from workbench.gateway.desk import Desk
from workbench.gateway.messages import (
    BarClosed,
    EventReply,
    FeedEnded,
    FeedEvent,
    KernelReply,
    NextEvent,
    Refused,
    Waiting,
)
from workbench.gateway.reconciliation import watch
from workbench.gateway.records import fill_of, write_ack, write_books, write_delivery, write_transactions
from workbench.gateway.trading import State, Trading
from workbench.store.schema import deliveries, fills

__all__ = ["advance", "last_acked", "next_event"]

_Row = sa.RowMapping
_FROM = (
    sa.select(deliveries)
    .where(deliveries.c.deployment_id == sa.bindparam("deployment"))
    .where(deliveries.c.event_seq >= sa.bindparam("after"))
    .order_by(deliveries.c.event_seq)
    .limit(2)
)
_FILLS = (
    sa.select(fills)
    .where(fills.c.deployment_id == sa.bindparam("deployment"))
    .where(fills.c.event_seq > sa.bindparam("after"))
    .where(fills.c.event_seq <= sa.bindparam("until"))
    .order_by(fills.c.broker_trade_id)
)


def next_event(desk: Desk, trading: Trading, request: NextEvent) -> KernelReply:
    """The event after `request.after`, or that there is none yet."""
    if trading.state is State.FROZEN:
        return Refused(reason=trading.detail)
    if request.after > trading.decision_seq or request.after < 0:
        return Refused(
            reason=f"expected the number of an event up to {trading.decision_seq}, found {request.after}"
        )
    if request.after < trading.decision_seq:
        return _again(desk, trading, request)
    ack = None if trading.acked else request.decision
    if trading.state is not State.RUNNING or trading.ended:
        if ack is not None:
            advance(desk, trading, ack=ack, most=0)
        return Waiting(killed=bool(desk.kill_over(trading)))
    reply = advance(desk, trading, ack=ack)
    return Waiting(killed=bool(desk.kill_over(trading))) if reply is None else reply


def advance(
    desk: Desk, trading: Trading, *, ack: Mapping[str, Any] | None = None, most: int | None = None
) -> EventReply | None:
    """Take what the feed has, up to the next event that asks for a decision; that one, if it came to it.

    Parameters
    ----------
    ack
        What was decided on the last event handed over, if it is to be written down too.
    most
        Take at most this many events.
    """
    events = _due(trading, most=most)
    if not events and ack is None:
        return None
    for event in events:
        trading.take(event)
    watch(desk, trading, now=True)
    snapshot = trading.books
    here = trading.standing is None  # of a broker elsewhere the record is in the books already
    found = trading.broker.transactions_since(trading.watermark) if here else ()
    deployment_id = trading.spec.deployment_id
    decision = next((event for event in events if isinstance(event, BarClosed | FeedEnded)), None)
    with desk.ledger.change("delivery") as change:
        if ack is not None:
            write_ack(change, deployment_id, seq=trading.decision_seq, decision=ack)
        if events:
            write_transactions(change, trading, found, now_ns=desk.ledger.now_ns())
            write_books(change, trading, snapshot)
            if trading.standing is not None:
                write_link(change, trading, trading.standing, now_ns=desk.ledger.now_ns())
        if decision is not None:
            write_delivery(change, trading, decision, snapshot)
    fresh = [item.fill for item in found if item.fill is not None]
    _tell(desk, deployment_id, fresh)
    trading.watermark += len(found)
    trading.fills += len(fresh)
    trading.undelivered += fresh
    trading.acked = trading.acked or ack is not None
    note(trading, found)
    watch_controls(desk, trading)
    if decision is None:
        return None
    since, trading.undelivered = tuple(trading.undelivered), []
    trading.decision_seq, trading.acked = decision.seq, False
    return EventReply(event=decision, account=snapshot, fills=since, replayed=False, decision={})


def last_acked(connection: sa.Connection, deployment_id: str) -> int:
    """The last event a strategy has done with, 0 for none."""
    query = sa.select(sa.func.max(deliveries.c.event_seq)).where(
        deliveries.c.deployment_id == deployment_id, deliveries.c.acked.is_(True)
    )
    return connection.scalar(query) or 0


def _tell(desk: Desk, deployment_id: str, found: list[Fill]) -> None:
    for fill in found:
        desk.log.info(
            "fill",
            deployment_id=deployment_id,
            client_order_id=fill.client_order_id,
            time_ns=fill.time_ns,
            units=fill.units,
            price=fill.price,
            reason=fill.reason.value,
        )


def _due(trading: Trading, *, most: int | None) -> list[FeedEvent]:
    events: list[FeedEvent] = []
    while most is None or len(events) < most:
        event = trading.feed.event(trading.seq + len(events) + 1)
        if event is None:
            break
        events.append(event)
        if isinstance(event, BarClosed | FeedEnded):
            break
    return events


def _again(desk: Desk, trading: Trading, request: NextEvent) -> KernelReply:
    """The stored event after `request.after`."""
    deployment_id = trading.spec.deployment_id
    with desk.engine.connect() as connection:
        rows = (
            connection.execute(_FROM, {"deployment": deployment_id, "after": request.after}).mappings().all()
        )
        before = next((row for row in rows if row["event_seq"] == request.after), None)
        row = next(row for row in rows if row["event_seq"] > request.after)
        found = (
            connection.execute(
                _FILLS,
                {"deployment": deployment_id, "after": _previous(connection, row), "until": row["event_seq"]},
            )
            .mappings()
            .all()
        )
    if before is not None and not before["acked"]:
        with desk.ledger.change("late acknowledgement") as change:
            write_ack(change, deployment_id, seq=request.after, decision=request.decision)
    return EventReply(
        event=msgspec.convert(row["event"], BarClosed | FeedEnded),
        account=msgspec.convert(row["snapshot"], AccountSnapshot),
        fills=tuple(fill_of(item) for item in found),
        replayed=row["acked"],
        decision=row["decision"],
    )


def _previous(connection: sa.Connection, row: _Row) -> int:
    """The event handed over before the one in `row`, 0 for none."""
    query = sa.select(sa.func.max(deliveries.c.event_seq)).where(
        deliveries.c.deployment_id == row["deployment_id"], deliveries.c.event_seq < row["event_seq"]
    )
    return connection.scalar(query) or 0
