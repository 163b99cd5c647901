"""Quotes from a stream: every one in the bars, the latest to who is slow, nothing missing unnoticed."""

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.gateway.bench import Room, made_up_bars, opening
from tests.gateway.tick_room import made_up_ticks
from workbench.domain.instruments import instrument
from workbench.domain.timeframes import Timeframe
from workbench.gateway.errors import DamagedStoreError, LedgerWriteError
from workbench.gateway.market_data.event_log import EventLog
from workbench.gateway.market_data.sources import (
    QUOTE,
    MissedQuotesError,
    QuotePublisher,
    Quotes,
    SocketQuotes,
    no_quotes,
)
from workbench.gateway.market_data.stream_feed import StreamFeed
from workbench.gateway.messages import BarClosed, FeedEvent, QuoteMoved
from workbench.gateway.recovery import rebuild
from workbench.gateway.specs import DeploymentSpec, StreamFeedSpec
from workbench.gateway.trading import State
from workbench.market.resampling import bars_from_ticks
from workbench.market.ticks import Ticks

EUR_USD = instrument("EUR_USD")


def numbered(ticks: Ticks) -> Quotes:
    """Quotes as a source numbers them."""
    found = np.empty(len(ticks), QUOTE)
    found["seq"] = np.arange(1, len(ticks) + 1)
    for name in ("time_ns", "bid", "ask"):
        found[name] = getattr(ticks, name)
    found["instrument"] = 0
    return found


class Line:
    """A source whose pieces are given by hand."""

    def __init__(self, quotes: Quotes, *, gone: bool = False) -> None:
        self.quotes, self.gone = quotes, gone
        self.pieces: list[Quotes] = []
        self.life, self.said, self.messages, self.lines = 7, 0, 0, 1

    def instruments(self) -> Sequence[str]:
        return ("EUR_USD",)

    def read(self) -> Quotes:
        if not self.pieces:
            return no_quotes()
        self.messages += 1
        return self.pieces.pop(0)

    def again(self, after: int, until: int) -> Quotes:
        if self.gone:
            raise MissedQuotesError("gone")
        return self.quotes[after:until]

    def last(self) -> int:
        return self.said

    def epoch(self) -> int:
        return self.life

    def heard(self) -> int:
        return self.messages

    def reconnect(self) -> None:
        self.lines += 1

    def line(self) -> int:
        return -1

    def close(self) -> None:
        pass


class Clock:
    def __init__(self) -> None:
        self.seconds, self.wall_ns = 100.0, 0

    def monotonic(self) -> float:
        return self.seconds

    def now_ns(self) -> int:
        return self.wall_ns


def feed_of(line: Line, path: Path, *, clock: Clock | None = None, every: bool = False) -> StreamFeed:
    clock = clock or Clock()
    return StreamFeed(
        line,
        EventLog(path, instruments=["EUR_USD"]),
        [EUR_USD],
        Timeframe("M5"),
        clock_ns=clock.now_ns,
        monotonic=clock.monotonic,
        every_quote=every,
    )


def drained(feed: StreamFeed, seq: int = 0) -> list[FeedEvent]:
    """What it gives out now."""
    found = []
    while (event := feed.event(seq + len(found) + 1)) is not None:
        found.append(event)
    return found


def bars_in(events: Sequence[FeedEvent]) -> list[object]:
    return [bar for event in events if isinstance(event, BarClosed) for bar in event.bars]


