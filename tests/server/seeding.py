"""A home with something in it: two accounts, two releases, a deployment with its books."""

import json
import time
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from workbench.domain.cost_book import retail_book
from workbench.domain.limits import Limits
from workbench.live import add_account
from workbench.release import GATES, Evidence, Release, approve
from workbench.release.bundle import write_bundle
from workbench.release.keys import signing_key
from workbench.release.releases import register_release
from workbench.settings import Settings
from workbench.store import open_store
from workbench.store.schema import (
    candidates,
    datasets,
    deliveries,
    deployments,
    positions,
    schedule_runs,
    schedules,
)

AUTHOR, APPROVER = "sarah", "david"
DEPLOYMENT = "sma-cross-1a2b3c4d"
FINGERPRINT = "ab" * 32
LIMITS = Limits(
    instruments=("EUR_USD",),
    max_order_units=100_000,
    max_order_value=200_000_000_000,
    max_position_units=100_000,
    max_open_orders=2,
    max_orders_per_minute=10,
    max_margin_use_ppm=500_000,
    max_daily_loss=1_000_000_000,
)
FIRST_NS = 1_483_315_200_000_000_000  # 2017-01-02T00:00Z
LAST_NS = 1_514_505_600_000_000_000  # 2017-12-29T00:00Z
MARKET_NS = 1_494_252_000_000_000_000  # 2017-05-08T14:00Z
_SUMMARIES = {
    "complete": "All 9 code cells ran from top to bottom.",
    "limits": "8 limits are set for EUR_USD.",
    "candidate": "SmaCross, 42 trials of the idea.",
    "code": "The code is the one the run was made with.",
    "reproduction": "9 cells showed the same again.",
    "causality": "Decisions before 3 cuts stay the same when the bars after are taken away.",
    "dry_start": "The strategy was armed after 2.1 s.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Seeded:
    """What the home holds."""

    settings: Settings
    approved: Release
    waiting: Release


def make_settings(folder: Path) -> Settings:
    """A home and a project under `folder`."""
    project = folder / "project"
    for name in ("notebooks", "mlruns"):
        (project / name).mkdir(parents=True, exist_ok=True)
    return Settings(home=folder / "home", project=project, user=AUTHOR)


def seed(settings: Settings) -> Seeded:
    """Fill the home."""
    store, gateway = open_store(settings.store_url), open_store(settings.gateway_store_url)
    try:
        add_account(store, "paper-1")
        add_account(store, "paper-2", currency="USD")
        approved = add_release(settings, "sma_cross", created_ns=time.time_ns() - 2 * 10**12)
        waiting = add_release(settings, "breakout_london", created_ns=time.time_ns() - 10**12)
        approve(
            approved.id,
            settings=settings,
            approver=APPROVER,
            reason="Evidence read, limits fit the account",
            role="approver",
        )
        _add_lists(store)
        add_deployment(store, gateway, approved)
    finally:
        store.dispose()
        gateway.dispose()
    return Seeded(settings=settings, approved=approved, waiting=waiting)


def add_release(settings: Settings, name: str, *, created_ns: int) -> Release:
    """A release of its own bundle, signed."""
    evidence = [
        Evidence(name=gate, passed=True, summary=_SUMMARIES.get(gate, "As it should be.")) for gate in GATES
    ]
    manifest = {
        "format": 1,
        "name": name,
        "run_id": f"run-{name}",
        "author": AUTHOR,
        "created_ns": created_ns,
        "idea": f"idea-{name}",
        "trials": 42,
        "parameters": {"fast": 10, "slow": 50},
        "instruments": ["EUR_USD"],
        "timeframe": "H1",
        "data": {"EUR_USD H1": FINGERPRINT},
        "strategy": {"name": "SmaCross", "params": {"fast": 10}, "digest": "cd" * 32, "spec": {}},
        "cost_book": retail_book("EUR_USD").to_json(),
        "limits": {**LIMITS.to_json(), "instruments": list(LIMITS.instruments)},
        "evidence": [item.to_json() for item in evidence],
    }
    release_id, signature = write_bundle(
        settings.releases_dir,
        manifest=manifest,
        files={"notebook.ipynb": b"{}", "requirements.lock": b"numpy==2.4\n"},
        key=signing_key(settings.keys_dir, "release"),
    )
    folder = settings.releases_dir / release_id
    whole = json.loads((folder / "manifest.json").read_bytes())
    release = Release(id=release_id, signature=signature, manifest=whole, folder=folder)
    register_release(release, settings=settings)
    return release


def add_deployment(
    store: sa.Engine,
    gateway: sa.Engine,
    release: Release,
    *,
    deployment_id: str = DEPLOYMENT,
    account_id: str = "paper-1",
) -> None:
    """A deployment that runs and holds a position."""
    snapshot = {
        "time_ns": MARKET_NS,
        "currency": "USD",
        "balance": 100_120_500_000,
        "equity": 100_245_250_000,
        "margin_used": 700_000_000,
        "financing": 0,
        "commission": 1_250_000,
        "positions": [
            {
                "instrument": "EUR_USD",
                "units": 20_000,
                "average_price": 109_213,
                "unrealized": 124_750_000,
                "stop": 108_800,
                "target": 0,
            }
        ],
    }
    decision = {
        "instrument": "EUR_USD",
        "bar_close_ns": MARKET_NS,
        "orders": [
            {
                "client_order_id": "c-1",
                "instrument": "EUR_USD",
                "units": 20_000,
                "reduce_only": False,
                "stop_distance": 413,
                "target_distance": 0,
            }
        ],
    }
    with store.begin() as connection:
        connection.execute(
            deployments.insert().values(
                id=deployment_id,
                release_id=release.id,
                account_id=account_id,
                feed={"kind": "replay", "fingerprint": FINGERPRINT, "start_ns": FIRST_NS, "end_ns": LAST_NS},
                limits=LIMITS.to_json(),
                desired="running",
                state="running",
                detail="Trades; 812 bars decided.",
                pid=0,
                pid_started=0.0,
                restarts=0,
                heartbeat_ns=time.time_ns(),
                deployed_by=APPROVER,
                created_ns=time.time_ns(),
            )
        )
    with gateway.begin() as connection:
        connection.execute(
            positions.insert().values(deployment_id=deployment_id, event_seq=1_624, snapshot=snapshot)
        )
        connection.execute(
            deliveries.insert().values(
                deployment_id=deployment_id,
                event_seq=1_624,
                time_ns=MARKET_NS,
                event={},
                snapshot=snapshot,
                acked=True,
                decision=decision,
            )
        )


def _add_lists(store: sa.Engine) -> None:
    with store.begin() as connection:
        connection.execute(
            datasets.insert().values(
                fingerprint=FINGERPRINT,
                instrument="EUR_USD",
                timeframe="H1",
                source="made up",
                rows=6_000,
                first_ns=FIRST_NS,
                last_ns=LAST_NS,
                sides="bid+ask",
                path="EUR_USD",
                report={},
                created_ns=1,
            )
        )
        connection.execute(
            candidates.insert().values(
                run_id="run-sma_cross", notebook="notebooks/sma_cross.ipynb", spec={}, created_ns=1
            )
        )
        connection.execute(
            schedules.insert().values(
                id="s-1",
                name="nightly import",
                pipeline="pipelines/import.yaml",
                parameters={},
                cron="5 17 * * 1-5",
                timezone="America/New_York",
                misfire="run_once",
                enabled=True,
                next_run_ns=MARKET_NS,
                created_by=AUTHOR,
                created_ns=1,
            )
        )
        connection.execute(
            schedule_runs.insert().values(
                id="sr-1",
                schedule_id="s-1",
                name="nightly import",
                pipeline="pipelines/import.yaml",
                parameters={},
                status="completed",
                detail="",
                pid=0,
                pid_started=0.0,
                scheduled_ns=MARKET_NS,
                started_ns=MARKET_NS,
                ended_ns=MARKET_NS,
                heartbeat_ns=MARKET_NS,
                outputs=[],
                created_by=AUTHOR,
            )
        )
