"""Longer bars: nothing lost, nothing made up, and by whichever way the same."""

from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.market.bars_for_tests import MINUTE, MONDAY, bars_at, m1_bars, minutes
from workbench.domain.calendar import session_of, to_ns
from workbench.domain.timeframes import Timeframe
from workbench.market import Bars, resample
from workbench.market.bars import COLUMNS
from workbench.market.errors import IncompatibleTimeframesError
from workbench.market.resampling import fits_into

_VIA = [
    (Timeframe.M5, Timeframe.M15),
    (Timeframe.M5, Timeframe.H1),
    (Timeframe.M15, Timeframe.M30),
    (Timeframe.M30, Timeframe.H4),
    (Timeframe.H1, Timeframe.H4),
    (Timeframe.H1, Timeframe.D1),
    (Timeframe.M30, Timeframe.D1),
]


def _same(left: Bars, right: Bars) -> bool:
    return all(np.array_equal(getattr(left, name), getattr(right, name)) for name in COLUMNS)


@given(bars=m1_bars(), way=st.sampled_from(_VIA))
def test_resampling_in_steps_and_at_once_give_the_same(bars: Bars, way: tuple[Timeframe, Timeframe]) -> None:
    between, target = way
    assert _same(resample(resample(bars, between), target), resample(bars, target))


_LONGER = [item for item in Timeframe if item is not Timeframe.M1 and fits_into(Timeframe.M1, item)]


@given(bars=m1_bars(), target=st.sampled_from(_LONGER))
def test_longer_bars_are_the_extremes_of_their_shorter_ones(bars: Bars, target: Timeframe) -> None:
    longer = resample(bars, target)
    seen = 0
    for bar in longer:
        inside = bars.between(bar.open_ns, bar.close_ns)
        seen += len(inside)
        assert (bar.bid_open, bar.ask_open) == (inside.bid_open[0], inside.ask_open[0])
        assert (bar.bid_close, bar.ask_close) == (inside.bid_close[-1], inside.ask_close[-1])
        assert (bar.bid_high, bar.ask_high) == (inside.bid_high.max(), inside.ask_high.max())
        assert (bar.bid_low, bar.ask_low) == (inside.bid_low.min(), inside.ask_low.min())
    assert seen == len(bars)


@given(bars=m1_bars(), cut=st.integers(1, 100))
def test_later_bars_change_no_earlier_bar(bars: Bars, cut: int) -> None:
    known = bars.at(0, cut)
    whole, part = resample(bars, Timeframe.H1), resample(known, Timeframe.H1)
    closed = [index for index in range(len(part)) if part.close_ns[index] <= known.close_ns[-1]]
    assert all(part.bar(index) == whole.bar(index) for index in closed)


def test_the_day_bar_runs_from_17_to_17_new_york_through_a_clock_change() -> None:
    thursday = to_ns(datetime(2026, 3, 5, 0, tzinfo=UTC))
    hours = [thursday + index * 60 * MINUTE for index in range(24 * 6)]
    days = resample(bars_at(hours, Timeframe.H1), Timeframe.D1)
    opens = [datetime.fromtimestamp(int(item) / 1e9, UTC) for item in days.open_ns]
    assert [f"{item:%a %H}" for item in opens] == [
        *("Wed 22", "Thu 22", "Fri 22", "Sat 22"),  # winter, up to Sunday 8 March
        *("Sun 21", "Mon 21", "Tue 21"),
    ]
    assert days.close_ns[:-1].tolist() == days.open_ns[1:].tolist()
    assert session_of(int(days.open_ns[4])).isoformat() == "2026-03-09"


def test_the_fingerprint_stays_that_of_the_dataset_and_the_digest_does_not() -> None:
    bars = minutes(120)
    hours = resample(bars, Timeframe.H1)
    assert hours.fingerprint == bars.fingerprint == bars.content_digest()
    assert hours.content_digest() != bars.content_digest()


@pytest.mark.parametrize(
    ("source", "target"),
    [(Timeframe.H1, Timeframe.M5), (Timeframe.H4, Timeframe.D1), (Timeframe.H1, Timeframe.M30)],
)
def test_bars_that_do_not_fit_are_refused(source: Timeframe, target: Timeframe) -> None:
    bars = bars_at([MONDAY], source)
    with pytest.raises(
        IncompatibleTimeframesError, match=f"{target} bars can not be made from {source} bars"
    ):
        resample(bars, target)


def test_no_bars_give_no_bars() -> None:
    assert len(resample(minutes(5).at(0, 0), Timeframe.D1)) == 0
