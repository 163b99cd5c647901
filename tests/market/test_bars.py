"""Bars as columns: exact, in order, not to be written to."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given

from tests.market.bars_for_tests import MINUTE, MONDAY, bars_at, m1_bars, minutes
from workbench.domain.instruments import instrument
from workbench.domain.quotes import Bar
from workbench.domain.timeframes import Timeframe
from workbench.market import Bars, make_bars
from workbench.market.bars import COLUMNS, PRICES
from workbench.market.errors import BadBarsError


def _changed(bars: Bars, **columns: dict[int, int]) -> Bars:
    """`bars` made anew with some values put in their place."""
    data = {name: column.copy() for name, column in bars.columns().items()}
    for name, values in columns.items():
        for index, value in values.items():
            data[name][index] = value
    return make_bars(bars.instrument, timeframe=bars.timeframe, open_ns=data["open_ns"], prices=data)


def test_a_bar_is_plain_whole_numbers() -> None:
    bars = minutes(3)
    bar = bars.bar(-1)
    assert isinstance(bar, Bar)
    assert all(type(getattr(bar, name)) is int for name in COLUMNS)
    assert [item.open_ns for item in bars] == [MONDAY, MONDAY + MINUTE, MONDAY + 2 * MINUTE]
    assert bar.close_ns == MONDAY + 3 * MINUTE


def test_columns_can_not_be_written_to() -> None:
    bars = minutes(3)
    for name in COLUMNS:
        with pytest.raises(ValueError, match="read-only"):
            getattr(bars, name)[0] = 1


def test_a_span_holds_the_bars_that_open_in_it() -> None:
    bars = minutes(10)
    assert bars.between(MONDAY + MINUTE, MONDAY + 3 * MINUTE).open_ns.tolist() == [
        MONDAY + MINUTE,
        MONDAY + 2 * MINUTE,
    ]
    assert bars.between(MONDAY + 1, MONDAY + MINUTE).open_ns.tolist() == []
    assert len(bars.between(None, None)) == 10
    assert bars.between(None, MONDAY + MINUTE).fingerprint == bars.fingerprint


@given(m1_bars())
def test_the_fingerprint_is_of_the_content(bars: Bars) -> None:
    again = make_bars(bars.instrument, timeframe=bars.timeframe, open_ns=bars.open_ns, prices=bars.columns())
    assert again.fingerprint == bars.fingerprint == bars.content_digest()
    lower = {name: column - 1 for name, column in bars.columns().items() if name in PRICES}
    moved = make_bars(bars.instrument, timeframe=bars.timeframe, open_ns=bars.open_ns, prices=lower)
    assert moved.fingerprint != bars.fingerprint


def test_sides_instrument_and_timeframe_are_part_of_the_fingerprint() -> None:
    bars = bars_at([MONDAY], Timeframe.M5)
    others = [
        replace(bars, sides="ask"),
        replace(bars, instrument=instrument("GBP_USD")),
        replace(bars, timeframe=Timeframe.M15),
    ]
    assert len({bars.content_digest(), *(item.content_digest() for item in others)}) == 4


@pytest.mark.parametrize(
    ("columns", "match"),
    [
        ({"open_ns": {1: MONDAY}}, "opens before the one before it has closed"),
        ({"open_ns": {1: MONDAY + MINUTE + 1}}, "the open is not one of M1 bars"),
        ({"bid_high": {2: 1}}, "bid open or close is outside low to high"),
        ({"ask_low": {2: 999_999}}, "ask open or close is outside low to high"),
        ({"bid_low": {0: 0}}, "bid price of 0 or less"),
        (
            {"bid_open": {4: 120_000}},
            r"outside low to high in 1 of 5 bars, first: at 2026-03-02 00:04:00 UTC",
        ),
    ],
)
def test_what_no_market_can_have_made_is_refused(columns: dict[str, dict[int, int]], match: str) -> None:
    with pytest.raises(BadBarsError, match=match):
        _changed(minutes(5), **columns)


def test_crossed_bars_are_made_and_said() -> None:
    bars = _changed(minutes(5), bid_open={4: 120_000}, bid_high={4: 120_000})
    assert bars.crossed.tolist() == [False, False, False, False, True]
    assert repr(bars).endswith("bid+ask, 1 with the bid above the ask>")


def test_columns_of_different_lengths_are_a_mistake_of_the_caller() -> None:
    bars = minutes(5)
    with pytest.raises(ValueError, match="one length"):
        replace(bars, bid_open=bars.bid_open[:3])


def test_the_frame_for_people_has_prices_and_utc_times() -> None:
    bars = minutes(3)
    frame = bars.to_frame()
    assert str(frame.index.tz) == "UTC"
    assert frame.index[0].isoformat() == "2026-03-02T00:00:00+00:00"
    assert frame["close_at"].iloc[0].isoformat() == "2026-03-02T00:01:00+00:00"
    assert [
        bars.instrument.to_points(f"{value:.5f}") for value in frame["ask_close"]
    ] == bars.ask_close.tolist()
    assert frame["ask_close"].dtype == np.float64


def test_a_person_sees_what_it_is() -> None:
    assert repr(minutes(3)) == "<EUR_USD M1: 3 bars, 2026-03-02 00:00:00 to 2026-03-02 00:03:00 UTC, bid+ask>"
    assert "3 bars" in minutes(3)._repr_html_()
    assert "no bars" in repr(minutes(3).at(0, 0))
