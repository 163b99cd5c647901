"""Backtests and sweeps next to vectorbt, on the same bars, in the same process, with the fills checked equal.

Prints one line a target: id, ours, peer and its version, ratio, target, met or not. Speed is per second of
processor time, the median of `REPEATS` interleaved repeats. Run it alone.
"""

import os
import platform
import resource
import statistics
import sys
import time
from collections.abc import Callable
from datetime import date
from importlib.metadata import version

import numpy as np
import pandas as pd
import vectorbt as vbt
from market_for_benchmarks import synthetic_m1

from workbench.domain.cost_book import CostBook, InstrumentCosts
from workbench.domain.instruments import InstrumentId
from workbench.market import Bars
from workbench.research import BacktestResult, SweepResult, run_backtest, sweep
from workbench.strategy import BarExpr, Param, Rules, Strategy, Units, crosses_above, crosses_below, pips, sma

REPEATS = 7
UNITS = 10_000
COMMISSION_PPM = 20
POINT = 1e-5
GRID = {"fast": range(4, 36, 4), "slow": range(40, 168, 16)}

COSTS = InstrumentCosts(
    spread_points=(6,) * 168,
    commission_ppm=COMMISSION_PPM,
    financing_long_ppm=0,  # vectorbt knows no financing
    financing_short_ppm=0,
    margin_rate_ppm=33_333,
)
BOOK = CostBook(broker="benchmark", valid_from=date(2017, 1, 1), costs={InstrumentId("EUR_USD"): COSTS})


class SmaCross(Strategy):
    """The strategy of the measured peers."""

    fast = Param(10, low=2, high=200)
    slow = Param(50, low=5, high=400)

    def rules(self, bar: BarExpr) -> Rules:
        fast, slow = sma(bar.mid.close, self.fast), sma(bar.mid.close, self.slow)
        return Rules(
            enter_long=crosses_above(fast, slow), enter_short=crosses_below(fast, slow), size=Units(UNITS)
        )


class SmaBracket(SmaCross):
    """The same with a stop of 0.1 % and a target of 0.2 % at the series' first price."""

    def rules(self, bar: BarExpr) -> Rules:
        plain = super().rules(bar)
        return Rules(
            enter_long=plain.enter_long,
            enter_short=plain.enter_short,
            stop=pips(11),
            target=pips(22),
            size=Units(UNITS),
        )


class Peer:
    """vectorbt on the same bars: averages in points, orders at the next open on the side that is traded."""

    def __init__(self, bars: Bars) -> None:
        self.mid = pd.Series((bars.bid_close + bars.ask_close) / 2)
        self.bid_open, self.ask_open = bars.bid_open * POINT, bars.ask_open * POINT
        self.price = self.mid * POINT

    def orders(self, fast: "int | list[int]", slow: "int | list[int]") -> "vbt.Portfolio":
        """Averages, crossings, orders."""
        quick, steady = vbt.MA.run(self.mid, fast), vbt.MA.run(self.mid, slow)
        above = quick.ma_crossed_above(steady).to_numpy()
        below = quick.ma_crossed_below(steady).to_numpy()
        size = np.full(above.shape, np.nan)
        size[1:][above[:-1]] = UNITS
        size[1:][below[:-1]] = -UNITS
        shape = (-1,) + (1,) * (above.ndim - 1)
        price = np.where(size > 0, self.ask_open.reshape(shape), self.bid_open.reshape(shape))
        return vbt.Portfolio.from_orders(
            self.price,
            size=size,
            size_type="targetamount",
            price=price,
            fees=COMMISSION_PPM / 1e6,
            init_cash=100_000.0,
            freq="1min",
        )


def cpu_seconds(*works: Callable[[], object]) -> list[float]:
    """Median processor seconds of each, interleaved, after one run to warm up."""
    for work in works:
        work()
    spent: list[list[float]] = [[] for _ in works]
    for _ in range(REPEATS):
        for number, work in enumerate(works):
            begun = time.process_time()
            work()
            spent[number].append(time.process_time() - begun)
    return [statistics.median(item) for item in spent]


def wall_seconds(work: Callable[[], object]) -> float:
    """Median seconds on the clock."""
    spent = []
    for _ in range(REPEATS):
        begun = time.perf_counter()
        work()
        spent.append(time.perf_counter() - begun)
    return statistics.median(spent)


