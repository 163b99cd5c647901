"""Between values and rows of the gateway's store."""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
import sqlalchemy as sa

from workbench.domain.accounts import AccountSnapshot
from workbench.domain.orders import (
    EXIT_REASONS,
    ChangeState,
    ExitChange,
    Fill,
    FillReason,
    Order,
    OrderState,
)
from workbench.gateway.brokers.port import Accepted, Transaction
from workbench.gateway.journal import digest
from workbench.gateway.ledger import Change
from workbench.gateway.messages import BarClosed, FeedEnded, FeedEvent, QuoteMoved
from workbench.gateway.statements import Prepared
from workbench.gateway.trading import Trading
from workbench.store.schema import cancels, deliveries, exit_changes, fills, intents, orders, positions

__all__ = [
    "change_of",
    "fill_of",
    "order_of",
    "plain",
    "write_accepted",
    "write_ack",
    "write_books",
    "write_cancel",
    "write_cancel_state",
    "write_change",
    "write_change_state",
    "write_delivery",
    "write_intent",
    "write_intent_state",
    "write_transactions",
]

_INSERT_INTENT = Prepared(sa.insert(intents))
_INSERT_ORDER = Prepared(sa.insert(orders))
_INSERT_FILL = Prepared(sa.insert(fills))
_INSERT_DELIVERY = Prepared(sa.insert(deliveries))
_INSERT_CANCEL = Prepared(sa.insert(cancels))
_UPDATE_CANCEL = Prepared(
    sa.update(cancels)
    .where(cancels.c.client_order_id == sa.bindparam("id"), cancels.c.event_seq == sa.bindparam("seq"))
    .values(state=sa.bindparam("new_state"), reason=sa.bindparam("new_reason"))
)
_INSERT_CHANGE = Prepared(sa.insert(exit_changes))
_UPDATE_CHANGE = Prepared(
    sa.update(exit_changes)
    .where(
        exit_changes.c.deployment_id == sa.bindparam("deployment"),
        exit_changes.c.event_seq == sa.bindparam("seq"),
        exit_changes.c.number == sa.bindparam("place"),
    )
    .values(
        state=sa.bindparam("new_state"),
        control=sa.bindparam("new_control"),
        reason=sa.bindparam("new_reason"),
        changed_seq=sa.bindparam("new_seq"),
    )
)
_UPDATE_INTENT = Prepared(
    sa.update(intents)
    .where(intents.c.client_order_id == sa.bindparam("id"))
    .values(
        state=sa.bindparam("new_state"),
        control=sa.bindparam("new_control"),
        reason=sa.bindparam("new_reason"),
    )
)
_UPDATE_INTENT_STATE = Prepared(
    sa.update(intents)
    .where(intents.c.client_order_id == sa.bindparam("id"))
    .values(state=sa.bindparam("new_state"))
)
_UPDATE_ORDER = Prepared(
    sa.update(orders)
    .where(orders.c.client_order_id == sa.bindparam("id"))
    .values(state=sa.bindparam("new_state"), updated_ns=sa.bindparam("now_ns"))
)
_UPDATE_REMAINING = Prepared(
    sa.update(orders)
    .where(orders.c.client_order_id == sa.bindparam("id"))
    .values(remaining=sa.bindparam("units"))
)
_UPDATE_CANCELED = Prepared(
    sa.update(orders)
    .where(orders.c.client_order_id == sa.bindparam("id"))
    .values(canceled_seq=sa.bindparam("seq"))
)
_ACK = Prepared(
    sa.update(deliveries)
    .where(deliveries.c.deployment_id == sa.bindparam("deployment"))
    .where(deliveries.c.event_seq == sa.bindparam("seq"))
    .values(acked=True, decision=sa.bindparam("new_decision", type_=sa.JSON))
)
_UPDATE_BOOKS = Prepared(
    sa.update(positions)
    .where(positions.c.deployment_id == sa.bindparam("deployment"))
    .values(event_seq=sa.bindparam("seq"), snapshot=sa.bindparam("new_snapshot", type_=sa.JSON))
)


def plain(value: object) -> Any:
    """A value as JSON's own kinds."""
    return msgspec.to_builtins(value)


def order_of(body: Mapping[str, Any]) -> Order:
    """The order that an intent's body holds."""
    return msgspec.convert(body, Order)


def change_of(body: Mapping[str, Any]) -> ExitChange:
    """The change of exits that a row's body holds."""
    return msgspec.convert(body, ExitChange)


