"""Backtests and sweeps next to vectorbt and backtesting.py: P1 to P7, P9 to P11 of the targets.

On the same bars, in the same process, the fills checked equal. Speed is per second of processor time, the
median of interleaved repeats. Run it alone, or all by `workbench bench`.
"""

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd
from market_for_benchmarks import YEAR_BARS, synthetic_m1, synthetic_ticks
from one_run import BOOK, COMMISSION_PPM, UNITS, SmaCross, save

from workbench.market import Bars
from workbench.market.storage.tick_versions import concatenated
from workbench.research import BacktestResult, run_backtest, sweep
from workbench.strategy import (
    AccountView,
    BarExpr,
    MarketView,
    Param,
    Rules,
    Strategy,
    Units,
    bar,
    crosses_above,
    crosses_below,
    pips,
    sma,
)

REPEATS = 5
POINT = 1e-5
GRID = {"fast": range(4, 36), "slow": range(40, 168, 4)}
IDS = ("P1", "P2", "P3", "P4", "P5", "P6", "P7", "P9", "P10", "P11")


class SmaTrailing(SmaCross):
    """The same with a stop of 0.1 %, a target of 0.2 % and a trailing stop."""

    def rules(self, bar: BarExpr) -> Rules:
        plain = super().rules(bar)
        return Rules(
            enter_long=plain.enter_long,
            enter_short=plain.enter_short,
            stop=pips(11),
            target=pips(22),
            trail=pips(9),
            size=Units(UNITS),
        )


UP = crosses_above(sma(bar.mid.close, 10), sma(bar.mid.close, 50))
DOWN = crosses_below(sma(bar.mid.close, 10), sma(bar.mid.close, 50))


class CrossByBar(Strategy):
    """The cross, decided in Python."""

    stop = Param(0, low=0, high=10_000)
    target = Param(0, low=0, high=10_000)

    def on_bar(self, market: MarketView, account: AccountView) -> None:
        if market.value(UP) == 1.0:
            account.close()
            account.buy(UNITS, stop=self.stop, target=self.target)
        elif market.value(DOWN) == 1.0:
            account.close()
            account.sell(UNITS, stop=self.stop, target=self.target)


class Watcher(Strategy):
    """Looks at every quote and does nothing."""

    def on_tick(self, market: MarketView, account: AccountView) -> None:
        pass


class Peer:
    """vectorbt on the same bars: averages in points, orders at the next open on the side that is traded."""

    def __init__(self, bars: Bars) -> None:
        import vectorbt

        self.vbt = vectorbt
        self.engines = ["numba"]
        with suppress(PackageNotFoundError):  # then the lines are those of the Numba engine alone
            self.engines.append(f"rust {version('vectorbt-rust')}")
        self.mid = pd.Series((bars.bid_close + bars.ask_close) / 2)
        self.bid_open, self.ask_open = bars.bid_open * POINT, bars.ask_open * POINT
        self.price = self.mid * POINT

    def on(self, engine: str, work: Callable[[], object]) -> Callable[[], object]:
        """`work` on one of its engines; left alone it takes Rust for all that Rust can do."""

        def chosen() -> object:
            self.vbt.settings["engine"] = "numba" if engine == "numba" else "auto"
            return work()

        return chosen

    def orders(self, fast: "int | list[int]", slow: "int | list[int]") -> Any:
        """Averages, crossings, orders."""
        quick, steady = self.vbt.MA.run(self.mid, fast), self.vbt.MA.run(self.mid, slow)
        above = quick.ma_crossed_above(steady).to_numpy()
        below = quick.ma_crossed_below(steady).to_numpy()
        size = np.full(above.shape, np.nan)
        size[1:][above[:-1]] = UNITS
        size[1:][below[:-1]] = -UNITS
        shape = (-1,) + (1,) * (above.ndim - 1)
        price = np.where(size > 0, self.ask_open.reshape(shape), self.bid_open.reshape(shape))
        return self.vbt.Portfolio.from_orders(
            self.price,
            size=size,
            size_type="targetamount",
            price=price,
            fees=COMMISSION_PPM / 1e6,
            init_cash=100_000.0,
            freq="1min",
        )

    def bracket(self) -> Any:
        """The same entries with stop, target and trailing stop by percent: as near as it comes."""
        quick, steady = self.vbt.MA.run(self.mid, 10), self.vbt.MA.run(self.mid, 50)
        return self.vbt.Portfolio.from_signals(
            self.price,
            entries=quick.ma_crossed_above(steady),
            short_entries=quick.ma_crossed_below(steady),
            size=UNITS,
            sl_stop=0.001,
            sl_trail=True,
            tp_stop=0.002,
            fees=COMMISSION_PPM / 1e6,
            init_cash=100_000.0,
            freq="1min",
        )


