"""Quotes on their way through the gateway: taken in one a message, and from a tick to an order.

    python benchmarks/live_market_data.py [--seconds 60] [--rate 100000]

P16: a process publishes a numbered quote a message; another takes every one, builds bars and gives the
latest to the strategy's `on_tick`. P18: quotes through a real gateway process, with its durable store, to a
strategy that orders; each order's intent is on the disk before it is handed over. Times are from the
instant at which the quote was published; while an order is made durable no other quote is shown, so that many
orders a second (`--orders`) make every quote late. KILL: from a person's request to the block and the
last cancel.
"""

import argparse
import gc
import hashlib
import json
import multiprocessing
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from workbench.domain.control_text import limit_from_text
from workbench.domain.controls import LIMITS
from workbench.domain.cost_book import CostBook, retail_costs
from workbench.domain.instruments import InstrumentId, instrument
from workbench.domain.limits import Limits
from workbench.domain.orders import ClientOrderId, Order, OrderKind
from workbench.domain.quotes import Quote
from workbench.domain.timeframes import Timeframe
from workbench.engine import MatchingEngine
from workbench.errors import WorkbenchError
from workbench.gateway import GatewayClient, OperatorClient
from workbench.gateway.market_data.event_log import EventLog
from workbench.gateway.market_data.sources import QUOTE, QuotePublisher, SocketQuotes
from workbench.gateway.market_data.stream_feed import StreamFeed
from workbench.gateway.messages import EventReply, QuoteMoved
from workbench.live.runtime import StrategyRuntime
from workbench.market import BarBuilder
from workbench.settings import Settings
from workbench.strategy import AccountView, MarketView, Strategy, StrategyRunner

EUR_USD = InstrumentId("EUR_USD")
NAMES = ("AUD_USD", "EUR_USD", "GBP_USD", "NZD_USD")
TOKEN = "benchmark"
BATCH_S = 0.002
START = 1_512_345_600_000_000_000


class Counting(Strategy):
    """Looks at each quote it is given."""

    def __init__(self, **params: object) -> None:
        super().__init__(**params)
        self.seen = 0

    def on_tick(self, market: MarketView, account: AccountView) -> None:
        self.seen += market.quote.ask > market.quote.bid


class Ordering(Strategy):
    """Opens and closes by turns, some times a second of the quotes' time."""

    a_second = 10

    def __init__(self, **params: object) -> None:
        super().__init__(**params)
        self.seen = 0
        self.next_ns = 0

    def on_tick(self, market: MarketView, account: AccountView) -> None:
        now_ns = market.time_ns
        if now_ns < self.next_ns:
            return
        self.next_ns = now_ns + 1_000_000_000 // self.a_second
        account.buy(1_000) if account.units == 0 else account.sell(1_000)


def publish(path: str, rate: int, seconds: float, start: Any, done: Any) -> None:
    """Publish `rate` quotes a second, each stamped with the wall clock; in a process of its own."""
    publisher = QuotePublisher(Path(path), instruments=NAMES, keep=2_000_000)
    start.wait()
    for _ in range(20):
        publisher.heartbeat()
        time.sleep(0.05)
    rng = np.random.default_rng(1)
    seq, began = 0, time.perf_counter()
    beat_at = 0.0
    while (elapsed := time.perf_counter() - began) < seconds:
        count = min(5_000, int(elapsed * rate) - seq)
        if count > 0:
            batch = np.empty(count, QUOTE)
            batch["seq"] = np.arange(seq + 1, seq + count + 1)
            batch["bid"] = 118_000 + rng.integers(-20, 21, count)
            batch["ask"] = batch["bid"] + 10
            batch["instrument"] = batch["seq"] % len(NAMES)
            batch["time_ns"] = time.time_ns()
            content = batch.tobytes()
            size = QUOTE.itemsize
            publisher.publish([content[at : at + size] for at in range(0, len(content), size)])
            seq += count
        if elapsed > beat_at:
            publisher.heartbeat()
            beat_at = elapsed + 0.25
        time.sleep(BATCH_S)
    done.put(seq)
    for _ in range(100):
        publisher.heartbeat()
        time.sleep(0.05)
    publisher.close()


class Publishing:
    """The process that publishes."""

    def __init__(self, path: Path, *, rate: int, seconds: float) -> None:
        context = multiprocessing.get_context("spawn")
        self.start, self.done = context.Event(), context.Queue()
        self.process = context.Process(
            target=publish, args=(str(path), rate, seconds, self.start, self.done), daemon=True
        )
        self.process.start()


