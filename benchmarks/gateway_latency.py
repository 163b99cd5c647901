"""Submit to reply through the gateway's real process, socket and store, and how fast a kill is.

    python benchmarks/gateway_latency.py [--orders 2000] [--kills 20] [--folder DIR] [--no-memory]

Each order is committed twice (the intent before it is handed over, the broker's answer before the reply)
with `synchronous=FULL`. It runs twice: on the disk of the folder, which is named, and in memory (/dev/shm),
where a sync costs nothing: the difference is the disk. A denied order is committed once, a repeated one is
only looked up. One kernel, one order at a time. A kill is measured with 50 orders that wait: until its
answer, when all are taken back and written down.
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
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from workbench.domain.control_table import FIRM
from workbench.domain.controls import LIMITS, Sense
from workbench.domain.cost_book import CostBook, retail_costs
from workbench.domain.instruments import InstrumentId, instrument
from workbench.domain.limits import Limits
from workbench.domain.orders import ClientOrderId, Order, OrderKind
from workbench.domain.timeframes import Timeframe
from workbench.gateway import GatewayClient, OperatorClient
from workbench.gateway.errors import GatewayUnreachableError
from workbench.gateway.messages import EventReply
from workbench.market import MarketStore, make_bars
from workbench.settings import Settings

EUR_USD = InstrumentId("EUR_USD")
ORDERS_A_BAR = 20
WAITING = 50
_WORDS = {
    "order": "order asked for to its durable answer",
    "event": "event asked for, 20 orders executed on it",
    "kill": "kill with 50 orders that wait to its durable answer",
}
TOKEN = "benchmark"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--orders", type=int, default=2_000)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--folder", type=Path, default=None, help="of the store; default: temporary")
    parser.add_argument("--no-memory", action="store_true", help="leave the run in memory out")
    given = parser.parse_args()
    disk = given.folder or Path(tempfile.gettempdir())
    folders = [disk] if given.no_memory else [disk, Path("/dev/shm")]
    for folder in folders:
        print(f"store on {_disk(folder)}")
        _show(*_run(folder, orders=given.orders, kills=given.kills))


def _show(took: dict[str, list[float]], found: dict[str, Any]) -> None:
    print(f"{'':<10}{'count':>8}{'first':>10}{'p50':>10}{'p95':>10}{'p99':>10}{'worst':>10}  microseconds")
    for name, values in took.items():
        p50, p95, p99 = np.percentile(values, [50, 95, 99])
        print(
            f"{name:<10}{len(values):>8}{values[0]:>10.0f}{p50:>10.0f}{p95:>10.0f}{p99:>10.0f}"
            f"{max(values):>10.0f}"
        )
    print(f"journal: {found['length']:,} records, {'all well' if found['ok'] else found['fault']}")


def _disk(folder: Path) -> str:
    """What a folder lies on: file system, device, whether it says that it has a cache."""
    best = ("", "", "")
    for line in Path("/proc/mounts").read_text().splitlines():
        device, point, kind = line.split()[:3]
        if folder.resolve().is_relative_to(point) and len(point) >= len(best[1]):
            best = (device, point, kind)
    device, _, kind = best
    cache = Path("/sys/block") / Path(device).name / "queue" / "write_cache"
    said = f", {cache.read_text().strip()} cache" if cache.exists() else ""
    return f"{folder} ({kind} on {device}{said})"


def measure(ids: Sequence[str] = ()) -> list[dict[str, Any]]:
    """The rows of ORDER; `WORKBENCH_BENCH_ORDERS` says how many orders, by default 1,000."""
    orders = int(os.environ.get("WORKBENCH_BENCH_ORDERS", "1000"))
    rows = []
    for folder in (Path(tempfile.gettempdir()), Path("/dev/shm")):
        took, _ = _run(folder, orders=orders, kills=2)
        for name, quantile, target_ms in (
            ("order", 50, None),
            ("order", 99, 10.0),
            ("event", 99, None),
            ("kill", 50, 1_000.0),
        ):
            found_ms = float(np.percentile(took[name], quantile)) / 1e3
            rows.append(
                {
                    "id": "ORDER",
                    "what": f"{_WORDS[name]}, store on {_disk(folder)}, p{quantile}",
                    "ours": found_ms,
                    "unit": "ms",
                    "peer": None,
                    "ratio": None,
                    "target": f"{target_ms:g} ms" if target_ms else "none",
                    "met": target_ms is None or found_ms < target_ms,
                }
            )
    return rows


def _run(parent: Path, *, orders: int, kills: int) -> tuple[dict[str, list[float]], dict[str, Any]]:
    """Microseconds by what was asked, and what a check of the journal found."""
    folder = Path(tempfile.mkdtemp(prefix="wb-", dir=parent))
    os.environ["XDG_RUNTIME_DIR"] = str(folder)
    settings = Settings(home=folder / "home")
    fingerprint, start_ns, end_ns = _add_bars(settings, count=orders // ORDERS_A_BAR + 10)
    gateway = subprocess.Popen([sys.executable, "-m", "workbench.gateway", "--home", str(settings.home)])
    try:
        operator = OperatorClient(settings.operator_socket, user="benchmark", role="admin", timeout_s=60.0)
        _wait(gateway, operator)
        for kind in LIMITS.values():  # those of the deployment alone bind
            if kind.sense is not Sense.FORBIDDEN:
                operator.limits("set", name=kind.name, scope=FIRM, text="no limit", reason="measured without")
        operator.open(
            deployment_id="benchmark",
            account={"id": "paper", "currency": "USD", "balance": 10**15},
            instruments=["EUR_USD"],
            timeframe="H1",
            feed={"kind": "replay", "fingerprint": fingerprint, "start_ns": start_ns, "end_ns": end_ns},
            cost_book=CostBook(
                broker="paper", valid_from=date(2017, 1, 1), costs={EUR_USD: retail_costs("EUR_USD")}
            ).to_json(),
            limits=_limits(orders + WAITING * kills).to_json(),
            token_sha256=hashlib.sha256(TOKEN.encode()).hexdigest(),
        )
        with GatewayClient(settings.gateway_socket, timeout_s=60, patience_s=60) as client:
            client.attach("benchmark", token=TOKEN)
            took = _orders(client, orders=orders)
            took["kill"] = _kills(client, operator, kills=kills)
        return took, operator.verify()
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


def _wait(gateway: "subprocess.Popen[bytes]", operator: OperatorClient) -> None:
    deadline = time.monotonic() + 60
    while gateway.poll() is None and time.monotonic() < deadline:
        try:
            operator.status()
        except GatewayUnreachableError:
            time.sleep(0.1)
            continue
        return
    raise SystemExit("the gateway does not answer")


def _orders(client: GatewayClient, *, orders: int) -> dict[str, list[float]]:
    names = ("event", "order", "denied", "repeated", "heartbeat")
    took: dict[str, list[float]] = {name: [] for name in names}

    def timed(name: str, call: Callable[[], object]) -> object:
        began = time.perf_counter_ns()
        reply = call()
        took[name].append((time.perf_counter_ns() - began) / 1_000)
        return reply

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
            large = Order(client_order_id=ClientOrderId(f"l-{after}-{n}"), instrument=EUR_USD, units=1_001)
            timed("order", lambda order=order, after=after: client.submit(order, event_seq=after))
            timed("denied", lambda large=large, after=after: client.submit(large, event_seq=after))
            timed("repeated", lambda order=order, after=after: client.submit(order, event_seq=after))
            timed("heartbeat", client.heartbeat)
    return took


def _kills(client: GatewayClient, operator: OperatorClient, *, kills: int) -> list[float]:
    """Kills with orders that wait far from the market, each released again."""
    reply = client.next_event(after=_last(operator))
    assert isinstance(reply, EventReply)
    took: list[float] = []
    for number in range(kills):
        for n in range(WAITING):
            name = ClientOrderId(f"k-{number}-{n}")
            order = Order(
                client_order_id=name, instrument=EUR_USD, units=1_000, kind=OrderKind.LIMIT, price=100_000
            )
            result = client.submit(order, event_seq=reply.event.seq)
            assert result.state == "WORKING", result
        began = time.perf_counter_ns()
        canceled = operator.kill(reason="benchmark")["canceled"]
        took.append((time.perf_counter_ns() - began) / 1_000)
        assert len(canceled) >= WAITING, canceled
        operator.unkill(reason="benchmark")
    return took


def _last(operator: OperatorClient) -> int:
    """The event that was handed over last."""
    return int(operator.decisions("benchmark", limit=10_000)[-1]["event_seq"])


if __name__ == "__main__":
    main()
