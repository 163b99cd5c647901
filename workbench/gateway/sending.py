"""Orders and cancels to a broker elsewhere: an order once, a cancel until it is known to be done."""

import sqlalchemy as sa

from workbench.domain.orders import ClientOrderId, Order, OrderState, PositionFill
from workbench.gateway.broker_records import write_shown
from workbench.gateway.brokers.port import (
    AmbiguousError,
    NotAuthorizedError,
    RateLimitedError,
    RejectedError,
    UnavailableError,
    give,
)
from workbench.gateway.controls import Denial
from workbench.gateway.desk import Desk
from workbench.gateway.reconciliation import lose, reconcile
from workbench.gateway.records import write_intent_state
from workbench.gateway.standing import Known, Phase
from workbench.gateway.trading import State, Trading
from workbench.store.schema import intents

__all__ = ["obstacle", "place_once", "take_back"]

SLOWEST_COMMIT_S = 0.050  # an intent that took longer to be durable is stale
_PAUSE_S = 2.0  # after the broker asked for fewer requests
_STATE = sa.select(intents.c.state).where(intents.c.client_order_id == sa.bindparam("id"))


def obstacle(desk: Desk, trading: Trading, order: Order) -> Denial | None:
    """What keeps an order from an account elsewhere, whatever the limits say; None for nothing."""
    standing = trading.standing
    if standing is None:
        return None
    if standing.phase is not Phase.READY:
        return Denial(
            control="R24",
            reason=f"R24 post-trade check: limit a reconciled account, observed one {standing.phase.value}: "
            f"{standing.detail}",
        )
    if desk.monotonic() < standing.pause_until_s:
        return Denial(control="R05", reason="R05 messages: limit the broker's own rate, observed its refusal")
    why = standing.frozen.get(order.instrument, "")
    if why and not _reduces(trading, order):
        return Denial(
            control="R24",
            reason=f"R24 post-trade check: limit orders that reduce while {order.instrument} is frozen, "
            f"observed one that may not; {why}",
        )
    return None


def place_once(desk: Desk, trading: Trading, order: Order) -> tuple[OrderState, str, str]:
    """Hand over an order whose intent is durable; its state, the control that stopped it, and the reason.

    From before the call its exposure counts; whatever the answer, it is not placed again.
    """
    standing = trading.standing
    if standing is None:
        raise TypeError("expected an account at a broker outside this process")
    name = order.client_order_id
    slow_s = desk.ledger.last_change_s
    if slow_s > SLOWEST_COMMIT_S:
        control = "F39"
        reason = (
            f"F39 slow store: limit {1e3 * SLOWEST_COMMIT_S:.0f} ms to make an intent durable, "
            f"observed {1e3 * slow_s:.0f} ms; it was not sent, decide again on a fresh price"
        )
        with desk.ledger.change("denial") as change:
            write_intent_state(change, name, state=OrderState.DENIED, control=control, reason=reason)
        trading.orders -= 1
        trading.denials += 1
        return OrderState.DENIED, control, reason
    known = Known(order=order, state=OrderState.UNKNOWN, sent_s=desk.monotonic())
    standing.orders[name] = known
    state, reason, broker_order_id = OrderState.WORKING, "", ""
    try:
        broker_order_id = give(trading.broker, order).broker_order_id
    except RejectedError as error:
        state, reason = OrderState.REJECTED, str(error)
        if isinstance(error, RateLimitedError):
            standing.pause_until_s = desk.monotonic() + _PAUSE_S
        if isinstance(error, NotAuthorizedError):
            lose(desk, trading, str(error), authorized=False)
    except (AmbiguousError, UnavailableError) as error:
        state, reason = OrderState.UNKNOWN, str(error)
        standing.news = True
    desk.at_boundary("placed")
    with desk.ledger.change("answer") as change:
        if state is OrderState.WORKING:
            write_shown(
                change,
                name,
                broker_order_id,
                state=state,
                remaining=order.units,
                accepted_seq=trading.seq,
                now_ns=desk.ledger.now_ns(),
                evidence="answer",
                known=False,
            )
        else:
            write_intent_state(change, name, state=state, reason=reason, evidence="answer")
    known.state, known.broker_order_id = state, broker_order_id
    if state is OrderState.REJECTED:
        del standing.orders[name]
    elif state is OrderState.UNKNOWN:
        trading.unknown[name] = order
    else:
        standing.news = True
        if order.replaces in standing.orders:
            standing.cancels.add(order.replaces)  # gone with its successor's acceptance, or taken back now
    return state, "", reason


def take_back(desk: Desk, trading: Trading, name: ClientOrderId, *, reason: str) -> tuple[OrderState, str]:
    """Ask the broker to take an order back; what the record says of it afterwards, and why.

    The state is CANCELED only when the record shows it. A cancel passes whatever state the connection, the
    account or the store is in, and is asked for again until the order is known to have ended.
    """
    standing = trading.standing
    if standing is None:
        raise TypeError("expected an account at a broker outside this process")
    known = standing.orders.get(name)
    if known is None:
        return OrderState.CANCELED, "it had ended before"
    standing.cancels.add(name)
    standing.news = True
    said = "asked for; the broker's record does not show it yet"
    try:
        if not trading.broker.cancel(name, reason=reason):
            said = "the broker does not show the order; what became of it is not known yet"
            known.doubted_s = known.doubted_s or desk.monotonic()
    except (AmbiguousError, RejectedError, UnavailableError) as error:
        said = str(error)
        if isinstance(error, NotAuthorizedError):
            lose(desk, trading, str(error), authorized=False)
    if standing.phase is not Phase.AWAY and trading.state is not State.FROZEN:
        reconcile(desk, trading)
    state = ended_state(desk, trading, name)
    return (state, reason) if state is not None else (OrderState.UNKNOWN, said)


def ended_state(desk: Desk, trading: Trading, name: ClientOrderId) -> OrderState | None:
    """How one of our orders ended; None while it has not."""
    standing = trading.standing
    if standing is None or name in standing.orders:
        return None
    with desk.engine.connect() as connection:
        stored = connection.execute(_STATE, {"id": name}).scalar()
    return OrderState(stored) if stored else None


def _reduces(trading: Trading, order: Order) -> bool:
    held = trading.books.units(order.instrument)
    only = order.reduce_only or order.position_fill is PositionFill.REDUCE_ONLY
    return only and order.units * held < 0
