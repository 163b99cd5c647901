"""A broker that hangs holds up its own account and nothing else."""

import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.gateway.bench import (
    BALANCE,
    COSTS,
    EUR_USD,
    START,
    TOKEN,
    Kernel,
    Room,
    buy,
    made_up_bars,
    opening,
)
from workbench.domain.instruments import instrument
from workbench.domain.orders import OrderKind
from workbench.domain.quotes import Quote
from workbench.gateway.brokers.conformance import Fault, FaultProxy
from workbench.gateway.brokers.paper import PaperConfig
from workbench.gateway.brokers.paper_http import PaperHttpBroker, PaperHttpConfig, PaperServer
from workbench.gateway.brokers.port import AmbiguousError
from workbench.gateway.client import GatewayClient, OperatorClient
from workbench.gateway.journal import verify_journal
from workbench.gateway.lanes import LaneBroker, Lanes
from workbench.gateway.market_data.event_log import EventLog
from workbench.gateway.market_data.sources import SocketQuotes
from workbench.gateway.market_data.stream_feed import StreamFeed
from workbench.gateway.messages import BarClosed, EventReply, QuoteMoved, Waiting
from workbench.gateway.reports import Sources
from workbench.gateway.server import GatewayServer


def _spun(lanes: Lanes, until: Callable[[], bool]) -> None:
    """Let the loop go round."""
    deadline = time.monotonic() + 60
    while not until():
        assert time.monotonic() < deadline
        lanes.run()
        time.sleep(0.001)


@pytest.fixture
def lanes() -> Iterator[Lanes]:
    """Those of a gateway."""
    made = Lanes()
    yield made
    made.close(patience_s=0.0)


def test_a_lane_that_waits_holds_up_no_other_and_keeps_its_own_order(lanes: Lanes) -> None:
    answer, said = threading.Event(), list[str]()
    slow, quick = lanes.of("slow"), lanes.of("quick")

    def work(name: str) -> Callable[[], None]:
        def do() -> None:
            said.append(f"{name} asked")
            slow.outside(answer.wait) if name.startswith("slow") else quick.outside(lambda: None)
            said.append(f"{name} answered")

        return do

    for name in ("slow 1", "slow 2"):
        slow.add(work(name))
    quick.add(work("quick"))
    _spun(lanes, lambda: "quick answered" in said)
    assert [item for item in said if item.startswith("slow")] == ["slow 1 asked"]
    slow.add(work("slow first"), first=True)
    answer.set()
    _spun(lanes, lambda: not (slow.busy or slow.waits_to_begin))
    assert [item for item in said if item.startswith("slow")] == [
        f"{name} {word}" for name in ("slow 1", "slow first", "slow 2") for word in ("asked", "answered")
    ]


def test_one_thread_at_a_time_has_the_desk(lanes: Lanes) -> None:
    holders, most, total = 0, 0, 0

    def enter() -> None:
        nonlocal holders, most
        holders += 1
        most = max(most, holders)

    def work(name: str) -> Callable[[], None]:
        def do() -> None:
            nonlocal holders, total
            for _ in range(20):
                enter()
                found = total
                time.sleep(0)  # another thread would come in here
                total = found + 1
                holders -= 1
                lanes.of(name).outside(lambda: time.sleep(0))

        return do

    names = [f"a-{k}" for k in range(5)]
    for name in names:
        lanes.of(name).add(work(name))
    while total < 100:
        enter()
        time.sleep(0)
        holders -= 1
        lanes.run()
    assert (most, total) == (1, 100)


def test_what_a_broker_raises_is_raised_where_it_was_asked(lanes: Lanes) -> None:
    said: list[str] = []

    def fail() -> None:
        raise AmbiguousError("no answer")

    def work() -> None:
        try:
            lanes.of("a").outside(fail)
        except AmbiguousError as error:
            said.append(str(error))

    lanes.of("a").add(work)
    _spun(lanes, lambda: bool(said))
    assert said == ["no answer"]


def test_the_desk_is_not_given_back_within_a_transaction() -> None:
    lanes = Lanes(may_leave=lambda: False)
    threads: list[threading.Thread] = []
    lanes.of("a").add(lambda: lanes.of("a").outside(lambda: threads.append(threading.current_thread())))
    lanes.run()  # comes back only when it is done
    assert len(threads) == 1
    lanes.close()