def sweep_in(bars: Bars, *, workers: int) -> SweepResult:
    """The whole grid."""
    return sweep(SmaCross, bars, GRID, cost_book=BOOK, workers=workers, progress=False)


def line(target: str, ours: float, peer: float | None, wanted: str, met: bool, *, what: str) -> None:
    """One target, speeds in bars (or combination-bars) a second."""
    name = f"vectorbt {version('vectorbt')} (Numba)"
    other = f"{name} {peer / 1e6:.2f}M  ratio {ours / peer:.1f}x" if peer else "no peer run"
    print(f"{target}  ours {ours / 1e6:.1f}M {what}  {other}  target {wanted}  {'met' if met else 'NOT MET'}")


def check_equal_fills(result: BacktestResult, portfolio: "vbt.Portfolio") -> int:
    """That both traded the same units at the same bars and prices; vectorbt turns a position in one order."""
    bar, fills = result.outcome.fill_bar, result.fills
    merged: dict[int, tuple[int, float]] = {}
    for at, fill in zip(bar.tolist(), fills, strict=True):
        merged[at] = (merged.get(at, (0, 0.0))[0] + fill.units, fill.price * POINT)
    records = portfolio.orders.records
    assert records["idx"].tolist() == list(merged)
    signed = np.where(records["side"] == 0, records["size"], -records["size"])
    assert np.allclose(signed, [units for units, _ in merged.values()])
    assert np.allclose(records["price"], [price for _, price in merged.values()], rtol=0, atol=1e-9)
    return len(merged)


def main() -> int:
    """Measure and print."""
    bars = synthetic_m1()
    n = len(bars)
    peer = Peer(bars)
    print(
        f"{platform.machine()}, {os.cpu_count()} processors, Python {platform.python_version()}, "
        f"numba {version('numba')}; {n:,} M1 bars, median of {REPEATS}, processor seconds"
    )
    result = run_backtest(SmaCross(), bars, cost_book=BOOK)
    orders = check_equal_fills(result, peer.orders(10, 50))
    print(f"fills checked equal: {orders:,} orders at the same bars, units and prices")

    ours, with_report, bracket, theirs, their_report = cpu_seconds(
        lambda: run_backtest(SmaCross(), bars, cost_book=BOOK),
        lambda: run_backtest(SmaCross(), bars, cost_book=BOOK).metrics,
        lambda: run_backtest(SmaBracket(), bars, cost_book=BOOK),
        lambda: peer.orders(10, 50).value(),
        lambda: peer.orders(10, 50).stats(),
    )
    p1, p2, p3 = n / ours, n / with_report, n / bracket
    line("P1", p1, n / theirs, "50M and 20x", p1 >= 50e6 and theirs / ours >= 20, what="bars/cpu-s")
    line("P2", p2, n / their_report, "20M", p2 >= 20e6, what="bars/cpu-s with all figures")
    line(
        "P3",
        p3,
        None,
        "30M with trailing stops",
        False,
        what="bars/cpu-s with stop and target, none trailing",
    )

    count = len(GRID["fast"]) * len(GRID["slow"])
    pairs = [(fast, slow) for fast in GRID["fast"] for slow in GRID["slow"]]
    some = pairs[:10]  # vectorbt keeps whole columns: ten at a time, as is best for it
    swept, swept_by_peer = cpu_seconds(
        lambda: sweep_in(bars, workers=1),
        lambda: peer.orders([fast for fast, _ in some], [slow for _, slow in some]).total_profit(),
    )
    p6, peer6 = count * n / swept, len(some) * n / swept_by_peer
    line("P6", p6, peer6, "1000M and 130x", p6 >= 1e9 and p6 / peer6 >= 130, what="combination-bars/cpu-s")
    line(
        "P7",
        p6,
        peer6,
        "150M",
        p6 >= 150e6,
        what="combination-bars/cpu-s, the same run: it has drawdown and Sharpe by bar",
    )
    alone = wall_seconds(lambda: sweep_in(bars, workers=1))
    gain = alone / wall_seconds(lambda: sweep_in(bars, workers=2))
    print(f"P7  two threads {gain:.2f}x one  target 1.8x  {'met' if gain >= 1.8 else 'NOT MET'}")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"memory: {peak:,.0f} MB at most for all of this, vectorbt included")
    return 0


if __name__ == "__main__":
    sys.exit(main())
