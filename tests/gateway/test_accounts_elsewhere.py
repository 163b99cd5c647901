"""Deployments of a real gateway process on an account behind HTTP that fails, the gateway killed as well."""

import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from click.testing import CliRunner

from tests.gateway.bench import BALANCE, COSTS, opening
from tests.gateway.processes import Gateway
from tests.gateway.strategies import busy
from workbench.cli import main
from workbench.domain.instruments import instrument
from workbench.errors import BadInputError
from workbench.gateway.brokers.conformance import Fault, FaultProxy
from workbench.gateway.brokers.outside import Credentials, outside_account
from workbench.gateway.brokers.paper import PaperConfig
from workbench.gateway.brokers.paper_http import PaperServer
from workbench.gateway.errors import RefusedError
from workbench.gateway.feeds import BarReplay
from workbench.gateway.journal import verify_journal
from workbench.gateway.specs import parse_spec
from workbench.live import list_accounts
from workbench.market import Bars
from workbench.store import open_store
from workbench.store.schema import fills, intents

SECRET = "made-up-secret-4711"


@dataclass
class Broker:
    """A paper broker's server, a proxy that disturbs before it, and its market."""

    server: PaperServer
    proxy: FaultProxy
    market: BarReplay
    moved: int = 0

    def move_to(self, seq: int) -> None:
        """Let its market see what the gateway's feed has brought."""
        while self.moved < seq:
            self.moved += 1
            event = self.market.event(self.moved)
            assert event is not None
            self.server.take_event(event)


@pytest.fixture
def broker(bars: Bars) -> Iterator[Broker]:
    """One account, `far`."""
    config = PaperConfig(
        instruments=(instrument("EUR_USD"),), cost_book=COSTS, currency="USD", balance=BALANCE
    )
    server = PaperServer(config, account_id="far", token=SECRET, beat_s=0.2, grace_s=0.6, page=7)
    proxy = FaultProxy("127.0.0.1", int(server.url.rsplit(":", 1)[1]), slow_s=0.1)
    yield Broker(server, proxy, BarReplay([bars], bars_per_second=0, monotonic=time.monotonic))
    proxy.close()
    server.close()


def spec(name: str, bars: Bars, broker: Broker, **changes: Any) -> dict[str, Any]:
    """What a deployment on the account is opened with."""
    account = {"id": "far-1", "broker": "paper_http", "url": broker.proxy.url, "at_broker": "far"}
    return opening(name, bars, account=account, **changes)


def streamed(name: str, bars: Bars, broker: Broker) -> dict[str, Any]:
    """The same on a stream of quotes."""
    return {**spec(name, bars, broker), "feed": {"kind": "stream", "source": "q", "start_ns": 1}}


def shown(gateway: Gateway, name: str = "d-1") -> dict[str, Any]:
    """Its line of the status."""
    found = gateway.operator().status()["deployments"]
    return next(item for item in found if item["deployment_id"] == name)