def ingestion(*, rate: int, seconds: float) -> dict[str, Any]:
    """P16: what is taken, lost, and how late a strategy sees a quote."""
    folder = Path(tempfile.mkdtemp(prefix="wb-"))
    publishing = Publishing(folder / "q", rate=rate, seconds=seconds)
    source = SocketQuotes(folder / "q")
    records = [instrument(name) for name in NAMES]
    feed = StreamFeed(
        source,
        EventLog(folder / "events", instruments=[item.id for item in records]),
        records,
        Timeframe("M1"),
        clock_ns=time.time_ns,
        monotonic=time.monotonic,
    )
    strategy = Counting()
    runner = StrategyRunner(strategy, records, Timeframe("M1"), "d")
    costs = {InstrumentId(name): retail_costs(name) for name in NAMES}
    engine = MatchingEngine(
        instruments=records,
        cost_book=CostBook(broker="paper", valid_from=date(2017, 1, 1), costs=costs),
        currency="USD",
        balance=10**12,
    )
    one = np.arange(2, dtype=np.int64)
    for record in records:  # compiled before it counts
        BarBuilder(record, Timeframe("M1")).add_columns(one, one, one)
        engine.on_quote(Quote(instrument=record.id, time_ns=START, bid=118_000, ask=118_010))
    runner.on_tick(Quote(instrument=records[0].id, time_ns=START, bid=1, ask=2), engine.account(), 0)
    gc.collect()
    gc.freeze()  # as the gateway does before it serves
    publishing.start.set()
    while feed.counts.quotes == 0:
        feed.pump()
    late: list[int] = []
    seq, sent, cpu = 0, 0, time.process_time()
    began = time.perf_counter()
    while True:
        feed.pump()
        while feed.waiting:
            seq += 1
            event = feed.event(seq)
            if isinstance(event, QuoteMoved):
                engine.on_quote(event.quote)
                runner.on_tick(event.quote, engine.account(), seq)
                late.append(time.time_ns() - event.quote.time_ns)
            elif event is not None:
                runner.warm_up_bars(event.bars)
        if not sent and not publishing.done.empty():
            sent = publishing.done.get()
            took, cpu = time.perf_counter() - began, time.process_time() - cpu
        if sent and feed.counts.quotes + feed.counts.lost >= sent:
            break
        if not feed.waiting:
            time.sleep(0.002)
    feed.sync()
    publishing.process.terminate()
    publishing.process.join(10)
    counts = feed.counts
    feed.close()
    shutil.rmtree(folder, ignore_errors=True)
    p50, p99 = (np.percentile(late, [50, 99]) / 1e6).tolist()
    return {
        "sent": sent,
        "taken": counts.quotes,
        "lost": counts.lost,
        "fetched_again": counts.fetched,
        "shown": len(late),
        "rate": sent / took,
        "per_cpu_s": sent / cpu,
        "p50_ms": p50,
        "p99_ms": p99,
    }


def each_quote(count: int = 200_000) -> float:
    """Quotes a CPU second when every one goes through the account and the strategy's callback."""
    runner = StrategyRunner(Counting(), instrument("EUR_USD"), Timeframe("M1"), "d")
    book = CostBook(broker="paper", valid_from=date(2017, 1, 1), costs={EUR_USD: retail_costs("EUR_USD")})
    engine = MatchingEngine(
        instruments=(instrument("EUR_USD"),), cost_book=book, currency="USD", balance=10**12
    )
    start = START
    quotes = [
        Quote(instrument=EUR_USD, time_ns=start + 10_000 * n, bid=118_000 + n % 7, ask=118_010 + n % 7)
        for n in range(count)
    ]
    began = time.process_time()
    for seq, quote in enumerate(quotes, 1):
        engine.on_quote(quote)
        runner.on_tick(quote, engine.account(), seq)
    return count / (time.process_time() - began)


