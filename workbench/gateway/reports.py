"""What people read of the store: executions, orders, decisions, equity, and the check of the journal.

It runs beside the order path, over read-only connections, so that a long question holds no order up.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any

import msgspec
import sqlalchemy as sa

from workbench.domain.accounts import AccountSnapshot
from workbench.gateway.checkpoints import read_checkpoints, verify_key
from workbench.gateway.errors import DamagedStoreError
from workbench.gateway.journal import verify_journal
from workbench.gateway.messages import OperatorRequest
from workbench.gateway.operators import arguments_of
from workbench.gateway.records import fill_of, plain
from workbench.store.schema import deliveries, fills, intents, orders

__all__ = ["REPORTS", "Sources", "check_store", "report"]


class Sources(msgspec.Struct, frozen=True, kw_only=True):
    """Where reports read."""

    engine: Any  # a read-only sa.Engine
    checkpoints: Path
    keys: Path


class _Page(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    deployment_id: str
    after: int = 0
    limit: Annotated[int, msgspec.Meta(ge=1, le=10_000)] = 1_000


class _Points(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    deployment_id: str
    points: Annotated[int, msgspec.Meta(ge=2, le=20_000)] = 2_000


def report(sources: Sources, request: OperatorRequest) -> dict[str, Any]:
    """A reading verb's answer."""
    return REPORTS[request.verb](sources, request.arguments)


def check_store(engine: sa.Engine, *, checkpoints: Path, keys: Path) -> dict[str, Any]:
    """Check the database's own consistency and the whole journal.

    Returns
    -------
    dict
        ``ok``, ``length``, ``head``, ``checkpoints`` compared, and ``fault``, empty when all is well.
    """
    fault = _integrity(engine)
    if fault:
        return {"ok": False, "length": 0, "head": "", "checkpoints": 0, "fault": fault}
    try:
        signed = read_checkpoints(checkpoints, verify_key(keys)) if checkpoints.exists() else ()
    except DamagedStoreError as error:
        return {"ok": False, "length": 0, "head": "", "checkpoints": 0, "fault": str(error)}
    found = verify_journal(engine, checkpoints=signed)
    return {
        "ok": not found.fault,
        "length": found.length,
        "head": found.head,
        "checkpoints": found.checkpoints,
        "fault": found.fault,
    }


def _integrity(engine: sa.Engine) -> str:
    if engine.dialect.name != "sqlite":
        return ""
    try:
        with engine.connect() as connection:
            found = connection.scalar(sa.text("PRAGMA integrity_check(1)"))
    except sa.exc.DatabaseError as error:
        return f"the database can not be read: {error.orig}"
    return "" if found == "ok" else f"the database is damaged: {found}"


def _verify(sources: Sources, given: Mapping[str, Any]) -> dict[str, Any]:
    arguments_of(_Nothing, given)
    return check_store(sources.engine, checkpoints=sources.checkpoints, keys=sources.keys)


class _Nothing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    pass


def _fills(sources: Sources, given: Mapping[str, Any]) -> dict[str, Any]:
    page = arguments_of(_Page, given)
    query = (
        sa.select(fills)
        .where(fills.c.deployment_id == page.deployment_id, fills.c.event_seq > page.after)
        .order_by(fills.c.event_seq, fills.c.broker_trade_id)
        .limit(page.limit)
    )
    with sources.engine.connect() as connection:
        rows = connection.execute(query).mappings().all()
    return {
        "fills": [
            {
                "event_seq": row["event_seq"],
                "broker_trade_id": row["broker_trade_id"],
                **plain(fill_of(row)),
            }
            for row in rows
        ]
    }


def _orders(sources: Sources, given: Mapping[str, Any]) -> dict[str, Any]:
    page = arguments_of(_Page, given)
    query = (
        sa.select(
            intents,
            *(orders.c[name] for name in ("accepted_seq", "broker_order_id", "remaining", "canceled_seq")),
        )
        .outerjoin(orders, orders.c.client_order_id == intents.c.client_order_id)
        .where(intents.c.deployment_id == page.deployment_id, intents.c.event_seq > page.after)
        .order_by(intents.c.event_seq, intents.c.created_ns, intents.c.client_order_id)
        .limit(page.limit)
    )
    with sources.engine.connect() as connection:
        return {"orders": [dict(row) for row in connection.execute(query).mappings()]}


def _decisions(sources: Sources, given: Mapping[str, Any]) -> dict[str, Any]:
    page = arguments_of(_Page, given)
    query = (
        sa.select(deliveries.c.event_seq, deliveries.c.time_ns, deliveries.c.acked, deliveries.c.decision)
        .where(deliveries.c.deployment_id == page.deployment_id, deliveries.c.event_seq > page.after)
        .order_by(deliveries.c.event_seq)
        .limit(page.limit)
    )
    with sources.engine.connect() as connection:
        return {"decisions": [dict(row) for row in connection.execute(query).mappings()]}


def _equity(sources: Sources, given: Mapping[str, Any]) -> dict[str, Any]:
    wanted = arguments_of(_Points, given)
    mine = deliveries.c.deployment_id == wanted.deployment_id
    with sources.engine.connect() as connection:
        count = connection.scalar(sa.select(sa.func.count()).select_from(deliveries).where(mine)) or 0
        step = max(1, -(-count // wanted.points))
        place = sa.func.row_number().over(order_by=deliveries.c.event_seq).label("place")
        numbered = sa.select(deliveries.c.snapshot, place).where(mine).subquery()
        chosen = sa.or_(numbered.c.place % step == 0, numbered.c.place == count)
        rows = connection.scalars(sa.select(numbered.c.snapshot).where(chosen).order_by(numbered.c.place))
        books = [msgspec.convert(row, AccountSnapshot) for row in rows]
    return {
        "time_ns": [item.time_ns for item in books],
        "equity": [item.equity for item in books],
        "units": [sum(position.units for position in item.positions) for item in books],
    }


REPORTS: Mapping[str, Callable[[Sources, Mapping[str, Any]], dict[str, Any]]] = {
    "verify": _verify,
    "fills": _fills,
    "orders": _orders,
    "decisions": _decisions,
    "equity": _equity,
}
