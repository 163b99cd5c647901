"""The way of an order: known before? allowed? durable; then handed to the broker once, and written down."""

import hashlib
import re

import sqlalchemy as sa

from workbench.domain.accounts import AccountMode
from workbench.domain.instruments import InstrumentId
from workbench.domain.orders import ClientOrderId, Order, OrderState
from workbench.gateway.brokers.port import AmbiguousError, RejectedError, give
from workbench.gateway.controls import GATEWAY_PREFIX, Denial, Override, judge_order
from workbench.gateway.controls.halting import watch_controls
from workbench.gateway.desk import Desk
from workbench.gateway.market_data.quote_deliveries import write_last_event
from workbench.gateway.messages import IntentResult, KernelReply, Refused, SubmitIntent
from workbench.gateway.records import (
    order_of,
    write_accepted,
    write_intent,
    write_intent_state,
    write_transactions,
)
from workbench.gateway.replacing import not_replaceable
from workbench.gateway.sending import obstacle, place_once, take_back
from workbench.gateway.statements import Lookup
from workbench.gateway.trading import State, Trading
from workbench.store.schema import intents

__all__ = [
    "cancel_waiting",
    "flatten",
    "hand_over",
    "send_cancels",
    "strategy_orders",
    "submit",
    "write_cancels",
]

_NAME = re.compile(r"[A-Za-z0-9-]{1,32}")
_INSTRUMENT = re.compile(r"[A-Za-z0-9_.]{1,32}")
_KNOWN = sa.select(intents).where(intents.c.client_order_id == sa.bindparam("id"))
_IS_KNOWN = Lookup(
    sa.select(intents.c.client_order_id).where(intents.c.client_order_id == sa.bindparam("id"))
)


def submit(desk: Desk, trading: Trading, request: SubmitIntent) -> KernelReply:
    """What becomes of a strategy's order; the same question again gets the same answer."""
    order = request.order
    if not (_NAME.fullmatch(order.client_order_id) and _INSTRUMENT.fullmatch(order.instrument)):
        return Refused(
            reason=(
                "expected a client order id of 1 to 32 letters, digits and '-', and an instrument like "
                f"EUR_USD, found {order.client_order_id[:40]!r} and {order.instrument[:40]!r}"
            )
        )
    if desk.ledger.look(_IS_KNOWN, id=order.client_order_id) is not None:
        with desk.engine.connect() as connection:
            known = connection.execute(_KNOWN, {"id": order.client_order_id}).mappings().one()
        return _first_answer(known, trading, request)
    if trading.state is State.FROZEN:
        return Refused(reason=trading.detail)
    if not 0 < request.event_seq <= trading.decision_seq:
        return Refused(
            reason=(
                f"expected an order decided on an event up to {trading.decision_seq}, "
                f"found one on {request.event_seq}"
            )
        )
    override: Override | None = None
    denial = (
        _late(trading, request.event_seq)
        or not_replaceable(desk, trading, order)
        or obstacle(desk, trading, order)
    )
    if denial is None:
        denial, override = judge_order(
            order,
            limits=trading.limits,
            exposure=trading.exposure(order.instrument, killed=desk.kill_over(trading)),
            overrides=desk.usable_overrides(trading),
        )
    if denial := denial or _from_runtime(request):
        return _deny(desk, trading, request, denial)
    used = desk.controls.overrides.spend(override, order) if override is not None else None
    with desk.ledger.change("intent") as change:
        if used is not None:
            change.record("override.used", **used)
        write_intent(
            change,
            trading,
            order,
            event_seq=request.event_seq,
            state=OrderState.INTENT,
            now_ns=desk.ledger.now_ns(),
        )
    return hand_over(desk, trading, order)


def hand_over(desk: Desk, trading: Trading, order: Order) -> IntentResult:
    """Give an order whose intent is durable to the broker, once; never repeated by anything here."""
    if (scope := desk.kill_over(trading)) and not order.client_order_id.startswith(GATEWAY_PREFIX):
        return _never_sent(desk, trading, order, scope)  # thrown while the intent was being written
    trading.orders += 1
    trading.order_times.append(trading.time_ns)
    bid, ask = trading.prices.get(order.instrument, (0, 0))
    trading.history.order(order, trading.time_ns, bid=bid, ask=ask)
    if trading.standing is not None:
        return _sent_elsewhere(desk, trading, order)
    state, reason = OrderState.WORKING, ""
    try:
        accepted = give(trading.broker, order)
    except RejectedError as error:
        state, reason = OrderState.REJECTED, str(error)
    except AmbiguousError as error:
        state, reason = OrderState.UNKNOWN, str(error)
        trading.unknown[order.client_order_id] = order
    trading.history.answered(rejected=state is OrderState.REJECTED)
    desk.at_boundary("placed")
    replaced = order.replaces if state is OrderState.WORKING else None
    found = trading.broker.transactions_since(trading.watermark) if replaced is not None else ()
    with desk.ledger.change("answer") as change:
        write_transactions(change, trading, found, now_ns=desk.ledger.now_ns(), canceled_seq=trading.seq)
        if state is OrderState.WORKING:
            write_accepted(
                change,
                order,
                accepted,
                accepted_seq=trading.seq,
                now_ns=desk.ledger.now_ns(),
            )
        else:
            write_intent_state(change, order.client_order_id, state=state, reason=reason)
    trading.watermark += len(found)
    if replaced is not None:
        trading.unknown.pop(replaced, None)
    desk.log.info(
        "order",
        deployment_id=trading.spec.deployment_id,
        client_order_id=order.client_order_id,
        replaces=order.replaces,
        state=state.value,
        units=order.units,
        event_seq=trading.seq,
        reason=reason,
    )
    watch_controls(desk, trading)
    return IntentResult(
        client_order_id=order.client_order_id, state=state.value, control="", reason=reason, repeated=False
    )


