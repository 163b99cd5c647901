"""Longer bars from shorter ones; the day runs from 17:00 to 17:00 New York."""

from dataclasses import replace

import numpy as np

from workbench.domain.timeframes import Timeframe
from workbench.market.bars import Bars, make_bars
from workbench.market.errors import IncompatibleTimeframesError
from workbench.market.new_york import bar_opens

__all__ = ["fits_into", "resample"]


def fits_into(shorter: Timeframe, longer: Timeframe) -> bool:
    """Whether bars of one timeframe never cross the borders of the other's."""
    if shorter is longer:
        return True
    if not longer.is_by_session:
        return not shorter.is_by_session and longer.seconds % shorter.seconds == 0
    if shorter.is_by_session:
        return shorter is Timeframe.D1
    return 3_600 % shorter.seconds == 0  # 17:00 New York is a full hour of UTC


def resample(bars: Bars, timeframe: Timeframe) -> Bars:
    """Bars of a longer timeframe; a stretch without bars gives none.

    The first and the last bar may be made of fewer bars than the others. The fingerprint stays that of
    the dataset the bars came from.

    Raises
    ------
    IncompatibleTimeframesError
        Bars of this timeframe do not fit into the longer one's, or it is shorter.
    """
    if timeframe is bars.timeframe:
        return bars
    if not fits_into(bars.timeframe, timeframe):
        raise IncompatibleTimeframesError(
            f"{bars.instrument.id}: {timeframe} bars can not be made from {bars.timeframe} bars; "
            "use a shorter timeframe's"
        )
    opens = bar_opens(bars.open_ns, timeframe)
    starts = np.flatnonzero(np.diff(opens, prepend=opens[:1] - 1))
    ends = np.append(starts[1:], len(bars))[: len(starts)] - 1
    prices = {}
    for side in ("bid", "ask"):
        prices[f"{side}_open"] = getattr(bars, f"{side}_open")[starts]
        prices[f"{side}_high"] = np.maximum.reduceat(getattr(bars, f"{side}_high"), starts)
        prices[f"{side}_low"] = np.minimum.reduceat(getattr(bars, f"{side}_low"), starts)
        prices[f"{side}_close"] = getattr(bars, f"{side}_close")[ends]
    made = make_bars(
        bars.instrument, timeframe=timeframe, open_ns=opens[starts], prices=prices, sides=bars.sides
    )
    return replace(made, fingerprint=bars.fingerprint)
