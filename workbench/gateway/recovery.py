"""Starting: the same way after a first start, a stop and a crash. The store alone says what was.

A paper book is computed again from the feed's events with the orders where they were accepted, and must
come to the stored executions and balances exactly; else its deployment is frozen and says so.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import msgspec
import sqlalchemy as sa

from workbench.domain.accounts import AccountMode, AccountSnapshot
from workbench.domain.orders import TERMINAL_STATES, Fill, Order, OrderState
from workbench.domain.timeframes import NS_PER_MINUTE
from workbench.errors import BadInputError, WorkbenchError
from workbench.gateway.brokers.paper import PaperBroker, PaperConfig
from workbench.gateway.cancels import finish_cancels
from workbench.gateway.changes import finish_changes
from workbench.gateway.controls import GATEWAY_PREFIX
from workbench.gateway.controls.halting import note, recall_orders, watched
from workbench.gateway.desk import Desk
from workbench.gateway.errors import BooksMismatchError
from workbench.gateway.feeds import Feed
from workbench.gateway.history import load_history
from workbench.gateway.market_data.opening import close_feed, open_feed
from workbench.gateway.messages import FeedEvent
from workbench.gateway.orders import cancel_waiting, hand_over
from workbench.gateway.outside_accounts import released
from workbench.gateway.protection import tell_unprotected
from workbench.gateway.reconciliation import watch
from workbench.gateway.records import fill_of, order_of, plain, write_intent_state
from workbench.gateway.restoring import new_standing, restore
from workbench.gateway.specs import DeploymentSpec, parse_spec
from workbench.gateway.trading import State, Trading
from workbench.store.schema import deliveries, fills, intents, journal, kills, positions

__all__ = ["load_desk", "new_trading", "rebuild"]

_STATES = {
    "deployment.opened": State.RUNNING,
    "deployment.resumed": State.RUNNING,
    "deployment.stopped": State.STOPPED,
    "deployment.closed": State.CLOSED,
    "deployment.frozen": State.FROZEN,
}


def load_desk(desk: Desk) -> None:
    """Fill a new desk with what the store holds."""
    desk.controls.load(desk.engine, desk.ledger)
    with desk.engine.connect() as connection:
        desk.kills |= set(connection.scalars(sa.select(kills.c.scope)))
        records = connection.execute(
            sa.select(journal.c.kind, journal.c.body)
            .where(journal.c.kind.in_(_STATES))
            .order_by(journal.c.seq)
        ).all()
    specs: dict[str, DeploymentSpec] = {}
    states: dict[str, tuple[State, str]] = {}
    since: dict[str, int] = {}  # when each last took up its account
    for number, (kind, text) in enumerate(records):
        body = msgspec.json.decode(text)
        name = body["deployment_id"]
        if kind in ("deployment.opened", "deployment.resumed"):
            since[name] = number
        if kind == "deployment.opened":
            specs[name] = msgspec.convert(body["spec"], DeploymentSpec)
        state = State(body["state"]) if "state" in body else _STATES[kind]
        states[name] = (state, body.get("detail", body.get("reason", "")))
    for name, spec in specs.items():
        state, detail = states[name]
        if released(spec, holders=specs, since=since):
            desk.deployments[name] = _archived(desk, spec, state=state, detail=detail)
            continue
        if state is State.FROZEN:  # until a person resumes it, however often the gateway starts
            trading = rebuild(desk, spec, state=State.RUNNING, detail="")
            if trading.state is not State.FROZEN:
                trading.state, trading.detail = State.FROZEN, detail
            desk.deployments[name] = trading
            continue
        over = state is State.CLOSED and not _has_orders(desk, name)
        desk.deployments[name] = (
            _archived(desk, spec, state=state, detail=detail)
            if over
            else rebuild(desk, spec, state=state, detail=detail)
        )


def new_trading(desk: Desk, spec: DeploymentSpec, *, feed: Feed | None = None) -> Trading:
    """A deployment before its first event.

    Parameters
    ----------
    feed
        Its feed where that is open already.

    Raises
    ------
    WorkbenchError
        Its data or its account can not be had.
    """
    own = feed or open_feed(desk, spec)
    try:
        return watched(desk, _trading(desk, spec, own))
    except WorkbenchError:
        if feed is None:
            close_feed(own)
        raise


def rebuild(desk: Desk, spec: DeploymentSpec, *, state: State, detail: str) -> Trading:
    """A deployment as the store has it, frozen when that can not be had or does not agree with itself."""
    feed: Feed | None = None
    try:
        feed = open_feed(desk, read := parse_spec(plain(spec)))
        trading = new_trading(desk, read, feed=feed)
        trading.state, trading.detail = state, detail
        if trading.standing is not None:
            restore(desk, trading)
            with desk.engine.connect() as connection:
                _take_up(connection, trading)
            watch(desk, trading)
        else:
            with desk.engine.connect() as connection:
                _replay(connection, trading)
                _take_up(connection, trading)
                found = _intents_in(connection, spec.deployment_id, OrderState.INTENT)
            tell_unprotected(desk, trading)
            finish_cancels(desk, trading)
            finish_changes(desk, trading)
            _finish_intents(desk, trading, found)
        if desk.kill_over(trading):
            cancel_waiting(desk, trading, control="R23", reason="killed")
        elif state is not State.RUNNING:
            cancel_waiting(desk, trading, control="STOP", reason="stopped")
    except WorkbenchError as error:
        if feed is not None:
            close_feed(feed)  # an open line that is collected as garbage would hold the loop up for good
        trading = _archived(desk, spec, state=state, detail=detail)
        desk.freeze(trading, f"deployment {spec.deployment_id} is frozen: {error}")
    return trading


def _has_orders(desk: Desk, deployment_id: str) -> bool:
    """Whether an order of the deployment has not ended."""
    ended = [state.value for state in TERMINAL_STATES]
    query = sa.select(intents.c.client_order_id).where(
        intents.c.deployment_id == deployment_id, intents.c.state.not_in(ended)
    )
    with desk.engine.connect() as connection:
        return connection.execute(query.limit(1)).first() is not None


def _archived(desk: Desk, spec: DeploymentSpec, *, state: State, detail: str) -> Trading:
    """A deployment to look at: its stored books, not computed again, and no feed."""
    trading = _trading(desk, spec, _NoFeed())
    trading.state, trading.detail = state, detail
    if trading.standing is not None:
        trading.standing.released = True
    with desk.engine.connect() as connection:
        row = connection.execute(
            sa.select(positions).where(positions.c.deployment_id == spec.deployment_id)
        ).first()
        _take_up(connection, trading)
    if row is not None:
        trading.archived = msgspec.convert(row.snapshot, AccountSnapshot)
        trading.seq, trading.time_ns = row.event_seq, trading.archived.time_ns
    return trading


class _NoFeed:
    """The feed of a deployment whose data can not be had."""

    def event(self, seq: int) -> FeedEvent | None:
        return None

    def recall(self, until: int) -> None:
        pass

    def sync(self) -> None:
        pass

    def data_age_ns(self, name: str) -> int | None:
        return None


def _trading(desk: Desk, spec: DeploymentSpec, feed: Feed) -> Trading:
    elsewhere = desk.connect_broker(spec)
    if elsewhere is not None and (
        strange := [item for item in spec.records if item.quote != spec.account.currency]
    ):
        raise BadInputError(
            f"account {spec.account.id}: expected instruments quoted in {spec.account.currency}, found "
            f"{', '.join(item.id for item in strange)}; books of an account at a broker outside this process "
            "are kept in one currency: take an account in that of the quotes"
        )
    if elsewhere is not None and spec.account.rules.mode is AccountMode.HEDGING:
        raise BadInputError(
            f"account {spec.account.id}: expected mode NETTING or FIFO, found HEDGING; the books of one at "
            "a broker outside this process keep one position an instrument"
        )
    broker = elsewhere or PaperBroker(
        PaperConfig(
            instruments=spec.records,
            cost_book=spec.parsed_cost_books(),
            currency=spec.account.currency,
            balance=spec.account.balance,
            rules=spec.account.rules,
            quoted=spec.quoted_records,
        )
    )
    return Trading(
        spec=spec,
        limits=spec.parsed_limits(),
        margin_rates_ppm=spec.margin_rates_ppm,
        feed=feed,
        broker=broker,
        standing=None if elsewhere is None else new_standing(desk, spec.account.currency),
        equity=spec.account.balance,
        day_start_equity=spec.account.balance,
    )


def _replay(connection: sa.Connection, trading: Trading) -> None:
    """Compute the books again, and compare."""
    deployment_id = trading.spec.deployment_id
    last = connection.execute(sa.select(positions).where(positions.c.deployment_id == deployment_id)).first()
    if last is None:
        return
    history = load_history(connection, deployment_id)
    trading.feed.recall(last.event_seq)
    books = trading.broker.account()
    for seq in range(1, last.event_seq + 1):
        event = trading.feed.event(seq)
        if event is None:
            raise BooksMismatchError(
                f"expected event {seq} of the feed again, found none; restore the dataset "
                f"{', '.join(map(trading.spec.fingerprint_of, trading.spec.instruments))}"
            )
        trading.take(event)
        books = trading.broker.account() if seq == last.event_seq else books
        history.apply(trading.broker, seq)
    _compare(connection, trading, last.snapshot, books)


def _compare(
    connection: sa.Connection, trading: Trading, snapshot: Mapping[str, Any], books: AccountSnapshot
) -> None:
    stored = [
        (row["broker_trade_id"], row["event_seq"], fill_of(row))
        for row in connection.execute(
            sa.select(fills)
            .where(fills.c.deployment_id == trading.spec.deployment_id)
            .order_by(fills.c.broker_trade_id)
        ).mappings()
    ]
    found = trading.broker.transactions_since(0)
    computed = [(item.broker_trade_id, item.event_seq, item.fill) for item in found if item.fill is not None]
    if stored != computed:
        raise BooksMismatchError(_first_difference(stored, computed))
    if "waiting" not in snapshot:  # written before the books named the waiting orders
        books = replace(books, waiting=())
    if msgspec.convert(snapshot, AccountSnapshot) != books:
        raise BooksMismatchError(
            f"expected the stored books {snapshot}, computed {plain(books)} from the same events and orders; "
            "find out whether the store or the program changed"
        )
    trading.watermark = len(found)
    trading.fills = len(computed)
    note(trading, found)


def _first_difference(
    stored: Sequence[tuple[str, int, Fill]], computed: Sequence[tuple[str, int, Fill]]
) -> str:
    for index, pair in enumerate(zip(stored, computed, strict=False)):
        if pair[0] != pair[1]:
            return (
                f"execution {index + 1} is stored as {pair[0]} and computed as {pair[1]}; "
                "find out whether the store, the dataset or the program changed"
            )
    return (
        f"{len(stored)} executions are stored and {len(computed)} computed; "
        "find out whether the store, the dataset or the program changed"
    )


def _take_up(connection: sa.Connection, trading: Trading) -> None:
    """What the strategy has seen and done, and the counts."""
    name = trading.spec.deployment_id
    head = connection.execute(
        sa.select(deliveries.c.event_seq, deliveries.c.acked)
        .where(deliveries.c.deployment_id == name)
        .order_by(deliveries.c.event_seq.desc())
        .limit(1)
    ).first()
    trading.decision_seq, trading.acked = (head.event_seq, head.acked) if head else (0, True)
    if trading.standing is not None:
        found = connection.execute(
            sa.select(fills)
            .where(fills.c.deployment_id == name, fills.c.event_seq > trading.decision_seq)
            .order_by(fills.c.broker_trade_id)
        ).mappings()
        trading.undelivered = [fill_of(row) for row in found]
    else:
        trading.undelivered = [
            item.fill
            for item in trading.broker.transactions_since(0)
            if item.fill is not None and item.event_seq > trading.decision_seq
        ]
    mine = intents.c.deployment_id == name
    counted = (
        sa.select(intents.c.state, sa.func.count().label("number")).where(mine).group_by(intents.c.state)
    )
    states: dict[str, int] = {row.state: row.number for row in connection.execute(counted)}
    trading.denials = states.pop(OrderState.DENIED.value, 0)
    trading.orders = sum(states.values()) - states.get(OrderState.INTENT.value, 0)
    trading.unknown = {
        order.client_order_id: order for order in _intents_in(connection, name, OrderState.UNKNOWN)
    }
    recent = (
        sa.select(deliveries.c.time_ns)
        .join(
            intents,
            sa.and_(
                intents.c.deployment_id == deliveries.c.deployment_id,
                intents.c.event_seq == deliveries.c.event_seq,
            ),
        )
        .where(mine, intents.c.state.not_in((OrderState.DENIED.value, OrderState.INTENT.value)))
        .where(deliveries.c.time_ns > trading.time_ns - NS_PER_MINUTE)
        .order_by(deliveries.c.time_ns)
    )
    trading.order_times.extend(connection.scalars(recent))
    recall_orders(connection, trading)


def _intents_in(connection: sa.Connection, deployment_id: str, state: OrderState) -> list[Order]:
    query = (
        sa.select(intents.c.body)
        .where(intents.c.deployment_id == deployment_id, intents.c.state == state.value)
        .order_by(intents.c.created_ns)
    )
    return [order_of(body) for body in connection.scalars(query)]


def _finish_intents(desk: Desk, trading: Trading, found: Sequence[Order]) -> None:
    """Intents that were durable when the process ended, with no word of what the broker did.

    Where the broker's silence proves that it never had the order, it is handed over now, for the first
    time; elsewhere it is UNKNOWN until the broker shows it or a person decides.
    """
    blocked = bool(desk.kill_over(trading)) or trading.state is not State.RUNNING
    for order in found:
        if not trading.broker.absence_is_proof:
            trading.unknown[order.client_order_id] = order
            with desk.ledger.change("unknown") as change:
                write_intent_state(
                    change,
                    order.client_order_id,
                    state=OrderState.UNKNOWN,
                    reason="the gateway ended between its decision to send and the broker's answer",
                )
        elif blocked and not order.client_order_id.startswith(GATEWAY_PREFIX):
            with desk.ledger.change("cancel") as change:
                write_intent_state(
                    change,
                    order.client_order_id,
                    state=OrderState.CANCELED,
                    control="R23" if desk.kill_over(trading) else "STOP",
                    reason="never sent: no new orders since before the gateway came back",
                )
        else:
            hand_over(desk, trading, order)
