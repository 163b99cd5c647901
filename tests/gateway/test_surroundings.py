"""R15 and R24 on a real stream and an account behind HTTP: what is stale, late or unheard is denied."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pytest

from tests.gateway.bench import BALANCE, COSTS, NO_LIMITS, START, Kernel, Room, buy, made_up_bars, opening
from workbench.domain.control_table import FIRM, Entry, LimitTable
from workbench.domain.instruments import instrument
from workbench.domain.quotes import Quote
from workbench.gateway.brokers.conformance import Fault, FaultProxy
from workbench.gateway.brokers.paper import PaperConfig
from workbench.gateway.brokers.paper_http import PaperHttpBroker, PaperHttpConfig, PaperServer
from workbench.gateway.brokers.port import Broker
from workbench.gateway.desk import Desk
from workbench.gateway.feeds import Feed
from workbench.gateway.market_data.event_log import EventLog
from workbench.gateway.market_data.sources import QuotePublisher, SocketQuotes
from workbench.gateway.market_data.stream_feed import StreamFeed
from workbench.gateway.messages import EventReply, IntentResult, QuoteMoved
from workbench.gateway.reconciliation import watch
from workbench.gateway.specs import DeploymentSpec, StreamFeedSpec
from workbench.gateway.standing import Phase

pytestmark = pytest.mark.processes

EUR_USD = instrument("EUR_USD")
LIMITS = {"max_data_age_ms": 2_000, "max_clock_offset_ms": 10_000, "max_reconcile_age_s": 60}
MINUTE = 60_000_000_000


def table(**limits: int | None) -> LimitTable:
    """The firm's limits of R15 and R24, the clock's wider than shipped for a busy machine; no others."""
    entries = list(NO_LIMITS.entries)
    for name, value in {**LIMITS, **limits}.items():
        number = len(entries) + 1
        entries.append(
            Entry(version=number, name=name, scope=FIRM, value=value, action="set", by="test", created_ns=0)
        )
    return LimitTable(entries)


@dataclass
class Clock:
    """Seconds that pass when a test says so."""

    seconds: float = 1_000.0

    def __call__(self) -> float:
        return self.seconds


@dataclass
class Street:
    """A market on a socket, a broker behind HTTP, and a gateway that trades there."""

    folder: Path
    clock: Clock = field(default_factory=Clock)
    ahead_ns: int = 0  # of the broker's clock
    minute: int = 0
    room: Room = field(init=False)
    kernel: Kernel = field(init=False)

    def __post_init__(self) -> None:
        self.publisher = QuotePublisher(self.folder / "q", instruments=["EUR_USD"])
        config = PaperConfig(instruments=(EUR_USD,), cost_book=COSTS, currency="USD", balance=BALANCE)
        self.server = PaperServer(
            config,
            account_id="far",
            token="secret",
            beat_s=0.05,
            clock_ns=lambda: time.time_ns() + self.ahead_ns,
        )
        self.proxy = FaultProxy("127.0.0.1", int(self.server.url.rsplit(":", 1)[1]))
        self.clients: list[PaperHttpBroker] = []
        self.feeds: list[StreamFeed] = []

    def connect(self, spec: DeploymentSpec) -> Broker:
        """What the gateway is given."""
        config = PaperHttpConfig(url=self.proxy.url, account_id="far", token="secret", timeout_s=5.0)
        self.clients.append(PaperHttpBroker(config))
        return self.clients[-1]

    def stream(self, spec: DeploymentSpec, feed: StreamFeedSpec) -> Feed:
        """See `Desk.open_stream`."""
        log = EventLog(self.folder / f"{spec.deployment_id}.events", instruments=["EUR_USD"])
        self.feeds.append(
            StreamFeed(
                SocketQuotes(self.folder / "q"),
                log,
                spec.records,
                spec.bar_length,
                clock_ns=lambda: 0,
                monotonic=self.clock,
                every_quote=True,
            )
        )
        return self.feeds[-1]

    def bar(self, *, whole: bool = True) -> None:
        """The quotes of a minute and the first of the next; a whole bar is taken by the strategy."""
        feed = self.feeds[-1]
        for second in (1, 30, 61):
            now = START + self.minute * MINUTE + second * 1_000_000_000
            seen, deadline = feed.counts.quotes, time.monotonic() + 30
            while feed.counts.quotes == seen:  # until the subscription is there nothing arrives
                assert time.monotonic() < deadline
                self.publisher.quote("EUR_USD", now, 118_000, 118_010)
                time.sleep(0.02)
                feed.pump()
        quote = Quote(instrument=EUR_USD.id, time_ns=now, bid=118_000, ask=118_010)
        self.server.take_event(QuoteMoved(seq=self.minute + 1, quote=quote))
        self.minute += 1
        before, deadline = self.kernel.after, time.monotonic() + 30
        while whole and self.kernel.after == before:
            assert time.monotonic() < deadline
            reply = self.kernel.next()
            if isinstance(reply, EventReply):
                self.kernel.after, self.kernel.decision = reply.event.seq, {"orders": []}

    def passes(self, name: str) -> None:
        """An order is taken."""
        result = self.kernel.submit(buy(1_000, name))
        assert isinstance(result, IntentResult), result
        assert (result.state, result.control) == ("WORKING", ""), result
        assert self.server.received["place", name] == 1

    def denied(self, name: str) -> tuple[str, str]:
        """An order is not taken; the control and the reason."""
        result = self.kernel.submit(buy(1_000, name))
        assert isinstance(result, IntentResult), result
        assert result.state == "DENIED", result
        assert self.server.received["place", name] == 0
        return result.control, result.reason

    def ready(self) -> None:
        """Let the gateway compare its books with the broker's."""
        trading = self.room.desk.deployments["d-1"]
        deadline = time.monotonic() + 30
        watch(self.room.desk, trading, now=True)
        while trading.standing is None or trading.standing.phase is not Phase.READY:
            assert time.monotonic() < deadline, trading.standing
            time.sleep(0.02)
            watch(self.room.desk, trading, now=True)

    def close(self) -> None:
        """End it all."""
        for client in self.clients:
            client.disconnect()
        for feed in self.feeds:
            feed.close()
        self.proxy.close()
        self.server.close()
        self.publisher.close()
        self.room.engine.dispose()


