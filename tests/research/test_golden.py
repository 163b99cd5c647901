"""The engine and the statistics against other programs and published numbers."""

import csv
import json
import math
from collections.abc import Iterator
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.research.strategies_for_tests import FREE, Bracket, Cross, walk
from workbench.domain.calendar import to_ns
from workbench.domain.cost_book import CostBook, InstrumentCosts
from workbench.domain.instruments import instrument
from workbench.domain.orders import ClientOrderId, Fill, Order
from workbench.domain.quotes import Quote
from workbench.domain.timeframes import Timeframe
from workbench.engine import MatchingEngine
from workbench.market import Bars
from workbench.research import (
    BacktestResult,
    deflated_sharpe_ratio,
    expected_maximum_sharpe,
    probabilistic_sharpe_ratio,
    run_backtest,
)

GBP = instrument("GBP_USD")
QUARTER_HOUR_NS = 15 * 60 * 1_000_000_000


# --- NautilusTrader 1.221.0: EMA 10/20 on 15-minute bid bars, FXCM GBP/USD, February 2012 ----------


def fxcm_quotes(folder: Path) -> Iterator[Quote]:
    """Four quotes a minute: open 300 ms before the stamp, high 200, low 100, close at it."""
    rows = []
    for side in ("bid", "ask"):
        with (folder / f"gbpusd-m1-{side}-2012.csv").open() as file:
            rows.append(list(csv.DictReader(file)))
    for bid, ask in zip(*rows, strict=True):
        assert bid["timestamp"] == ask["timestamp"]
        stamp = to_ns(datetime.fromisoformat(bid["timestamp"]))
        for early_ms, part in ((300, "open"), (200, "high"), (100, "low"), (0, "close")):
            yield Quote(
                instrument=GBP.id,
                time_ns=stamp - early_ms * 1_000_000,
                bid=GBP.to_points(bid[part]),
                ask=GBP.to_points(ask[part]),
            )


