"""Two gateways, each with its home, on one account: the broker's record tells each of the other."""

import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.gateway.bench import BALANCE, COSTS, EUR_USD, Kernel, Room, buy, made_up_bars
from workbench.domain.instruments import instrument
from workbench.domain.orders import OrderKind
from workbench.gateway.brokers.paper import PaperConfig
from workbench.gateway.brokers.paper_http import PaperHttpBroker, PaperHttpConfig, PaperServer
from workbench.gateway.desk import Desk
from workbench.gateway.messages import FeedEvent
from workbench.gateway.orders import flatten
from workbench.gateway.reconciliation import watch
from workbench.gateway.standing import Phase, Standing
from workbench.gateway.strangers import has_our_form
from workbench.store.schema import intents
from workbench.strategy import client_order_id


class Account:
    """An account at a broker's server, and the homes that trade it."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        config = PaperConfig(
            instruments=(instrument("EUR_USD"),), cost_book=COSTS, currency="USD", balance=BALANCE
        )
        self.folder = folder
        self.server = PaperServer(config, account_id="far", token="secret", beat_s=0.1, grace_s=0.6)
        self.moved = 0
        self.clients: list[PaperHttpBroker] = []
        self.rooms: list[Room] = []
        monkeypatch.setattr("tests.gateway.bench.Desk", partial(Desk, connect_broker=self._connect))

    def home(self, deployment_id: str) -> tuple[Room, Kernel]:
        """A home of its own, with a deployment on the account."""
        folder = self.folder / f"home-{len(self.rooms)}"
        room = Room(
            url=f"sqlite:///{folder}.db",
            home=folder,
            bars=made_up_bars(40),
            clock=time.monotonic,  # type: ignore[arg-type]
        )
        self.rooms.append(room)
        return room, room.open(deployment_id)

    def close(self) -> None:
        """End it all."""
        for client in self.clients:
            client.disconnect()
        for room in self.rooms:
            room.engine.dispose()
        self.server.close()

    def _connect(self, spec: object) -> PaperHttpBroker:
        client = _OnOneMarket(PaperHttpConfig(url=self.server.url, account_id="far", token="secret"))
        client.account_of = self
        self.clients.append(client)
        return client


class _OnOneMarket(PaperHttpBroker):
    """The server sees what the feeds bring, each event once."""

    account_of: Account

    def take_event(self, event: FeedEvent) -> None:
        if event.seq == self.account_of.moved + 1:
            self.account_of.server.take_event(event)
            self.account_of.moved = event.seq


@pytest.fixture
def account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Account]:
    made = Account(tmp_path, monkeypatch)
    yield made
    made.close()


def standing_of(room: Room, name: str) -> Standing:
    found = room.desk.deployments[name].standing
    assert found is not None
    return found


def until(room: Room, name: str, holds: Callable[[Standing], Any]) -> Standing:
    """Let a gateway look until something holds."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        watch(room.desk, room.desk.deployments[name], now=True)
        if holds(standing_of(room, name)):
            return standing_of(room, name)
        time.sleep(0.02)
    raise AssertionError(standing_of(room, name))


def ready(standing: Standing) -> bool:
    return standing.phase is Phase.READY


def alerts(room: Room) -> int:
    """How often its log said that the account is shared."""
    calls = room.desk.log._logger.calls  # type: ignore[attr-defined]
    return sum(call.method_name == "error" and "account shared" in call.args[0] for call in calls)


def test_each_gateway_freezes_at_the_others_order_and_says_whose_it_is(account: Account) -> None:
    (here, ours), (there, theirs) = account.home("ours"), account.home("theirs")
    for room, kernel in ((here, ours), (there, theirs)):
        kernel.take()
        until(room, kernel.deployment_id, ready)
    assert (standing_of(here, "ours").frozen, standing_of(there, "theirs").frozen) == ({}, {})
    name = client_order_id("theirs", theirs.after, 0)
    assert theirs.submit(buy(2_000, name)).state == "WORKING"
    theirs.take()
    found = until(here, "ours", lambda standing: standing.frozen)
    assert f"order {name} on the account is of a workbench" in found.frozen[EUR_USD]
    assert "another gateway trades on it" in found.frozen[EUR_USD]
    assert alerts(here) == 1
    ours.take()
    denied = ours.submit(buy(1_000, client_order_id("ours", ours.after, 0)))
    assert (denied.state, denied.control) == ("DENIED", "R24")
    assert {row["client_order_id"] for row in there.rows(intents)} == {name}
    assert standing_of(there, "theirs").frozen == {}  # nobody disturbed that one


def test_an_order_that_waits_is_found_by_a_gateway_that_comes_later_and_is_left_alone(
    account: Account,
) -> None:
    there, theirs = account.home("theirs")
    theirs.take()
    until(there, "theirs", ready)
    name = client_order_id("theirs", theirs.after, 0)
    assert theirs.submit(buy(1_000, name, kind=OrderKind.LIMIT, price=100_000)).state == "WORKING"
    here, ours = account.home("ours")
    ours.take()
    assert until(here, "ours", lambda standing: standing.frozen).phase is Phase.READY
    here.act("kill", scope="all", reason="a test")
    assert [item.order.client_order_id for item in account.server.broker.open_orders()] == [name]
    here.act("unkill", scope="all", reason="a test")
    here.act("adopt", deployment_id="ours", instrument=EUR_USD, reason="the other one is stopped")
    until(here, "ours", ready)
    assert standing_of(here, "ours").frozen == {}  # somebody has looked: the same order is not told twice
    assert alerts(here) == 1
    here.start()
    assert until(here, "ours", lambda standing: standing.frozen)  # a new process finds it waiting still


def test_what_a_former_deployment_of_the_same_home_or_a_person_did_is_no_other_gateways(
    account: Account,
) -> None:
    here, first = account.home("first")
    first.take()
    until(here, "first", ready)
    account.server.broker.place(buy(700, "ext-4711"))
    assert first.submit(buy(1_000, client_order_id("first", first.after, 0))).state == "WORKING"
    first.take()
    until(here, "first", lambda standing: standing.books.units(EUR_USD))
    flatten(here.desk, here.desk.deployments["first"], by="a test")
    first.take()
    until(here, "first", lambda standing: not standing.books.units(EUR_USD))
    assert alerts(here) == 0
    closing = [row["client_order_id"] for row in here.rows(intents)]
    assert len(closing) == 2
    assert all(has_our_form(name) for name in closing)


@pytest.mark.parametrize("name", ["ext-17", "one", "busy-3-0", "gw-", "0123456789ab", "0123456789ag-1-0", ""])
def test_other_names_are_not_of_our_form(name: str) -> None:
    assert not has_our_form(name)
