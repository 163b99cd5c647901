"""One way to make bars: by the quote, by the batch, by the file, and however the stream is cut the same."""

import json
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.market.bars_for_tests import MINUTE, MONDAY, bars_at, m1_bars, minutes
from tests.market.ticks_for_tests import MS, ticks, ticks_at, walk
from workbench.domain.calendar import day_close_ns, to_ns
from workbench.domain.timeframes import Timeframe
from workbench.market import BarBuilder, Bars, bars_from_ticks, resample
from workbench.market.bars import COLUMNS
from workbench.market.errors import IncompatibleTimeframesError, TimeRunsBackError
from workbench.market.resampling import fits_into, joined
from workbench.market.ticks import Ticks

_TIMEFRAMES = [
    Timeframe.S10,
    Timeframe.M1,
    Timeframe.M5,
    Timeframe.H4,
    Timeframe.D1,
    Timeframe.W1,
    Timeframe.MN1,
]


def _same(left: Bars, right: Bars) -> bool:
    return all(np.array_equal(getattr(left, name), getattr(right, name)) for name in COLUMNS)


def _slow(series: Ticks, timeframe: Timeframe) -> dict[int, list[tuple[int, int]]]:
    """Quotes by the open of their bar, from the calendar alone."""
    from workbench.market.new_york import bar_opens

    found: dict[int, list[tuple[int, int]]] = {}
    for opened, bid, ask in zip(
        bar_opens(series.time_ns, timeframe).tolist(), series.bid.tolist(), series.ask.tolist(), strict=True
    ):
        found.setdefault(opened, []).append((bid, ask))
    return found


@given(series=ticks(), timeframe=st.sampled_from(_TIMEFRAMES))
def test_a_bar_is_the_first_highest_lowest_and_last_of_its_quotes(
    series: Ticks, timeframe: Timeframe
) -> None:
    bars = bars_from_ticks(series, timeframe)
    expected = _slow(series, timeframe)
    assert bars.open_ns.tolist() == sorted(expected)
    for bar in bars:
        bids, asks = zip(*expected[bar.open_ns], strict=True)
        assert (bar.bid_open, bar.bid_high, bar.bid_low, bar.bid_close) == (
            bids[0],
            max(bids),
            min(bids),
            bids[-1],
        )
        assert (bar.ask_open, bar.ask_high, bar.ask_low, bar.ask_close) == (
            asks[0],
            max(asks),
            min(asks),
            asks[-1],
        )


@given(series=ticks(), timeframe=st.sampled_from(_TIMEFRAMES), cuts=st.lists(st.integers(0, 200), max_size=6))
def test_any_cut_of_a_stream_gives_the_same_bars(
    series: Ticks, timeframe: Timeframe, cuts: list[int]
) -> None:
    builder = BarBuilder(series.instrument, timeframe)
    borders = [0, *sorted(min(cut, len(series)) for cut in cuts), len(series)]
    pieces = []
    for low, high in pairwise(borders):
        pieces.append(builder.add(series.at(low, high)))
        builder = BarBuilder.from_state(json.loads(json.dumps(builder.state())))  # a restart in between
    assert _same(joined([*pieces, builder.finish()]), bars_from_ticks(series, timeframe))


@given(series=ticks(max_size=60), timeframe=st.sampled_from(_TIMEFRAMES))
def test_a_quote_at_a_time_gives_the_same_bars(series: Ticks, timeframe: Timeframe) -> None:
    builder = BarBuilder(series.instrument, timeframe)
    rows = zip(series.time_ns.tolist(), series.bid.tolist(), series.ask.tolist(), strict=True)
    closed = [bar for row in rows if (bar := builder.quote(*row)) is not None]
    assert [*closed, *builder.finish()] == list(bars_from_ticks(series, timeframe))


@given(
    series=ticks(),
    way=st.sampled_from([("M1", "M15"), ("S10", "H1"), ("M5", "D1"), ("D1", "W1"), ("D1", "MN1")]),
)
def test_ticks_to_short_to_long_bars_equals_ticks_to_long_bars(series: Ticks, way: tuple[str, str]) -> None:
    short, long = way
    assert _same(resample(bars_from_ticks(series, short), long), bars_from_ticks(series, long))


@given(bars=m1_bars(), cut=st.integers(0, 120))
def test_shorter_bars_may_come_in_pieces_too(bars: Bars, cut: int) -> None:
    builder = BarBuilder(bars.instrument, "H1")
    pieces = [builder.add_bars(bars.at(0, cut)), builder.add_bars(bars.at(cut, len(bars))), builder.finish()]
    assert _same(joined(pieces), resample(bars, "H1"))


def test_a_bar_closes_with_the_shorter_bar_that_ends_it() -> None:
    builder = BarBuilder(minutes(1).instrument, "M5")
    bars = minutes(10)
    assert len(builder.add_bars(bars.at(0, 4))) == 0
    assert builder.add_bars(bars.at(4, 5)).close_ns.tolist() == [MONDAY + 5 * MINUTE]
    assert len(builder.finish()) == 0


