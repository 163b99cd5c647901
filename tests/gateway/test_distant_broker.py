"""The gateway's own order path over a real connection that fails: nothing sent twice, nothing lost, no gaps.

A desk with its journal trades on an account behind HTTP and a stream; a proxy in between disturbs requests,
answers and the stream. Afterwards the server's own record and the gateway's books must be the same.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.gateway.bench import BALANCE, COSTS, EUR_USD, Kernel, Room, buy, made_up_bars
from tests.gateway.strategies import busy, patient
from workbench.domain.instruments import instrument
from workbench.domain.orders import ExitChange, OrderState
from workbench.gateway.brokers.conformance import STREAM_FAULTS, Fault, FaultProxy
from workbench.gateway.brokers.paper import PaperConfig
from workbench.gateway.brokers.paper_http import PaperHttpBroker, PaperHttpConfig, PaperServer
from workbench.gateway.brokers.port import Broker
from workbench.gateway.desk import Desk
from workbench.gateway.journal import verify_journal
from workbench.gateway.messages import FeedEvent
from workbench.gateway.reconciliation import watch
from workbench.gateway.specs import DeploymentSpec
from workbench.gateway.standing import Phase
from workbench.store.schema import exit_changes, fills, intents
from workbench.strategy import Decision

TOO_MANY = b'{"code":"TOO_MANY_REQUESTS","message":"slow down"}'
LIVE = {OrderState.WORKING.value, OrderState.PARTIAL.value}
TAKEN = {*LIVE, OrderState.FILLED.value, OrderState.CANCELED.value, OrderState.EXPIRED.value}


@dataclass
class House:
    """A server, a proxy before it, and a gateway that trades through it."""

    room: Room
    server: PaperServer
    proxy: FaultProxy
    clients: list[PaperHttpBroker] = field(default_factory=list)
    moved: int = 0  # the last event that the server's market has seen

    def connect(self, spec: DeploymentSpec) -> Broker:
        """What the gateway is given."""
        config = PaperHttpConfig(
            url=self.proxy.url, account_id="far", token="secret", timeout_s=0.4, silence_s=0.4
        )
        client = _OnTheSameMarket(config)
        client.house = self
        self.clients.append(client)
        return client

    def settle(self, *, most_s: float = 20.0) -> None:
        """The faults are over: let the gateway find out everything."""
        self.proxy.heal()
        deadline = time.monotonic() + most_s
        while time.monotonic() < deadline:
            trading = self.room.desk.deployments["d-1"]
            watch(self.room.desk, trading, now=True)
            standing = trading.standing
            assert standing is not None
            if standing.phase is Phase.READY and not standing.unknown() and not standing.cancels:
                return
            time.sleep(0.05)
        raise AssertionError(f"not settled: {trading.state} {trading.detail} {standing}")

    def catch_up(self, at_least_s: float, *, most_s: float = 1.0) -> None:
        """A market is slower than a test: let the gateway come back to an account that is away."""
        time.sleep(at_least_s)
        deadline = time.monotonic() + most_s
        trading = self.room.desk.deployments["d-1"]
        while trading.standing and trading.standing.phase is not Phase.READY and time.monotonic() < deadline:
            watch(self.room.desk, trading)
            time.sleep(0.01)

    def close(self) -> None:
        """End it all."""
        for client in self.clients:
            client.disconnect()
        self.proxy.close()
        self.server.close()


class _OnTheSameMarket(PaperHttpBroker):
    """The server sees what the gateway's feed brings, each event once."""

    house: House

    def take_event(self, event: FeedEvent) -> None:
        if event.seq == self.house.moved + 1:
            self.house.server.take_event(event)
            self.house.moved = event.seq


