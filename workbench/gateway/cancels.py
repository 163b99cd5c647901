"""A strategy takes an order back: the wish is durable, then the broker is told, then the answer is written.

Telling the broker again is safe, so a wish that was durable when the process ended is told again at the
next start. An order ends by the broker's evidence alone: one that is UNKNOWN stays so when the broker does
not say that it was taken back.
"""

import re

import sqlalchemy as sa

from workbench.domain.orders import TERMINAL_STATES, ClientOrderId, OrderState
from workbench.gateway.brokers.port import AmbiguousError
from workbench.gateway.controls import GATEWAY_PREFIX
from workbench.gateway.desk import Desk
from workbench.gateway.messages import CancelIntent, CancelResult, KernelReply, Refused
from workbench.gateway.records import write_cancel, write_cancel_state, write_transactions
from workbench.gateway.sending import take_back
from workbench.gateway.trading import State, Trading
from workbench.store.schema import cancels, intents

__all__ = ["finish_cancels", "withdraw"]

_NAME = re.compile(r"[A-Za-z0-9-]{1,32}")
_REASON = "withdrawn by the strategy"
_KNOWN = sa.select(cancels).where(
    cancels.c.client_order_id == sa.bindparam("id"), cancels.c.event_seq == sa.bindparam("seq")
)
_ORDER = sa.select(intents.c.deployment_id, intents.c.state).where(
    intents.c.client_order_id == sa.bindparam("id")
)


def withdraw(desk: Desk, trading: Trading, request: CancelIntent) -> KernelReply:
    """What becomes of the wish to take an order back; the same wish again gets the same answer."""
    name = request.client_order_id
    if not _NAME.fullmatch(name):
        return Refused(
            reason=f"expected a client order id of 1 to 32 letters, digits and '-', found {name[:40]!r}"
        )
    with desk.engine.connect() as connection:
        known = connection.execute(_KNOWN, {"id": name, "seq": request.event_seq}).mappings().first()
        order = connection.execute(_ORDER, {"id": name}).mappings().first()
    mine = order is not None and order["deployment_id"] == trading.spec.deployment_id
    if order is None or not mine or name.startswith(GATEWAY_PREFIX):
        return _result(name, OrderState.REJECTED, "this deployment has no such order")
    if known is not None:
        if known["state"] == OrderState.INTENT:
            return Refused(reason=trading.detail or "the cancel is being recovered; ask again")
        return _result(name, OrderState(known["state"]), known["reason"], repeated=True)
    if trading.state is State.FROZEN:
        return Refused(reason=trading.detail)
    if not 0 < request.event_seq <= trading.decision_seq:
        return Refused(
            reason=(
                f"expected a cancel decided on an event up to {trading.decision_seq}, "
                f"found one on {request.event_seq}"
            )
        )
    state = OrderState(order["state"])
    over = state in TERMINAL_STATES
    with desk.ledger.change("cancel intent") as change:
        write_cancel(
            change,
            trading,
            name,
            event_seq=request.event_seq,
            state=state if over else OrderState.INTENT,
            reason=f"it had ended before: {state.value}" if over else "",
            now_ns=desk.ledger.now_ns(),
        )
    if over:
        return _result(name, state, f"it had ended before: {state.value}")
    return _tell_broker(desk, trading, name, event_seq=request.event_seq)


def finish_cancels(desk: Desk, trading: Trading) -> None:
    """Wishes that were durable when the process ended, with no word of what the broker did: told again."""
    query = (
        sa.select(cancels.c.client_order_id, cancels.c.event_seq)
        .where(cancels.c.deployment_id == trading.spec.deployment_id)
        .where(cancels.c.state == OrderState.INTENT.value)
        .order_by(cancels.c.created_ns)
    )
    with desk.engine.connect() as connection:
        found = connection.execute(query).all()
    for row in found:
        _tell_broker(desk, trading, row.client_order_id, event_seq=row.event_seq)


def _tell_broker(desk: Desk, trading: Trading, name: ClientOrderId, *, event_seq: int) -> CancelResult:
    trading.history.message(trading.time_ns)
    if trading.standing is not None:
        return _tell_elsewhere(desk, trading, name, event_seq=event_seq)
    state, reason = OrderState.CANCELED, _REASON
    try:
        if not trading.broker.cancel(name, reason=_REASON):
            state = OrderState.UNKNOWN
            reason = "the broker does not show the order; what became of it is not known yet"
    except AmbiguousError as error:
        state, reason = OrderState.UNKNOWN, str(error)
    desk.at_boundary("taken back")
    found = trading.broker.transactions_since(trading.watermark) if state is OrderState.CANCELED else ()
    with desk.ledger.change("cancel answer") as change:
        write_transactions(change, trading, found, now_ns=desk.ledger.now_ns(), canceled_seq=trading.seq)
        write_cancel_state(change, name, event_seq=event_seq, state=state, reason=reason)
    trading.watermark += len(found)
    if state is OrderState.CANCELED:
        trading.unknown.pop(name, None)
    desk.log.info(
        "cancel",
        deployment_id=trading.spec.deployment_id,
        client_order_id=name,
        state=state.value,
        event_seq=event_seq,
        reason=reason,
    )
    return _result(name, state, reason)


def _tell_elsewhere(desk: Desk, trading: Trading, name: ClientOrderId, *, event_seq: int) -> CancelResult:
    """The same at a broker outside this process, whose record alone says that an order has ended."""
    state, reason = take_back(desk, trading, name, reason=_REASON)
    desk.at_boundary("taken back")
    with desk.ledger.change("cancel answer") as change:
        write_cancel_state(change, name, event_seq=event_seq, state=state, reason=reason)
    return _result(name, state, reason)


def _result(name: str, state: OrderState, reason: str, *, repeated: bool = False) -> CancelResult:
    return CancelResult(client_order_id=name, state=state.value, reason=reason, repeated=repeated)
