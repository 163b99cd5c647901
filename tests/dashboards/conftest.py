"""A home with one deployment that has traded, as the gateway and the supervisor would have written it."""

from collections.abc import Callable
from dataclasses import dataclass

import pytest
import sqlalchemy as sa

from workbench.dashboards.view import StoreView
from workbench.domain.orders import OrderState
from workbench.store import open_store, schema

HOUR = 3_600_000_000_000
START = 1_512_345_600_000_000_000  # Mon 4 Dec 2017 00:00 UTC
DEPLOYMENT = "d-1"


@dataclass
class Home:
    """The two stores and a reader over them."""

    store: sa.Engine
    gateway: sa.Engine
    view: StoreView

    def set_deployment(self, **values: object) -> None:
        with self.store.begin() as connection:
            connection.execute(sa.update(schema.deployments).values(**values))

    def deliver(self, bar: int, *, equity: int) -> None:
        """The `bar`-th bar comes, with this equity after it."""
        with self.gateway.begin() as connection:
            connection.execute(sa.insert(schema.deliveries).values(delivery(bar, equity)))


def snapshot(time_ns: int, equity: int, *, units: int = 0) -> dict[str, object]:
    position = {
        "instrument": "EUR_USD",
        "units": units,
        "average_price": 118_432,
        "unrealized": 23_100_000,
        "stop": 117_900,
        "target": 0,
    }
    return {
        "time_ns": time_ns,
        "currency": "USD",
        "balance": equity,
        "equity": equity,
        "margin_used": 0,
        "financing": -1_250_000,
        "commission": 480_000,
        "positions": [position] if units else [],
    }


def delivery(bar: int, equity: int) -> dict[str, object]:
    time_ns = START + bar * HOUR
    return {
        "deployment_id": DEPLOYMENT,
        "event_seq": 2 * bar,
        "time_ns": time_ns,
        "event": {},
        "snapshot": snapshot(time_ns, equity),
        "acked": True,
        "decision": {},
    }


@pytest.fixture
def make_home(tmp_path) -> Callable[..., Home]:
    def make(*, bars: int = 48) -> Home:
        store = open_store(f"sqlite:///{tmp_path / 'workbench.db'}")
        gateway = open_store(f"sqlite:///{tmp_path / 'gateway.db'}")
        with store.begin() as connection:
            connection.execute(
                sa.insert(schema.releases).values(
                    id="r" * 64,
                    name="10_sma_cross",
                    run_id="run",
                    author="sarah",
                    manifest={},
                    signature="",
                    created_ns=1,
                )
            )
            connection.execute(
                sa.insert(schema.accounts).values(
                    id="paper-1",
                    broker="paper",
                    currency="USD",
                    balance=100_000_000_000,
                    settings={},
                    created_ns=1,
                )
            )
            connection.execute(
                sa.insert(schema.deployments).values(
                    id=DEPLOYMENT,
                    release_id="r" * 64,
                    account_id="paper-1",
                    feed={},
                    limits={},
                    desired="running",
                    state="running",
                    detail="",
                    pid=0,
                    pid_started=0.0,
                    restarts=1,
                    heartbeat_ns=1,
                    deployed_by="david",
                    created_ns=1,
                )
            )
        with gateway.begin() as connection:
            for i in range(bars):
                row = delivery(i + 1, 100_000_000_000 + i * 1_000_000)
                connection.execute(sa.insert(schema.deliveries).values(row))
            connection.execute(
                sa.insert(schema.positions).values(
                    deployment_id=DEPLOYMENT,
                    event_seq=2 * bars,
                    snapshot=snapshot(START + bars * HOUR, 100_047_000_000, units=12_300),
                )
            )
            for seq, state, control, reason in (
                (4, OrderState.WORKING, "", ""),
                (8, OrderState.DENIED, "R04", "asked for 900,000 units, the limit is 100,000"),
            ):
                connection.execute(
                    sa.insert(schema.intents).values(
                        client_order_id=f"abc-{seq}-0",
                        deployment_id=DEPLOYMENT,
                        account_id="paper-1",
                        event_seq=seq,
                        instrument="EUR_USD",
                        body={"units": 12_300 if seq == 4 else 900_000, "reduce_only": False},
                        state=state,
                        control=control,
                        reason=reason,
                        created_ns=1,
                        release_id="r" * 64,
                    )
                )
            connection.execute(
                sa.insert(schema.orders).values(
                    client_order_id="abc-4-0",
                    broker_order_id="1",
                    state=OrderState.FILLED,
                    accepted_seq=4,
                    updated_ns=1,
                )
            )
            connection.execute(
                sa.insert(schema.fills).values(
                    account_id="paper-1",
                    deployment_id=DEPLOYMENT,
                    broker_trade_id="1",
                    client_order_id="abc-4-0",
                    instrument="EUR_USD",
                    event_seq=5,
                    time_ns=START + 2 * HOUR,
                    units=12_300,
                    price=118_432,
                    reason="MARKET",
                    commission=291_343,
                    realized=0,
                    position=12_300,
                    balance=99_999_708_657,
                )
            )
        return Home(store=store, gateway=gateway, view=StoreView(store, gateway))

    return make