def fill_of(row: sa.RowMapping) -> Fill:
    """The execution that a row of `fills` holds."""
    return Fill(
        client_order_id=row["client_order_id"],
        instrument=row["instrument"],
        time_ns=row["time_ns"],
        units=row["units"],
        price=row["price"],
        reason=FillReason(row["reason"]),
        commission=row["commission"],
        realized=row["realized"],
        position=row["position"],
        balance=row["balance"],
        remaining=row["remaining"],
        trade=row["trade"] or None,
    )


def write_intent(
    change: Change,
    trading: Trading,
    order: Order,
    *,
    event_seq: int,
    state: OrderState,
    now_ns: int,
    control: str = "",
    reason: str = "",
) -> None:
    """A new intent, as asked, in its first state."""
    row = {
        "client_order_id": order.client_order_id,
        "deployment_id": trading.spec.deployment_id,
        "account_id": trading.spec.account.id,
        "event_seq": event_seq,
        "instrument": order.instrument,
        "body": plain(order),
        "state": state.value,
        "control": control,
        "reason": reason,
        "created_ns": now_ns,
        "release_id": trading.spec.release_id,
        "watermark": trading.watermark,
    }
    change.run(_INSERT_INTENT, row)
    change.record("order.denied" if state is OrderState.DENIED else "order.intent", **row)


def write_intent_state(
    change: Change,
    client_order_id: str,
    *,
    state: OrderState,
    control: str = "",
    reason: str = "",
    evidence: str = "",
) -> None:
    """What became of an intent, and by which evidence where there is some."""
    change.run(
        _UPDATE_INTENT,
        {"id": client_order_id, "new_state": state.value, "new_control": control, "new_reason": reason},
    )
    proof = {"evidence": evidence} if evidence else {}
    change.record(
        f"order.{state.value.lower()}",
        client_order_id=client_order_id,
        control=control,
        reason=reason,
        **proof,
    )


def write_accepted(
    change: Change, order: Order, accepted: Accepted, *, accepted_seq: int, now_ns: int
) -> None:
    """The broker has the order."""
    client_order_id = order.client_order_id
    change.run(
        _INSERT_ORDER,
        {
            "client_order_id": client_order_id,
            "broker_order_id": accepted.broker_order_id,
            "state": OrderState.WORKING.value,
            "accepted_seq": accepted_seq,
            "updated_ns": now_ns,
            "remaining": order.units,
            "canceled_seq": 0,
        },
    )
    change.run(_UPDATE_INTENT_STATE, {"id": client_order_id, "new_state": OrderState.WORKING.value})
    change.record(
        "order.working",
        client_order_id=client_order_id,
        broker_order_id=accepted.broker_order_id,
        accepted_seq=accepted_seq,
    )


def write_transactions(
    change: Change,
    trading: Trading,
    found: Iterable[Transaction],
    *,
    now_ns: int,
    control: str = "",
    canceled_seq: int = 0,
) -> None:
    """What happened at the broker: each execution once, each order's end.

    Parameters
    ----------
    canceled_seq
        The feed event after which we took the orders back that ended without an execution; 0 when the
        broker ended them by itself.
    """
    for item in found:
        if item.fill is not None:
            row = {
                "account_id": trading.spec.account.id,
                "deployment_id": trading.spec.deployment_id,
                "broker_trade_id": item.broker_trade_id,
                "event_seq": item.event_seq,
                **{name: value for name, value in plain(item.fill).items() if name in fills.c},
                "trade": item.fill.trade or "",
            }
            change.run(_INSERT_FILL, row)
            change.record("fill", **row)
            if item.fill.reason in EXIT_REASONS:
                continue  # the order itself was filled before
            change.run(_UPDATE_INTENT_STATE, {"id": item.client_order_id, "new_state": item.state.value})
            change.run(_UPDATE_REMAINING, {"id": item.client_order_id, "units": item.fill.remaining})
        else:
            write_intent_state(
                change, item.client_order_id, state=item.state, control=control, reason=item.reason
            )
            if canceled_seq:
                change.run(_UPDATE_CANCELED, {"id": item.client_order_id, "seq": canceled_seq})
        change.run(
            _UPDATE_ORDER, {"id": item.client_order_id, "new_state": item.state.value, "now_ns": now_ns}
        )