def test_a_quote_at_the_end_of_a_bar_belongs_to_the_next() -> None:
    builder = BarBuilder(minutes(1).instrument, "M1")
    assert builder.quote(MONDAY, 100, 110) is None
    assert builder.quote(MONDAY + MINUTE - 1, 102, 111) is None
    bar = builder.quote(MONDAY + MINUTE, 90, 99)
    assert bar is not None
    assert (bar.bid_open, bar.bid_high, bar.bid_low, bar.bid_close, bar.close_ns) == (
        100,
        102,
        100,
        102,
        MONDAY + MINUTE,
    )
    assert builder.unfinished().bid_open.tolist() == [90]


def test_the_clock_closes_a_bar_that_no_quote_closes() -> None:
    builder = BarBuilder(minutes(1).instrument, "M1")
    builder.quote(MONDAY + 5, 100, 110)
    assert len(builder.advance(MONDAY + MINUTE - 1)) == 0
    assert builder.advance(MONDAY + MINUTE).bid_open.tolist() == [100]
    assert len(builder.advance(MONDAY + 9 * MINUTE)) == 0
    with pytest.raises(TimeRunsBackError):
        builder.quote(MONDAY + 6, 100, 110)


def test_a_quote_from_the_past_is_refused_and_changes_nothing() -> None:
    builder = BarBuilder(minutes(1).instrument, "M1")
    builder.add(ticks_at([MONDAY, MONDAY + 5 * MS]))
    before = builder.state()
    with pytest.raises(TimeRunsBackError, match=r"EUR_USD M1: .* comes after .*sort the source"):
        builder.add(ticks_at([MONDAY + 7 * MS, MONDAY + 6 * MS]))
    with pytest.raises(TimeRunsBackError):
        builder.quote(MONDAY + 4 * MS, 1, 2)
    assert builder.state() == before


def test_bars_that_would_cross_a_border_are_refused() -> None:
    builder = BarBuilder(minutes(1).instrument, "D1")
    with pytest.raises(IncompatibleTimeframesError, match="D1 bars can not be made from H4 bars"):
        builder.add_bars(bars_at([MONDAY], Timeframe.H4))


def test_weeks_and_months_end_at_17_new_york_through_clock_changes() -> None:
    start = to_ns(datetime(2026, 2, 27, 21, 59, tzinfo=UTC))
    series = ticks_at(list(range(start, start + 35 * 86_400_000_000_000, 3_600_000_000_000)))
    weeks = [
        f"{datetime.fromtimestamp(item / 1e9, UTC):%a %d %H}"
        for item in bars_from_ticks(series, "W1").open_ns.tolist()
    ]
    months = bars_from_ticks(series, "MN")
    shown = [f"{datetime.fromtimestamp(item / 1e9, UTC):%m-%d %H}" for item in months.open_ns.tolist()]
    assert weeks == ["Sun 22 22", "Sun 01 22", "Sun 08 21", "Sun 15 21", "Sun 22 21", "Sun 29 21"]
    assert shown == ["01-31 22", "02-28 22", "03-31 21"]
    assert months.close_ns[:-1].tolist() == months.open_ns[1:].tolist()


def test_one_price_is_both_sides_of_its_bars() -> None:
    series = walk(500)
    mid = Ticks(**{**series.columns(), "ask": series.bid, "instrument": series.instrument})
    bars = bars_from_ticks(mid, "M1", sides="mid")
    assert bars.sides == "mid"
    assert (bars.bid_high == bars.ask_high).all()
    assert resample(bars, "M5").sides == "mid"


def test_what_fits_into_what() -> None:
    fitting = {str(item) for item in Timeframe if fits_into(item, Timeframe.D1)}
    assert {"S1", "M1", "H1", "D1"} <= fitting
    assert fitting.isdisjoint({"M45", "H2", "H4", "D1UTC", "W1", "MN1"})
    assert fits_into(Timeframe.D1, Timeframe.MN1)
    assert not fits_into(Timeframe.W1, Timeframe.MN1)
    assert not fits_into(Timeframe.D1, Timeframe.D1UTC)


def test_twenty_years_of_days_open_at_17_new_york() -> None:
    start, end = (to_ns(datetime(year, 1, 1, tzinfo=UTC)) for year in (2007, 2027))
    times = np.arange(start, end, 3_600_000_000_000)
    days = bars_from_ticks(ticks_at(times.tolist()), "D1")
    first, last = datetime(2007, 1, 2, tzinfo=UTC).date(), datetime(2026, 12, 31, tzinfo=UTC).date()
    expected = [day_close_ns(first + timedelta(days=index)) for index in range((last - first).days + 1)]
    assert set(expected) <= set(days.open_ns.tolist())
    assert days.close_ns[:-1].tolist() == days.open_ns[1:].tolist()
    assert set(np.diff(days.open_ns).tolist()) == {hours * 3_600_000_000_000 for hours in (23, 24, 25)}