def until(gateway: Gateway, phase: str, name: str = "d-1") -> dict[str, Any]:
    """Wait until the account is so far."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        found = shown(gateway, name)["broker"]
        if found["phase"] == phase and not found["cancel_pending"]:
            return found
        time.sleep(0.05)
    raise AssertionError(f"expected {phase}, found {shown(gateway, name)}")


@pytest.mark.processes
def test_a_gateway_killed_behind_failing_answers_sends_once_and_ends_with_the_brokers_record(
    gateway: Gateway, broker: Broker, bars: Bars
) -> None:
    Credentials(gateway.settings.credentials_dir).write("far-1", SECRET)
    gateway.replays_elsewhere = True
    faults = (Fault.REPLY_LOST, Fault.SERVER_ERROR, Fault.REQUEST_LOST)
    for number, part in enumerate((20, 45, 10_000)):
        gateway.start()
        gateway.operator().open(**spec("d-1", bars, broker))
        until(gateway, "ready")
        if number < len(faults) - 1:
            broker.proxy.cause(faults[number], lambda line: line.startswith("POST"))
            broker.proxy.cause(faults[number], lambda line: "/transactions" in line, times=2)
        with gateway.client() as client:
            kernel = gateway.kernel(client, decide=busy)
            kernel.attach()
            deadline = time.monotonic() + 60
            while not kernel.ended and kernel.after < part and time.monotonic() < deadline:
                before = kernel.after
                kernel.step()
                broker.move_to(kernel.after)
                time.sleep(0.02 if kernel.after == before else 0)
            if number < 2:  # in the middle: an answer is lost, and nobody is left to ask for it
                broker.proxy.cause(faults[number], lambda line: line.startswith("POST"))
                while kernel.after < part + 30 and not any(
                    item is faults[number] and line.startswith("POST") for item, line in broker.proxy.met
                ):
                    kernel.step()
                    broker.move_to(kernel.after)
                gateway.kill()
                broker.proxy.heal()
            else:
                assert kernel.ended
    deadline = time.monotonic() + 60
    while (found := shown(gateway))["unknown"] and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not found["unknown"]
    until(gateway, "ready")
    assert not found["broker"]["frozen"]
    assert {Fault.REPLY_LOST, Fault.SERVER_ERROR} <= {item for item, _ in broker.proxy.met}
    sent = Counter({name: count for (verb, name), count in broker.server.received.items() if verb == "place"})
    assert len(sent) > 5
    assert set(sent.values()) == {1}
    record = {
        item.broker_trade_id: (item.fill.instrument, item.fill.units, item.fill.price)
        for item in broker.server.broker.transactions_since(0)
        if item.fill is not None
    }
    assert len(record) > 5
    engine = open_store(gateway.settings.gateway_store_url)
    with engine.connect() as connection:
        booked = {
            row.broker_trade_id: (row.instrument, row.units, row.price)
            for row in connection.execute(sa.select(fills))
        }
        asked = set(connection.scalars(sa.select(intents.c.client_order_id)))
        text = "".join(connection.scalars(sa.text("SELECT body FROM journal")))
    assert booked == record
    assert set(sent) <= asked
    assert verify_journal(engine).fault == ""
    engine.dispose()
    assert found["position"] == sum(item.units for item in broker.server.broker.positions())
    assert found["balance"] == broker.server.broker.account().balance
    assert SECRET not in text
    for path in gateway.settings.home.rglob("*"):
        if path.is_file() and path.parent != gateway.settings.credentials_dir:
            assert SECRET.encode() not in path.read_bytes(), path


@pytest.mark.processes
def test_one_deployment_at_a_time_has_an_account_elsewhere(
    gateway: Gateway, broker: Broker, bars: Bars
) -> None:
    Credentials(gateway.settings.credentials_dir).write("far-1", SECRET)
    gateway.start()
    operator = gateway.operator()
    operator.open(**streamed("d-1", bars, broker))
    until(gateway, "ready")
    other = streamed("d-2", bars, broker)
    other["account"]["url"] = broker.proxy.url.replace("127.0.0.1", "localhost") + "/"
    with pytest.raises(RefusedError, match="is that of deployment d-1, which is running"):
        operator.open(**other)
    operator.stop("d-1")
    operator.open(**other)
    until(gateway, "ready", "d-2")
    with pytest.raises(RefusedError, match="is that of deployment d-2, which is running"):
        operator.resume("d-1")
    gateway.kill()
    gateway.start()
    until(gateway, "ready", "d-2")
    with pytest.raises(RefusedError, match="is that of deployment d-2"):
        gateway.operator().resume("d-1")
    assert shown(gateway, "d-1")["broker"]["phase"] == "away"


@pytest.mark.processes
def test_without_its_credential_an_account_takes_no_order_and_with_it_it_does(
    gateway: Gateway, broker: Broker, bars: Bars
) -> None:
    gateway.start()
    gateway.operator().open(**streamed("d-1", bars, broker))
    deadline = time.monotonic() + 60
    while "credential" not in (found := shown(gateway))["broker"]["detail"] and time.monotonic() < deadline:
        time.sleep(0.05)
    assert "workbench account credential far-1" in found["broker"]["detail"]
    assert found["broker"]["phase"] == "away"
    Credentials(gateway.settings.credentials_dir).write("far-1", "another-one")
    time.sleep(1.0)
    assert shown(gateway)["broker"]["phase"] == "away"
    Credentials(gateway.settings.credentials_dir).write("far-1", SECRET)
    until(gateway, "ready")


@pytest.mark.parametrize(("kind", "said"), [("replay", "bars"), ("ticks", "ticks")])
def test_a_replay_sends_no_orders_to_a_broker_elsewhere(kind: str, said: str, bars: Bars) -> None:
    account = {"id": "far-1", "broker": "paper_http", "url": "http://127.0.0.1:1", "at_broker": "far"}
    asked = opening("d-1", bars, account=account, feed={"kind": kind})
    with pytest.raises(BadInputError, match=f"expected a stream of quotes, found a replay of {said}"):
        parse_spec(asked)
    on_a_stream = parse_spec({**asked, "feed": {"kind": "stream", "source": "broker", "start_ns": 1}})
    assert on_a_stream.account.broker == "paper_http"
    assert parse_spec(opening("d-1", bars, feed={"kind": kind})).feed.kind == kind


def test_an_account_is_added_with_its_secret_in_a_private_file_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORKBENCH_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    run = CliRunner()
    add = ["account", "add", "far-1", "--broker", "paper_http", "--url", "http://localhost:8080/"]
    done = run.invoke(main, [*add, "--at-broker", "far"], input=f"{SECRET}\n")
    assert done.exit_code == 0, done.output
    assert SECRET not in done.output
    kept = tmp_path / "home" / "credentials" / "far-1"
    assert kept.read_text().strip() == SECRET
    assert kept.stat().st_mode & 0o077 == 0
    assert kept.parent.stat().st_mode & 0o077 == 0
    again = run.invoke(main, [*add[:2], "far-2", *add[3:], "--at-broker", "far"], input="x\n")
    assert again.exit_code != 0
    assert "far-1 is that account" in again.output
    assert not (kept.parent / "far-2").exists()
    changed = run.invoke(main, ["account", "credential", "far-1"], input="another\n")
    assert changed.exit_code == 0
    assert kept.read_text().strip() == "another"
    paper = run.invoke(main, ["account", "add", "p", "--url", "http://localhost:1"])
    assert "leave --url" in paper.output
    engine = open_store(f"sqlite:///{tmp_path / 'home' / 'workbench.db'}")
    (account,) = list_accounts(engine)
    assert dict(account.settings) == {"url": "http://127.0.0.1:8080", "at_broker": "far"}
    engine.dispose()


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://broker.example:80", "expected https"),
        ("https://me:secret@broker.example", "without user"),
        ("https://broker.example/?token=secret", "without user"),
        ("broker.example", "expected a URL"),
        ("https://broker.example:99999", "expected a URL"),
    ],
)
def test_a_url_that_would_give_a_secret_away_is_refused(url: str, said: str) -> None:
    with pytest.raises(BadInputError, match=said):
        outside_account("paper_http", url=url, at_broker="far")


def test_a_credential_that_others_may_read_is_not_used(tmp_path: Path) -> None:
    kept = Credentials(tmp_path / "credentials")
    kept.write("far-1", SECRET)
    assert kept.read("far-1") == SECRET
    (tmp_path / "credentials" / "far-1").chmod(0o644)
    with pytest.raises(BadInputError, match="chmod 600") as caught:
        kept.read("far-1")
    assert SECRET not in str(caught.value)
    with pytest.raises(BadInputError, match="printable"):
        kept.write("far-1", "two words")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["adopt", "d-1", "EUR_USD"], "--reason"),
        (["adopt", "d-1", "EUR_USD", "--reason", " "], "expected a reason"),
        (["resolve", "d-1", "one", "--state", "FILLED", "--reason", "seen"], "ABSENT"),
    ],
)
def test_a_persons_word_needs_a_reason_and_a_state_that_exists(
    arguments: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORKBENCH_HOME", str(tmp_path / "home"))
    found = CliRunner().invoke(main, arguments)
    assert found.exit_code != 0
    assert said in found.output


@pytest.mark.processes
def test_a_paper_account_of_the_gateway_has_nothing_to_adopt(
    gateway: Gateway, bars: Bars, monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway.start()
    gateway.operator().open(**opening("d-1", bars))
    monkeypatch.setenv("WORKBENCH_HOME", str(gateway.settings.home))
    found = CliRunner().invoke(main, ["adopt", "d-1", "EUR_USD", "--reason", "seen"])
    assert found.exit_code != 0
    assert "paper account of the gateway's own" in found.output
    ended = CliRunner().invoke(main, ["resolve", "d-9", "one", "--state", "ABSENT", "--reason", "seen"])
    assert "unknown deployment 'd-9'" in ended.output
    gateway.kill()
    nobody = CliRunner().invoke(main, ["adopt", "d-1", "EUR_USD", "--reason", "seen"])
    assert "start the gateway" in nobody.output
