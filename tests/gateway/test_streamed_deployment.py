"""A deployment on a stream, in a real gateway: what was recorded explains every execution."""

import threading
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.gateway.bench import BALANCE, COSTS, EUR_USD, TOKEN, opening
from tests.gateway.processes import Gateway
from tests.gateway.tick_room import QuietLog, made_up_ticks
from workbench.domain.instruments import instrument
from workbench.domain.orders import Fill
from workbench.domain.timeframes import Timeframe
from workbench.engine import MatchingEngine
from workbench.gateway.errors import GatewayUnreachableError
from workbench.gateway.market_data.event_log import EventLog
from workbench.gateway.market_data.sources import QuotePublisher
from workbench.gateway.messages import BarClosed, QuoteMoved
from workbench.live.runtime import StrategyRuntime
from workbench.market import Bars
from workbench.strategy import AccountView, MarketView, Strategy, StrategyRunner

pytestmark = pytest.mark.processes


class Follower(Strategy):
    """Opens and closes by the quotes it has counted."""

    def __init__(self, **params: object) -> None:
        super().__init__(**params)
        self.seen = 0

    def on_tick(self, market: MarketView, account: AccountView) -> None:
        self.seen += 1
        if self.seen % 9 == 0:
            account.buy(1_000, stop=40, target=30) if account.units == 0 else account.close()


class Publishing:
    """Publishes quotes one after another until it is told to stop."""

    def __init__(self, path: Path) -> None:
        self.publisher = QuotePublisher(path, instruments=["EUR_USD"])
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        ticks = made_up_ticks(100_000, seed=11, apart_ns=2_000_000_000)
        rows = zip(ticks.time_ns.tolist(), ticks.bid.tolist(), ticks.ask.tolist(), strict=True)
        for number, row in enumerate(rows):
            if self._ended.is_set():
                return
            self.publisher.quote("EUR_USD", *row)
            if number % 5 == 0:
                self.publisher.heartbeat()
            time.sleep(0.004)

    def close(self) -> None:
        self._ended.set()
        self._thread.join(10)
        self.publisher.close()


def recomputed(path: Path, *, denied: frozenset[str]) -> list[Fill]:
    """What the engine alone makes of the recorded events and the strategy.

    Orders that the gateway denied, as it does with quotes that came too late on a busy machine, are left out.
    """
    log = EventLog(path, instruments=[EUR_USD])
    runner = StrategyRunner(Follower(), instrument("EUR_USD"), Timeframe("M1"), "d-1")
    engine = MatchingEngine(
        instruments=(instrument("EUR_USD"),), cost_book=COSTS, currency="USD", balance=BALANCE
    )
    fills: list[Fill] = []
    for seq in range(1, len(log) + 1):
        event = log.event(seq)
        if isinstance(event, BarClosed):
            runner.warm_up_bars(event.bars)
            continue
        assert isinstance(event, QuoteMoved)
        fills += engine.on_quote(event.quote)
        for order in runner.on_tick(event.quote, engine.account(), seq).orders:
            if order.client_order_id not in denied:
                engine.submit(order)
    log.close()
    return fills


def stored(gateway: Gateway, name: str = "d-1") -> list[Fill]:
    known = set(Fill.__dataclass_fields__)
    return [
        msgspec.convert({key: value for key, value in row.items() if key in known}, Fill)
        for row in gateway.operator().fills(name, limit=10_000)
    ]


def eventually(check: Any, *, within_s: float = 60.0) -> None:
    deadline = time.monotonic() + within_s
    while not check():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.05)


@pytest.mark.parametrize("every_quote", [True, False], ids=["every quote", "the latest"])
def test_executions_on_a_stream_follow_from_what_was_recorded_with_a_gateway_killed_in_between(
    gateway: Gateway, bars: Bars, every_quote: bool
) -> None:
    gateway.start()
    publishing = Publishing(gateway.settings.quotes_socket("made-up"))
    runtime = None
    try:
        feed = {"kind": "stream", "source": "made-up", "start_ns": 1, "every_quote": every_quote}
        spec = opening("d-1", bars, timeframe="M1", limits={"max_orders_per_minute": 100_000})
        gateway.operator().open(**{**spec, "feed": feed})
        log = QuietLog()
        runtime = StrategyRuntime(
            gateway=gateway.client(timeout_s=2.0, patience_s=2.0),
            decider=StrategyRunner(Follower(), instrument("EUR_USD"), Timeframe("M1"), "d-1"),
            deployment_id="d-1",
            token=TOKEN,
            pid=1,
            log=log,  # type: ignore[arg-type]
            quotes=True,
        )
        problems: list[BaseException] = []

        def trade() -> None:
            try:
                runtime.run()
            except BaseException as error:
                problems.append(error)

        thread = threading.Thread(target=trade, daemon=True)
        thread.start()

        def fills() -> int:
            try:
                return int(gateway.operator(timeout_s=1.0).status()["deployments"][0]["fills"])
            except GatewayUnreachableError:
                return 0

        eventually(lambda: fills() >= 8 or problems)
        gateway.kill()
        gateway.start()
        before = fills()
        eventually(lambda: fills() >= before + 8 or problems)
        assert not problems, problems
        runtime.request_stop()
        thread.join(20)
        assert not thread.is_alive()
    finally:
        publishing.close()
    found = stored(gateway)
    gateway.kill()
    gateway.start()
    assert stored(gateway) == found
    assert gateway.operator().status()["deployments"][0]["state"] == "running"
    assert gateway.operator().verify()["ok"]
    orders = gateway.operator().orders("d-1", limit=10_000)
    denied = frozenset(row["client_order_id"] for row in orders if row["state"] == "DENIED")
    assert len(denied) < len(orders) / 2
    expected = recomputed(gateway.settings.home / "streams" / "d-1.events", denied=denied)
    assert found == expected[: len(found)]
    assert len(found) >= 16
