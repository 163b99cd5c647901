"""What a dashboard reads: plain values from the stores, opened read-only.

Nothing here sends an order or runs code of a viewer; the verbs go through `workbench.dashboards.verbs`.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import sqlalchemy as sa

from workbench.dashboards.errors import StoreUnreadableError
from workbench.domain.instruments import instrument
from workbench.domain.money import to_decimal
from workbench.store import schema

__all__ = [
    "ChangeLine",
    "DeploymentView",
    "EquityPoint",
    "FillLine",
    "OrderLine",
    "StoreView",
]

_MOST_POINTS = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class DeploymentView:
    """One deployment as a person wants to see it."""

    id: str
    release_id: str
    release_name: str
    account_id: str
    broker: str
    currency: str
    desired: str
    state: str
    detail: str
    restarts: int
    heartbeat_ns: int
    opening_balance: Decimal
    balance: Decimal
    equity: Decimal
    margin_used: Decimal
    financing: Decimal
    commission: Decimal
    market_ns: int  # of the last bar, 0 before the first
    positions: tuple[dict[str, Any], ...]
    killed_by: str  # who threw the kill switch over it, empty for nobody
    kill_reason: str
    limit_use: tuple[Mapping[str, Any], ...] = ()  # as the gateway says

    @property
    def profit(self) -> Decimal:
        """Profit or loss since the deployment began, open position included."""
        return self.equity - self.opening_balance


@dataclass(frozen=True, slots=True, kw_only=True)
class EquityPoint:
    """Equity as of a bar's close."""

    time_ns: int
    equity: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderLine:
    """One order that was asked for, and what became of it."""

    client_order_id: str
    decided_ns: int  # of the bar it was decided on
    instrument: str
    units: int
    reduce_only: bool
    state: str
    control: str
    reason: str
    replaces: bool = False  # an order that waited


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeLine:
    """Other exits that were asked for, and what became of them."""

    decided_ns: int  # of the bar it was decided on
    instrument: str
    stop: Decimal | None  # price; 0 takes it away, None leaves it
    target: Decimal | None
    trailing: int | None  # points from the market
    state: str
    control: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FillLine:
    """One execution."""

    time_ns: int
    instrument: str
    units: int
    price: Decimal
    reason: str
    realized: Decimal
    commission: Decimal
    position: int


