"""Ticks are checked in a stream: what is found, where, and the same however the stream is cut."""

from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.market.bars_for_tests import MONDAY
from tests.market.ticks_for_tests import DAY, HOUR, MS, ticks, ticks_at, walk
from workbench.domain.calendar import to_ns
from workbench.domain.instruments import instrument
from workbench.domain.timeframes import Timeframe
from workbench.market import CheckReport, bars_from_ticks
from workbench.market.checks import TickChecker, check_against, check_aggregation
from workbench.market.formats import open_source
from workbench.market.ticks import Ticks

SECOND = 1_000 * MS
EUR_USD = instrument("EUR_USD")


def checked(*batches: Ticks) -> CheckReport:
    checker = TickChecker(EUR_USD)
    for batch in batches:
        checker.add(batch)
    return checker.report()


def counts(report: CheckReport) -> dict[str, int]:
    quiet = ("quiet", "daily break", "weekends", "same instant", "duplicates", "week openings")
    return {item.name: item.count for item in report.findings if item.count and item.name not in quiet}


def with_rows(data: Ticks, column: str, rows: list[int], value: int) -> Ticks:
    changed = getattr(data, column).copy()
    changed[rows] = value
    return replace(data, **{column: changed})


def test_nothing_is_found_in_quotes_that_are_right() -> None:
    report = checked(walk(5_000))
    assert counts(report) == {}
    assert report.ok
    assert report.verdict == "nothing wrong found"


def test_crossed_and_locked_quotes_are_counted_with_the_first_shown() -> None:
    data = walk(500)
    data = replace(data, ask=np.where(np.arange(500) % 100 == 7, data.bid - 2, data.ask))
    data = replace(data, ask=np.where(np.arange(500) % 100 == 8, data.bid, data.ask))
    report = checked(data)
    assert (report.finding("crossed").count, report.finding("locked").count) == (5, 5)
    assert not report.ok
    assert len(report.finding("crossed").examples) == 5
    assert report.finding("crossed").examples[0].startswith("2026-03-02 00:00:")


def test_a_quote_that_is_there_twice_is_found_among_others_of_its_instant() -> None:
    data = ticks_at([MONDAY] * 4 + [MONDAY + SECOND])
    data = with_rows(with_rows(data, "bid", [0, 1, 2, 3], 110_000), "ask", [0, 1, 2, 3], 110_010)
    data = with_rows(data, "bid", [1], 109_999)
    report = checked(data)
    assert (report.finding("same instant").count, report.finding("duplicates").count) == (3, 2)


def test_a_spike_is_found_and_a_jump_that_stays_is_not() -> None:
    data = walk(1_000)
    spiked = with_rows(with_rows(data, "bid", [500], 150_000), "ask", [500], 150_010)
    assert checked(spiked).finding("spikes").count == 1
    later = np.where(np.arange(1_000) >= 500, 4_000, 0)
    jumped = replace(data, bid=data.bid + later, ask=data.ask + later)
    assert checked(jumped).finding("spikes").count == 0


def test_a_wide_spread_is_judged_by_the_days_median() -> None:
    data = walk(3_000)
    wide = with_rows(data, "ask", [1_500], int(data.bid[1_500]) + 2_000)
    finding = checked(wide).finding("wide spreads")
    assert finding.count == 1
    assert "(median spread 7 points)" in finding.examples[0]


