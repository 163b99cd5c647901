"""One backtest of saved bars in a process of its own, which prints what it took: P4 and P5.

Nothing else is imported or built here, so that the figures are those of the workbench.
"""

import json
import os
import sys
from datetime import date
from decimal import Decimal
from pathlib import Path

import numpy as np

from workbench.domain.cost_book import CostBook, InstrumentCosts
from workbench.domain.instruments import InstrumentId, instrument
from workbench.domain.timeframes import Timeframe
from workbench.market import Bars
from workbench.research import run_backtest
from workbench.strategy import BarExpr, Param, Rules, Strategy, Units, crosses_above, crosses_below, sma

UNITS = 10_000
COMMISSION_PPM = 20
BALANCE = Decimal(1_000_000)  # with less, ten years of its costs bring it near a margin call
COLUMNS = (
    *("open_ns", "close_ns"),
    *(f"{side}_{part}" for side in ("bid", "ask") for part in ("open", "high", "low", "close")),
)

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


def save(bars: Bars, folder: Path) -> None:
    """Write the columns for a process that is started later."""
    for name in COLUMNS:
        np.save(folder / f"{name}.npy", getattr(bars, name))


def main(folder: Path) -> None:
    """Load, trade, print the peak of memory and the seconds of processor time since the process began."""
    columns = {name: np.load(folder / f"{name}.npy", mmap_mode="r") for name in COLUMNS}
    bars = Bars(
        instrument=instrument("EUR_USD"),
        timeframe=Timeframe.M1,
        sides="bid+ask",
        fingerprint="benchmark",
        **columns,
    )
    result = run_backtest(SmaCross(), bars, cost_book=BOOK, balance=BALANCE)
    spent = os.times()
    print(
        json.dumps(
            {
                "fills": len(result.outcome.fills),
                "processor_s": spent.user + spent.system,
                "peak_mb": peak_mb(),
                "imported": sorted({"pandas", "sqlalchemy", "bokeh", "mlflow"} & set(sys.modules)),
            }
        )
    )


def peak_mb() -> float:
    """The most memory held since this program began; `ru_maxrss` would include who started it."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024


if __name__ == "__main__":
    main(Path(sys.argv[1]))
