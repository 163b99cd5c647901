"""Submit to reply through the gateway's real process, socket and durable store, in microseconds.

    python benchmarks/gateway_latency.py [--orders 2000] [--folder DIR]

Each order is committed twice (the intent before it is handed over, the broker's answer before the reply)
with `synchronous=FULL`; the folder's disk is what the figures are of. A denied order is committed once, a
repeated one is only looked up: the difference is the disk's share. One kernel, one order at a time.
"""

import argparse
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path

import numpy as np

from workbench.domain.cost_book import CostBook, retail_costs
from workbench.domain.instruments import InstrumentId, instrument
from workbench.domain.limits import Limits
from workbench.domain.orders import ClientOrderId, Order
from workbench.domain.timeframes import Timeframe
from workbench.gateway import GatewayClient, OperatorClient
from workbench.gateway.errors import GatewayUnreachableError
from workbench.gateway.messages import EventReply
from workbench.market import MarketStore, make_bars
from workbench.settings import Settings

EUR_USD = InstrumentId("EUR_USD")
ORDERS_A_BAR = 20
TOKEN = "benchmark"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--orders", type=int, default=2_000)
    parser.add_argument("--folder", type=Path, default=None, help="of the store; default: temporary")
    given = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="wb-", dir=given.folder))
    os.environ["XDG_RUNTIME_DIR"] = str(folder)
    settings = Settings(home=folder / "home")
    fingerprint, start_ns, end_ns = _add_bars(settings, count=given.orders // ORDERS_A_BAR + 10)
    gateway = subprocess.Popen([sys.executable, "-m", "workbench.gateway", "--home", str(settings.home)])
    try:
        operator = OperatorClient(settings.operator_socket, user="benchmark", role="admin", timeout_s=1.0)
        _wait(operator)
        operator = OperatorClient(settings.operator_socket, user="benchmark", role="admin", timeout_s=60.0)
        operator.open(
            deployment_id="benchmark",
            account={"id": "paper", "currency": "USD", "balance": 10**15},
            instruments=["EUR_USD"],
            timeframe="H1",
            feed={"kind": "replay", "fingerprint": fingerprint, "start_ns": start_ns, "end_ns": end_ns},
            cost_book=CostBook(
                broker="paper", valid_from=date(2017, 1, 1), costs={EUR_USD: retail_costs("EUR_USD")}
            ).to_json(),
            limits=_limits(given.orders).to_json(),
            token_sha256=hashlib.sha256(TOKEN.encode()).hexdigest(),
        )
        _measure(settings, orders=given.orders)
        _kill(settings, operator, waiting=50)
        print(f"journal: {operator.verify()}")
    finally:
        gateway.send_signal(signal.SIGTERM)
        gateway.wait(30)
        shutil.rmtree(folder, ignore_errors=True)


def _limits(orders: int) -> Limits:
    return Limits(
        instruments=("EUR_USD",),
        max_order_units=1_000,
        max_order_value=10**15,
        max_position_units=10**9,
        max_open_orders=orders,
        max_orders_per_minute=orders,
        max_margin_use_ppm=1_000_000,
        max_daily_loss=10**15,
    )


def _add_bars(settings: Settings, *, count: int) -> tuple[str, int, int]:
    opens = 118_000 + np.cumsum(np.random.default_rng(1).integers(-20, 21, count))
    bid = {f"bid_{part}": opens for part in ("open", "high", "low", "close")}
    ask = {name.replace("bid", "ask"): column + 13 for name, column in bid.items()}
    start = 1_512_345_600_000_000_000
    bars = make_bars(
        instrument("EUR_USD"),
        timeframe=Timeframe.H1,
        open_ns=start + 3_600_000_000_000 * np.arange(count, dtype=np.int64),
        prices={**bid, **ask},
    )
    MarketStore(settings.market_dir, settings.store_url).add(bars, source="made up")
    return bars.fingerprint, start, int(bars.close_ns[-1])


def _wait(operator: OperatorClient) -> None:
    for _ in range(60):
        try:
            operator.status()
        except GatewayUnreachableError:
            continue
        return
    raise SystemExit("the gateway does not answer")


def _kill(settings: Settings, operator: OperatorClient, *, waiting: int) -> None:
    with GatewayClient(settings.gateway_socket, timeout_s=60, patience_s=60) as client:
        acked = client.attach("benchmark", token=TOKEN).acked
        reply = client.next_event(after=acked)  # the last one, not reported as done yet
        assert isinstance(reply, EventReply)
        reply = client.next_event(after=reply.event.seq)
        assert isinstance(reply, EventReply)
        for n in range(waiting):
            order = Order(client_order_id=ClientOrderId(f"k-{n}"), instrument=EUR_USD, units=1_000)
            client.submit(order, event_seq=reply.event.seq)
    began = time.perf_counter()
    canceled = operator.kill(reason="benchmark")["canceled"]
    milliseconds = 1_000 * (time.perf_counter() - began)
    print(f"kill, durable, with {len(canceled)} orders cancelled: {milliseconds:.1f} milliseconds")


def _measure(settings: Settings, *, orders: int) -> None:
    names = ("event", "order", "denied", "repeated", "heartbeat")
    took: dict[str, list[float]] = {name: [] for name in names}

    def timed(name: str, call: Callable[[], object]) -> object:
        began = time.perf_counter_ns()
        reply = call()
        took[name].append((time.perf_counter_ns() - began) / 1_000)
        return reply

    with GatewayClient(settings.gateway_socket, timeout_s=60, patience_s=60) as client:
        client.attach("benchmark", token=TOKEN)
        after = 0
        while len(took["order"]) < orders:
            reply = timed("event", lambda after=after: client.next_event(after=after))
            assert isinstance(reply, EventReply)
            after = reply.event.seq
            for n in range(ORDERS_A_BAR):
                order = Order(
                    client_order_id=ClientOrderId(f"b-{after}-{n}"),
                    instrument=EUR_USD,
                    units=1_000 if n % 2 else -1_000,
                )
                large = Order(
                    client_order_id=ClientOrderId(f"l-{after}-{n}"), instrument=EUR_USD, units=1_001
                )
                timed("order", lambda order=order, after=after: client.submit(order, event_seq=after))
                timed("denied", lambda large=large, after=after: client.submit(large, event_seq=after))
                timed("repeated", lambda order=order, after=after: client.submit(order, event_seq=after))
                timed("heartbeat", client.heartbeat)
    print(f"{'':<10}{'count':>8}{'p50':>10}{'p95':>10}{'p99':>10}{'worst':>10}  microseconds")
    for name, values in took.items():
        p50, p95, p99 = np.percentile(values, [50, 95, 99])
        print(f"{name:<10}{len(values):>8}{p50:>10.0f}{p95:>10.0f}{p99:>10.0f}{max(values):>10.0f}")


if __name__ == "__main__":
    main()