def test_after_the_end_an_answer_that_comes_late_does_nothing() -> None:
    lanes, answer, said = Lanes(), threading.Event(), list[str]()

    def work() -> None:
        lanes.of("a").outside(answer.wait)
        said.append("wrote")

    lanes.of("a").add(work)
    lanes.run()
    before = [item for item in threading.enumerate() if item.name == "orders of a"]
    lanes.close(patience_s=0.01)
    answer.set()
    for thread in before:
        thread.join(5)
        assert not thread.is_alive()
    assert said == []


def test_an_answer_that_comes_after_the_gateways_end_freezes_nothing(
    sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = Room(url=sqlite_url, home=tmp_path / "home", bars=made_up_bars(2))
    lanes, answer, said = Lanes(), threading.Event(), list[str]()
    monkeypatch.setattr(lanes, "close", partial(lanes.close, patience_s=0.01))
    sockets = Path(tempfile.mkdtemp(prefix="wb-"))
    gateway = GatewayServer(
        room.desk,
        kernels=sockets / "k",
        operators=sockets / "o",
        sources=Sources(engine=room.engine, checkpoints=room.checkpoints, keys=room.home),
        lanes=lanes,
    )

    def work() -> None:
        gateway.stop()
        try:
            lanes.of("a").outside(answer.wait)
        except Exception as error:  # as whoever answers a request does: it freezes the deployment
            said.append(f"freezes: {error}")

    lanes.of("a").add(work)
    (lane,) = [item for item in threading.enumerate() if item.name == "orders of a"]
    gateway.serve()
    answer.set()
    lane.join(30)
    assert not lane.is_alive()
    assert said == []
    shutil.rmtree(sockets)
    room.engine.dispose()


def test_work_that_fails_unforeseen_ends_the_loop_and_not_in_silence(lanes: Lanes) -> None:
    lanes.of("a").add(lambda: [][0])
    with pytest.raises(IndexError):
        lanes.run()


def test_orders_and_a_kill_go_through_while_a_broker_hangs(
    sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workbench.gateway.specs._check_feed", lambda spec: None)  # a replay drives both
    monkeypatch.setattr("workbench.gateway.sending.SLOWEST_COMMIT_S", 60.0)
    bars = made_up_bars(10)
    config = PaperConfig(
        instruments=(instrument("EUR_USD"),), cost_book=COSTS, currency="USD", balance=BALANCE
    )
    server = PaperServer(config, account_id="far", token="secret", beat_s=0.2)
    quote = Quote(instrument=EUR_USD, time_ns=START, bid=118_000, ask=118_010)
    server.take_event(QuoteMoved(seq=1, quote=quote))
    proxy = FaultProxy("127.0.0.1", int(server.url.rsplit(":", 1)[1]))
    far = PaperHttpConfig(url=proxy.url, account_id="far", token="secret", timeout_s=30.0, silence_s=30.0)
    room = Room(url=sqlite_url, home=tmp_path / "home", bars=bars, clock=time.monotonic)  # type: ignore[arg-type]
    lanes = Lanes(may_leave=lambda: not room.desk.ledger.under_way)
    room.desk.connect_broker = lambda spec: (
        LaneBroker(PaperHttpBroker(far), lanes.of("far")) if spec.account.broker == "paper_http" else None
    )
    sockets = Path(tempfile.mkdtemp(prefix="wb-"))
    gateway = GatewayServer(
        room.desk,
        kernels=sockets / "k",
        operators=sockets / "o",
        sources=Sources(engine=room.engine, checkpoints=room.checkpoints, keys=room.home),
        lanes=lanes,
    )
    serving = threading.Thread(target=gateway.serve, daemon=True)
    serving.start()
    operator = OperatorClient(sockets / "o", user="david", role="admin", timeout_s=30)
    account = {"id": "far-1", "broker": "paper_http", "url": proxy.url, "at_broker": "far"}
    answers: list[object] = []
    try:
        operator.open(**opening("far", bars, account=account))
        operator.open(**opening("near", bars))
        _until(lambda: _shown(operator, "far")["broker"]["phase"] == "ready")
        with GatewayClient(sockets / "k", timeout_s=60) as there, GatewayClient(sockets / "k") as here:
            kernels = Kernel(there.ask, "far"), Kernel(here.ask, "near")
            low = 0
            for kernel in kernels:
                kernel.attach()
                reply = kernel.next()
                assert isinstance(reply, EventReply)
                assert isinstance(reply.event, BarClosed)
                kernel.after, low = reply.event.seq, reply.event.bar.bid_close - 50
            proxy.cause(Fault.HALF_OPEN, lambda line: line.startswith("POST"))
            order = buy(1_000, "f-0", kind=OrderKind.LIMIT, price=low)
            asking = threading.Thread(target=lambda: answers.append(kernels[0].submit(order)), daemon=True)
            asking.start()
            _until(lambda: bool(proxy.met))

            names = [f"n-{n}" for n in range(5)]
            for name in names:
                result = kernels[1].submit(buy(1_000, name, kind=OrderKind.LIMIT, price=low))
                assert getattr(result, "state", result) == "WORKING"
            kernels[1].next()
            found = operator.kill(reason="the broker hangs")
            assert found["canceled"] == names
            assert found["waiting"] == ["f-0"]  # it counts at its worst
            assert answers == []  # nobody has answered yet

            proxy.close()
            asking.join(30)
            assert [getattr(item, "state", item) for item in answers] == ["UNKNOWN"]
            assert _shown(operator, "far")["unknown"] == ["f-0"]
        assert {name: n for (verb, name), n in server.received.items() if verb == "place"} == {"f-0": 1}
    finally:
        gateway.stop()
        serving.join(30)
        proxy.close()
        server.close()
        shutil.rmtree(sockets)
    assert verify_journal(room.engine).fault == ""
    room.engine.dispose()


def test_a_kernel_on_a_silent_stream_is_answered_and_only_that_counts_as_life_and_it_is_resumed(
    sqlite_url: str, tmp_path: Path
) -> None:
    room = Room(url=sqlite_url, home=tmp_path / "home", bars=made_up_bars(2), clock=time.monotonic)  # type: ignore[arg-type]
    config = PaperConfig(
        instruments=(instrument("EUR_USD"),), cost_book=COSTS, currency="USD", balance=BALANCE
    )
    server = PaperServer(config, account_id="far", token="secret")
    far = PaperHttpConfig(url=server.url, account_id="far", token="secret")
    lanes = Lanes(may_leave=lambda: not room.desk.ledger.under_way)
    room.desk.connect_broker = lambda spec: LaneBroker(PaperHttpBroker(far), lanes.of("far"))
    room.desk.open_stream = lambda spec, feed: StreamFeed(
        SocketQuotes(tmp_path / "nobody"),
        EventLog(tmp_path / "events", instruments=[EUR_USD]),
        spec.all_records,
        spec.bar_length,
        clock_ns=time.time_ns,
        monotonic=time.monotonic,
        every_quote=True,
    )
    sockets = Path(tempfile.mkdtemp(prefix="wb-"))
    gateway = GatewayServer(
        room.desk,
        kernels=sockets / "k",
        operators=sockets / "o",
        sources=Sources(engine=room.engine, checkpoints=room.checkpoints, keys=room.home),
        lanes=lanes,
    )
    serving = threading.Thread(target=gateway.serve, daemon=True)
    serving.start()
    operator = OperatorClient(sockets / "o", user="david", role="admin", timeout_s=30)
    account = {"id": "far-1", "broker": "paper_http", "url": server.url, "at_broker": "far"}
    try:
        spec = opening("far", room.bars, timeframe="M1", account=account)
        operator.open(**{**spec, "feed": {"kind": "stream", "source": "made-up", "start_ns": 1}})
        with GatewayClient(sockets / "k", timeout_s=20, patience_s=20) as kernel:
            kernel.attach("far", token=TOKEN)
            assert isinstance(kernel.next_event(after=0), Waiting)
            assert isinstance(kernel.next_event(after=0), Waiting)
        seen = _shown(operator, "far")["kernel_seen_ns"]
        time.sleep(1.5)
        assert _shown(operator, "far")["kernel_seen_ns"] == seen
        operator.stop("far")
        slow = room.desk.connect_broker
        room.desk.connect_broker = lambda spec: lanes.of("far").outside(
            lambda: (time.sleep(1), slow(spec))[1]
        )
        assert operator.resume("far")["state"] == "running"  # its line is closed while its broker is asked
        assert _shown(operator, "far")["state"] == "running"
    finally:
        gateway.stop()
        serving.join(30)
        for trading in room.desk.deployments.values():
            trading.feed.close()
            trading.broker.disconnect()
        server.close()
        shutil.rmtree(sockets)
    room.engine.dispose()


def _shown(operator: OperatorClient, name: str) -> dict[str, Any]:
    found = operator.status()["deployments"]
    return next(item for item in found if item["deployment_id"] == name)


def _until(so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not so():
        assert time.monotonic() < deadline
        time.sleep(0.02)