def write_cancel(
    change: Change,
    trading: Trading,
    client_order_id: str,
    *,
    event_seq: int,
    state: OrderState,
    reason: str,
    now_ns: int,
) -> None:
    """The strategy wants an order back."""
    row = {
        "client_order_id": client_order_id,
        "event_seq": event_seq,
        "deployment_id": trading.spec.deployment_id,
        "state": state.value,
        "reason": reason,
        "created_ns": now_ns,
    }
    change.run(_INSERT_CANCEL, row)
    change.record(f"cancel.{state.value.lower()}", **row)


def write_cancel_state(
    change: Change, client_order_id: str, *, event_seq: int, state: OrderState, reason: str
) -> None:
    """What became of the wish to take an order back."""
    row = {"id": client_order_id, "seq": event_seq, "new_state": state.value, "new_reason": reason}
    change.run(_UPDATE_CANCEL, row)
    change.record(
        f"cancel.{state.value.lower()}", client_order_id=client_order_id, event_seq=event_seq, reason=reason
    )


def write_change(
    change: Change,
    trading: Trading,
    asked: ExitChange,
    *,
    event_seq: int,
    number: int,
    state: ChangeState,
    control: str,
    reason: str,
    now_ns: int,
) -> None:
    """The strategy wants other exits, in the first state of that."""
    row = {
        "deployment_id": trading.spec.deployment_id,
        "event_seq": event_seq,
        "number": number,
        "instrument": asked.instrument,
        "body": plain(asked),
        "state": state.value,
        "control": control,
        "reason": reason,
        "changed_seq": 0,
        "created_ns": now_ns,
    }
    change.run(_INSERT_CHANGE, row)
    change.record("exits.denied" if state is ChangeState.DENIED else "exits.intent", **row)


def write_change_state(
    change: Change,
    trading: Trading,
    *,
    event_seq: int,
    number: int,
    state: ChangeState,
    reason: str,
    control: str = "",
    changed_seq: int = 0,
) -> None:
    """What became of the wish for other exits."""
    deployment_id = trading.spec.deployment_id
    change.run(
        _UPDATE_CHANGE,
        {
            "deployment": deployment_id,
            "seq": event_seq,
            "place": number,
            "new_state": state.value,
            "new_control": control,
            "new_reason": reason,
            "new_seq": changed_seq,
        },
    )
    change.record(
        f"exits.{state.value.lower()}",
        deployment_id=deployment_id,
        event_seq=event_seq,
        number=number,
        control=control,
        reason=reason,
        changed_seq=changed_seq,
    )


def write_books(change: Change, trading: Trading, snapshot: AccountSnapshot) -> None:
    """How far the feed is, and the books as of it."""
    trading.feed.sync()
    row = {"deployment": trading.spec.deployment_id, "seq": trading.seq, "new_snapshot": plain(snapshot)}
    if change.run(_UPDATE_BOOKS, row) == 0:
        change.execute(
            sa.insert(positions),
            {
                "deployment_id": row["deployment"],
                "event_seq": row["seq"],
                "snapshot": row["new_snapshot"],
            },
        )


def write_delivery(change: Change, trading: Trading, event: FeedEvent, snapshot: AccountSnapshot) -> None:
    """An event that is about to be handed to the strategy; the journal keeps digests of both."""
    row = {
        "deployment_id": trading.spec.deployment_id,
        "event_seq": event.seq,
        "time_ns": _time_of(event),
        "event": plain(event),
        "snapshot": plain(snapshot),
        "acked": False,
        "decision": {},
    }
    change.run(_INSERT_DELIVERY, row)
    change.record(
        "event",
        **{name: row[name] for name in ("deployment_id", "event_seq", "time_ns")},
        event=digest(row["event"]),
        books=digest(row["snapshot"]),
    )


def _time_of(event: FeedEvent) -> int:
    match event:
        case QuoteMoved(quote=quote):
            return quote.time_ns
        case BarClosed(bar=bar):
            return bar.close_ns
        case FeedEnded(time_ns=time_ns):
            return time_ns


def write_ack(change: Change, deployment_id: str, *, seq: int, decision: Mapping[str, Any]) -> None:
    """The strategy has done with an event, and said what it decided."""
    change.run(_ACK, {"deployment": deployment_id, "seq": seq, "new_decision": dict(decision)})
    change.record("decided", deployment_id=deployment_id, event_seq=seq, decision=digest(dict(decision)))
