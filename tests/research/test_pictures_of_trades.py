"""What is told beside a backtest's figures: against buy and hold, by time, and the lines on the chart."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.research.strategies_for_tests import NAME, Cross, CrossByBar, book, walk
from workbench.domain.calendar import to_ns
from workbench.domain.instruments import instrument
from workbench.domain.timeframes import NS_PER_MINUTE, Timeframe
from workbench.errors import BadInputError
from workbench.market import Bars, make_bars
from workbench.research import run_backtest
from workbench.research.benchmarks import against
from workbench.research.by_time import by_session, by_weekday
from workbench.research.chart_lines import chart_lines
from workbench.research.packing import packed_column, unpacked_column
from workbench.strategy import BarExpr, LimitAt, Rules, Strategy, Units, pips


def bars_of(closes: list[int], *, start: datetime) -> Bars:
    """Hourly bars without spread: each opens at the close before and reaches no further."""
    close = np.array(closes, np.int64)
    opened = np.concatenate((close[:1], close[:-1]))
    prices = {
        "open": opened,
        "high": np.maximum(opened, close),
        "low": np.minimum(opened, close),
        "close": close,
    }
    times = to_ns(start) + np.arange(len(close)) * 60 * NS_PER_MINUTE
    return make_bars(
        instrument(NAME),
        timeframe=Timeframe.H1,
        open_ns=times,
        prices={f"{side}_{part}": column for side in ("bid", "ask") for part, column in prices.items()},
    )


class UpOnce(Strategy):
    """Long after a bar that closes above 1.10005, with a stop, a target and a trailing stop."""

    trailing = False

    def rules(self, bar: BarExpr) -> Rules:
        return Rules(
            enter_long=bar.mid.close > bar.mid.open + 5,
            stop=pips(10),
            target=pips(30),
            trail=pips(8) if self.trailing else None,
            size=Units(1_000),
        )


class Trailing(UpOnce):
    """The same with a trailing stop."""

    trailing = True


class Waiting(Strategy):
    """Buys a little below the close."""

    def rules(self, bar: BarExpr) -> Rules:
        return Rules(
            enter_long=bar.mid.close > bar.mid.open + 5,
            entry=LimitAt(bar.mid.close - 20),
            expires_bars=5,
            stop=pips(10),
            size=Units(1_000),
        )


# a rise of 10 points, then up, down, up, and down through the stop; one point is 0.00001
CLOSES = [110_000, 110_010, 110_010, 110_050, 110_030, 110_070, 109_880, 109_880]


def test_levels_lie_where_the_rules_put_them_by_hand() -> None:
    result = run_backtest(
        UpOnce(), bars_of(CLOSES, start=datetime(2026, 3, 3, 10, tzinfo=UTC)), cost_book=book()
    )
    lines = chart_lines(result, NAME)
    first = result.trades.iloc[0]
    # decided at the close of bar 1, filled at the open of bar 2 at 1.10010; stop 10 pips, target 30 pips off
    assert first["entry_price"] == pytest.approx(1.10010, abs=1e-9)
    np.testing.assert_allclose(lines.levels["stop"][2:7], 1.10010 - 0.00100, atol=1e-9)
    np.testing.assert_allclose(lines.levels["target"][2:7], 1.10010 + 0.00300, atol=1e-9)
    assert np.isnan(lines.levels["stop"][:2]).all()
    assert first["reason"] == "STOP_LOSS"
    assert first["exit_price"] == pytest.approx(lines.levels["stop"][6], abs=1e-9)


def test_a_trailing_stop_follows_the_best_price_and_is_where_the_trade_ended() -> None:
    result = run_backtest(
        Trailing(), bars_of(CLOSES, start=datetime(2026, 3, 3, 10, tzinfo=UTC)), cost_book=book()
    )
    trail = chart_lines(result, NAME).levels["trailing stop"]
    # 80 points behind the best bid: 1.10010, 1.10050, 1.10050, 1.10070
    np.testing.assert_allclose(trail[2:6], [1.09930, 1.09970, 1.09970, 1.09990], atol=1e-9)
    first = result.trades.iloc[0]
    assert first["reason"] == "TRAILING_STOP"
    assert first["exit_price"] == pytest.approx(1.09990, abs=1e-9)


def test_a_waiting_entry_is_drawn_from_its_decision_to_its_fill() -> None:
    closes = [110_000, 110_010, 110_005, 110_003, 109_985, 109_985, 109_985]
    result = run_backtest(
        Waiting(), bars_of(closes, start=datetime(2026, 3, 3, 10, tzinfo=UTC)), cost_book=book()
    )
    waits = chart_lines(result, NAME).levels["entry order"]
    # a limit of 1.09990 from the close of bar 1 until bar 4 comes down to it
    np.testing.assert_allclose(waits[1:5], 1.09990, atol=1e-9)
    assert np.isnan(waits[[0, 5, 6]]).all()


def test_indicators_are_those_of_the_rules_at_the_bars_traded() -> None:
    bars = walk(300, seed=2)
    result = run_backtest(Cross(fast=3, slow=8), bars, cost_book=book(), trade_from_ns=int(bars.close_ns[50]))
    lines = chart_lines(result, NAME)
    assert list(lines.on_price) == ["sma(close, 3)", "sma(close, 8)"]
    assert lines.beside == {}
    mid = (bars.bid_close + bars.ask_close) / 2 * 1e-5
    means = np.convolve(mid, np.ones(8) / 8, "valid")[-len(result.bars) :]
    np.testing.assert_allclose(lines.on_price["sma(close, 8)"], means, atol=1e-9)


def test_of_python_strategies_it_says_that_there_are_no_lines() -> None:
    lines = chart_lines(run_backtest(CrossByBar(), walk(60, seed=2), cost_book=book()), NAME)
    assert "written as rules" in lines.said
    assert lines.on_price == lines.levels == {}


def test_buy_and_hold_is_what_the_price_made_of_the_balance() -> None:
    closes = [100_000, 100_000, 105_000, 110_000]
    result = run_backtest(
        Cross(), bars_of(closes, start=datetime(2026, 3, 3, 10, tzinfo=UTC)), cost_book=book()
    )
    beside = against(result, cash_rate=0.02)
    held = beside.held.trades.iloc[0]
    assert (held["units"], held["entry_price"]) == (100_000, 1.0)  # 100,000 USD at 1.00000
    # 0.10 a unit, less the commission
    assert beside.frame.loc["net_profit", "buy and hold"] == pytest.approx(
        10_000 - held["commission"], abs=0.01
    )
    years = 3 * 3_600 / (365.25 * 24 * 3_600)
    assert beside.frame.loc["net_profit", "cash"] == pytest.approx(100_000 * 0.02 * years, abs=1e-5)
    assert beside.frame.loc["net_profit", "strategy"] == pytest.approx(result.metrics["net_profit"])


def test_a_strategy_that_is_buy_and_hold_has_a_beta_of_one() -> None:
    result = run_backtest(Cross(), walk(600, seed=4), cost_book=book())
    itself = against(against(result).held)
    together = itself.together
    assert together["correlation"] == pytest.approx(1.0)
    assert together["beta"] == pytest.approx(1.0)
    assert np.isnan(together["information_ratio"])  # it never differs


@pytest.mark.parametrize("rate", [True, "2 %", 2.0, float("nan")])
def test_a_rate_that_is_none_is_refused(rate: object) -> None:
    result = run_backtest(Cross(), walk(60, seed=4), cost_book=book())
    with pytest.raises(BadInputError, match="cash_rate"):
        against(result, cash_rate=rate)  # type: ignore[arg-type]


def test_trades_are_told_by_the_fx_day_and_by_who_is_at_business() -> None:
    # each rise is bought at the next bar's open; the rises are on Tuesday 13:00 and Sunday 22:00 UTC, 2026-03
    closes = [110_000] * 200
    start = datetime(2026, 3, 3, 10, tzinfo=UTC)
    for moment in (datetime(2026, 3, 3, 13, tzinfo=UTC), datetime(2026, 3, 8, 22, tzinfo=UTC)):
        at = int((moment - start) / timedelta(hours=1))
        closes[at] += 10
        for later in range(at + 1, len(closes)):
            closes[later] -= 200  # through the stop
    result = run_backtest(UpOnce(), bars_of(closes, start=start), cost_book=book())
    entered = [item.strftime("%a %H") for item in result.trades["entry_at"]]
    assert entered == ["Tue 14", "Sun 23"]
    days = by_weekday(result)
    # Sunday 23:00 UTC is 19:00 in New York: the FX day of Monday
    counts = {"Monday": 0, "Tuesday": 0, "Wednesday": 0, "Thursday": 0, "Friday": 0}
    for item in result.trades["entry_at"]:
        local = item.tz_convert("America/New_York") + timedelta(hours=7)
        counts[local.day_name()] += 1
    assert days["trades"].to_dict() == counts
    assert days["net_profit"].sum() == pytest.approx(result.trades["net_profit"].sum())
    sessions = by_session(result)
    for name, zone, low, high in (("London", "Europe/London", 8, 17), ("Tokyo", "Asia/Tokyo", 9, 18)):
        local = result.trades["entry_at"].dt.tz_convert(zone)
        inside = (local.dt.hour >= low) & (local.dt.hour < high) & (local.dt.day_of_week < 5)
        assert sessions.loc[name, "trades"] == int(inside.sum())


@given(
    st.lists(st.one_of(st.none(), st.integers(-(2**40), 2**40)), max_size=40),
    st.sampled_from([1.0, 0.01, 1e-5, 0.5e-5]),
)
def test_packed_columns_come_back(values: list[int | None], unit: float) -> None:
    column = np.array([np.nan if item is None else item * unit for item in values])
    found = unpacked_column(packed_column(column, unit=unit))
    np.testing.assert_allclose(found, column, rtol=1e-12, atol=unit / 1e6)