def test_each_quote_is_given_in_order_where_that_is_asked_for(tmp_path: Path) -> None:
    ticks = made_up_ticks(400)
    line = Line(numbered(ticks))
    line.pieces = np.split(line.quotes, [7, 8, 130, 131])
    events = drained(feed_of(line, tmp_path / "e", every=True))
    given = [event.quote for event in events if isinstance(event, QuoteMoved)]
    assert [item.time_ns for item in given] == ticks.time_ns.tolist()
    assert [item.bid for item in given] == ticks.bid.tolist()
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    whole = list(bars_from_ticks(ticks, "M5"))
    assert bars_in(events) == whole[1:-1]  # we joined within the first, and the last is open
    times = [
        (item.quote.time_ns, 1) if isinstance(item, QuoteMoved) else (item.bar.close_ns, 0)
        for item in events
        if isinstance(item, QuoteMoved | BarClosed)
    ]
    assert times == sorted(times)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    cuts=st.lists(st.integers(1, 299), max_size=12),
    dropped=st.sets(st.integers(1, 298), max_size=40),
    reads=st.lists(st.booleans(), min_size=14, max_size=14),
    seed=st.integers(0, 50),
)
def test_however_it_is_cut_dropped_and_read_the_bars_are_those_of_all_quotes(
    tmp_path_factory: pytest.TempPathFactory,
    cuts: list[int],
    dropped: set[int],
    reads: list[bool],
    seed: int,
) -> None:
    ticks = made_up_ticks(300, seed=seed)
    line = Line(numbered(ticks))
    sent = line.quotes[[k for k in range(300) if k not in dropped]]
    feed = feed_of(line, tmp_path_factory.mktemp("log") / "e")
    events: list[FeedEvent] = []
    for piece, read in zip(np.split(sent, sorted(set(cuts) & set(range(len(sent))))), reads, strict=False):
        line.pieces.append(piece)
        line.pieces.append(piece[-1:])  # and the last once more
        feed.pump(), feed.pump()
        if read:
            events += drained(feed, len(events))
    line.said = 300
    events += drained(feed, len(events))
    assert bars_in(events) == list(bars_from_ticks(ticks, "M5"))[1:-1]
    given = [event.quote for event in events if isinstance(event, QuoteMoved)]
    everything = set(zip(ticks.time_ns.tolist(), ticks.bid.tolist(), ticks.ask.tolist(), strict=True))
    assert {(item.time_ns, item.bid, item.ask) for item in given} <= everything
    assert given[-1].bid == ticks.bid[-1]
    assert feed.counts.quotes == 300 == len(given) + feed.counts.replaced
    assert feed.counts.lost == 0


def test_a_slow_reader_gets_the_latest_quote_and_the_last_before_each_bars_end(tmp_path: Path) -> None:
    ticks = made_up_ticks(300)
    line = Line(numbered(ticks))
    line.pieces = [line.quotes]
    events = drained(feed_of(line, tmp_path / "e"))
    quotes = [event.quote.time_ns for event in events if isinstance(event, QuoteMoved)]
    closes = [bar.close_ns for bar in bars_from_ticks(ticks, "M5")][:-1]
    last_before = [int(ticks.time_ns[np.searchsorted(ticks.time_ns, at, side="left") - 1]) for at in closes]
    assert quotes == [*last_before[1:], int(ticks.time_ns[-1])]  # the first bar is not whole


def test_what_can_not_be_had_again_costs_its_bar_and_is_counted(tmp_path: Path) -> None:
    ticks = made_up_ticks(300)
    line = Line(numbered(ticks), gone=True)
    line.pieces = [line.quotes[:150], line.quotes[160:]]
    feed = feed_of(line, tmp_path / "e")
    feed.pump()
    events = drained(feed)
    assert feed.counts.lost == 10
    whole = list(bars_from_ticks(ticks, "M5"))[1:-1]
    missing = ticks.time_ns[150:160]
    touched = [
        bar for bar in whole if bar.close_ns > int(ticks.time_ns[149]) and bar.open_ns <= int(missing[-1])
    ]
    assert touched
    given = bars_in(events)
    assert all(bar in whole for bar in given)  # none is wrong
    assert touched[0] not in given
    assert feed.counts.incomplete_bars == 2


def test_late_crossed_and_strange_quotes_reach_neither_bars_nor_strategy(tmp_path: Path) -> None:
    ticks = made_up_ticks(50)
    quotes = numbered(ticks)
    quotes[10]["time_ns"] -= 10**12
    quotes[20]["ask"] = quotes[20]["bid"] - 1
    quotes[30]["bid"] = 0
    quotes[40]["instrument"] = 9
    line = Line(quotes)
    line.pieces = [quotes]
    feed = feed_of(line, tmp_path / "e", every=True)
    events = drained(feed)
    assert sum(isinstance(event, QuoteMoved) for event in events) == 46
    assert (feed.counts.late, feed.counts.crossed, feed.counts.strange) == (1, 2, 1)


def test_a_bar_in_which_nothing_comes_any_more_is_closed_by_the_clock(tmp_path: Path) -> None:
    ticks = made_up_ticks(200)
    line, clock = Line(numbered(ticks)), Clock()
    line.pieces = [line.quotes]
    feed = feed_of(line, tmp_path / "e", clock=clock)
    events = drained(feed)
    last = list(bars_from_ticks(ticks, "M5"))[-1]
    assert last not in bars_in(events)
    clock.wall_ns = last.close_ns + 2_000_000_000
    events += drained(feed, len(events))
    assert bars_in(events)[-1] == last


