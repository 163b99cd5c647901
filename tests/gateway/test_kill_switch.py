"""The kill switch where things are broken: no gateway, a locked store, a broker away, a hung strategy."""

import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from tests.gateway.bench import EUR_USD, Room, opening
from tests.gateway.processes import Gateway
from workbench.domain.orders import ClientOrderId, Order, OrderKind
from workbench.gateway.brokers.port import AmbiguousError
from workbench.gateway.client import OperatorClient
from workbench.gateway.errors import GatewayUnreachableError, LedgerWriteError
from workbench.gateway.kill_requests import KillRequest, KillRequests
from workbench.gateway.killing import KillChase
from workbench.gateway.messages import IntentResult
from workbench.market import Bars
from workbench.store.schema import intents, journal, kills


def waiting_order(name: str, *, price: int = 80_000) -> Order:
    """One that never fills here."""
    return Order(
        client_order_id=ClientOrderId(name),
        instrument=EUR_USD,
        units=1_000,
        kind=OrderKind.LIMIT,
        price=price,
    )


def with_waiting(room: Room, count: int) -> Any:
    """A kernel that has placed `count` orders that wait."""
    kernel = room.open()
    kernel.take()
    for number in range(count):
        result = kernel.submit(waiting_order(f"w-{number}"))
        assert isinstance(result, IntentResult)
        assert result.state == "WORKING", result
    return kernel


class Away:
    """A paper broker whose line is down for cancels."""

    def __init__(self, broker: Any) -> None:
        self._broker = broker
        self.down = True
        self.asked = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._broker, name)

    def cancel(self, client_order_id: ClientOrderId, *, reason: str) -> bool:
        self.asked += 1
        if self.down:
            raise AmbiguousError("no answer")
        return bool(self._broker.cancel(client_order_id, reason=reason))


@contextmanager
def locked(path: Path, seconds: float) -> Iterator[threading.Thread]:
    """Somebody else holds the store's write lock for a while."""
    held = threading.Event()

    def hold() -> None:
        connection = sqlite3.connect(path, timeout=30)
        connection.execute("BEGIN IMMEDIATE")
        held.set()
        time.sleep(seconds)
        connection.rollback()
        connection.close()

    thread = threading.Thread(target=hold)
    thread.start()
    assert held.wait(30)
    yield thread
    thread.join(30)


def request(scope: str = "all", *, role: str = "operator") -> KillRequest:
    return KillRequest(scope=scope, by="david", role=role, reason="drill", created_ns=1)


def test_a_kill_request_blocks_the_next_order_before_anybody_took_it(room: Room) -> None:
    kernel = with_waiting(room, 1)
    requests = room.desk.kill_requests
    assert requests is not None
    requests.add(request())
    result = kernel.submit(waiting_order("late"))
    assert (result.state, result.control) == ("DENIED", "R23")
    assert room.act("status")["kills"] == ["all"]
    assert room.rows(kills) == []


def test_a_kill_thrown_while_an_intent_is_written_keeps_its_order_from_the_broker(room: Room) -> None:
    kernel = with_waiting(room, 0)
    requests = room.desk.kill_requests
    assert requests is not None

    def throw(name: str) -> None:
        if name == "after intent":
            requests.add(request())

    room.desk.ledger._at_boundary = throw
    result = kernel.submit(waiting_order("caught"))
    assert (result.state, result.control) == ("DENIED", "R23")
    assert room.desk.find("d-1").broker.open_orders() == ()
    room.desk.ledger._at_boundary = lambda name: None
    again = kernel.submit(waiting_order("caught"))
    assert (again.state, again.control, again.repeated) == ("DENIED", "R23", True)
    assert [row["state"] for row in room.rows(intents)] == ["DENIED"]


