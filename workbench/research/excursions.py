"""How far each trade went against and for its holder."""

from typing import Any

import numpy as np
import numpy.typing as npt

from workbench.indicators.compiled import compiled
from workbench.market import Bars
from workbench.research.trades import RoundTrips

__all__ = ["excursions"]

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


def excursions(bars: Bars, trips: RoundTrips, *, fill_bar: Ints) -> tuple[Floats, Floats]:
    """The worst (0 or less) and best (0 or more) open profit of each trade, micro-units at the closing side.

    Looks at the bars from the entry's to the one before the exit's, and at the exit price. The exit's bar
    is left out because its extremes may lie after the exit.
    """
    if not len(trips):
        return np.empty(0), np.empty(0)
    first = fill_bar[trips.entry_fill]
    last = np.where(trips.closed, fill_bar[np.maximum(trips.exit_fill, 0)], len(bars))
    worst, best = _extremes(
        first,
        last,
        trips.units,
        trips.entry_price,
        trips.exit_price,
        bars.bid_low,
        bars.bid_high,
        bars.ask_low,
        bars.ask_high,
    )
    scale = np.abs(trips.units) * bars.instrument.micro_per_point
    return worst * scale, best * scale


@compiled
def _extremes(
    first: Ints,
    last: Ints,
    units: Ints,
    entry: Floats,
    ended: Floats,
    bid_low: Ints,
    bid_high: Ints,
    ask_low: Ints,
    ask_high: Ints,
) -> Any:
    worst = np.zeros(units.shape[0])
    best = np.zeros(units.shape[0])
    for k in range(units.shape[0]):
        low, high = 0.0, 0.0
        long = units[k] > 0
        if np.isfinite(ended[k]):
            move = ended[k] - entry[k] if long else entry[k] - ended[k]
            low, high = min(low, move), max(high, move)
        for i in range(first[k], last[k]):
            if long:
                low = min(low, bid_low[i] - entry[k])
                high = max(high, bid_high[i] - entry[k])
            else:
                low = min(low, entry[k] - ask_high[i])
                high = max(high, entry[k] - ask_low[i])
        worst[k] = low
        best[k] = high
    return worst, best
