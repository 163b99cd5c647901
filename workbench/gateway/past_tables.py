"""A past state as tables: what the notebook of a moment shows, in prices and money as people read them."""

from collections.abc import Iterable
from typing import Any

import pandas as pd
import sqlalchemy as sa

from workbench.domain.calendar import to_datetime
from workbench.domain.instruments import instrument
from workbench.domain.money import to_decimal
from workbench.gateway.past_state import PastOrder, PastState
from workbench.store.schema import deliveries

__all__ = [
    "decision_table",
    "equity_until",
    "exits_table",
    "fills_table",
    "limits_table",
    "orders_table",
    "positions_table",
    "summary_table",
    "waiting_table",
]


def summary_table(state: PastState) -> pd.DataFrame:
    """One line a fact: when it was, how the deployment stood, what the account held."""
    books = state.books
    rows = [
        ("deployment", state.deployment_id),
        ("release", state.spec.release_id[:12] if state.spec else ""),
        ("account", state.spec.account.id if state.spec else ""),
        ("journal record", f"{state.record:,}"),
        ("written (UTC)", _time(state.written_ns)),
        ("market time (UTC)", _time(state.market_ns)),
        ("event", f"{state.event_seq:,}"),
        ("state", f"{state.state} {state.detail}".strip()),
        ("kill switch", ", ".join(f"{scope}: {why}" for scope, why in state.kills.items()) or "not thrown"),
        ("only reducing", state.halted or "no"),
        ("frozen instruments", ", ".join(state.frozen) or "none"),
        ("currency", books.currency if books else ""),
        ("balance", _money(state.balance)),
        ("equity at the event", _money(books.equity) if books else ""),
        ("margin used", _money(books.margin_used) if books else ""),
        ("financing so far", _money(books.financing) if books else ""),
        ("commission so far", _money(books.commission) if books else ""),
        ("executions so far", f"{len(state.fills):,}"),
    ]
    return pd.DataFrame(rows, columns=["", "value"]).set_index("")


def positions_table(state: PastState) -> pd.DataFrame:
    """What was held: units with all executions so far, the rest as of the last event."""
    shown = {item.instrument: item for item in (state.books.positions if state.books else ())}
    rows: list[dict[str, Any]] = []
    for name, units in sorted(state.units.items()):
        if units == 0:
            continue
        record, item = instrument(name), shown.get(name)  # type: ignore[call-overload]
        price = record.to_price
        rows.append(
            {
                "instrument": name,
                "units": units,
                "average price": price(item.average_price) if item else None,
                "unrealized": to_decimal(item.unrealized) if item else None,
                "stop": price(item.stop) if item and item.stop else None,
                "target": price(item.target) if item and item.target else None,
                "trailing stop": price(item.trailing) if item and item.trailing else None,
            }
        )
    columns = ["instrument", "units", "average price", "unrealized", "stop", "target", "trailing stop"]
    return pd.DataFrame(rows, columns=columns)


def waiting_table(state: PastState) -> pd.DataFrame:
    """Orders that might still be filled."""
    return _orders(state.waiting)


def orders_table(state: PastState, *, last: int = 50) -> pd.DataFrame:
    """The last orders of any state, the oldest first."""
    return _orders(list(state.orders.values())[-last:])


def fills_table(state: PastState, *, last: int = 50) -> pd.DataFrame:
    """The last executions, the oldest first."""
    rows = [
        {
            "time (UTC)": _time(fill.time_ns),
            "order": fill.client_order_id,
            "instrument": fill.instrument,
            "units": fill.units,
            "price": instrument(fill.instrument).to_price(fill.price),
            "reason": fill.reason.value,
            "realized": to_decimal(fill.realized),
            "commission": to_decimal(fill.commission),
            "balance": to_decimal(fill.balance),
        }
        for fill in state.fills[-last:]
    ]
    columns = ["time (UTC)", "order", "instrument", "units", "price", "reason", "realized", "commission"]
    return pd.DataFrame(rows, columns=[*columns, "balance"])


def exits_table(state: PastState, *, last: int = 20) -> pd.DataFrame:
    """The last wishes for other exits, the oldest first; 0 takes one away, nothing leaves it."""
    rows = []
    for item in list(state.exits.values())[-last:]:
        name = item.body["instrument"]
        price = instrument(name).to_price
        levels = [item.body.get(part) for part in ("stop", "target", "trailing")]
        shown = [None if points is None else price(points) for points in levels]
        rows.append((item.event_seq, name, *shown, item.state, item.reason))
    columns = ["event", "instrument", "stop", "target", "trailing distance", "state", "reason"]
    return pd.DataFrame(rows, columns=columns)


def limits_table(state: PastState) -> pd.DataFrame:
    """The limits in force: those of the release, then those of the table, each with who set it."""
    own = state.limits.to_json() if state.limits is not None else {}
    rows = [("release", name, value, "", "") for name, value in own.items()]
    rows += [
        (entry.scope, entry.name, entry.value, entry.by, entry.approved_by)
        for entry in state.table.in_force()
    ]
    return pd.DataFrame(rows, columns=["scope", "limit", "value", "set by", "approved by"])


def decision_table(state: PastState) -> pd.DataFrame:
    """What the strategy had decided last, and on which event."""
    rows = [("event", state.decided_seq)] if state.decided_seq else []
    rows += [(name, value) for name, value in state.decision.items()]
    return pd.DataFrame(rows, columns=["", "value"]).set_index("")


def equity_until(engine: sa.Engine, state: PastState) -> "pd.Series[float]":
    """Equity at each event handed to the strategy so far, in the account's currency, by market time."""
    query = (
        sa.select(deliveries.c.time_ns, deliveries.c.snapshot)
        .where(deliveries.c.deployment_id == state.deployment_id)
        .where(deliveries.c.event_seq <= state.event_seq)
        .order_by(deliveries.c.event_seq)
    )
    with engine.connect() as connection:
        rows = connection.execute(query).all()
    index = pd.DatetimeIndex([to_datetime(row.time_ns) for row in rows], name="market time (UTC)")
    return pd.Series([row.snapshot["equity"] / 1e6 for row in rows], index=index, name="equity", dtype=float)


def _orders(found: Iterable[PastOrder]) -> pd.DataFrame:
    rows = []
    for item in found:
        price = instrument(item.order.instrument).to_price
        rows.append(
            {
                "order": item.order.client_order_id,
                "event": item.event_seq,
                "instrument": item.order.instrument,
                "kind": item.order.kind.value,
                "units": item.order.units,
                "left": item.remaining,
                "level": price(item.order.price) if item.order.price else None,
                "state": item.state,
                "control": item.control,
                "reason": item.reason,
            }
        )
    columns = ["order", "event", "instrument", "kind", "units", "left", "level", "state", "control", "reason"]
    return pd.DataFrame(rows, columns=columns)


def _time(time_ns: int) -> str:
    return f"{to_datetime(time_ns):%Y-%m-%d %H:%M:%S.%f}" if time_ns > 0 else ""


def _money(micro: int) -> str:
    return f"{to_decimal(micro):,.2f}"