def test_requests_that_nobody_asks_for_are_taken_over_journaled_and_cancel_what_waits(room: Room) -> None:
    with_waiting(room, 3)
    requests = room.desk.kill_requests
    assert requests is not None
    requests.add(request("account:paper-1"))
    chase = KillChase(room.desk)
    chase.tick()
    assert room.rows(kills) == []  # whoever wrote it may still ask
    room.clock.now += 1.5
    chase.tick()
    assert [row["scope"] for row in room.rows(kills)] == ["account:paper-1"]
    assert room.desk.find("d-1").broker.open_orders() == ()
    assert requests.pending() == {}
    assert sum(row["kind"] == "kill" for row in room.rows(journal)) == 1
    room.start()
    assert room.act("status")["kills"] == ["account:paper-1"]


def test_a_request_of_a_role_without_the_verb_is_dropped(room: Room) -> None:
    requests = room.desk.kill_requests
    assert requests is not None
    requests.add(request(role="viewer"))
    chase = KillChase(room.desk)
    chase.tick()
    room.clock.now += 1.5
    chase.tick()
    assert room.act("status")["kills"] == []


@pytest.mark.parametrize("content", [b"", b"{", b'{"scope": 1}', b"\xff\xfe"])
def test_a_request_that_can_not_be_read_blocks_everything(room: Room, content: bytes) -> None:
    kernel = with_waiting(room, 0)
    (room.home / "kills" / "1-x.kill").write_bytes(content)
    assert kernel.submit(waiting_order("o")).control == "R23"
    room.act("unkill", scope="all")
    assert kernel.submit(waiting_order("p")).state == "WORKING"


def test_releasing_takes_waiting_requests_with_it(room: Room) -> None:
    requests = room.desk.kill_requests
    assert requests is not None
    requests.add(request())
    assert room.act("unkill", scope="all")["kills"] == []
    assert requests.pending() == {}
    kinds = [row["kind"] for row in room.rows(journal)]
    assert kinds[-2:] == ["kill", "unkill"]


def test_a_kill_the_store_does_not_take_stays_on_disk_and_holds_after_a_restart(room: Room) -> None:
    with_waiting(room, 2)

    def full(name: str) -> None:
        if name.startswith("in "):
            raise sa.exc.OperationalError("insert", {}, Exception("disk is full"))

    room.desk.ledger._at_boundary = full
    with pytest.raises(LedgerWriteError, match="in force and is remembered on disk"):
        room.act("kill", reason="drill")
    assert room.desk.find("d-1").broker.open_orders() == ()  # the cancels did not wait for the store
    room.start()  # the disk has room again
    assert room.act("status")["kills"] == ["all"]
    assert room.desk.find("d-1").broker.open_orders() == ()
    chase = KillChase(room.desk)
    chase.tick()
    room.clock.now += 1.5
    chase.tick()
    assert [row["scope"] for row in room.rows(kills)] == ["all"]
    assert room.act("resume", deployment_id="d-1")["state"] == "running"  # the books agree with the store


def test_a_broker_away_is_asked_again_until_it_has_nothing_left_and_a_person_is_told(room: Room) -> None:
    kernel = with_waiting(room, 5)
    trading = room.desk.find("d-1")
    away = Away(trading.broker)
    trading.broker = away  # type: ignore[assignment]
    found = room.act("kill", reason="drill")
    assert found["canceled"] == []
    assert sorted(found["waiting"]) == [f"w-{number}" for number in range(5)]
    assert kernel.submit(waiting_order("late")).control == "R23"
    chase = KillChase(room.desk)
    for _ in range(12):
        chase.tick()
        assert chase.busy
        room.clock.now += 1.0
    told = [str(item) for item in room.desk.log._logger.calls if "orders may still be live" in str(item)]
    assert len(told) == 1
    assert all(f"w-{number}" in told[0] for number in range(5))
    away.down = False
    room.clock.now += 1.0
    chase.tick()
    assert away.asked >= 5 * 12
    assert trading.broker.open_orders() == ()
    chase.tick()
    assert not chase.busy
    assert {row["state"] for row in room.rows(intents)} == {"CANCELED", "DENIED"}