class Home:
    """A home with a gateway process whose limits let everything through."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="wb-"))
        os.environ["XDG_RUNTIME_DIR"] = str(self.folder)
        self.settings = Settings(home=self.folder / "home")
        self.gateway = subprocess.Popen(
            [sys.executable, "-m", "workbench.gateway", "--home", str(self.settings.home)]
        )
        for _ in range(600):
            try:
                self.operator().status()
                break
            except WorkbenchError:
                time.sleep(0.1)
        for name in LIMITS:
            for text in ("no limit", "60000", "100 %"):
                try:
                    limit_from_text(name, text)
                    self.operator().ask("limits", action="set", name=name, text=text, reason="benchmark")
                    break
                except WorkbenchError:
                    continue

    def operator(self) -> OperatorClient:
        return OperatorClient(
            self.settings.operator_socket,
            user="benchmark",
            role="admin",
            timeout_s=30.0,
            kills_dir=self.settings.kills_dir,
        )

    def open(self, name: str, feed: dict[str, Any], names: Sequence[str] = ("EUR_USD",)) -> None:
        costs = {InstrumentId(item): retail_costs(item) for item in names}
        limits = Limits(
            instruments=tuple(names),
            max_order_units=10**6,
            max_order_value=10**15,
            max_position_units=10**9,
            max_open_orders=10**6,
            max_orders_per_minute=10**6,
            max_margin_use_ppm=1_000_000,
            max_daily_loss=10**15,
        )
        self.operator().open(
            deployment_id=name,
            account={"id": f"paper-{name}", "currency": "USD", "balance": 10**12},
            instruments=list(names),
            timeframe="M1",
            feed=feed,
            cost_book=CostBook(broker="paper", valid_from=date(2017, 1, 1), costs=costs).to_json(),
            limits=limits.to_json(),
            token_sha256=hashlib.sha256(TOKEN.encode()).hexdigest(),
        )

    def close(self) -> None:
        self.gateway.terminate()
        self.gateway.wait(30)
        shutil.rmtree(self.folder, ignore_errors=True)


class Timed:
    """A gateway client that notes how long after its quote an order was decided and answered."""

    def __init__(self, client: GatewayClient) -> None:
        self._client = client
        self._quote_ns = 0
        self.shown: list[int] = []
        self.ordered: list[int] = []
        self.denied = ""

    def ask(self, request: Any) -> Any:
        reply = self._client.ask(request)
        if isinstance(reply, EventReply):
            if isinstance(reply.event, QuoteMoved):
                self._quote_ns = reply.event.quote.time_ns
                self.shown.append(time.time_ns() - self._quote_ns)
        elif type(request).__name__ == "SubmitIntent":
            self.ordered.append(time.time_ns() - self._quote_ns)
            if getattr(reply, "state", "") == "DENIED":
                self.denied = reply.reason
        return reply

    def close(self) -> None:
        self._client.close()


class _Quiet:
    def info(self, *_: Any, **__: Any) -> None:
        return

    warning = error = info


def tick_to_order(*, rate: int, seconds: float) -> dict[str, Any]:
    """P18: from the quote's publication to the strategy, and to the answer that its order is placed."""
    home = Home()
    try:
        publishing = Publishing(home.settings.quotes_socket("bench"), rate=rate, seconds=seconds)
        home.open("d", {"kind": "stream", "source": "bench", "start_ns": 1}, NAMES)
        timed = Timed(GatewayClient(home.settings.gateway_socket, timeout_s=5, patience_s=30))
        runtime = StrategyRuntime(
            gateway=timed,
            decider=StrategyRunner(Ordering(), [instrument(name) for name in NAMES], Timeframe("M1"), "d"),
            deployment_id="d",
            token=TOKEN,
            pid=os.getpid(),
            log=_Quiet(),  # type: ignore[arg-type]
            quotes=True,
        )
        thread = threading.Thread(target=runtime.run, daemon=True)
        thread.start()
        publishing.start.set()
        publishing.done.get()
        runtime.request_stop()
        thread.join(10)
        publishing.process.terminate()
        publishing.process.join(10)
    finally:
        home.close()
    shown = np.percentile(timed.shown, [50, 99]) / 1e3
    ordered = np.percentile(timed.ordered, [50, 99]) / 1e6
    return {
        "shown": len(timed.shown),
        "orders": len(timed.ordered),
        "denied": timed.denied,
        "tick_to_strategy_p50_us": float(shown[0]),
        "tick_to_strategy_p99_us": float(shown[1]),
        "tick_to_placed_p50_ms": float(ordered[0]),
        "tick_to_placed_p99_ms": float(ordered[1]),
    }


def kill_switch(*, rounds: int, waiting: int = 50) -> dict[str, Any]:
    """From a person's request to the block, to the last cancel sent, and to the durable answer."""
    home = Home()
    publisher = QuotePublisher(home.settings.quotes_socket("kill"), instruments=["EUR_USD"])
    blocked, sent, answered = [], [], []
    try:
        home.open("d", {"kind": "stream", "source": "kill", "start_ns": 1, "every_quote": True})
        client = GatewayClient(home.settings.gateway_socket, timeout_s=5, patience_s=30)
        acked = client.attach("d", token=TOKEN).acked
        after = acked
        from workbench.gateway.messages import NextEvent

        def quote() -> int:
            nonlocal after
            while True:
                publisher.quote("EUR_USD", time.time_ns(), 118_000, 118_010)
                publisher.heartbeat()
                reply = client.ask(
                    NextEvent(deployment_id="d", token=TOKEN, after=after, decision={}, quotes=True)
                )
                if isinstance(reply, EventReply):
                    after = reply.event.seq
                    if isinstance(reply.event, QuoteMoved):
                        return after

        for number in range(rounds):
            seq = quote()
            for k in range(waiting):
                result = client.submit(
                    Order(
                        client_order_id=ClientOrderId(f"k-{number}-{k}"),
                        instrument=EUR_USD,
                        units=1_000,
                        kind=OrderKind.LIMIT,
                        price=117_900 - k,
                    ),
                    event_seq=seq,
                )
                if result.state != "WORKING":
                    raise SystemExit(f"expected a waiting order, found {result}")
            began = time.perf_counter()
            found = home.operator().kill(reason="benchmark")  # the strategy hangs: it asks nothing
            answered.append(1_000 * (time.perf_counter() - began))
            if len(found["canceled"]) != waiting or found["waiting"]:
                raise SystemExit(f"expected {waiting} cancels, found {found}")
            blocked.append(found["blocked_ms"])
            sent.append(found["cancels_sent_ms"])
            home.operator().unkill(reason="benchmark")
        client.close()
    finally:
        publisher.close()
        home.close()
    rows = {"blocked": blocked, "last_cancel_sent": sent, "answered_durable": answered}
    return {
        "rounds": rounds,
        "orders": waiting,
        **{
            f"{name}_{q}_ms": float(np.percentile(values, p))
            for name, values in rows.items()
            for q, p in (("p50", 50), ("p99", 99))
        },
    }