@pytest.fixture
def street(sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Street]:
    """All of it, with a deployment on it."""
    made = Street(tmp_path)
    monkeypatch.setattr(
        "tests.gateway.bench.Desk", partial(Desk, connect_broker=made.connect, open_stream=made.stream)
    )
    bars = made_up_bars(2)
    made.room = Room(url=sqlite_url, home=tmp_path / "home", bars=bars, clock=made.clock)  # type: ignore[arg-type]
    made.room.desk.controls.table = table()
    spec = opening("d-1", bars, timeframe="M1")
    made.room.act("open", **{**spec, "feed": {"kind": "stream", "source": "q", "start_ns": 1}})
    made.kernel = Kernel(made.room.ask)
    made.bar(whole=False)
    yield made
    made.close()


def test_an_order_on_fresh_quotes_of_a_reconciled_account_passes(street: Street) -> None:
    street.bar()
    street.ready()
    trading = street.room.desk.deployments["d-1"]
    found = trading.exposure(EUR_USD.id, killed="")
    assert (found.data_age_ns, found.reconcile_age_ns) == (0, 0)
    assert found.clock_offset_ns is not None
    assert found.clock_offset_ns != 0  # of two clocks that are read one after the other
    street.passes("fresh")


def test_an_order_on_a_price_that_has_grown_old_is_denied_until_a_new_one_comes(street: Street) -> None:
    street.bar()
    street.ready()
    street.clock.seconds += 2.0
    time.sleep(0.3)  # the broker is heard meanwhile
    street.ready()
    street.passes("at-the-limit")
    street.clock.seconds += 0.001
    control, reason = street.denied("old")
    assert control == "R15"
    assert "limit 2000" in reason
    assert "observed 2001" in reason
    street.bar()
    street.passes("new")


def test_books_not_compared_with_the_broker_s_for_a_minute_take_no_order(street: Street) -> None:
    street.room.desk.controls.table = table(max_data_age_ms=None)
    street.bar()
    street.ready()
    street.clock.seconds += 60.0
    street.passes("a-minute")
    street.clock.seconds += 0.001
    control, reason = street.denied("more")
    assert control == "R24"
    assert "61" in reason
    time.sleep(0.3)
    street.ready()
    street.passes("compared")


def test_a_broker_s_clock_that_is_off_or_not_heard_denies(street: Street) -> None:
    street.bar()
    street.ready()
    street.ahead_ns = 60_000_000_000
    time.sleep(0.3)
    control, reason = street.denied("ahead")
    assert control == "R15"
    assert "clock" in reason
    street.ahead_ns = 0
    time.sleep(0.3)
    street.passes("together")
    street.clients[-1].disconnect()
    control, _ = street.denied("unheard")
    assert control == "R15"


def test_an_account_whose_connection_is_cut_takes_no_order(street: Street) -> None:
    street.bar()
    street.ready()
    street.proxy.cause(Fault.STREAM_CUT)
    time.sleep(0.3)
    control, _ = street.denied("cut")
    assert control in ("R15", "R24")
    watch(street.room.desk, street.room.desk.deployments["d-1"])
    street.clock.seconds += 60.0  # the pause before a new connection
    street.ready()
    street.bar()
    street.passes("again")
