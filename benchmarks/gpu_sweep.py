"""The same sweep on a card and on the processor: whether every bit is the same, and what each takes.

``python benchmarks/gpu_sweep.py [combinations] [bars]``, by default 4,096 combinations of 371,000 minute bars
(1.5 thousand million combination-bars). Three kinds of rules: crossings with a fixed size, stops with
targets, and trailing stops by risk. Prints a line of JSON for each, or a sentence where there is no card.
"""

import json
import math
import sys
import time

import numpy as np
from market_for_benchmarks import YEAR_BARS, synthetic_m1
from one_run import BALANCE, BOOK

from workbench.errors import BadInputError
from workbench.market import Bars
from workbench.research import SweepResult, sweep
from workbench.research.gpu import open_card
from workbench.strategy import (
    BarExpr,
    Param,
    RiskFraction,
    Rules,
    Strategy,
    Units,
    atr,
    crosses_above,
    crosses_below,
    pips,
    sma,
)

KINDS = {"crossings": 0, "stops and targets": 1, "trailing stops by risk": 2}


class Averages(Strategy):
    """A cross of averages, with exits of one kind."""

    fast = Param(10, low=1, high=2_000)
    slow = Param(50, low=1, high=4_000)
    kind = Param(0, low=0, high=2)

    def rules(self, bar: BarExpr) -> Rules:
        fast, slow = sma(bar.mid.close, self.fast), sma(bar.mid.close, self.slow)
        exits = (
            {"size": Units(10_000)},
            {"size": Units(10_000), "stop": 2.0 * atr(bar, 14), "target": pips(20)},
            {"size": RiskFraction(0.001), "stop": pips(4), "trail": pips(6)},
        )[self.kind]
        return Rules(enter_long=crosses_above(fast, slow), enter_short=crosses_below(fast, slow), **exits)


def timed(
    bars: Bars, grid: dict[str, list[int]], *, device: str, statistics: str
) -> tuple[SweepResult, float]:
    """The sweep, and the seconds it took."""
    began = time.perf_counter()
    found = sweep(
        Averages, bars, grid, cost_book=BOOK, balance=BALANCE, device=device, statistics=statistics,
        progress=False,
    )  # fmt: skip
    return found, time.perf_counter() - began


def main(count: int, length: int) -> None:
    """Compare and measure."""
    try:
        card = open_card()
    except BadInputError as problem:
        print(f"Nothing was measured: {problem}")
        return
    side = math.isqrt(count)
    bars = synthetic_m1(length)
    for name, kind in KINDS.items():
        grid = {"fast": list(range(5, 5 + side)), "slow": list(range(60, 60 + side)), "kind": [kind]}
        small = {**grid, "fast": grid["fast"][:1], "slow": grid["slow"][:2]}
        for statistics in ("bars", "trades"):
            for device in ("cpu", "cuda"):  # compiled before the clock starts
                timed(bars, small, device=device, statistics=statistics)
            here, here_s = timed(bars, grid, device="cpu", statistics=statistics)
            there, there_s = timed(bars, grid, device="cuda", statistics=statistics)
            same = all(
                np.array_equal(here.trials.figures[key], there.trials.figures[key], equal_nan=True)
                for key in here.trials.figures
            )
            work = len(here) * length
            print(
                json.dumps(
                    {
                        "rules": name,
                        "statistics": statistics,
                        "card": card.name,
                        "combinations": len(here),
                        "bars": length,
                        "same_bits": same and here.digest == there.digest,
                        "processor_s": round(here_s, 2),
                        "card_s": round(there_s, 2),
                        "processor_combo_bars_per_s": round(work / here_s),
                        "card_combo_bars_per_s": round(work / there_s),
                    }
                ),
                flush=True,
            )


if __name__ == "__main__":
    chosen = [int(item) for item in sys.argv[1:]]
    main(*(chosen or (4_096, YEAR_BARS)))