class EmaCrossOnQuotes:
    """The reference run's strategy: it trades at the very quote that closes a bar."""

    def __init__(self, engine: MatchingEngine) -> None:
        self.engine = engine
        self.fills: list[Fill] = []
        self._fast = self._slow = math.nan
        self._bars = self._orders = 0
        self._bar: list[int] = []  # bids of the bar in the making
        self._end: int | None = None

    def on_quote(self, quote: Quote) -> None:
        end = -(-quote.time_ns // QUARTER_HOUR_NS) * QUARTER_HOUR_NS
        while self._end is not None and self._end < end:  # bars go on at the last price without quotes
            self._close_bar(self._last)
            self._end += QUARTER_HOUR_NS
        self._end = end
        self.fills += self.engine.on_quote(quote)
        self._last = quote
        self._bar.append(quote.bid)
        if quote.time_ns == end:
            self._close_bar(quote)
            self._end += QUARTER_HOUR_NS

    def finish(self) -> None:
        self._order(-self.engine.account().units(GBP.id), reduce_only=True)
        self.fills += self.engine.on_quote(self._last)

    def _close_bar(self, quote: Quote) -> None:
        bids, self._bar = self._bar or [quote.bid], []
        first = self._bars == 0
        self._fast = bids[-1] if first else self._fast + 2 / 11 * (bids[-1] - self._fast)
        self._slow = bids[-1] if first else self._slow + 2 / 21 * (bids[-1] - self._slow)
        self._bars += 1
        if self._bars < 20 or min(bids) == max(bids):
            return
        side = 1 if self._fast >= self._slow else -1
        held = self.engine.account().units(GBP.id)
        if held * side > 0:
            return
        if held:
            self._order(-held, reduce_only=True)
        self._order(side * 100_000)
        self.fills += self.engine.on_quote(quote)

    def _order(self, units: int, *, reduce_only: bool = False) -> None:
        self._orders += 1
        name = ClientOrderId(f"order-{self._orders}")
        order = Order(client_order_id=name, instrument=GBP.id, units=units, reduce_only=reduce_only)
        self.engine.submit(order)


def test_the_engine_makes_all_158_fills_of_the_reference_run(real_data: Path) -> None:
    costs = InstrumentCosts(
        spread_points=(0,) * 168,
        commission_ppm=20,
        financing_long_ppm=0,
        financing_short_ppm=0,
        margin_rate_ppm=33_333,
    )
    engine = MatchingEngine(
        instruments=[GBP],
        cost_book=CostBook(broker="reference", valid_from=date(2012, 1, 1), costs={GBP.id: costs}),
        currency="USD",
        balance=1_000_000_000_000,
    )
    strategy = EmaCrossOnQuotes(engine)
    for quote in fxcm_quotes(real_data / "fxcm_m1"):
        strategy.on_quote(quote)
    strategy.finish()
    with (real_data / "reference" / "gbpusd_m15_ema_10_20_fills.csv").open() as file:
        expected = [
            (
                to_ns(datetime.fromisoformat(row["ts_last"])),
                int(row["quantity"]) * (1 if row["side"] == "BUY" else -1),
                Decimal(row["avg_px"]),
            )
            for row in csv.DictReader(file)
        ]
    found = [(item.time_ns, item.units, GBP.to_price(item.price)) for item in strategy.fills]
    assert len(expected) == 158
    assert found == expected
    assert sum(item.realized for item in strategy.fills) == 2_238_000_000  # 2,238.00 USD
    # it rounds each commission to a cent, we to a micro-unit
    assert engine.account().balance / 1e6 == pytest.approx(1_001_739.17, abs=158 * 0.005)


# --- vectorbt --------------------------------------------------------------------------------------


@pytest.mark.parametrize("spread", [0, 13])
@pytest.mark.parametrize(
    "strategy", [Cross(), Bracket(units=10_000), Bracket(units=10_000, stop_pips=0.4, target_pips=0.7)]
)
def test_vectorbt_agrees_to_the_cent_without_financing(strategy: Cross | Bracket, spread: int) -> None:
    bars = walk(1_500, seed=11, spread=spread)
    costs = CostBook.from_json({**FREE.to_json(), "costs": _with(FREE, commission_ppm=20, slippage_points=1)})
    result = run_backtest(strategy, bars, cost_book=costs)
    portfolio = result.to_vectorbt()
    # it values an open position at mid, we at the closing side
    held = int(result.positions[-1])
    half_spread = abs(held) * int(bars.ask_close[-1] - bars.bid_close[-1]) * 10 / 2 / 1e6
    assert len(result.fills) > 30
    assert portfolio.total_profit() == pytest.approx(
        float(result.metrics["net_profit"]) + half_spread, abs=0.005
    )
    assert portfolio.orders.records["fees"].sum() == pytest.approx(
        float(result.metrics["commission"]), abs=0.005
    )
    assert portfolio.assets().iloc[-1] == pytest.approx(held)


def test_vectorbt_has_the_same_equity_at_every_bar_without_spread_and_financing() -> None:
    bars = walk(800, seed=5, spread=0)
    result = run_backtest(Cross(), bars, cost_book=FREE)
    ours = result.to_frame()["equity"] - 100_000
    theirs = result.to_vectorbt().value()
    assert np.allclose(ours, theirs.to_numpy() - theirs.iloc[0], atol=0.005)


def test_vectorbt_gets_an_entry_that_is_stopped_within_its_bar() -> None:
    bars = walk(600, seed=3, step=900)
    result = run_backtest(Bracket(units=1_000, target_pips=0.5, lookback=3), bars, cost_book=FREE)
    per_bar = np.bincount(result.outcome.fill_bar)
    assert per_bar.max() >= 2
    portfolio = result.to_vectorbt()
    assert portfolio.wrapper.index.is_monotonic_increasing
    assert portfolio.wrapper.index.is_unique
    assert len(portfolio.orders.records) <= len(result.fills)
    assert portfolio.total_profit() == pytest.approx(float(result.metrics["net_profit"]), abs=1.0)


def _with(book: CostBook, **changes: int) -> dict[str, dict[str, object]]:
    return {name: {**item, **changes} for name, item in book.to_json()["costs"].items()}


# --- figures computed another way ------------------------------------------------------------------


@pytest.fixture(scope="module")
def result(sample: Bars, cost_book: CostBook) -> BacktestResult:
    """A backtest with wins, losses, stops, targets and financing."""
    return run_backtest(Bracket(lookback=30, stop_pips=20.0, target_pips=40.0), sample, cost_book=cost_book)


def test_daily_returns_are_those_of_new_york_days(result: BacktestResult) -> None:
    equity = result.to_frame()["equity"]
    local = equity.index.tz_convert("America/New_York")
    # pandas: an FX day ends 17:00, so seven hours later it is midnight; the bar closing then belongs to it
    days = (local.tz_localize(None) - pd.Timedelta(1, "ns") + pd.Timedelta(7, "h")).normalize()
    at_end = equity.groupby(days).last()
    returns = np.diff(np.concatenate(([100_000.0], at_end))) / np.concatenate(([100_000.0], at_end[:-1]))
    assert [pd.Timestamp(day) for day in result.daily.sessions] == list(at_end.index)
    assert result.daily.returns == pytest.approx(returns, abs=1e-12)
    expected = pd.Series(returns)
    figures = result.metrics
    assert figures["sharpe"] == pytest.approx(expected.mean() / expected.std() * math.sqrt(252))
    assert figures["volatility"] == pytest.approx(expected.std() * math.sqrt(252))
    assert figures["skew"] == pytest.approx(
        ((expected - expected.mean()) ** 3).mean() / expected.std(ddof=0) ** 3
    )
    assert figures["kurtosis"] == pytest.approx(
        ((expected - expected.mean()) ** 4).mean() / expected.std(ddof=0) ** 4
    )


def test_drawdown_is_the_deepest_fall_from_a_running_maximum(result: BacktestResult) -> None:
    equity = pd.concat((pd.Series([100_000.0]), result.to_frame()["equity"]))
    high = equity.cummax()
    assert result.metrics["max_drawdown"] == pytest.approx(((high - equity) / high).max())
    assert result.metrics["max_drawdown_money"] == pytest.approx((high - equity).max())
    below = (equity < high).to_numpy()
    runs = np.diff(np.flatnonzero(np.concatenate(([True], ~below, [True])))) - 1
    assert result.metrics["drawdown_bars"] == runs.max()


def test_trades_are_the_fills_paired_by_hand(result: BacktestResult) -> None:
    paired, entry = [], None
    for fill in result.fills:
        if fill.position != 0:
            entry = fill
            continue
        assert entry is not None
        gross = (fill.price - entry.price) * entry.units * 10 / 1e6
        paired.append((entry.time_ns, fill.time_ns, gross - (entry.commission + fill.commission) / 1e6))
    trades = result.trades[result.trades["reason"] != "OPEN"]
    assert len(paired) == len(trades) == result.metrics["trades"] > 100
    financing = trades["financing"].to_numpy()
    assert (trades["net_profit"] - financing).to_numpy() == pytest.approx([item[2] for item in paired])
    assert trades["entry_at"].dt.as_unit("ns").astype("int64").tolist() == [item[0] for item in paired]
    assert financing.sum() == pytest.approx(float(result.metrics["financing"]), abs=1e-6)
    net = trades["net_profit"]
    assert result.metrics["win_rate"] == pytest.approx((net > 0).mean())
    assert result.metrics["profit_factor"] == pytest.approx(net[net > 0].sum() / -net[net < 0].sum())
    assert result.metrics["average_trade"] == pytest.approx(net.mean())
    assert (result.trades["mae"] <= 0).all()
    assert (result.trades["mfe"] >= 0).all()
    gross = net - financing + trades["commission"]
    assert (trades["mae"] <= gross + 1e-6).all()
    assert (trades["mfe"] >= gross - 1e-6).all()


def test_exposure_and_costs_are_those_of_the_fills(result: BacktestResult) -> None:
    assert result.metrics["exposure"] == pytest.approx((result.positions != 0).mean())
    held, at = [], 0
    fills = list(zip(result.outcome.fill_bar.tolist(), result.fills, strict=True))
    for bar in range(len(result.bars)):
        while fills and fills[0][0] <= bar:
            at = fills.pop(0)[1].position
        held.append(at)
    assert result.positions.tolist() == held
    # at mid prices and for nothing, the same trades make what is called the profit before costs
    costs = result.costs["amount"]
    assert costs["profit before costs"] == pytest.approx(costs["net profit"] + costs["all costs"])
    spread = sum(
        abs(item.units) * int(result.bars.ask_open[bar] - result.bars.bid_open[bar]) * 10 / 2 / 1e6
        for bar, item in zip(result.outcome.fill_bar.tolist(), result.fills, strict=True)
    )
    assert costs["spread"] == pytest.approx(spread)
    assert costs["commission"] == pytest.approx(sum(item.commission for item in result.fills) / 1e6)


def test_the_digest_follows_the_content(result: BacktestResult, sample: Bars, cost_book: CostBook) -> None:
    again = run_backtest(Bracket(lookback=30, stop_pips=20.0, target_pips=40.0), sample, cost_book=cost_book)
    other = run_backtest(Bracket(lookback=30, stop_pips=20.0, target_pips=41.0), sample, cost_book=cost_book)
    assert again.digest == result.digest
    assert other.digest != result.digest
    json.dumps(result.trial().result, allow_nan=False)


def test_daily_bars_that_close_at_the_rollover_pay_financing_on_the_right_trade() -> None:
    bars = walk(400, seed=8, timeframe=Timeframe.H4, gap_share=0.0)
    result = run_backtest(Cross(), bars, cost_book=FREE)
    assert result.metrics["financing"] == 0
    paying = run_backtest(
        Cross(),
        bars,
        cost_book=CostBook.from_json({**FREE.to_json(), "costs": _with(FREE, financing_long_ppm=-25_000)}),
    )
    sides = paying.trades.set_index("side")["financing"]
    assert (sides["short"] == 0).all()
    assert sides["long"].sum() == pytest.approx(float(paying.metrics["financing"]))
    assert paying.metrics["financing"] < 0


# --- overfitting: Bailey and Lopez de Prado; golden values from two independent implementations -----


@pytest.mark.parametrize(
    ("trials", "expected"),
    [(10, 1.5746), (45, 2.2356), (46, 2.2442), (88, 2.4853), (100, 2.5306), (1_000, 3.2551), (10**6, 4.8679)],
)
def test_the_expected_maximum_of_unskilled_trials_is_the_published_one(trials: int, expected: float) -> None:
    assert expected_maximum_sharpe(trials) == pytest.approx(expected, abs=1e-4)


def test_few_trials_are_integrated_exactly() -> None:
    # means of the largest of N standard normals: Harter (1961), Biometrika 48, table 1
    expected = {1: 0.0, 2: 0.56419, 3: 0.84628, 4: 1.02938}
    assert {n: expected_maximum_sharpe(n) for n in expected} == pytest.approx(expected, abs=1e-5)


def test_the_deflated_sharpe_ratio_is_the_published_example() -> None:
    daily = {"sharpe": 2.5 / math.sqrt(250), "periods": 1_250, "variance": 0.5 / 250}
    shape = {"skew": -3.0, "kurtosis": 10.0}
    assert deflated_sharpe_ratio(**daily, **shape, trials=100) == pytest.approx(0.9004, abs=1e-4)
    assert deflated_sharpe_ratio(**daily, **shape, trials=46) == pytest.approx(0.9505, abs=1e-4)
    assert deflated_sharpe_ratio(**daily, trials=88) == pytest.approx(0.9505, abs=1e-4)


def test_the_probabilistic_sharpe_ratio_is_the_published_example() -> None:
    monthly = {"sharpe": 0.036 / 0.079, "periods": 24}
    shape = {"skew": -2.448, "kurtosis": 10.164}
    assert probabilistic_sharpe_ratio(**monthly, **shape) == pytest.approx(0.9127, abs=1e-4)
    assert probabilistic_sharpe_ratio(**monthly) == pytest.approx(0.9812, abs=1e-4)
    assert probabilistic_sharpe_ratio(**monthly, **shape, benchmark=0.1) == pytest.approx(0.8554, abs=1e-4)
