"""An account elsewhere as the store has it: books from fills, financing and adjustments, and open orders."""

from datetime import date

import msgspec
import sqlalchemy as sa

from workbench.domain.accounts import AccountSnapshot
from workbench.domain.orders import EXIT_REASONS, TERMINAL_STATES, ClientOrderId, OrderState
from workbench.gateway.books import Books
from workbench.gateway.breaker import Breaker
from workbench.gateway.desk import Desk
from workbench.gateway.exits_elsewhere import recall_wishes
from workbench.gateway.messages import BarClosed, QuoteMoved
from workbench.gateway.records import fill_of, order_of, write_intent_state
from workbench.gateway.standing import Known, Levels, Standing
from workbench.gateway.trading import Trading
from workbench.store.schema import (
    adjustments,
    broker_links,
    cancels,
    fills,
    frozen_instruments,
    intents,
    orders,
    positions,
)

__all__ = ["new_standing", "restore"]

_ENDED = [state.value for state in TERMINAL_STATES]
_LAST_EVENTS = 200  # read again for the last prices


def new_standing(desk: Desk, currency: str) -> Standing:
    """An account that nothing is known of yet."""
    return Standing(
        books=Books(currency),
        breaker=Breaker(monotonic=desk.monotonic, rng=desk.jitter),
        monotonic=desk.monotonic,
    )


def restore(desk: Desk, trading: Trading) -> None:
    """Put a deployment at a broker elsewhere where the store has it.

    Intents without an answer become UNKNOWN: they may have been sent.
    """
    standing = new_standing(desk, trading.spec.account.currency)
    trading.standing = standing
    with desk.engine.connect() as connection:
        _restore_books(connection, trading, standing)
        _restore_orders(connection, trading, standing, now_s=desk.monotonic())
        recall_wishes(connection, standing, trading.spec.deployment_id, now_s=desk.monotonic())
        _restore_place(connection, trading)
    unsure = [name for name, known in standing.orders.items() if known.state is OrderState.INTENT]
    for name in unsure:
        with desk.ledger.change("unknown") as change:
            write_intent_state(
                change,
                name,
                state=OrderState.UNKNOWN,
                reason="the gateway ended between its decision to send and the broker's answer",
            )
        standing.orders[name].state = OrderState.UNKNOWN
    trading.watermark = standing.watermark
    trading.unknown = {name: standing.orders[name].order for name in standing.unknown()}


def _restore_books(connection: sa.Connection, trading: Trading, standing: Standing) -> None:
    name, books = trading.spec.deployment_id, standing.books
    link = connection.execute(sa.select(broker_links).where(broker_links.c.deployment_id == name)).first()
    if link is not None:
        standing.opened = True
        standing.watermark = link.watermark
        standing.opening_balance, standing.opening_financing = link.opening_balance, link.opening_financing
        standing.financing = link.financing
        books.open(link.opening_balance)
        books.finance(link.financing)
        trading.session = date.fromisoformat(link.session) if link.session else None
        trading.day_start_equity = link.day_start_equity
    done = connection.execute(sa.select(fills).where(fills.c.deployment_id == name)).mappings().all()
    for row in done:
        books.fill(trading.record_of(row["instrument"]), fill_of(row))
    trading.fills = len(done)
    changed = connection.execute(
        sa.select(adjustments).where(adjustments.c.deployment_id == name).order_by(adjustments.c.number)
    ).mappings()
    for row in changed:
        record = trading.record_of(row["instrument"]) if row["instrument"] else None
        books.adjust(record, units=row["units"], price=row["price"], cost=row["cost"], cash=row["cash"])
    frozen = connection.execute(
        sa.select(frozen_instruments).where(frozen_instruments.c.deployment_id == name)
    )
    standing.frozen = {row.instrument: row.reason for row in frozen}


def _restore_orders(connection: sa.Connection, trading: Trading, standing: Standing, *, now_s: float) -> None:
    name = trading.spec.deployment_id
    live = connection.execute(
        sa.select(intents.c.client_order_id, intents.c.body, intents.c.state, orders.c.broker_order_id)
        .outerjoin(orders, orders.c.client_order_id == intents.c.client_order_id)
        .where(intents.c.deployment_id == name, intents.c.state.not_in(_ENDED))
        .order_by(intents.c.created_ns, intents.c.client_order_id)
    ).mappings()
    for row in live.all():
        standing.orders[ClientOrderId(row["client_order_id"])] = Known(
            order=order_of(row["body"]),
            state=OrderState(row["state"]),
            broker_order_id=row["broker_order_id"] or "",
            sent_s=now_s,
        )
    exits = [reason.value for reason in EXIT_REASONS]
    filled = connection.execute(
        sa.select(fills.c.client_order_id, sa.func.sum(fills.c.units).label("units"))
        .where(fills.c.deployment_id == name, fills.c.reason.not_in(exits))
        .group_by(fills.c.client_order_id)
    )
    for name_of, units in filled:
        if name_of in standing.orders:
            standing.orders[name_of].filled = int(units)
    wished = connection.scalars(
        sa.select(cancels.c.client_order_id)
        .where(cancels.c.deployment_id == name)
        .where(cancels.c.state.in_((OrderState.INTENT.value, OrderState.UNKNOWN.value)))
    )
    standing.cancels = {ClientOrderId(item) for item in wished} & set(standing.orders)


def _restore_place(connection: sa.Connection, trading: Trading) -> None:
    """How far the feed was, and the last prices."""
    row = connection.execute(
        sa.select(positions.c.event_seq, positions.c.snapshot).where(
            positions.c.deployment_id == trading.spec.deployment_id
        )
    ).first()
    if row is None:
        return
    if trading.standing is not None:
        _restore_levels(trading.standing, msgspec.convert(row.snapshot, AccountSnapshot))
    trading.feed.recall(row.event_seq)
    trading.seq = row.event_seq
    for seq in range(max(1, row.event_seq - _LAST_EVENTS), row.event_seq + 1):
        event = trading.feed.event(seq)
        if isinstance(event, QuoteMoved):
            quote = event.quote
            trading.prices[quote.instrument] = quote.bid, quote.ask
            trading.history.quote(quote.instrument, quote.time_ns, quote.bid, quote.ask)
            trading.time_ns = quote.time_ns
        elif isinstance(event, BarClosed):
            trading.prices.update({bar.instrument: (bar.bid_close, bar.ask_close) for bar in event.bars})
            for bar in event.bars:
                trading.history.quote(bar.instrument, bar.close_ns, bar.bid_close, bar.ask_close)
            trading.time_ns = event.bar.close_ns
        elif event is not None:
            trading.ended = True
    trading.equity = trading.books.equity
    trading.history.peak_equity = max(trading.history.peak_equity, trading.equity)


def _restore_levels(standing: Standing, last: AccountSnapshot) -> None:
    """The exits as they were last seen, of what is still held."""
    for item in last.positions:
        if item.units == standing.books.units(item.instrument):
            standing.levels[item.instrument] = Levels(
                stop=item.stop, target=item.target, trailing=item.trailing
            )
