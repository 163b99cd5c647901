"""A sweep of a million combinations in a process of its own: what it takes at most of memory, and of time.

python benchmarks/million_trials.py [combinations] [bars]
"""

import json
import math
import sys
import time

from market_for_benchmarks import synthetic_m1
from one_run import BOOK, peak_mb

from workbench.research import sweep
from workbench.strategy import BarExpr, Param, Rules, Strategy, Units, crosses_above, crosses_below, sma


class Wide(Strategy):
    """A cross with lookbacks that make a large grid."""

    fast = Param(10, low=1, high=2_000)
    slow = Param(50, low=1, high=4_000)

    def rules(self, bar: BarExpr) -> Rules:
        fast, slow = sma(bar.mid.close, self.fast), sma(bar.mid.close, self.slow)
        return Rules(
            enter_long=crosses_above(fast, slow), enter_short=crosses_below(fast, slow), size=Units(10_000)
        )


def main(count: int, length: int) -> None:
    """Print what the sweep took, and a digest of its figures."""
    side = math.isqrt(count)
    bars = synthetic_m1(length)
    before, begun = peak_mb(), time.process_time()
    found = sweep(
        Wide, bars, {"fast": range(1, side + 1), "slow": range(side + 1, 2 * side + 1)}, cost_book=BOOK
    )
    spent = time.process_time() - begun
    print(
        json.dumps(
            {
                "combinations": len(found),
                "bars": length,
                "processor_s": round(spent, 1),
                "peak_mb_before": round(before),
                "peak_mb": round(peak_mb()),
                "best": found.best("net_profit").parameters,
            }
        )
    )


if __name__ == "__main__":
    chosen = [int(item) for item in sys.argv[1:]]
    main(*(chosen or (1_000_000, 2_000)))
