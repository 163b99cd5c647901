"""Markets of several instruments, ticks and finer bars, made up for tests."""

from datetime import date

import numpy as np

from tests.research.strategies_for_tests import walk
from workbench.domain.cost_book import CostBook, InstrumentCosts
from workbench.domain.instruments import InstrumentId, instrument
from workbench.domain.timeframes import Timeframe
from workbench.market import Bars, make_bars, resample
from workbench.market.ticks import Ticks

__all__ = ["book_for", "finer_walk", "moved", "ticks_of"]

_SIDES = tuple(f"{side}_{part}" for side in ("bid", "ask") for part in ("open", "high", "low", "close"))


def book_for(*names: str, **costs: int) -> CostBook:
    """One cost book for all of some instruments."""
    plain = {
        "commission_ppm": 20,
        "financing_long_ppm": -25_000,
        "financing_short_ppm": 5_000,
        "margin_rate_ppm": 33_333,
        "slippage_points": 2,
    }
    record = InstrumentCosts(spread_points=(13,) * 168, **{**plain, **costs})
    return CostBook(
        broker="test", valid_from=date(2020, 1, 1), costs={InstrumentId(name): record for name in names}
    )


def moved(name: str, bars: Bars) -> Bars:
    """The same bars as those of another instrument."""
    return make_bars(
        instrument(name),
        timeframe=bars.timeframe,
        open_ns=bars.open_ns,
        prices={side: getattr(bars, side) for side in _SIDES},
    )


def finer_walk(count: int, *, seed: int, step: int = 30) -> tuple[Bars, Bars]:
    """Bars of 15 minutes, and the bars of a minute that they consist of."""
    fine = walk(15 * count, seed=seed, timeframe=Timeframe.M1, step=step, gap_share=0.02)
    return resample(fine, "M15"), fine


def ticks_of(bars: Bars, *, seed: int, sizes: int = 0) -> Ticks:
    """Some quotes within each bar: its open, both extremes in either order, its close."""
    rng = np.random.default_rng(seed)
    up = rng.random(len(bars)) < 0.5
    span = (bars.close_ns - bars.open_ns) // 5
    times = bars.open_ns[:, None] + span[:, None] * np.array([0, 1, 1, 3])
    columns = {}
    for side in ("bid", "ask"):
        low, high = getattr(bars, f"{side}_low"), getattr(bars, f"{side}_high")
        first, second = np.where(up, low, high), np.where(up, high, low)
        parts = (getattr(bars, f"{side}_open"), first, second, getattr(bars, f"{side}_close"))
        columns[side] = np.stack(parts, axis=1).ravel()
    none = np.zeros(columns["bid"].shape, np.int64)
    offered = {
        f"{side}_size": rng.integers(1, sizes, none.shape) if sizes else none for side in ("bid", "ask")
    }
    return Ticks(instrument=bars.instrument, time_ns=times.ravel(), **columns, **offered)