def test_pauses_are_sorted_by_the_calendar() -> None:
    new_york = ZoneInfo("America/New_York")

    def at(day: int, hour: int, minute: int) -> int:
        return to_ns(datetime(2026, 3, day, hour, minute, tzinfo=new_york))

    # Tuesday's break, a hole of an hour on Wednesday noon, the weekend, three quiet minutes on Monday
    times = [at(3, 16, 57), at(3, 17, 4), at(4, 11, 59), at(4, 13, 0), at(6, 16, 59), at(8, 17, 0)]
    filler = [
        moment
        for low, high in ((times[1], times[2]), (times[3], times[4]), (times[5], times[5] + 12 * HOUR))
        for moment in range(low, high, 30 * SECOND)
    ]
    quiet = times[5] + 12 * HOUR + 180 * SECOND
    report = checked(ticks_at(sorted({*times, *filler, quiet})))
    assert (report.finding("missing").count, report.finding("quiet").count) == (1, 2)
    assert report.finding("missing").examples == ("2026-03-04 16:59:00 UTC: 1 h 1 min",)
    assert report.finding("daily break").count == 2  # Tuesday's, and Friday's before the weekend
    assert report.finding("weekends").count == 1
    assert report.finding("week openings").detail == "1 of 1 weeks open in the hour from 17:00 New York"


def test_quotes_of_a_saturday_are_errors_and_those_of_christmas_are_noted() -> None:
    saturday, christmas = (
        to_ns(datetime(2026, 3, 7, 12, tzinfo=UTC)),
        to_ns(datetime(2025, 12, 25, 12, tzinfo=UTC)),
    )
    report = checked(ticks_at([christmas, saturday, saturday + SECOND]))
    assert (report.finding("closed hours").count, report.finding("closed hours").severity) == (2, "error")
    assert (report.finding("on holidays").count, report.finding("on holidays").severity) == (1, "note")


def test_a_price_that_does_not_move_is_stale() -> None:
    data = ticks_at([MONDAY + index * SECOND for index in range(1_200)])
    rows = list(range(300, 900))
    data = with_rows(with_rows(data, "bid", rows, 110_000), "ask", rows, 110_010)
    finding = checked(data).finding("stale")
    assert finding.count == 1
    assert finding.examples == ("2026-03-02 00:05:00 UTC: 9 min 59 s",)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (10.0, "a factor of 10"),
        (0.01, "a factor of 100"),
        (1 / 1.1**2, "its reciprocal"),
        (137.0, "another instrument"),
    ],
)
def test_prices_in_other_units_are_found(change: float, said: str) -> None:
    data = walk(400)
    later = np.arange(400) >= 200
    data = replace(
        data,
        **{
            name: np.where(later, (getattr(data, name) * change).astype(np.int64), getattr(data, name))
            for name in ("bid", "ask")
        },
    )
    finding = checked(data).finding("scale")
    assert finding.count == 1
    assert finding.severity == "error"
    assert said in finding.examples[0]