def test_the_next_process_gives_the_same_events_and_goes_on_with_the_bars(tmp_path: Path) -> None:
    ticks = made_up_ticks(400)
    line = Line(numbered(ticks))
    line.pieces = [line.quotes[:170]]
    first = drained(feed_of(line, tmp_path / "e"))
    line.pieces = [line.quotes[200:]]  # the next one joins later
    feed = feed_of(line, tmp_path / "e")
    assert [feed.event(seq) for seq in range(1, len(first) + 1)] == first
    events = first + drained(feed, len(first))
    assert bars_in(events) == list(bars_from_ticks(ticks, "M5"))[1:-1]
    line.life, line.pieces = 8, []  # a source that began anew: the open bar is not whole
    third = feed_of(line, tmp_path / "e")
    line.pieces = [line.quotes[250:]]
    more = drained(third, len(events))
    assert not bars_in(more) or min(bar.open_ns for bar in bars_in(more)) > 0


def test_a_torn_tail_is_cut_off_and_a_changed_record_is_found(tmp_path: Path) -> None:
    ticks = made_up_ticks(60)
    line = Line(numbered(ticks))
    line.pieces = [line.quotes]
    events = drained(feed_of(line, tmp_path / "e", every=True))
    content = (tmp_path / "e").read_bytes()
    for cut in (1, 7, 20, 31, 33):
        (tmp_path / "e").write_bytes(content[:-cut])
        log = EventLog(tmp_path / "e", instruments=["EUR_USD"])
        assert 0 < len(log) < len(events)
        assert [log.event(seq) for seq in range(1, len(log) + 1)] == events[: len(log)]
        log.close()
    log = EventLog(tmp_path / "e", instruments=["EUR_USD"])
    spoiled = bytearray((tmp_path / "e").read_bytes())
    spoiled[12] ^= 1
    (tmp_path / "e").write_bytes(spoiled)
    with pytest.raises(DamagedStoreError, match="event 1 "):
        log.event(1)


def test_a_silent_stream_grows_old_by_a_monotonic_clock_and_an_old_event_is_not_young(tmp_path: Path) -> None:
    ticks = made_up_ticks(20)
    line, clock = Line(numbered(ticks)), Clock()
    feed = feed_of(line, tmp_path / "e", clock=clock, every=True)
    assert feed.data_age_ns("EUR_USD") is None
    line.pieces = [line.quotes[:10]]
    feed.event(1)
    assert feed.data_age_ns("EUR_USD") == 0
    clock.wall_ns = 0  # wherever the wall clock jumps
    for _ in range(5):
        clock.seconds += 1.0
        line.messages += 1  # heartbeats alone
        feed.pump()
    assert feed.data_age_ns("EUR_USD") == 5_000_000_000
    line.pieces = [line.quotes[10:]]
    feed.pump()
    assert feed.data_age_ns("EUR_USD") == 5_000_000_000  # the strategy was shown nothing newer yet
    for seq in range(2, 12):
        feed.event(seq)
    assert feed.data_age_ns("EUR_USD") == 0
    feed.event(3)
    assert feed.data_age_ns("EUR_USD") is None  # it is being shown what is over
    assert line.lines == 1


def test_a_line_on_which_nothing_comes_is_taken_anew_with_longer_and_longer_pauses(tmp_path: Path) -> None:
    line, clock = Line(numbered(made_up_ticks(5))), Clock()
    feed = feed_of(line, tmp_path / "e", clock=clock)
    taken = []
    for _ in range(3_000):
        clock.seconds += 0.1
        before = line.lines
        feed.pump()
        if line.lines != before:
            taken.append(clock.seconds - 100.0)
    assert 10.0 <= taken[0] <= 10.6  # within ten seconds and the first pause
    pauses = np.diff(taken)
    assert all(np.diff(pauses) > -0.2)
    assert pauses[-1] <= 30.2
    line.messages += 1
    feed.pump()
    clock.seconds += 9.0
    feed.pump()
    assert line.lines == 1 + len(taken)


