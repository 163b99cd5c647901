"""The checks find what is wrong, say where, and find nothing where nothing is."""

import json
from datetime import UTC, datetime

import numpy as np
import pytest

from tests.market.bars_for_tests import MINUTE, MONDAY, bars_at, minutes
from workbench.domain.calendar import is_open, to_ns
from workbench.domain.instruments import instrument
from workbench.domain.timeframes import Timeframe
from workbench.market import Bars, CheckReport, check_bars, make_bars
from workbench.market.bars import PRICES

_HOUR = 60 * MINUTE


def _week(
    timeframe: Timeframe = Timeframe.M1, *, leave_out: tuple[int, int] | None = None, weeks: int = 1
) -> Bars:
    """Whole FX weeks from Sunday 1 March 2026, whose second begins daylight saving."""
    start, step = to_ns(datetime(2026, 3, 1, 22, tzinfo=UTC)), timeframe.nanoseconds
    times = [start + index * step for index in range((weeks * 7 - 1) * 24 * _HOUR // step)]
    times = [item for item in times if is_open(item)]
    if leave_out is not None:
        times = [item for item in times if not leave_out[0] <= item < leave_out[1]]
    return bars_at(times, timeframe)


def _with(bars: Bars, changes: dict[str, dict[int, int]]) -> Bars:
    columns = {name: column.copy() for name, column in bars.columns().items()}
    for name, values in changes.items():
        for index, value in values.items():
            columns[name][index] = value
    return make_bars(bars.instrument, timeframe=bars.timeframe, open_ns=bars.open_ns, prices=columns)


def _jump(bars: Bars, index: int, points: int) -> Bars:
    """Bar `index` closes `points` higher than it did, on both sides."""
    changes = {}
    for side in ("bid", "ask"):
        closed = int(getattr(bars, f"{side}_close")[index]) + points
        changes[f"{side}_close"] = {index: closed}
        changes[f"{side}_high"] = {index: max(closed, int(getattr(bars, f"{side}_high")[index]))}
    return _with(bars, changes)


@pytest.mark.parametrize("timeframe", [Timeframe.M1, Timeframe.M15, Timeframe.H1])
def test_nothing_is_found_in_whole_weeks(timeframe: Timeframe) -> None:
    report = check_bars(_week(timeframe, weeks=3))
    assert {item.name: item.count for item in report.findings if item.severity != "ok"} == {}
    assert report.ok
    assert report.finding("week openings").detail == "2 of 2 weeks open in the hour from 17:00 New York"


def test_weeks_of_gold_open_an_hour_later() -> None:
    gold = instrument("XAU_USD")
    start = to_ns(datetime(2026, 3, 1, 22, tzinfo=UTC))
    times = [start + index * _HOUR for index in range(20 * 24)]
    times = [item for item in times if is_open(item, gold)]
    report = check_bars(bars_at(times, Timeframe.H1, name="XAU_USD"))
    assert report.finding("week openings").detail == "2 of 2 weeks open in the hour from 18:00 New York"


def test_whole_days_have_no_gap_through_the_clock_change() -> None:
    from workbench.market import resample

    days = resample(_week(Timeframe.H1, weeks=4), Timeframe.D1)
    assert len(days) == 20
    assert check_bars(days).finding("missing").count == 0
    without = days.at(0, 7), days.at(8, 20)
    holed = make_bars(
        days.instrument,
        timeframe=Timeframe.D1,
        open_ns=np.concatenate([part.open_ns for part in without]),
        prices={name: np.concatenate([getattr(part, name) for part in without]) for name in PRICES},
    )
    assert check_bars(holed).finding("missing").count == 1


def test_missing_bars_are_counted_and_the_longest_gaps_shown_first() -> None:
    start = to_ns(datetime(2026, 3, 3, 10, tzinfo=UTC))
    report = check_bars(_week(leave_out=(start, start + 17 * MINUTE)))
    missing = report.finding("missing")
    assert (missing.count, missing.severity) == (17, "warning")
    assert missing.examples == ("2026-03-03 10:00 UTC: 17 bars",)
    assert report.finding("daily break").count == 0


def test_the_brokers_daily_break_is_no_missing_data() -> None:
    start = to_ns(datetime(2026, 3, 3, 21, 58, tzinfo=UTC))  # 16:58 to 17:03 New York, as OANDA pauses
    report = check_bars(_week(leave_out=(start, start + 5 * MINUTE)))
    assert (report.finding("daily break").count, report.finding("missing").count) == (5, 0)


def test_christmas_is_no_missing_data() -> None:
    start = to_ns(datetime(2025, 12, 22, tzinfo=UTC))
    times = [start + index * _HOUR for index in range(24 * 5)]
    closed = to_ns(datetime(2025, 12, 25, 8, tzinfo=UTC)), to_ns(datetime(2025, 12, 25, 22, tzinfo=UTC))
    open_times = [item for item in times if is_open(item) and not closed[0] <= item < closed[1]]
    report = check_bars(bars_at(open_times, Timeframe.H1))
    assert (report.finding("holidays").count, report.finding("missing").count) == (14, 0)


def test_bars_in_closed_hours_are_found() -> None:
    saturday = to_ns(datetime(2026, 3, 7, 12, tzinfo=UTC))
    report = check_bars(bars_at([saturday, saturday + MINUTE]))
    assert report.finding("closed hours").count == 2
    assert (
        report.finding("closed hours")
        .examples[0]
        .startswith("2026-03-07 12:00 UTC: bid 1.09999 1.10007 1.09992")
    )


def test_a_spike_is_found_and_a_jump_that_stays_is_not() -> None:
    bars = minutes(600)
    spiked = check_bars(_jump(bars, 300, 5_000)).finding("spikes")
    assert spiked.count == 1
    assert spiked.examples[0].startswith("2026-03-02 05:00 UTC")
    stays = {
        name: {index: int(column[index]) + 5_000 for index in range(300, 600)}
        for name, column in bars.columns().items()
        if name in PRICES
    }
    assert check_bars(_with(bars, stays)).finding("spikes").count == 0


def test_a_short_series_is_not_searched_for_spikes_and_says_so() -> None:
    finding = check_bars(minutes(100)).finding("spikes")
    assert (finding.severity, finding.detail) == ("note", "not looked for: fewer than 101 bars")


def test_locked_prices_are_found() -> None:
    bars = bars_at([MONDAY + index * MINUTE for index in range(10)], spread=0)
    assert check_bars(bars).finding("locked").count == 10


def test_a_wild_spread_is_found_but_not_around_17_new_york() -> None:
    bars = _week()
    noon, evening = 14 * 60, 23 * 60 + 30  # minutes after Sunday 17:00
    for index, found in ((noon, 1), (evening, 0)):
        high = int(bars.ask_high[index]) + 700
        wild = _with(bars, {"ask_close": {index: high}, "ask_high": {index: high}})
        assert check_bars(wild).finding("wide spreads").count == found


def test_frozen_prices_are_found_once_a_stretch() -> None:
    bars = minutes(100)
    changes: dict[str, dict[int, int]] = {name: {} for name in PRICES}
    for index in range(30, 50):
        for part in ("open", "high", "low", "close"):
            changes[f"bid_{part}"][index], changes[f"ask_{part}"][index] = 110_000, 110_013
    frozen = check_bars(_with(bars, changes)).finding("frozen")
    assert frozen.count == 1
    assert frozen.examples[0].startswith("2026-03-02 00:31 UTC")


def test_openings_that_are_filled_in_are_found() -> None:
    bars = minutes(100)
    prices = {name: column.copy() for name, column in bars.columns().items()}
    for side in ("bid", "ask"):
        prices[f"{side}_open"][1:] = prices[f"{side}_close"][:-1]
        prices[f"{side}_high"] = np.maximum(prices[f"{side}_high"], prices[f"{side}_open"])
        prices[f"{side}_low"] = np.minimum(prices[f"{side}_low"], prices[f"{side}_open"])
    smoothed = make_bars(instrument("EUR_USD"), timeframe=Timeframe.M1, open_ns=bars.open_ns, prices=prices)
    finding = check_bars(smoothed).finding("open = last close")
    assert (finding.count, finding.severity) == (99, "warning")
    assert finding.detail.startswith("100.0% of bars open where the bar before closed")


def test_impossible_bars_that_got_in_by_another_way_are_errors() -> None:
    from dataclasses import replace

    bars = minutes(200)
    report = check_bars(replace(bars, bid_open=bars.ask_open + 1))
    assert not report.ok
    assert report.finding("crossed").count == 200
    assert len(report.finding("crossed").examples) == 5
    assert (
        "bid and ask may be swapped"
        in check_bars(
            replace(
                bars,
                **{
                    f"{side}_{part}": getattr(bars, f"{other}_{part}")
                    for side, other in (("bid", "ask"), ("ask", "bid"))
                    for part in ("open", "high", "low", "close")
                },
            )
        )
        .finding("crossed")
        .detail
    )


def test_a_report_survives_json_and_is_shown() -> None:
    report = check_bars(bars_at([MONDAY, MONDAY + 9 * MINUTE]))
    assert CheckReport.from_json(json.loads(json.dumps(report.to_json()))) == report
    assert "missing" in str(report)
    assert "2026-03-02 00:01 UTC: 8 bars" in report.text
    assert "8 bars" in report._repr_html_()
    with pytest.raises(KeyError):
        report.finding("no such check")


def test_one_bar_can_be_checked() -> None:
    assert check_bars(minutes(1)).ok