class StoreView:
    """The dashboards' reader, over the research store and the gateway's own.

    Every question raises `StoreUnreadableError` while the database does not answer.
    """

    def __init__(self, store: sa.Engine, gateway_store: sa.Engine) -> None:
        self._store = store
        self._gateway = gateway_store
        self._curves: dict[tuple[str, int], tuple[int, list[EquityPoint]]] = {}

    def deployments(self) -> list[DeploymentView]:
        """Every deployment, the newest first."""
        query = (
            sa.select(
                schema.deployments,
                schema.releases.c.name.label("release_name"),
                schema.accounts.c.broker,
                schema.accounts.c.currency,
                schema.accounts.c.balance,
            )
            .join(schema.releases, schema.releases.c.id == schema.deployments.c.release_id)
            .join(schema.accounts, schema.accounts.c.id == schema.deployments.c.account_id)
            .order_by(schema.deployments.c.created_ns.desc())
        )
        with _reading(self._store) as connection:
            rows = connection.execute(query).mappings().all()
        with _reading(self._gateway) as connection:
            books = {
                row.deployment_id: row.snapshot
                for row in connection.execute(sa.select(schema.positions)).all()
            }
            kills = connection.execute(sa.select(schema.kills)).mappings().all()
        return [self._deployment(row, books.get(row["id"]), kills) for row in rows]

    @staticmethod
    def _deployment(
        row: sa.RowMapping, books: dict[str, Any] | None, kills: Sequence[sa.RowMapping]
    ) -> DeploymentView:
        scopes = {"all", f"account:{row['account_id']}", f"deployment:{row['id']}"}
        kill = next((item for item in kills if item["scope"] in scopes), None)
        opening = to_decimal(row["balance"])

        def money(name: str, otherwise: Decimal) -> Decimal:
            return to_decimal(books[name]) if books else otherwise

        return DeploymentView(
            id=row["id"],
            release_id=row["release_id"],
            release_name=row["release_name"],
            account_id=row["account_id"],
            broker=row["broker"],
            currency=row["currency"],
            desired=row["desired"],
            state=row["state"],
            detail=row["detail"],
            restarts=row["restarts"],
            heartbeat_ns=row["heartbeat_ns"],
            opening_balance=opening,
            balance=money("balance", opening),
            equity=money("equity", opening),
            margin_used=money("margin_used", Decimal(0)),
            financing=money("financing", Decimal(0)),
            commission=money("commission", Decimal(0)),
            market_ns=books["time_ns"] if books else 0,
            positions=tuple(books["positions"]) if books else (),
            killed_by=kill["by"] if kill else "",
            kill_reason=kill["reason"] if kill else "",
        )

    def equity(self, deployment_id: str, *, most: int = _MOST_POINTS) -> list[EquityPoint]:
        """The equity curve, thinned to at most `most` points and the last one."""
        table = schema.deliveries
        mine = table.c.deployment_id == deployment_id
        with _reading(self._gateway) as connection:
            newest = connection.scalar(sa.select(sa.func.max(table.c.event_seq)).where(mine)) or 0
            kept_at, kept = self._curves.get((deployment_id, most), (0, []))
            if newest == kept_at:
                return kept
            count = connection.scalar(sa.select(sa.func.count()).where(mine).select_from(table)) or 0
            step = max(1, -(-count // most))
            place = sa.func.row_number().over(order_by=table.c.event_seq).label("place")
            numbered = sa.select(table.c.time_ns, table.c.snapshot, place).where(mine).subquery()
            chosen = sa.or_(numbered.c.place % step == 0, numbered.c.place == count)
            rows = connection.execute(
                sa.select(numbered.c.time_ns, numbered.c.snapshot).where(chosen).order_by(numbered.c.place)
            ).all()
        points = [EquityPoint(time_ns=row.time_ns, equity=to_decimal(row.snapshot["equity"])) for row in rows]
        self._curves[deployment_id, most] = (newest, points)
        return points

    def orders(self, deployment_id: str, *, most: int = 20) -> list[OrderLine]:
        """The last orders, the newest first."""
        intents = schema.intents
        query = (
            _decided(intents, schema.orders.c.state.label("at_broker"))
            .outerjoin(schema.orders, schema.orders.c.client_order_id == intents.c.client_order_id)
            .where(intents.c.deployment_id == deployment_id)
            .order_by(intents.c.event_seq.desc(), intents.c.client_order_id.desc())
            .limit(most)
        )
        with _reading(self._gateway) as connection:
            rows = connection.execute(query).mappings().all()
        return [
            OrderLine(
                client_order_id=row["client_order_id"],
                decided_ns=row["decided_ns"] or row["created_ns"],
                instrument=row["instrument"],
                units=row["body"]["units"],
                reduce_only=row["body"]["reduce_only"],
                state=row["at_broker"] or row["state"],
                control=row["control"],
                reason=row["reason"],
                replaces=bool(row["body"].get("replaces")),
            )
            for row in rows
        ]

    def changes(self, deployment_id: str, *, most: int = 20) -> list[ChangeLine]:
        """The last changes of exits, the newest first."""
        table = schema.exit_changes
        query = (
            _decided(table)
            .where(table.c.deployment_id == deployment_id)
            .order_by(table.c.event_seq.desc(), table.c.number.desc())
            .limit(most)
        )
        with _reading(self._gateway) as connection:
            rows = connection.execute(query).mappings().all()
        return [
            ChangeLine(
                decided_ns=row["decided_ns"] or row["created_ns"],
                instrument=row["instrument"],
                stop=_level(row, "stop"),
                target=_level(row, "target"),
                trailing=row["body"].get("trailing"),
                state=row["state"],
                control=row["control"],
                reason=row["reason"],
            )
            for row in rows
        ]

    def fills(self, deployment_id: str, *, most: int = 50) -> list[FillLine]:
        """The last executions, the newest first."""
        table = schema.fills
        query = (
            sa.select(table)
            .where(table.c.deployment_id == deployment_id)
            .order_by(table.c.event_seq.desc(), table.c.broker_trade_id.desc())
            .limit(most)
        )
        with _reading(self._gateway) as connection:
            rows = connection.execute(query).mappings().all()
        return [
            FillLine(
                time_ns=row["time_ns"],
                instrument=row["instrument"],
                units=row["units"],
                price=instrument(row["instrument"]).to_price(row["price"]),
                reason=row["reason"],
                realized=to_decimal(row["realized"]),
                commission=to_decimal(row["commission"]),
                position=row["position"],
            )
            for row in rows
        ]


def _decided(table: sa.Table, *columns: sa.ColumnElement[Any]) -> sa.Select[Any]:
    """The rows of a table with the market's time of the last event by which each was decided."""
    deliveries = schema.deliveries
    decided = (
        sa.select(deliveries.c.time_ns)
        .where(
            deliveries.c.deployment_id == table.c.deployment_id,
            deliveries.c.event_seq <= table.c.event_seq,
        )
        .order_by(deliveries.c.event_seq.desc())
        .limit(1)
        .correlate(table)
        .scalar_subquery()
    )
    return sa.select(table, decided.label("decided_ns"), *columns)


def _level(row: sa.RowMapping, name: str) -> Decimal | None:
    points = row["body"].get(name)
    return None if points is None else instrument(row["instrument"]).to_price(points)


@contextmanager
def _reading(engine: sa.Engine) -> Iterator[sa.Connection]:
    try:
        with engine.connect() as connection:
            yield connection
    except sa.exc.DBAPIError as error:
        raise StoreUnreadableError(
            f"expected to read {engine.url.render_as_string(hide_password=True)}, found: {error.orig}"
        ) from error