def test_quotes_on_a_socket_lose_nothing_though_the_line_drops_some(tmp_path: Path) -> None:
    ticks = made_up_ticks(2_000)
    path = tmp_path / "q"
    publisher = QuotePublisher(path, instruments=["GBP_USD", "EUR_USD"])
    source = SocketQuotes(path)
    feed = StreamFeed(
        source,
        EventLog(tmp_path / "e", instruments=["EUR_USD"]),
        [EUR_USD],
        Timeframe("M5"),
        clock_ns=lambda: 0,
        monotonic=lambda: 0.0,
        every_quote=True,
    )
    try:
        while source.epoch() == 0:  # until the line stands
            publisher.heartbeat()
            feed.pump()
        rng = np.random.default_rng(1)
        rows = zip(ticks.time_ns.tolist(), ticks.bid.tolist(), ticks.ask.tolist(), strict=True)
        for number, row in enumerate(rows):
            publish = publisher.lose if rng.random() < 0.02 or number >= 1_990 else publisher.quote
            publish("EUR_USD", *row)
        events: list[FeedEvent] = []
        for _ in range(10_000):
            publisher.heartbeat()
            feed.pump()
            events += drained(feed, len(events))
            if feed.counts.quotes == len(ticks):
                break
        events += drained(feed, len(events))
        given = [event.quote for event in events if isinstance(event, QuoteMoved)]
        assert [item.bid for item in given] == ticks.bid.tolist()
        assert feed.counts.fetched >= 10
        assert feed.counts.lost == 0
        assert bars_in(events) == list(bars_from_ticks(ticks, "M5"))[1:-1]
    finally:
        feed.close()
        publisher.close()


def test_what_is_missing_is_fetched_beside_the_loop_and_what_comes_meanwhile_waits(tmp_path: Path) -> None:
    ticks = made_up_ticks(40)
    line = Line(numbered(ticks))
    asked: list[tuple[Callable[[], Quotes], Future[Quotes]]] = []
    now = [0]

    def fetch(ask: Callable[[], Quotes]) -> Future[Quotes]:
        asked.append((ask, Future()))
        return asked[-1][1]

    feed = StreamFeed(
        line,
        EventLog(tmp_path / "events", instruments=["EUR_USD"]),
        [EUR_USD],
        Timeframe("M5"),
        clock_ns=lambda: now[0],
        monotonic=lambda: 0.0,
        every_quote=True,
        fetch=fetch,
    )
    for first, last in ((0, 5), (8, 10), (10, 15), (18, 20)):
        line.pieces.append(line.quotes[first:last])
    assert [feed.pump(), feed.pump()] == [5, 0]
    now[0] = 2**62  # the open bar's end is over, but not all of its quotes are here
    assert [feed.pump() for _ in range(3)] == [0, 0, 0]
    now[0] = 0
    assert len(asked) == 1
    asked[0][1].set_result(asked[0][0]())
    assert feed.pump() == 5  # up to the quotes after which some are missing again
    assert len(asked) == 2
    asked[1][1].set_exception(MissedQuotesError("gone"))
    assert feed.pump() == 7
    found, seq = [], 1
    while (event := feed.event(seq)) is not None:
        seq += 1
        if isinstance(event, QuoteMoved):
            found.append(event.quote.time_ns)
    taken = [*range(15), 18, 19]
    assert found == ticks.time_ns[taken].tolist()
    assert (feed.counts.gaps, feed.counts.fetched, feed.counts.lost) == (2, 3, 3)
    feed.close()


@pytest.mark.parametrize("fails", ["its account", "the store", "its past"])
def test_the_line_of_a_deployment_that_can_not_be_had_is_given_back(
    sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails: str
) -> None:
    room = Room(sqlite_url, tmp_path / "home", made_up_bars(2))
    feeds: list[StreamFeed] = []
    closed: list[StreamFeed] = []

    def open_stream(spec: DeploymentSpec, feed: StreamFeedSpec) -> StreamFeed:
        feeds.append(feed_of(Line(numbered(made_up_ticks(3))), tmp_path / f"e-{len(feeds)}"))
        monkeypatch.setattr(feeds[-1], "close", partial(closed.append, feeds[-1]))
        return feeds[-1]

    def fail(*_: object, **__: object) -> None:
        raise LedgerWriteError("as asked")

    room.desk.open_stream = open_stream
    spec = {
        **opening("d-1", room.bars, timeframe="M5"),
        "feed": {"kind": "stream", "source": "s", "start_ns": 1},
    }
    if fails == "its past":
        room.act("open", **spec)
        monkeypatch.setattr("workbench.gateway.recovery.finish_cancels", fail)
        trading = rebuild(room.desk, room.desk.deployments["d-1"].spec, state=State.RUNNING, detail="")
        assert (trading.state, "as asked" in trading.detail) == (State.FROZEN, True)
    else:
        at = (room.desk.ledger, "change") if fails == "the store" else (room.desk, "connect_broker")
        monkeypatch.setattr(*at, fail)
        with pytest.raises(LedgerWriteError, match="as asked"):
            room.act("open", **spec)
    assert closed == feeds[-1:]  # one that is collected as garbage waits for its line, and the loop with it
    room.engine.dispose()
