"""Walk-forward: nothing of the future in a choice, nothing lost between the windows."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from tests.research.markets_for_tests import book_for, finer_walk, moved, ticks_of
from tests.research.strategies_for_tests import Cross, book, walk
from workbench.domain.calendar import day_open_ns
from workbench.errors import BadInputError
from workbench.market import Bars, resample
from workbench.research import MemoryLedger, SweepResult, Trial, run_backtest, sweep, walk_forward
from workbench.research.walk_forward import windows_of
from workbench.research.walk_forward_result import WalkForwardResult

GRID = {"fast": [3, 5, 8], "slow": [10, 20]}


@pytest.fixture(scope="module")
def bars() -> Bars:
    """Half a year or so of hours."""
    return walk(2_500, seed=11)


@pytest.fixture(scope="module")
def walked(bars: Bars) -> WalkForwardResult:
    """Rolling windows."""
    return walk_forward(Cross, bars, grid=GRID, train=40, test=15, cost_book=book(), progress=False)


def weekdays(count: int) -> list[date]:
    """Sessions of a market without holidays."""

    def days() -> Iterator[date]:
        day = date(2026, 1, 1)
        while True:
            if day.weekday() < 5:
                yield day
            day += timedelta(days=1)

    source = days()
    return [next(source) for _ in range(count)]


def test_each_choice_is_the_best_of_a_sweep_over_what_was_known(
    bars: Bars, walked: WalkForwardResult
) -> None:
    for window in walked.windows:
        begin, middle = day_open_ns(window.span.train_start), day_open_ns(window.span.test_start)
        known = bars.at(0, int(np.searchsorted(bars.close_ns, middle, side="right")))
        alone = sweep(Cross, known, GRID, cost_book=book(), trade_from_ns=begin, progress=False)
        assert window.parameters == {name: alone.best().parameters[name] for name in GRID}
        assert window.in_sample == alone.best().result


def test_the_joined_equity_is_that_of_the_tests_one_after_the_other(
    bars: Bars, walked: WalkForwardResult
) -> None:
    balance = 100_000_000_000
    for window in walked.windows:
        middle, end = day_open_ns(window.span.test_start), day_open_ns(window.span.test_end)
        known = bars.at(0, int(np.searchsorted(bars.close_ns, end, side="right")))
        alone = run_backtest(
            Cross(**window.parameters),
            known,
            cost_book=book(),
            balance=Decimal(balance) / 1_000_000,
            trade_from_ns=middle,
        )
        assert np.array_equal(window.equity, alone.equity)
        balance = int(window.equity[-1])
    assert walked.metrics["net_profit"] == (balance - 100_000_000_000) / 1e6
    assert walked.frame["net_profit"].sum() == pytest.approx(walked.metrics["net_profit"])
    assert np.prod(1 + walked.daily.returns) - 1 == pytest.approx(walked.metrics["return"])


def test_every_bar_after_the_first_training_is_tested_once(bars: Bars, walked: WalkForwardResult) -> None:
    first = day_open_ns(walked.windows[0].span.test_start)
    assert np.array_equal(walked.close_ns, bars.close_ns[bars.close_ns > first])


def test_later_bars_change_no_window_that_was_over(bars: Bars, walked: WalkForwardResult) -> None:
    wild = walk(2_500, seed=12)
    kept = 1_800
    ended = int(bars.close_ns[kept - 1])
    shorter = walk_forward(
        Cross, bars.at(0, kept), grid=GRID, train=40, test=15, cost_book=book(), progress=False
    )
    over = [item for item in walked.windows if day_open_ns(item.span.test_end) <= ended]
    assert len(over) > 1
    assert len(wild) == len(bars)
    for one, other in zip(over, shorter.windows, strict=False):
        assert one.span == other.span
        assert one.parameters == other.parameters
        assert np.array_equal(one.equity, other.equity)


def test_anchored_trainings_grow_from_the_first_day_and_rolling_ones_keep_their_length() -> None:
    days = weekdays(100)
    rolling = windows_of(days, train=40, test=25, anchored=False)
    anchored = windows_of(days, train=40, test=25, anchored=True)
    assert [item.train_start for item in rolling] == [days[0], days[25], days[50]]
    assert [item.train_start for item in anchored] == [days[0]] * 3
    for found in (rolling, anchored):
        assert [item.test_start for item in found] == [days[40], days[65], days[90]]
        assert all(one.test_end == other.test_start for one, other in pairwise(found))
        assert found[-1].test_end == days[-1] + timedelta(days=1)


@pytest.mark.parametrize(
    ("train", "test", "starts"),
    [
        ("2M", "1M", [date(2026, 3, 2), date(2026, 4, 2), date(2026, 5, 4)]),
        ("8W", "28D", [date(2026, 2, 26), date(2026, 3, 26), date(2026, 4, 23), date(2026, 5, 21)]),
    ],
)
def test_lengths_may_be_given_on_the_calendar(train: str, test: str, starts: list[date]) -> None:
    found = windows_of(weekdays(104), train=train, test=test, anchored=False)
    assert [item.test_start for item in found] == starts


def test_a_month_after_the_last_day_of_january_is_the_last_of_february() -> None:
    days = [date(2026, 1, 30) + timedelta(days=at) for at in range(60)]
    assert windows_of(days, train="1M", test=100, anchored=False)[0].test_start == date(2026, 2, 28)


@pytest.mark.parametrize(
    ("train", "test", "match"),
    [
        (500, 10, "expected more days"),
        ("5 parsecs", 10, "expected a length such as"),
        (20, 0, "test: expected 1 day or more"),
        ("0M", 10, "expected a length such as"),
    ],
)
def test_lengths_that_do_not_fit_are_refused(bars: Bars, train: int | str, test: int, match: str) -> None:
    with pytest.raises(BadInputError, match=match):
        walk_forward(Cross, bars, grid=GRID, train=train, test=test, cost_book=book(), progress=False)


def test_every_trial_and_every_test_is_counted(bars: Bars) -> None:
    ledger = MemoryLedger()
    found = walk_forward(
        Cross,
        bars,
        grid={"fast": [2, 3, 12], "slow": [10, 20]},
        where=lambda fast, slow: fast < slow,
        train=60,
        test=30,
        anchored=True,
        cost_book=book(),
        ledger=ledger,
        progress=False,
    )
    assert found.trials == 5 * len(found)
    assert len(ledger.trials) == found.trials + len(found)


def test_a_function_may_choose(bars: Bars) -> None:
    def steadiest(swept: SweepResult) -> Trial:
        return min(swept.trials, key=lambda item: float(item.result["max_drawdown"]))

    found = walk_forward(
        Cross, bars, grid=GRID, train=60, test=40, choose=steadiest, cost_book=book(), progress=False
    )
    assert found.chosen_by == "steadiest"
    for window in found.windows:
        assert window.parameters["slow"] in GRID["slow"]


def test_windows_in_which_nothing_can_be_chosen_leave_the_account_as_it_was(bars: Bars) -> None:
    found = walk_forward(
        Cross,
        bars,
        grid={"slow": [300, 400], "fast": [200]},
        train=5,
        test=50,
        cost_book=book(),
        choose="profit_factor",
        progress=False,
    )
    assert found.windows[0].parameters == {}
    assert (found.windows[0].equity == 100_000_000_000).all()
    assert found.frame["slow"].isna().iloc[0]
    assert found.picture().html()


def test_stability_tells_how_the_choice_moved(walked: WalkForwardResult) -> None:
    picked = [item.parameters["fast"] for item in walked.windows]
    row = walked.stability.loc["fast"]
    assert row["distinct"] == len(set(picked))
    assert row["share"] == picked.count(row["most_common"]) / len(picked)
    places = [GRID["fast"].index(item) for item in picked]
    assert row["jump"] == pytest.approx(np.abs(np.diff(places)).mean() / 2)
    assert row["at_edge"] == pytest.approx(np.mean([item in (0, 2) for item in places]))


def test_several_instruments_and_finer_bars_are_cut_at_the_same_instants() -> None:
    coarse, fine = finer_walk(1_500, seed=3)
    names = ("EUR_USD", "GBP_USD")
    found = walk_forward(
        Cross,
        {name: moved(name, coarse) for name in names},
        grid={"fast": [2, 4]},
        train=8,
        test=4,
        cost_book=book_for(*names),
        finer=iter([moved("EUR_USD", fine)]),
        progress=False,
    )
    assert len(found) >= 2
    assert len(found.close_ns) == len(np.unique(found.close_ns))
    assert found.metrics["trades"] > 0


def test_picture_and_card_show_every_window(walked: WalkForwardResult) -> None:
    page = walked._repr_html_()
    assert walked.verdict.split(":")[0] in page
    assert "<iframe" in page
    layout = walked.picture().figure()
    assert len(layout.children) == 2 + len(GRID)
    source = next(item for item in layout.select({"name": "windows"}))
    assert len(source.data["left"]) == len(walked)
    text = walked.picture().html()
    assert "Chosen: slow" in text
    assert "https://cdn" not in text.split("<body>")[0]
    assert "color-scheme:light dark" in text  # a page of its own follows the reader's system
    assert "window.frameElement" in page  # a frame follows its notebook
    assert "color-scheme:light dark" not in page


def test_trading_begins_no_earlier_than_asked(bars: Bars) -> None:
    start = int(datetime(2026, 4, 15, tzinfo=UTC).timestamp() * 1e9)
    found = walk_forward(
        Cross, bars, grid=GRID, train=30, test=30, cost_book=book(), trade_from_ns=start, progress=False
    )
    assert found.windows[0].span.train_start == date(2026, 4, 15)


def test_each_window_chooses_among_instruments_and_timeframes() -> None:
    euro, pound = walk(2_500, seed=11), moved("GBP_USD", walk(1_200, seed=5))
    options: dict[str, Any] = {"cost_book": book_for("EUR_USD", "GBP_USD"), "progress": False}
    grid = {"fast": [3, 5], "slow": [10]}
    found = walk_forward(
        Cross,
        [euro, pound],
        grid=grid,
        train=40,
        test=15,
        instruments=("EUR_USD", "GBP_USD"),
        timeframes=("H1", "H4"),
        **options,
    )
    assert found.grid["instrument"] == ("EUR_USD", "GBP_USD")
    last = found.windows[-1]
    assert last.trials < found.windows[0].trials == 2 * 2 * 2  # the pound ends before it is trained on
    market = {"EUR_USD": euro, "GBP_USD": pound}
    chosen = set()
    for window in found.windows:
        begin, middle, end = (
            day_open_ns(item)
            for item in (window.span.train_start, window.span.test_start, window.span.test_end)
        )
        best = -np.inf
        for name, bars in market.items():
            for frame in ("H1", "H4"):
                longer = bars if frame == "H1" else resample(bars, frame)
                known = longer.at(0, int(np.searchsorted(longer.close_ns, middle, side="right")))
                if known.close_ns[-1] <= begin:
                    continue
                alone = sweep(Cross, known, grid, trade_from_ns=begin, **options)
                best = max(best, float(alone.best().result["sharpe"]))
                if (window.parameters["instrument"], window.parameters["timeframe"]) == (name, frame):
                    assert window.in_sample["sharpe"] == alone.best().result["sharpe"]
                    traded = longer
        assert window.in_sample["sharpe"] == best
        if window.tested is not None:
            assert window.tested.instrument.id == window.parameters["instrument"]
            inside = (traded.close_ns > middle) & (traded.close_ns <= end)
            assert np.array_equal(window.close_ns, traded.close_ns[inside])
        chosen.add((window.parameters["instrument"], window.parameters["timeframe"]))
    assert len(chosen) > 1
    assert 0.0 < found.stability.loc["instrument", "share"] <= 1.0
    assert "EUR_USD" in found._repr_html_()
    assert "instrument place" in found.picture().html()


def test_walks_and_sweeps_take_no_more_than_is_on_offer() -> None:
    ticks = ticks_of(walk(400, seed=4), seed=4, sizes=4_000)
    grid, options = {"fast": [2, 3], "slow": [5]}, {"cost_book": book(), "timeframe": "H1", "progress": False}
    whole, offered = (sweep(Cross, ticks, grid, sizes=sizes, **options) for sizes in (False, True))
    for trial in offered.trials:
        alone = run_backtest(Cross(**trial.parameters), ticks, timeframe="H1", cost_book=book(), sizes=True)
        assert trial.result == alone.metrics
    assert offered.digest != whole.digest
    walked = walk_forward(Cross, ticks, grid=grid, train=5, test=5, sizes=True, **options)
    assert all(item.tested is None or item.tested.given.by_size for item in walked.windows)
    assert any(item.tested is not None for item in walked.windows)