def _sent_elsewhere(desk: Desk, trading: Trading, order: Order) -> IntentResult:
    """The same at a broker outside this process."""
    state, control, reason = place_once(desk, trading, order)
    trading.history.answered(rejected=state is OrderState.REJECTED)
    watch_controls(desk, trading)
    desk.log.info(
        "order",
        deployment_id=trading.spec.deployment_id,
        client_order_id=order.client_order_id,
        state=state.value,
        units=order.units,
        event_seq=trading.seq,
        reason=reason,
    )
    return IntentResult(
        client_order_id=order.client_order_id,
        state=state.value,
        control=control,
        reason=reason,
        repeated=False,
    )


def cancel_waiting(desk: Desk, trading: Trading, *, control: str, reason: str) -> list[str]:
    """Take back every order of the strategy that waits; the ids that were taken back."""
    canceled = send_cancels(desk, trading, reason=reason)
    write_cancels(desk, trading, control=control)
    for name in canceled:
        desk.log.info(
            "canceled", deployment_id=trading.spec.deployment_id, client_order_id=name, reason=reason
        )
    return canceled


def send_cancels(
    desk: Desk, trading: Trading, *, reason: str, only: frozenset[str] | None = None
) -> list[str]:
    """Ask the broker for every waiting order of the strategy; one it can not answer for holds up no other.

    Nothing is written down yet: `write_cancels` does that.
    """
    canceled: list[str] = []
    for name in strategy_orders(trading):
        if only is not None and name not in only:
            continue
        if trading.standing is not None:
            if take_back(desk, trading, name, reason=reason)[0] is OrderState.CANCELED:
                canceled.append(str(name))
            continue
        try:
            if trading.broker.cancel(name, reason=reason):
                canceled.append(str(name))
        except AmbiguousError as error:
            desk.log.warning(
                "cancel unanswered",
                deployment_id=trading.spec.deployment_id,
                client_order_id=name,
                detail=str(error),
            )
    return canceled


def write_cancels(desk: Desk, trading: Trading, *, control: str) -> None:
    """Write down what the broker says happened to orders that were taken back."""
    if trading.standing is not None:
        return  # its record is taken in where it is read
    found = trading.broker.transactions_since(trading.watermark)
    if found:
        write_last_event(desk, trading)
        with desk.ledger.change("cancel") as change:
            write_transactions(
                change,
                trading,
                found,
                now_ns=desk.ledger.now_ns(),
                control=control,
                canceled_seq=trading.seq,
            )
        trading.watermark += len(found)


def strategy_orders(trading: Trading) -> list[ClientOrderId]:
    """The waiting orders that the strategy placed, and not the gateway itself."""
    if trading.standing is not None:
        names = sorted(trading.standing.orders)
    else:
        names = [item.order.client_order_id for item in trading.broker.open_orders()]
    return [name for name in names if not name.startswith(GATEWAY_PREFIX)]


def flatten(desk: Desk, trading: Trading, *, by: str) -> str:
    """Close what is held by orders of the gateway's own; their client ids, empty when nothing is held."""
    records = trading.spec.records
    several = len(records) > 1
    found = (
        _close(desk, trading, record.id, number=f"-{k}" if several else "", by=by)
        for k, record in enumerate(records)
    )
    return ", ".join(name for name in list(found) if name)


def _close(desk: Desk, trading: Trading, instrument: InstrumentId, *, number: str, by: str) -> str:
    """Close one instrument; trade by trade where longs and shorts are held at once."""
    waiting = [order for order in trading.waiting() if order.instrument == instrument]
    mine = {item.closes: item for item in waiting if item.client_order_id.startswith(GATEWAY_PREFIX)}
    names: list[str] = [item.client_order_id for item in mine.values()]
    for place, (closes, units) in enumerate(_held(trading, instrument)):
        if closes in mine:
            continue
        ending = f"{number}-t{place}" if closes is not None else number
        names.append(_send_closing(desk, trading, instrument, units, closes=closes, number=ending, by=by))
    return ", ".join(names)