def measure(ids: Sequence[str] = ()) -> list[dict[str, Any]]:
    """The rows of P16, P18 and KILL; `WORKBENCH_BENCH_SECONDS` shortens the run, which is 60 s."""
    seconds = float(os.environ.get("WORKBENCH_BENCH_SECONDS", "60"))
    rows = []

    def row(key: str, what: str, ours: float, unit: str, target: str, met: bool) -> None:
        rows.append(
            {
                "id": key,
                "what": what,
                "ours": ours,
                "unit": unit,
                "peer": None,
                "ratio": None,
                "target": target,
                "met": bool(met),
            }
        )

    if not ids or "P16" in ids:
        found = ingestion(rate=100_000, seconds=seconds)
        note = f"{found['taken']:,} of {found['sent']:,} taken, {found['lost']} lost"
        held = found["rate"] >= 95_000 and found["lost"] == 0
        row("P16", f"quotes a second held for {seconds:g} s, {note}", found["rate"], "msgs/s", "100k/s", held)
        rate = found["per_cpu_s"]
        row(
            "P16",
            "one quote a message, bars, the latest to the callback",
            rate,
            "msgs/cpu-s",
            "500k",
            rate >= 5e5,
        )
        row("P16", "published to callback, p99", found["p99_ms"], "ms", "10 ms", found["p99_ms"] < 10)
        every = each_quote()
        row("P16", "every quote through account and callback", every, "msgs/cpu-s", "500k", every >= 5e5)
    if not ids or "P18" in ids:
        found = tick_to_order(rate=10_000, seconds=min(seconds, 30.0))
        p50, p99 = found["tick_to_strategy_p50_us"], found["tick_to_strategy_p99_us"]
        row("P18", "tick to the strategy's decision, p50", p50, "us", "100 us", p50 <= 100)
        row("P18", "tick to the strategy's decision, p99", p99 / 1e3, "ms", "5 ms", p99 <= 5_000)
        placed = found["tick_to_placed_p99_ms"]
        what = f"tick to a placed order with a durable intent on {_disk()}, p99"
        row("P18", what, placed, "ms", "10 ms", placed < 10)
    if not ids or "KILL" in ids:
        found = kill_switch(rounds=20)
        blocked, sent = found["blocked_p99_ms"], found["last_cancel_sent_p99_ms"]
        row(
            "KILL",
            "request to block, 50 open orders, strategy hung, p99",
            blocked,
            "ms",
            "50 ms",
            blocked <= 50,
        )
        row("KILL", "request to last cancel sent, p99", sent, "ms", "1000 ms", sent <= 1_000)
    return rows


def _disk() -> str:
    """What the temporary folder lies on."""
    done = subprocess.run(
        ["df", "--output=source,fstype", tempfile.gettempdir()], capture_output=True, text=True, check=False
    )
    return " ".join(done.stdout.splitlines()[-1].split()) if done.returncode == 0 else "this disk"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--rate", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--orders", type=int, default=Ordering.a_second, help="a second at most, in P18")
    parser.add_argument("--only", choices=("P16", "P18", "KILL"))
    given = parser.parse_args()
    Ordering.a_second = given.orders
    if given.only in (None, "P16"):
        print(json.dumps(ingestion(rate=given.rate, seconds=given.seconds)))
        print(json.dumps({"every_quote_per_cpu_s": each_quote()}))
    if given.only in (None, "P18"):
        print(json.dumps({**tick_to_order(rate=10_000, seconds=min(30.0, given.seconds)), "disk": _disk()}))
    if given.only in (None, "KILL"):
        print(json.dumps({**kill_switch(rounds=given.rounds), "disk": _disk()}))


if __name__ == "__main__":
    main()