@pytest.fixture
def house(sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    """All of it."""
    config = PaperConfig(
        instruments=(instrument("EUR_USD"),), cost_book=COSTS, currency="USD", balance=BALANCE
    )
    server = PaperServer(config, account_id="far", token="secret", beat_s=0.1, grace_s=0.6, page=3)
    reply = b"HTTP/1.1 429 Too Many Requests\r\nContent-Length: %d\r\n\r\n%b" % (len(TOO_MANY), TOO_MANY)
    port = int(server.url.rsplit(":", 1)[1])
    made = House(
        room=None,  # type: ignore[arg-type]
        server=server,
        proxy=FaultProxy("127.0.0.1", port, too_many=reply, slow_s=0.1),
    )
    monkeypatch.setattr("tests.gateway.bench.Desk", partial(Desk, connect_broker=made.connect))
    made.room = Room(
        url=sqlite_url,
        home=tmp_path / "home",
        bars=made_up_bars(40),
        clock=time.monotonic,  # type: ignore[arg-type]
    )
    yield made
    made.close()
    made.room.engine.dispose()


def trade(
    house: House, disturb: Callable[[int], None], *, decide: Callable[..., Any] = busy, twice: bool = False
) -> None:
    """Trade all bars, disturbed before each, and settle."""
    trade_on(house, house.room.open(decide=decide), disturb, twice=twice)


def trade_on(house: House, kernel: Kernel, disturb: Callable[[int], None], *, twice: bool = False) -> None:
    """The same with a kernel that is there."""
    deadline = time.monotonic() + 60
    step = 0
    while not kernel.ended and time.monotonic() < deadline:
        disturb(step)
        step += 1
        before = kernel.after
        kernel.step()
        house.catch_up(0.02 if kernel.after == before else 0.0)
    assert kernel.ended
    house.settle()
    check(house, twice=twice)


def check(house: House, *, twice: bool = False) -> None:
    """The server's own record and the gateway's books agree."""
    received = {name: count for (verb, name), count in house.server.received.items() if verb == "place"}
    assert twice or set(received.values()) <= {1}, received
    stored = {row["client_order_id"]: row["state"] for row in house.room.rows(intents)}
    taken = {item for item in stored if house.server.broker.order(item) is not None}  # type: ignore[arg-type]
    assert {name for name, state in stored.items() if state in TAKEN} == taken
    assert len(taken) > 1  # after "too many" the gateway pauses
    assert set(received) <= set(stored)
    record = [item for item in house.server.broker.transactions_since(0) if item.fill is not None]
    booked = {row["broker_trade_id"]: (row["units"], row["price"]) for row in house.room.rows(fills)}
    assert booked == {
        item.broker_trade_id: (item.fill.units, item.fill.price) for item in record if item.fill is not None
    }
    trading = house.room.desk.deployments["d-1"]
    held = {item.instrument: item.units for item in house.server.broker.positions()}
    assert {item.instrument: item.units for item in trading.books.positions} == held
    assert trading.books.balance == house.server.broker.account().balance
    waiting = {item.order.client_order_id for item in house.server.broker.open_orders()}
    assert {name for name, state in stored.items() if state in LIVE} == waiting
    assert verify_journal(house.room.engine).fault == ""


REQUESTS = sorted(set(Fault) - STREAM_FAULTS - {Fault.TWICE})


@pytest.mark.parametrize("fault", REQUESTS)
def test_orders_whose_requests_or_answers_fail_are_known_in_the_end(house: House, fault: Fault) -> None:
    def disturb(step: int) -> None:
        if step in (4, 16, 28):
            house.proxy.cause(fault, lambda line: line.startswith("POST"))
        elif step == 22:
            house.proxy.cause(fault, lambda line: "/transactions" in line or "/positions" in line)

    trade(house, disturb)
    assert any(line.startswith("POST") for _, line in house.proxy.met)


@pytest.mark.parametrize("fault", [Fault.REPLY_LOST, Fault.REQUEST_LOST, Fault.SERVER_ERROR])
def test_cancels_whose_requests_or_answers_fail_are_known_in_the_end(house: House, fault: Fault) -> None:
    def disturb(step: int) -> None:
        if step % 8 == 5:
            house.proxy.cause(fault, lambda line: "/cancel" in line)

    trade(house, disturb, decide=patient)
    assert house.proxy.met


@pytest.mark.parametrize("fault", sorted(STREAM_FAULTS))
def test_a_stream_that_ends_or_falls_silent_leaves_no_gap(house: House, fault: Fault) -> None:
    def disturb(step: int) -> None:
        if step % 17 == 9:
            house.proxy.cause(fault)
        elif step % 17 == 12:
            house.proxy.heal()

    trade(house, disturb)
    assert len(house.clients) == 1


def test_a_gateway_that_dies_behind_a_lost_answer_finds_its_order_at_the_next_start(house: House) -> None:
    kernel = house.room.open(decide=busy)
    for _ in range(4):
        house.proxy.cause(Fault.REPLY_LOST, lambda line: line.startswith("POST"))
        seen, deadline = len(house.proxy.met), time.monotonic() + 30
        while len(house.proxy.met) == seen and not kernel.ended and time.monotonic() < deadline:
            before = kernel.after
            kernel.step()
            house.catch_up(0.02 if kernel.after == before else 0.0)
        house.clients[-1].disconnect()  # the process is gone, and its connections with it
        house.room.start()  # a new one: everything from the store and the broker
        kernel = Kernel(house.room.ask, deployment_id="d-1", decide=busy)
        house.catch_up(0.0, most_s=5.0)
    assert len(house.proxy.met) >= 3
    trade_on(house, kernel, lambda step: None)


def drawn_after(bar: Any, account: Any, event_seq: int) -> Decision:
    """Buys once, and draws a stop after the price."""
    if not account.units(EUR_USD):
        return Decision(orders=(buy(1_000, f"once-{event_seq}", stop_distance=4_000),))
    return Decision(changes=(ExitChange(instrument=EUR_USD, stop=bar.bid_close - 3_000 + event_seq % 5),))


@pytest.mark.parametrize("fault", [Fault.REPLY_LOST, Fault.REQUEST_LOST])
@pytest.mark.parametrize("dies", [False, True])
def test_exits_whose_change_nobody_answered_are_known_by_the_brokers_report(
    house: House, fault: Fault, dies: bool
) -> None:
    kernel = house.room.open(decide=drawn_after)
    deadline = time.monotonic() + 30
    while not kernel.changed and time.monotonic() < deadline:
        before = kernel.after
        kernel.step()
        house.catch_up(0.02 if kernel.after == before else 0.0)
    house.settle()
    (held,) = house.server.broker.positions()
    (shown,) = house.room.desk.deployments["d-1"].books.positions
    assert shown.stop == held.stop > 0
    house.proxy.cause(fault, lambda line: "/exits" in line)
    kernel.step()
    while kernel.changed[-1].state == "DONE" and time.monotonic() < deadline:
        kernel.step()
    assert kernel.changed[-1].state == "UNKNOWN"
    if dies:
        house.clients[-1].disconnect()
        house.room.start()
    told = house.server.received["exits", "EUR_USD"]
    while time.monotonic() < deadline:
        house.settle()
        standing = house.room.desk.deployments["d-1"].standing
        assert standing is not None
        if not standing.wishes:
            break
        time.sleep(0.1)
    rows = house.room.rows(exit_changes)
    states = {row["state"] for row in rows}
    last = max(rows, key=lambda row: row["event_seq"])
    (held,) = house.server.broker.positions()
    assert states <= {"DONE", "REJECTED"}
    assert last["state"] == ("DONE" if fault is Fault.REPLY_LOST else "REJECTED")
    assert (held.stop == last["body"]["stop"]) == (last["state"] == "DONE")
    assert house.server.received["exits", "EUR_USD"] == told
    assert house.room.desk.deployments["d-1"].books.positions[0].stop == held.stop


def test_a_request_that_the_network_delivers_twice_is_one_order(house: House) -> None:
    house.proxy.cause(Fault.TWICE, lambda line: line.startswith("POST"), times=100)
    trade(house, lambda step: None, twice=True)
    assert house.proxy.met