def measure(ids: Sequence[str] = ()) -> list[dict[str, Any]]:
    """One row a target."""
    wanted = set(ids) or set(IDS)
    bars = synthetic_m1()
    rows: list[dict[str, Any]] = []
    if wanted & {"P1", "P2", "P3", "P6", "P7"}:
        rows += _compiled(bars, wanted)
    if wanted & {"P4", "P5"}:
        rows += _fresh(wanted)
    if "P9" in wanted:
        rows += _by_bar(bars)
    if wanted & {"P10", "P11"}:
        rows += _by_tick(wanted)
    return rows


def _compiled(bars: Bars, wanted: set[str]) -> list[dict[str, Any]]:
    peer, n = Peer(bars), len(bars)
    check_equal_fills(run_backtest(SmaCross(), bars, cost_book=BOOK), peer.orders(10, 50))
    rows = []
    name = ("vectorbt", version("vectorbt"))
    # the ratio to its Numba engine, then to its Rust engine, that is asked for
    single: list[tuple[str, str, Callable[[], object], Callable[[], object], float, float, float]] = [
        (
            "P1",
            "single run, user-written rules",
            lambda: run_backtest(SmaCross(), bars, cost_book=BOOK),
            lambda: peer.orders(10, 50).value(),
            50.0,
            20.0,
            8.0,
        ),
        (
            "P2",
            "the same with all statistics",
            lambda: run_backtest(SmaCross(), bars, cost_book=BOOK).metrics,
            lambda: peer.orders(10, 50).stats(),
            20.0,
            1.0,
            1.0,
        ),
        (
            "P3",
            "stop, target and trailing stop",
            lambda: run_backtest(SmaTrailing(), bars, cost_book=BOOK),
            lambda: peer.bracket().value(),
            30.0,
            10.0,
            10.0,
        ),
    ]
    for key, what, ours, theirs, target, numba, rust in single:
        if key in wanted:
            took, *others = cpu_seconds(ours, *(peer.on(engine, theirs) for engine in peer.engines))
            for engine, other in zip(peer.engines, others, strict=True):
                times = numba if engine == "numba" else rust
                theirs_is = (f"vectorbt ({engine})", name[1])
                speed = n / took / 1e6
                rows.append(
                    row(key, what, speed, "Mbars/cpu-s", theirs_is, other / took, target, times=times)
                )
    if wanted & {"P6", "P7"}:
        count = len(GRID["fast"]) * len(GRID["slow"])
        pairs = [(fast, slow) for fast in GRID["fast"] for slow in GRID["slow"]][:10]  # best for it

        def swept(statistics: str, workers: int) -> Callable[[], object]:
            return lambda: sweep(
                SmaCross, bars, GRID, cost_book=BOOK, workers=workers, progress=False, statistics=statistics
            )

        theirs = lambda: peer.orders([a for a, _ in pairs], [b for _, b in pairs]).total_profit()  # noqa: E731
        by_trade, by_bar, other = cpu_seconds(swept("trades", 1), swept("bars", 1), theirs)
        speed = len(pairs) * n / other
        for key, what, took, target, times in (
            ("P6", f"sweep of {count} combinations, per-trade statistics", by_trade, 1_000.0, 130.0),
            ("P7", "sweep, drawdown by bar and Sharpe", by_bar, 150.0, 1.0),
        ):
            if key in wanted:
                ours = count * n / took
                rows.append(
                    row(key, what, ours / 1e6, "M combo-bars/cpu-s", name, ours / speed, target, times=times)
                )
        if "P7" in wanted:
            gain = wall_seconds(swept("bars", 1)) / wall_seconds(swept("bars", 2))
            rows.append(row("P7", "two threads", gain, "x one", None, None, 1.8))
    return rows


def _fresh(wanted: set[str]) -> list[dict[str, Any]]:
    """In processes of their own: ten years' memory, and the first backtest."""
    rows = []
    for key, count in (("P4", 10 * YEAR_BARS), ("P5", 10_000)):
        if key not in wanted:
            continue
        with TemporaryDirectory() as folder:
            save(synthetic_m1(count), Path(folder))
            found = [_child(folder) for _ in range(REPEATS + 1)][1:]  # the first fills the compile cache
        if key == "P4":
            peak = _median([item["peak_mb"] for item in found])
            rows.append(row(key, "peak memory of ten years", peak, "MB", None, None, 500.0, less=True))
            continue
        for what, name in (("on the clock", "wall_s"), ("of processor time", "processor_s")):
            took = _median([item[name] for item in found])
            what = f"fresh process: first backtest, {what}"
            rows.append(row(key, what, took, "s", None, None, 2.0, less=True))
    return rows


