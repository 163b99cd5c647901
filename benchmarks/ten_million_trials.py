"""Ten million trials in the ledger: how long they take to keep, and to count.

``python benchmarks/ten_million_trials.py [URL] [--trials 10000000]``; without a URL SQLite in a folder
that is removed afterwards.
"""

import argparse
import math
import tempfile
import time
from pathlib import Path

import numpy as np

from workbench.research.trial_table import TrialTable
from workbench.store import open_store
from workbench.tracking import SqlTrialLedger, count_trials, sharpe_ratios

BATCH = 4_096
FIGURES = (
    *("net_profit", "return", "sharpe", "daily_sharpe", "volatility", "skew", "kurtosis", "max_drawdown"),
    *("max_drawdown_money", "drawdown_bars", "trades", "open_trades", "win_rate", "profit_factor"),
    *("average_trade", "exposure", "spread_cost", "slippage_cost", "commission", "financing", "fills"),
    *("refused_orders", "margin_closeouts", "margin_calls", "expired_orders", "ambiguous_bars", "bars"),
    "sessions",
)


def batch(rng: np.random.Generator, count: int) -> TrialTable:
    """Trials with every figure of a sweep, none of which compresses well."""
    return TrialTable(
        strategy="SmaCross",
        dataset="0" * 64,
        cost_book="1" * 64,
        count=count,
        parameters={"fast": rng.integers(2, 200, count), "slow": rng.integers(5, 400, count)},
        figures={name: rng.normal(size=count) for name in FIGURES},
    )


def main() -> None:
    """Keep them, count them, tell."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url", nargs="?")
    parser.add_argument("--trials", type=int, default=10_000_000)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        url = given.url or f"sqlite:///{Path(folder) / 'workbench.db'}"
        engine = open_store(url)
        ledger = SqlTrialLedger(engine, idea="an idea", author="bench", marks=["place:x"])
        rng = np.random.default_rng(1)
        tables = [batch(rng, BATCH) for _ in range(8)]
        began, left, number = time.perf_counter(), given.trials, 0
        while left:
            count = min(left, BATCH)
            ledger.record(tables[number % len(tables)][:count])
            left -= count
            number += 1
        kept_s = time.perf_counter() - began
        times = []
        for _ in range(11):
            began = time.perf_counter()
            found = count_trials(engine, "an idea", marks=["place:x"])
            times.append(time.perf_counter() - began)
        assert found == given.trials, found
        began = time.perf_counter()
        ratios = sharpe_ratios(engine, "an idea")
        sharpes_s = time.perf_counter() - began
        assert ratios.count == given.trials
        size = Path(folder, "workbench.db").stat().st_size if not given.url else math.nan
        print(
            f"{given.trials:,} trials kept in {kept_s:.1f} s ({given.trials / kept_s:,.0f} a second), "
            f"{size / 2**30:.2f} GiB; counted in {sorted(times)[5] * 1e3:.2f} ms (median of 11), "
            f"variance of their Sharpe ratios in {sharpes_s * 1e3:.1f} ms"
        )
        engine.dispose()


if __name__ == "__main__":
    main()