def _held(trading: Trading, instrument: InstrumentId) -> list[tuple[ClientOrderId | None, int]]:
    """What is to be closed: each trade of a hedging account, or the position."""
    books = trading.books
    if trading.spec.account.rules.mode is AccountMode.HEDGING:
        trades = [item for item in books.trades if item.instrument == instrument]
        return [(item.client_order_id, item.units) for item in trades]
    units = books.units(instrument)
    return [(None, units)] if units else []


def _send_closing(
    desk: Desk,
    trading: Trading,
    instrument: InstrumentId,
    units: int,
    *,
    closes: ClientOrderId | None,
    number: str,
    by: str,
) -> str:
    digest = hashlib.sha256(trading.spec.deployment_id.encode()).hexdigest()[:12]
    order = Order(
        client_order_id=ClientOrderId(f"{GATEWAY_PREFIX}{digest}-{trading.seq}{number}"),
        instrument=instrument,
        units=-units,
        reduce_only=True,
        closes=closes,
    )
    write_last_event(desk, trading)
    with desk.ledger.change("intent") as change:
        write_intent(
            change,
            trading,
            order,
            event_seq=trading.seq,
            state=OrderState.INTENT,
            now_ns=desk.ledger.now_ns(),
            reason=f"the position is closed by order of {by}",
        )
    hand_over(desk, trading, order)
    return order.client_order_id


def _never_sent(desk: Desk, trading: Trading, order: Order, scope: str) -> IntentResult:
    reason = f"R23 kill switch: limit nothing sent under a kill, observed a kill of {scope}"
    with desk.ledger.change("denial") as change:
        write_intent_state(
            change, order.client_order_id, state=OrderState.DENIED, control="R23", reason=reason
        )
    trading.denials += 1
    return IntentResult(
        client_order_id=order.client_order_id,
        state=OrderState.DENIED.value,
        control="R23",
        reason=reason,
        repeated=False,
    )


def _from_runtime(request: SubmitIntent) -> Denial | None:
    """What the same check found where the order was decided; its denial is written down here."""
    if not request.control:
        return None
    return Denial(
        control=request.control[:8], reason=f"{request.reason[:500]}; stopped in the strategy runtime"
    )


def _late(trading: Trading, event_seq: int) -> Denial | None:
    if trading.state is not State.RUNNING:
        return Denial(
            control="STOP", reason=f"STOP: no new orders, the deployment is {trading.state}: {trading.detail}"
        )
    if trading.ended:
        return Denial(control="R15", reason="R15 stale data: the feed has ended, no quote follows")
    if event_seq != trading.decision_seq or trading.acked:
        return Denial(
            control="R15",
            reason=(
                f"R15 stale data: limit event {trading.decision_seq}"
                f"{', which was reported as done' if trading.acked else ''}, observed event {event_seq}"
            ),
        )
    return None


def _deny(desk: Desk, trading: Trading, request: SubmitIntent, denial: Denial) -> IntentResult:
    order = request.order
    with desk.ledger.change("denial") as change:
        write_intent(
            change,
            trading,
            order,
            event_seq=request.event_seq,
            state=OrderState.DENIED,
            now_ns=desk.ledger.now_ns(),
            control=denial.control,
            reason=denial.reason,
        )
    trading.denials += 1
    trading.history.denied(trading.time_ns, control=denial.control)
    watch_controls(desk, trading)
    desk.log.warning(
        "denied",
        deployment_id=trading.spec.deployment_id,
        client_order_id=order.client_order_id,
        control=denial.control,
        reason=denial.reason,
    )
    return IntentResult(
        client_order_id=order.client_order_id,
        state=OrderState.DENIED.value,
        control=denial.control,
        reason=denial.reason,
        repeated=False,
    )


def _first_answer(known: sa.RowMapping, trading: Trading, request: SubmitIntent) -> KernelReply:
    same = (
        known["deployment_id"] == trading.spec.deployment_id
        and known["event_seq"] == request.event_seq
        and order_of(known["body"]) == request.order
    )
    if not same:
        return Refused(
            reason=(
                f"client order id {request.order.client_order_id} was used before for another order; "
                "give each order its own id"
            )
        )
    state = OrderState(known["state"])
    final = state in (OrderState.DENIED, OrderState.REJECTED, OrderState.UNKNOWN)
    if state is OrderState.INTENT:
        return Refused(reason=trading.detail or "the order is being recovered; ask again")
    return IntentResult(
        client_order_id=request.order.client_order_id,
        state=state.value if final else OrderState.WORKING.value,
        control=known["control"] if final else "",
        reason=known["reason"] if final else "",
        repeated=True,
    )
