"""Replay: the open's quote, then the bar, each bar in turn."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.market.bars_for_tests import MINUTE, MONDAY, bars_at, m1_bars, minutes
from tests.market.ticks_for_tests import ticks, ticks_at
from workbench.domain.instruments import instrument
from workbench.domain.quotes import Bar, Quote
from workbench.market import Bars, ReplayFeed
from workbench.market.ticks import Ticks


@given(m1_bars())
def test_each_bar_comes_after_the_quote_it_opened_with(bars: Bars) -> None:
    events = list(ReplayFeed(bars))
    assert len(events) == len(ReplayFeed(bars)) == 2 * len(bars)
    for index in range(len(bars)):
        quote, bar = events[2 * index], events[2 * index + 1]
        assert isinstance(bar, Bar)
        assert bar == bars.bar(index)
        assert quote == Quote(
            instrument=bar.instrument, time_ns=bar.open_ns, bid=bar.bid_open, ask=bar.ask_open
        )


@given(bars=m1_bars(), count=st.integers(0, 250))
def test_a_reader_that_comes_back_misses_nothing_and_sees_nothing_twice(bars: Bars, count: int) -> None:
    feed = ReplayFeed(bars)
    assert list(feed.after(count)) == list(feed)[count:]


def test_long_replays_are_whole() -> None:
    bars = minutes(4_096 * 2 + 3)
    assert [item for item in ReplayFeed(bars) if isinstance(item, Bar)] == list(bars)


def test_a_replay_starts_with_the_first_bar_that_opens_at_or_after_the_start() -> None:
    feed = ReplayFeed(minutes(5), start_ns=MONDAY + MINUTE + 1)
    first = next(iter(feed))
    assert isinstance(first, Quote)
    assert first.time_ns == MONDAY + 2 * MINUTE


def test_a_replay_can_be_read_again() -> None:
    feed = ReplayFeed(minutes(3))
    assert list(feed) == list(feed)


def test_a_negative_count_is_a_mistake_of_the_caller() -> None:
    with pytest.raises(ValueError, match="0 or more"):
        ReplayFeed(minutes(3)).after(-1)


def _slow_order(series: list[Bars | Ticks]) -> list[Quote | Bar]:
    """All closes at an instant by the id, then all quotes by the id, in the order of the file."""
    events = []
    for item in series:
        name = item.instrument.id
        if isinstance(item, Ticks):
            rows = zip(item.time_ns.tolist(), item.bid.tolist(), item.ask.tolist(), strict=True)
            for number, (time_ns, bid, ask) in enumerate(rows):
                quote = Quote(instrument=name, time_ns=time_ns, bid=bid, ask=ask)
                events.append((time_ns, 1, name, number, quote))
            continue
        for number, bar in enumerate(item):
            quote = Quote(instrument=name, time_ns=bar.open_ns, bid=bar.bid_open, ask=bar.ask_open)
            events += [(bar.open_ns, 1, name, number, quote), (bar.close_ns, 0, name, number, bar)]
    return [event for *_, event in sorted(events, key=lambda item: item[:4])]


@given(
    bars=m1_bars(),
    quotes=ticks(max_size=60),
    count=st.integers(0, 300),
    shuffled=st.permutations([0, 1, 2]),
)
def test_several_instruments_come_closes_first_then_quotes_by_their_ids(
    bars: Bars, quotes: Ticks, count: int, shuffled: list[int]
) -> None:
    other = bars_at(bars.open_ns.tolist(), name="AUD_USD", seed=3)
    named = Ticks(**{**quotes.columns(), "instrument": instrument("GBP_USD")})
    series: list[Bars | Ticks] = [bars, other, named]
    feed = ReplayFeed([series[index] for index in shuffled])
    expected = _slow_order(series)
    assert list(feed) == expected
    assert len(feed) == len(expected)
    assert list(feed.after(count)) == expected[count:]


def test_ticks_carry_their_sizes_where_depth_is_asked_for() -> None:
    series = ticks_at([MONDAY, MONDAY + 1], sizes=True)
    plain, deep = next(iter(ReplayFeed(series))), next(iter(ReplayFeed(series, depth=True)))
    assert isinstance(plain, Quote)
    assert isinstance(deep, Quote)
    assert (plain.bids, plain.asks) == ((), ())
    assert deep.bids == ((deep.bid, int(series.bid_size[0])),)
    assert deep.asks == ((deep.ask, int(series.ask_size[0])),)


def test_nothing_replays_as_nothing() -> None:
    assert list(ReplayFeed([])) == list(ReplayFeed(minutes(3).at(0, 0))) == []
