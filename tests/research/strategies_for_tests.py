"""Strategies and markets made up for tests."""

from dataclasses import replace
from datetime import UTC, date, datetime

import numpy as np
from hypothesis import strategies as st

from workbench.domain.calendar import to_ns
from workbench.domain.cost_book import CostBook, InstrumentCosts
from workbench.domain.instruments import InstrumentId, instrument
from workbench.domain.timeframes import NS_PER_MINUTE, Timeframe
from workbench.market import Bars, make_bars
from workbench.strategy import (
    AccountView,
    BarExpr,
    MarketView,
    Param,
    RiskFraction,
    Rules,
    Strategy,
    Units,
    atr,
    bar,
    crosses_above,
    crosses_below,
    pips,
    sma,
)

NAME = InstrumentId("EUR_USD")


class Cross(Strategy):
    """Two averages, no stop, always in the market once begun."""

    fast = Param(3, low=1, high=200)
    slow = Param(8, low=2, high=400)
    units = Param(10_000, low=1, high=10_000_000)

    def rules(self, bar: BarExpr) -> Rules:
        fast, slow = sma(bar.mid.close, self.fast), sma(bar.mid.close, self.slow)
        return Rules(
            enter_long=crosses_above(fast, slow),
            enter_short=crosses_below(fast, slow),
            size=Units(self.units),
        )


class CrossByBar(Strategy):
    """`Cross`, decided in Python."""

    fast = Param(3, low=1, high=200)
    slow = Param(8, low=2, high=400)
    units = Param(10_000, low=1, high=10_000_000)

    def on_bar(self, market: MarketView, account: AccountView) -> None:
        fast, slow = sma(bar.mid.close, self.fast), sma(bar.mid.close, self.slow)
        up = market.value(crosses_above(fast, slow)) == 1.0
        down = market.value(crosses_below(fast, slow)) == 1.0
        if up and account.units <= 0:
            account.close()
            account.buy(self.units)
        if down and account.units >= 0:
            account.close()
            account.sell(self.units)


class Bracket(Strategy):
    """Everything at once: entries, exits, stop, target, size by risk or fixed."""

    lookback = Param(4, low=1, high=100)
    stop_pips = Param(6.0, low=0.1, high=1_000.0)
    target_pips = Param(9.0, low=0.1, high=1_000.0)
    risk = Param(0.02, low=0.0001, high=1.0)
    units = Param(0, low=0, high=100_000_000)  # 0: by risk

    def rules(self, bar: BarExpr) -> Rules:
        mean = sma(bar.mid.close, self.lookback)
        return Rules(
            enter_long=(bar.bid.close > mean) & (bar.hour < 14),
            enter_short=(bar.ask.close < mean) & (bar.hour >= 14),
            exit_long=bar.bid.close < mean - pips(3),
            exit_short=bar.ask.close > mean + pips(3),
            stop=pips(self.stop_pips) + atr(bar, self.lookback),
            target=pips(self.target_pips),
            size=Units(self.units) if self.units else RiskFraction(self.risk),
        )


def book(**costs: int) -> CostBook:
    """A cost book for EUR/USD."""
    plain = {
        "commission_ppm": 20,
        "financing_long_ppm": -25_000,
        "financing_short_ppm": -5_000,
        "margin_rate_ppm": 33_333,
    }
    record = InstrumentCosts(spread_points=(13,) * 168, **{**plain, **costs})
    return CostBook(broker="test", valid_from=date(2026, 1, 1), costs={NAME: record})


FREE = book(commission_ppm=0, financing_long_ppm=0, financing_short_ppm=0)


def walk(
    count: int,
    *,
    seed: int,
    timeframe: Timeframe = Timeframe.H1,
    step: int = 60,
    spread: int = 13,
    gap_share: float = 0.05,
    year: int = 2026,
) -> Bars:
    """A random walk with gaps in price and time and a spread that varies, over weekends and rollovers."""
    rng = np.random.default_rng(seed)
    start = to_ns(datetime(year, 3, 3, 16, tzinfo=UTC))  # of 2026: a Tuesday morning in New York
    hops = np.where(rng.random(count) < gap_share, rng.integers(2, 40, count), 1)
    open_ns = start + np.cumsum(hops) * timeframe.minutes * NS_PER_MINUTE
    jumps = np.where(rng.random(count) < gap_share, rng.integers(-10 * step, 10 * step + 1, count), 0)
    opened = 110_000 + np.cumsum(rng.integers(-step, step + 1, count) + jumps)
    opened = np.maximum(opened, 20_000)
    closed = opened + rng.integers(-step, step + 1, count)
    high = np.maximum(opened, closed) + rng.integers(0, step + 1, count)
    low = np.minimum(opened, closed) - rng.integers(0, step + 1, count)
    wide = spread + rng.integers(0, spread + 1, count)
    prices = {"open": opened, "high": high, "low": low, "close": closed}
    return make_bars(
        instrument(NAME),
        timeframe=timeframe,
        open_ns=open_ns,
        prices={
            **{f"bid_{part}": column for part, column in prices.items()},
            **{f"ask_{part}": column + wide for part, column in prices.items()},
        },
    )


def without_spread(bars: Bars) -> Bars:
    """The same bars with the ask at the bid."""
    parts = ("open", "high", "low", "close")
    return replace(bars, **{f"ask_{part}": getattr(bars, f"bid_{part}") for part in parts})


@st.composite
def markets(draw: st.DrawFn) -> Bars:
    """Random walks, calm and wild, of a few lengths of bar."""
    return walk(
        draw(st.integers(1, 250)),
        seed=draw(st.integers(0, 10_000)),
        timeframe=draw(st.sampled_from((Timeframe.M1, Timeframe.H1, Timeframe.H4))),
        step=draw(st.sampled_from((5, 60, 900))),
        spread=draw(st.sampled_from((0, 13, 120))),
        gap_share=draw(st.sampled_from((0.0, 0.05, 0.5))),
    )


@st.composite
def cost_books(draw: st.DrawFn) -> CostBook:
    """Cheap and dear, with margin rates that run out and financing that pays."""
    return book(
        commission_ppm=draw(st.sampled_from((0, 20, 3_000))),
        financing_long_ppm=draw(st.sampled_from((-25_000, 0, 40_000))),
        financing_short_ppm=draw(st.sampled_from((-5_000, 0, 30_000))),
        margin_rate_ppm=draw(st.sampled_from((10_000, 33_333, 500_000))),
        slippage_points=draw(st.sampled_from((0, 3))),
    )


@st.composite
def rule_strategies(draw: st.DrawFn) -> Strategy:
    """`Cross` and `Bracket` with sizes from nothing to more than the margin allows."""
    units = draw(st.sampled_from((1, 10_000, 400_000, 2_900_000)))
    if draw(st.booleans()):
        return Cross(fast=draw(st.integers(1, 4)), slow=draw(st.integers(5, 12)), units=units)
    return Bracket(
        lookback=draw(st.integers(1, 9)),
        stop_pips=draw(st.sampled_from((0.4, 5.0, 60.0))),
        target_pips=draw(st.sampled_from((0.7, 8.0, 90.0))),
        risk=draw(st.sampled_from((0.001, 0.02, 0.9))),
        units=draw(st.sampled_from((0, units))),
    )