def test_one_order_the_broker_can_not_answer_for_holds_up_no_other(room: Room) -> None:
    with_waiting(room, 3)
    trading = room.desk.find("d-1")
    inner = trading.broker

    class Picky(Away):
        def cancel(self, client_order_id: ClientOrderId, *, reason: str) -> bool:
            if client_order_id == "w-1":
                raise AmbiguousError("no answer")
            return inner.cancel(client_order_id, reason=reason)

    trading.broker = Picky(inner)  # type: ignore[assignment]
    found = room.act("kill")
    assert found["canceled"] == ["w-0", "w-2"]
    assert found["waiting"] == ["w-1"]


def test_a_tool_without_a_gateway_remembers_the_kill(tmp_path: Path) -> None:
    folder = tmp_path / "kills"
    tool = OperatorClient(tmp_path / "none.sock", user="david", role="operator", kills_dir=folder)
    found = tool.kill("deployment:d-1", reason="drill")
    assert "no gateway listens" in found["remembered"]
    assert KillRequests(folder).scopes() == {"deployment:d-1"}
    assert (folder.stat().st_mode & 0o777) == 0o700


@pytest.mark.parametrize(("role", "scope"), [("viewer", "all"), ("operator", "everything")])
def test_a_tool_remembers_no_kill_that_a_gateway_would_refuse(tmp_path: Path, role: str, scope: str) -> None:
    tool = OperatorClient(tmp_path / "none.sock", user="alex", role=role, kills_dir=tmp_path / "kills")
    with pytest.raises(GatewayUnreachableError):
        tool.kill(scope)
    assert not (tmp_path / "kills").exists()


@pytest.mark.processes
def test_a_gateway_that_was_down_starts_killed_and_has_it_in_its_journal(
    gateway: Gateway, bars: Bars
) -> None:
    gateway.start()
    gateway.operator().open(**opening("d-1", bars))
    with gateway.client() as client:
        kernel = gateway.kernel(client)
        kernel.attach()
        kernel.take()
        for number in range(3):
            kernel.submit(waiting_order(f"w-{number}"))
    gateway.kill()
    assert "remembered" in gateway.operator(timeout_s=0.3).kill(reason="drill")
    for _ in range(2):  # durable across SIGKILL, whether taken over by then or not
        gateway.start()
        status = gateway.operator().status()
        assert status["kills"] == ["all"]
        assert status["deployments"][0]["waiting"] == 0
        gateway.kill()
    gateway.start()
    deadline = time.monotonic() + 60
    while KillRequests(gateway.settings.kills_dir).pending() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert KillRequests(gateway.settings.kills_dir).pending() == {}
    assert gateway.operator().status()["kills"] == ["all"]
    assert gateway.operator().verify()["ok"]
    assert gateway.operator().unkill()["kills"] == []


@pytest.mark.processes
def test_with_a_locked_store_and_a_hung_strategy_cancels_are_sent_before_the_store_answers(
    gateway: Gateway, bars: Bars
) -> None:
    gateway.start()
    gateway.operator().open(**opening("d-1", bars))
    client = gateway.client()
    kernel = gateway.kernel(client)  # it asked for an event and never comes back: a hung strategy
    kernel.attach()
    for number in range(8):  # within the limits that a new home has
        if number % 4 == 0:
            kernel.take()
        placed = kernel.submit(waiting_order(f"w-{number}", price=117_650 - number))
        assert isinstance(placed, IntentResult)
        assert placed.state == "WORKING", placed
    store = Path(gateway.settings.gateway_store_url.removeprefix("sqlite:///"))
    with locked(store, 2.0):
        began = time.monotonic()
        found = gateway.operator(timeout_s=30).kill(reason="drill")
        waited_s = time.monotonic() - began
    assert len(found["canceled"]) == 8
    assert found["waiting"] == []
    # of the gateway's own clock: the block and the last cancel came while the store was still locked
    assert found["blocked_ms"] <= found["cancels_sent_ms"] < 1_000 * waited_s - 500
    gateway.kill()
    client.close()
    gateway.start()
    status = gateway.operator().status()
    assert status["kills"] == ["all"]
    assert status["deployments"][0]["waiting"] == 0
    assert os.listdir(gateway.settings.kills_dir) == []