def test_prices_with_fewer_decimals_on_some_days_are_found() -> None:
    fine, coarse = walk(400), walk(400, start_ns=MONDAY + DAY)
    coarse = replace(coarse, bid=coarse.bid // 10 * 10, ask=coarse.ask // 10 * 10 + 10)
    finding = checked(fine, coarse).finding("precision")
    assert (finding.count, finding.severity) == (1, "warning")
    assert checked(coarse).finding("precision").severity == "note"
    assert checked(fine).finding("precision").severity == "ok"


def test_the_report_tells_how_much_of_each_day_is_there() -> None:
    report = checked(walk(5_000, step_ms=60_000))
    first, second, *_ = report.coverage
    assert first.session == "2026-03-02"
    assert 0 < first.present <= first.expected
    assert first.expected in (22 * 60 - 1, 22 * 60)  # from the minute of the first quote
    assert second.expected == 1_440
    assert "<svg" in report.to_html()
    assert CheckReport.from_json(report.to_json()) == report


@settings(deadline=None, max_examples=40)
@given(ticks(max_size=400), st.lists(st.integers(0, 400), max_size=6))
def test_any_cut_into_batches_gives_the_same_report(data: Ticks, cuts: list[int]) -> None:
    borders = sorted({0, len(data), *(min(cut, len(data)) for cut in cuts)})
    parts = [data.at(low, high) for low, high in pairwise(borders)]
    assert checked(*parts) == checked(data)


def test_cuts_do_not_hide_a_spike_or_a_duplicate() -> None:
    data = walk(700)
    data = with_rows(with_rows(data, "bid", [350], 150_000), "ask", [350], 150_010)
    data = replace(data, time_ns=np.where(np.arange(700) == 351, data.time_ns[350], data.time_ns))
    whole = checked(data)
    assert whole.finding("spikes").count == 1
    for cut in (300, 349, 350, 351, 352, 399, 401, 450):
        assert checked(data.at(0, cut), data.at(cut, 700)) == whole


def test_an_empty_stream_is_reported() -> None:
    assert checked().rows == 0
    assert checked(walk(10).at(0, 0)).rows == 0


def test_bars_made_of_ticks_agree_and_changed_ones_are_named() -> None:
    data = walk(20_000)
    bars = bars_from_ticks(data, Timeframe.M1)
    assert check_aggregation(data, bars).finding("aggregation").severity == "ok"
    columns = {name: column.copy() for name, column in bars.columns().items()}
    columns["ask_high"][5] += 3
    finding = check_aggregation([data], replace(bars, **columns)).finding("aggregation")
    assert finding.count == 1
    assert finding.detail.endswith("ask_high 1")


def test_another_source_agrees_unless_its_clock_is_wrong() -> None:
    bars = bars_from_ticks(walk(60_000, step_ms=20_000), Timeframe.M1)
    near = replace(bars, bid_close=bars.bid_close + 1, ask_close=bars.ask_close + 1)
    report = check_against(bars, near)
    assert report.finding("cross-source").count == 0
    assert report.finding("time zone").severity == "ok"
    late = replace(bars, open_ns=bars.open_ns + 5 * HOUR, close_ns=bars.close_ns + 5 * HOUR)
    finding = check_against(bars, late).finding("time zone")
    assert finding.severity == "error"
    assert "+5 h" in finding.examples[0]


# --- vendors' real quotes: counts published with the samples --------------------------------------


def real(folder: Path, pattern: str, timezone: str) -> CheckReport:
    source = open_source(sorted(folder.glob(pattern)), EUR_USD, timezone=timezone)
    checker = TickChecker(EUR_USD)
    for batch in source.batches():
        assert isinstance(batch, Ticks)
        checker.add(batch)
    return checker.report()


def test_the_dirty_day_of_fxcm_has_its_published_counts(real_data: Path) -> None:
    report = real(real_data / "fxcm_eurusd_tick_dirty", "20140505*", "Etc/GMT+5")
    assert (report.rows, report.finding("crossed").count, report.finding("locked").count) == (
        58_143,
        4_987,
        7_109,
    )
    sunday = real(real_data / "fxcm_eurusd_tick_dirty", "20140504*", "Etc/GMT+5")
    assert (sunday.finding("crossed").count, sunday.finding("locked").count) == (174, 259)
    assert sunday.finding("closed hours").severity == "error"  # indicative quotes before the opening


def test_the_quotes_of_oanda_have_their_published_counts(real_data: Path) -> None:
    report = real(real_data / "oanda_eurusd_2014-05" / "tick", "*.zip", "UTC")
    names = ("crossed", "duplicates", "same instant", "quiet", "closed hours", "missing")
    assert [report.finding(name).count for name in names] == [0, 12, 4_494, 970, 0, 0]
    assert report.rows == 532_903
    assert "longest 6 min 27 s" in report.finding("quiet").detail
    assert report.finding("week openings").detail.startswith("2 of 2 weeks")


def test_oandas_ticks_make_all_of_oandas_bars(real_data: Path) -> None:  # G-AGG1
    folder = real_data / "oanda_eurusd_2014-05"
    ticks_source = open_source(sorted((folder / "tick").glob("*.zip")), EUR_USD)
    (bars,) = open_source(sorted((folder / "minute").glob("*.zip")), EUR_USD).batches()
    report = check_aggregation(ticks_source.batches(), bars)
    assert (report.rows, report.finding("aggregation").count) == (15_366, 0)
    assert report.finding("bars only").count == report.finding("ticks only").count == 0
