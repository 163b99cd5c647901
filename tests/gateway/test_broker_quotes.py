"""Quotes of a broker's own stream through a line that is cut, falls silent and loses some: none is missed."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.gateway.bench import BALANCE, COSTS, START, made_up_bars, opening
from tests.gateway.tick_room import made_up_ticks
from workbench.domain.instruments import instrument
from workbench.domain.quotes import Quote
from workbench.domain.timeframes import Timeframe
from workbench.errors import BadInputError
from workbench.gateway.brokers.conformance import Fault, FaultProxy
from workbench.gateway.brokers.outside import Credentials
from workbench.gateway.brokers.paper import PaperConfig
from workbench.gateway.brokers.paper_http import PaperHttpConfig, PaperServer
from workbench.gateway.brokers.paper_http.quotes import PaperHttpQuotes
from workbench.gateway.market_data.event_log import EventLog
from workbench.gateway.market_data.stream_feed import StreamFeed
from workbench.gateway.messages import QuoteMoved
from workbench.gateway.outside_accounts import outside_quotes
from workbench.gateway.specs import parse_spec

EUR_USD = instrument("EUR_USD")


@dataclass
class Line:
    server: PaperServer
    proxy: FaultProxy
    feed: StreamFeed
    sent: list[Quote]

    def send(self, count: int) -> None:
        ticks = made_up_ticks(400)
        for at in range(len(self.sent), len(self.sent) + count):
            row = (int(column[at]) for column in (ticks.time_ns, ticks.bid, ticks.ask))
            time_ns, bid, ask = row
            quote = Quote(instrument=EUR_USD.id, time_ns=time_ns, bid=bid, ask=ask)
            self.sent.append(quote)
            self.server.take_event(QuoteMoved(seq=at + 2, quote=quote))

    def arrived(self) -> None:
        deadline = time.monotonic() + 30
        while self.feed.counts.quotes < len(self.sent):
            assert time.monotonic() < deadline, self.feed.counts
            self.feed.pump()
            time.sleep(0.01)

    def until_heard(self) -> None:
        deadline = time.monotonic() + 30
        while not self.feed.source.epoch():
            assert time.monotonic() < deadline
            self.feed.pump()
            time.sleep(0.01)


@pytest.fixture
def line(tmp_path: Path) -> Iterator[Line]:
    config = PaperConfig(instruments=(EUR_USD,), cost_book=COSTS, currency="USD", balance=BALANCE)
    server = PaperServer(config, account_id="far", token="secret", beat_s=0.1)
    before = Quote(instrument=EUR_USD.id, time_ns=START, bid=118_000, ask=118_010)
    server.take_event(QuoteMoved(seq=1, quote=before))  # compiled by now: it can take longer than a silence
    proxy = FaultProxy("127.0.0.1", int(server.url.rsplit(":", 1)[1]))
    source = PaperHttpQuotes(
        PaperHttpConfig(url=proxy.url, account_id="far", token="secret", timeout_s=5.0, silence_s=1.0)
    )
    feed = StreamFeed(
        source,
        EventLog(tmp_path / "events", instruments=["EUR_USD"]),
        [EUR_USD],
        Timeframe("M5"),
        clock_ns=lambda: 0,
        monotonic=time.monotonic,
        every_quote=True,
    )
    made = Line(server, proxy, feed, [])
    made.until_heard()
    made.send(1)
    made.arrived()
    yield made
    feed.close()
    proxy.close()
    server.close()


def check(line: Line) -> None:
    """Each quote was given out once, in order, and none was lost."""
    found, seq = [], 1
    while (event := line.feed.event(seq)) is not None:
        seq += 1
        if isinstance(event, QuoteMoved):
            found.append(event.quote)
    assert found == line.sent
    assert line.feed.counts.lost == 0


def test_quotes_come_as_they_were_sent(line: Line) -> None:
    line.send(100)
    line.arrived()
    check(line)
    assert line.feed.counts.gaps == 0
    assert line.feed.data_age_ns("EUR_USD") is not None


def test_what_was_sent_while_the_line_was_cut_is_asked_for_again(line: Line) -> None:
    line.proxy.cause(Fault.STREAM_CUT)
    line.send(50)
    line.arrived()
    line.send(50)
    line.arrived()
    check(line)
    assert line.feed.counts.fetched > 0


def test_quotes_that_a_line_swallowed_are_asked_for_again_on_the_same_line(line: Line) -> None:
    line.proxy.cause(Fault.STREAM_SILENT)
    time.sleep(0.2)
    line.send(50)
    time.sleep(0.2)
    line.proxy.heal()
    line.send(50)
    line.arrived()
    check(line)
    assert line.feed.counts.fetched > 0


def test_a_half_open_line_is_taken_anew(line: Line) -> None:
    line.proxy.cause(Fault.STREAM_SILENT)
    time.sleep(0.2)
    line.send(50)
    time.sleep(2.5)  # longer than a silence is borne
    line.proxy.heal()
    line.send(50)
    line.arrived()
    check(line)
    assert line.feed.counts.fetched > 0


def test_a_deployment_takes_the_stream_of_its_own_broker_with_its_own_credential(
    line: Line, tmp_path: Path
) -> None:
    credentials = Credentials(tmp_path / "credentials")
    credentials.write("far-1", "secret")
    account = {"id": "far-1", "broker": "paper_http", "url": line.proxy.url, "at_broker": "far", "balance": 0}
    feed = {"kind": "stream", "source": "broker", "start_ns": 1}
    asked = {**opening("d-1", made_up_bars(2), account=account), "feed": feed}
    source = outside_quotes(parse_spec(asked), credentials)
    deadline = time.monotonic() + 30
    while not source.epoch():
        assert time.monotonic() < deadline
        source.read()
        time.sleep(0.01)
    assert source.instruments() == ("EUR_USD",)
    source.close()
    with pytest.raises(BadInputError, match="found a paper account, which has none"):
        outside_quotes(parse_spec(opening("d-1", made_up_bars(2))), credentials)