def _by_bar(bars: Bars) -> list[dict[str, Any]]:
    rows = []
    for what, strategy, target in (
        ("on_bar in Python, orders", CrossByBar(), 1.0),
        ("on_bar in Python, brackets", CrossByBar(stop=110, target=220), 0.7),
    ):
        (took,) = cpu_seconds(lambda chosen=strategy: run_backtest(chosen, bars, cost_book=BOOK))
        peer, speed = _backtesting(bars)
        ours = len(bars) / took
        ratio = ours / speed if speed else None
        rows.append(row("P9", what, ours / 1e6, "Mbars/cpu-s", peer, ratio, target))
    return rows


def _by_tick(wanted: set[str]) -> list[dict[str, Any]]:
    ticks = concatenated(list(synthetic_ticks(10_000_000)))
    rows = []
    if "P10" in wanted:
        (took,) = cpu_seconds(lambda: run_backtest(SmaTrailing(), ticks, timeframe="M1", cost_book=BOOK))
        what = "rules on M1 bars of ticks, orders matched on every tick"
        rows.append(row("P10", what, len(ticks) / took / 1e6, "Mticks/cpu-s", None, None, 20.0))
    if "P11" in wanted:
        some = ticks.at(0, 1_000_000)
        (took,) = cpu_seconds(lambda: run_backtest(Watcher(), some, timeframe="M1", cost_book=BOOK))
        what = "quotes into an empty on_tick"
        rows.append(row("P11", what, len(some) / took / 1e6, "Mquotes/cpu-s", None, None, 3.0))
    return rows


def _backtesting(bars: Bars) -> tuple[tuple[str, str] | None, float]:
    """backtesting.py on a tenth of the bars: bars a second, 0 where it is not installed."""
    try:
        from backtesting import Backtest
        from backtesting import Strategy as TheirStrategy
    except ImportError:
        return None, 0.0
    part = bars.at(0, len(bars) // 10)
    frame = pd.DataFrame(
        {
            name.capitalize(): getattr(part, f"bid_{name}") * POINT
            for name in ("open", "high", "low", "close")
        },
        index=pd.DatetimeIndex(part.open_ns.view("M8[ns]")),
    )

    class Theirs(TheirStrategy):  # type: ignore[misc]
        def init(self) -> None:
            close = pd.Series(self.data.Close)
            self.quick = self.I(lambda: close.rolling(10).mean())
            self.steady = self.I(lambda: close.rolling(50).mean())

        def next(self) -> None:
            now, before = self.quick[-1] - self.steady[-1], self.quick[-2] - self.steady[-2]
            if now > 0 >= before:
                self.position.close()
                self.buy(size=UNITS)
            elif now < 0 <= before:
                self.position.close()
                self.sell(size=UNITS)

    begun = time.process_time()
    Backtest(frame, Theirs, cash=1_000_000.0, margin=0.033, commission=COMMISSION_PPM / 1e6).run()
    return ("backtesting", version("backtesting")), len(part) / (time.process_time() - begun)


def row(
    key: str,
    what: str,
    ours: float,
    unit: str,
    peer: tuple[str, str] | None,
    ratio: float | None,
    target: float,
    *,
    times: float = 1.0,
    less: bool = False,
) -> dict[str, Any]:
    """One target; `times` is what the ratio to the peer has to be."""
    met = ours <= target if less else ours >= target
    return {
        "id": key,
        "what": what,
        "ours": ours,
        "unit": unit,
        "peer": peer[0] if peer else None,
        "peer_version": peer[1] if peer else None,
        "ratio": ratio,
        "target": target,
        "target_ratio": times,
        "met": bool(met and (ratio is None or ratio >= times)),
    }


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
    return [_median(item) for item in spent]


def wall_seconds(work: Callable[[], object]) -> float:
    """Median seconds on the clock."""
    spent = []
    for _ in range(REPEATS):
        begun = time.perf_counter()
        work()
        spent.append(time.perf_counter() - begun)
    return _median(spent)


def check_equal_fills(result: BacktestResult, portfolio: Any) -> int:
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


def _median(values: Sequence[float]) -> float:
    return float(statistics.median(values))


def _child(folder: str) -> dict[str, Any]:
    """What one backtest took in a process of its own."""
    begun = time.perf_counter()
    program = str(Path(__file__).with_name("one_run.py"))
    done = subprocess.run([sys.executable, program, folder], check=True, capture_output=True, text=True)
    return {"wall_s": time.perf_counter() - begun, **json.loads(done.stdout)}


def _main(what: str) -> None:
    print(json.dumps(measure([what] if what else []), indent=2, default=float))


if __name__ == "__main__":
    _main(sys.argv[1] if len(sys.argv) > 1 else "")
