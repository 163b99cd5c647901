"""Rows of an account at a broker elsewhere: executions, adopted orders, link, frozen instruments."""

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from workbench.domain.orders import Fill, OrderState
from workbench.gateway.brokers.port import Transaction
from workbench.gateway.ledger import Change
from workbench.gateway.records import plain
from workbench.gateway.standing import Standing
from workbench.gateway.trading import Trading
from workbench.store.schema import (
    adjustments,
    broker_links,
    cancels,
    fills,
    frozen_instruments,
    intents,
    orders,
)

__all__ = [
    "end_cancels",
    "write_adjustment",
    "write_fill",
    "write_frozen",
    "write_link",
    "write_order_state",
    "write_released",
    "write_shown",
]

_INSERT_FILL = sa.insert(fills)
_INSERT_ORDER = sa.insert(orders)
_INSERT_ADJUSTMENT = sa.insert(adjustments)
_INSERT_FROZEN = sa.insert(frozen_instruments)
_RELEASE = sa.delete(frozen_instruments).where(
    frozen_instruments.c.deployment_id == sa.bindparam("deployment"),
    frozen_instruments.c.instrument == sa.bindparam("name"),
)
_UPDATE_ORDER = (
    sa.update(orders)
    .where(orders.c.client_order_id == sa.bindparam("id"))
    .values(
        state=sa.bindparam("new_state"), remaining=sa.bindparam("units"), updated_ns=sa.bindparam("now_ns")
    )
)
_UPDATE_INTENT = (
    sa.update(intents)
    .where(intents.c.client_order_id == sa.bindparam("id"))
    .values(state=sa.bindparam("new_state"))
)
_OPEN_CANCELS = (OrderState.INTENT.value, OrderState.UNKNOWN.value)
_END_CANCELS = (
    sa.update(cancels)
    .where(cancels.c.client_order_id == sa.bindparam("id"), cancels.c.state.in_(_OPEN_CANCELS))
    .values(state=sa.bindparam("new_state"), reason=sa.bindparam("new_reason"))
)
_UPDATE_LINK = (
    sa.update(broker_links)
    .where(broker_links.c.deployment_id == sa.bindparam("id"))
    .values(
        {
            name: sa.bindparam(f"new_{name}")
            for name in (
                *("watermark", "opening_balance", "opening_financing", "financing"),
                *("session", "day_start_equity", "updated_ns"),
            )
        }
    )
)


def write_fill(change: Change, trading: Trading, item: Transaction, *, event_seq: int) -> None:
    """An execution of the broker's record."""
    fill = item.fill
    if not isinstance(fill, Fill):
        raise TypeError(f"expected an execution, found transaction {item.number} without one")
    row = {
        "account_id": trading.spec.account.id,
        "deployment_id": trading.spec.deployment_id,
        "broker_trade_id": item.broker_trade_id,
        **{name: value for name, value in plain(fill).items() if name in fills.c},
        "event_seq": event_seq,
        "trade": fill.trade or "",
    }
    change.execute(_INSERT_FILL, row)
    change.record("fill", **row, number=item.number)


def write_shown(
    change: Change,
    client_order_id: str,
    broker_order_id: str,
    *,
    state: OrderState,
    remaining: int,
    accepted_seq: int,
    now_ns: int,
    evidence: str,
    known: bool,
) -> None:
    """The broker shows an order; `known`: it had shown it before."""
    if known:
        row = {"id": client_order_id, "new_state": state.value, "units": remaining, "now_ns": now_ns}
        change.execute(_UPDATE_ORDER, row)
    else:
        change.execute(
            _INSERT_ORDER,
            {
                "client_order_id": client_order_id,
                "broker_order_id": broker_order_id,
                "state": state.value,
                "accepted_seq": accepted_seq,
                "updated_ns": now_ns,
                "remaining": remaining,
                "canceled_seq": 0,
            },
        )
    change.execute(_UPDATE_INTENT, {"id": client_order_id, "new_state": state.value})
    change.record(
        "order.adopted",
        client_order_id=client_order_id,
        broker_order_id=broker_order_id,
        state=state.value,
        evidence=evidence,
    )


def write_order_state(
    change: Change, client_order_id: str, *, state: OrderState, remaining: int, now_ns: int
) -> None:
    """Where an order of the broker's stands; nothing for one that it never showed."""
    change.execute(
        _UPDATE_ORDER,
        {"id": client_order_id, "new_state": state.value, "units": remaining, "now_ns": now_ns},
    )


def end_cancels(change: Change, client_order_id: str, *, state: OrderState, reason: str) -> None:
    """Wishes to take an order back are over when the order is."""
    change.execute(_END_CANCELS, {"id": client_order_id, "new_state": state.value, "new_reason": reason})


def write_frozen(change: Change, deployment_id: str, instrument: str, *, reason: str, now_ns: int) -> None:
    """Only orders that reduce from now on."""
    row = {
        "deployment_id": deployment_id,
        "instrument": instrument,
        "reason": reason,
        "created_ns": now_ns,
    }
    change.execute(_INSERT_FROZEN, row)
    change.record("instrument.frozen", **row)


def write_released(
    change: Change, deployment_id: str, instrument: str, *, by: str, reason: str, found: Mapping[str, Any]
) -> None:
    """A named person lets an instrument trade again."""
    change.execute(_RELEASE, {"deployment": deployment_id, "name": instrument})
    change.record(
        "instrument.released",
        deployment_id=deployment_id,
        instrument=instrument,
        by=by,
        reason=reason,
        **found,
    )


def write_adjustment(change: Change, row: Mapping[str, Any]) -> None:
    """A named person takes the broker's word into the books; `row` is one of `adjustments`."""
    change.execute(_INSERT_ADJUSTMENT, dict(row))
    change.record("adjustment", **row)


def write_link(change: Change, trading: Trading, standing: Standing, *, now_ns: int) -> None:
    """How far the broker's record has been taken in, and the day's beginning."""
    row = {
        "watermark": standing.watermark,
        "opening_balance": standing.opening_balance,
        "opening_financing": standing.opening_financing,
        "financing": standing.financing,
        "session": trading.session.isoformat() if trading.session else "",
        "day_start_equity": trading.day_start_equity,
        "updated_ns": now_ns,
    }
    bound = {f"new_{name}": value for name, value in row.items()}
    if change.execute(_UPDATE_LINK, {"id": trading.spec.deployment_id, **bound}).rowcount == 0:
        change.execute(sa.insert(broker_links), {"deployment_id": trading.spec.deployment_id, **row})
