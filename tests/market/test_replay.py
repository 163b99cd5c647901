"""Replay: the open's quote, then the bar, each bar in turn."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.market.bars_for_tests import MINUTE, MONDAY, m1_bars, minutes
from workbench.domain.quotes import Bar, Quote
from workbench.market import Bars, ReplayFeed


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
