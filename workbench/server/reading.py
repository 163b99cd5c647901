"""What the server shows, read from the stores with a connection that can not write.

A home that has not been used yet has no stores: it has no releases and no deployments either.
"""

import threading
from pathlib import Path
from typing import Any

import msgspec
import sqlalchemy as sa

from workbench.gateway.kill_requests import KillRequests
from workbench.live.deployments import ACTIVE_STATES
from workbench.server.ages import DataAges
from workbench.server.rendering import deployment_json, millis, money
from workbench.store import read_only
from workbench.store.errors import StoreMissingError
from workbench.store.schema import (
    accounts,
    approvals,
    candidates,
    deliveries,
    deployments,
    kills,
    positions,
    releases,
    schedule_runs,
    schedules,
)
from workbench.tracking import count_by_run

__all__ = ["StoreReader"]

Row = dict[str, Any]


class _Lazy:
    """A read-only engine that is opened when there is something to open."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._lock = threading.Lock()
        self._engine: sa.Engine | None = None

    def engine(self) -> sa.Engine | None:
        with self._lock:
            if self._engine is None:
                try:
                    self._engine = read_only(self._url)
                except StoreMissingError:
                    return None
            return self._engine

    def rows(self, query: sa.Select[*tuple[Any, ...]]) -> list[Row]:
        engine = self.engine()
        if engine is None:
            return []
        with engine.connect() as connection:
            return [dict(row) for row in connection.execute(query).mappings()]

    def close(self) -> None:
        with self._lock:
            if self._engine is not None:
                self._engine.dispose()
                self._engine = None


class StoreReader:
    """Reads the research store and the gateway's own; safe to use from several threads.

    Parameters
    ----------
    kills_dir
        Where kills lie that the gateway has not taken into its store yet.
    """

    def __init__(
        self,
        store_url: str,
        gateway_store_url: str,
        *,
        ages: DataAges | None = None,
        kills_dir: Path | None = None,
    ) -> None:
        self._kills_dir = kills_dir
        self._store = _Lazy(store_url)
        self._gateway = _Lazy(gateway_store_url)
        self._ages = ages or DataAges()

    def close(self) -> None:
        """Give the connections back."""
        self._store.close()
        self._gateway.close()

    # --- live state ------------------------------------------------------------------------------

    def kills(self) -> list[dict[str, Any]]:
        """Where the kill switch is thrown; it can be read while the gateway is down."""
        rows = self._gateway.rows(sa.select(kills).order_by(kills.c.created_ns))
        if self._kills_dir is not None and self._kills_dir.is_dir():
            known = {row["scope"] for row in rows}
            asked = {item.scope: item for item in KillRequests(self._kills_dir).pending().values()}
            rows += [msgspec.to_builtins(item) for scope, item in asked.items() if scope not in known]
        return [
            {"scope": row["scope"], "by": row["by"], "reason": row["reason"], "at": millis(row["created_ns"])}
            for row in rows
        ]

    def is_live(self) -> bool:
        """Whether any account is one at a real broker."""
        return bool(self._store.rows(sa.select(accounts.c.id).where(accounts.c.broker != "paper").limit(1)))

    def deployments(self) -> list[dict[str, Any]]:
        """Every deployment with its live state, the newest first."""
        query = (
            sa.select(
                deployments,
                releases.c.name.label("release_name"),
                accounts.c.broker,
                accounts.c.currency,
                accounts.c.balance,
            )
            .join(releases, releases.c.id == deployments.c.release_id)
            .join(accounts, accounts.c.id == deployments.c.account_id)
            .order_by(deployments.c.created_ns.desc())
        )
        rows = self._store.rows(query)
        books = (
            {row["deployment_id"]: row for row in self._gateway.rows(sa.select(positions))} if rows else {}
        )
        thrown = self.kills() if rows else []
        return [self._deployment(row, books.get(row["id"]), thrown) for row in rows]

    def _deployment(self, row: Row, books: Row | None, thrown: list[dict[str, Any]]) -> dict[str, Any]:
        return deployment_json(
            row,
            books=books["snapshot"] if books else None,
            decision=self._last_decision(row["id"]) if books else None,
            kills=thrown,
            data_age_s=self._ages.observe(row["id"], books["event_seq"]) if books else None,
        )

    def _last_decision(self, deployment_id: str) -> dict[str, Any] | None:
        newest = (
            sa.select(deliveries.c.decision)
            .where(deliveries.c.deployment_id == deployment_id, deliveries.c.acked)
            .order_by(deliveries.c.event_seq.desc())
            .limit(1)
        )
        return next((row["decision"] for row in self._gateway.rows(newest)), None)

    # --- lists -----------------------------------------------------------------------------------

    def accounts(self) -> list[dict[str, Any]]:
        """The accounts, and which deployment holds each."""
        holding = sa.or_(
            sa.and_(deployments.c.desired == "running", deployments.c.state.in_(ACTIVE_STATES)),
            deployments.c.pid != 0,
        )
        holders = {
            row["account_id"]: row["id"]
            for row in self._store.rows(sa.select(deployments.c.id, deployments.c.account_id).where(holding))
        }
        return [
            {
                "id": row["id"],
                "broker": row["broker"],
                "currency": row["currency"],
                "balance": money(row["balance"]),
                "feed": str(row["settings"].get("kind", "")),
                "held_by": holders.get(row["id"], ""),
            }
            for row in self._store.rows(sa.select(accounts).order_by(accounts.c.created_ns))
        ]

    def releases(self, release_id: str | None = None) -> list[tuple[Row, list[Row]]]:
        """Each release with its approvals, the newest first."""
        query = sa.select(releases).order_by(releases.c.created_ns.desc())
        if release_id is not None:
            query = query.where(releases.c.id == release_id)
        given: dict[str, list[Row]] = {}
        for row in self._store.rows(sa.select(approvals).order_by(approvals.c.id)):
            given.setdefault(row["release_id"], []).append(row)
        return [(row, given.get(row["id"], [])) for row in self._store.rows(query)]

    def candidates(self) -> dict[str, str]:
        """The notebook of each run that can be promoted."""
        rows = self._store.rows(sa.select(candidates.c.run_id, candidates.c.notebook))
        return {row["run_id"]: row["notebook"] for row in rows}

    def trial_counts(self, run_ids: list[str]) -> dict[str, int]:
        """How many trials each of these runs recorded."""
        return {row["run_id"]: int(row["count"]) for row in self._store.rows(count_by_run(run_ids))}

    def schedules(self) -> list[dict[str, Any]]:
        """The schedules and how each last ran."""
        newest = (
            sa.select(schedule_runs.c.schedule_id, sa.func.max(schedule_runs.c.scheduled_ns).label("at"))
            .group_by(schedule_runs.c.schedule_id)
            .subquery()
        )
        last = {
            row["schedule_id"]: row
            for row in self._store.rows(
                sa.select(schedule_runs).join(
                    newest,
                    sa.and_(
                        newest.c.schedule_id == schedule_runs.c.schedule_id,
                        newest.c.at == schedule_runs.c.scheduled_ns,
                    ),
                )
            )
        }
        return [
            {
                **{name: row[name] for name in ("id", "name", "pipeline", "cron", "timezone", "enabled")},
                "next_run": millis(row["next_run_ns"]),
                "last_status": last[row["id"]]["status"] if row["id"] in last else "",
                "last_run": millis(last[row["id"]]["started_ns"]) if row["id"] in last else None,
            }
            for row in self._store.rows(sa.select(schedules).order_by(schedules.c.name))
        ]

    def versions(self) -> dict[str, str]:
        """Marks that change when the list of releases or of runs does."""

        def mark(table: sa.Table, newest: sa.ColumnElement[Any]) -> str:
            count, last = sa.func.count().label("count"), sa.func.max(newest).label("last")
            query = sa.select(count, last).select_from(table)
            rows = self._store.rows(query)
            return "".join(f"{row['count']}.{row['last']}" for row in rows)

        return {
            "releases_version": f"{mark(releases, releases.c.created_ns)} {mark(approvals, approvals.c.id)}",
            "runs_version": mark(candidates, candidates.c.created_ns),
        }
