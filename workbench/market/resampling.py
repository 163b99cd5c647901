"""Longer bars from ticks or shorter bars; the day runs from 17:00 to 17:00 New York."""

from collections.abc import Sequence

import numpy as np

from workbench.domain.timeframes import Timeframe
from workbench.domain.timeframes import timeframe as timeframe_named
from workbench.market.bar_builder import BarBuilder, fits_into
from workbench.market.bars import BOTH_SIDES, COLUMNS, Bars
from workbench.market.ticks import Ticks

__all__ = ["bars_from_ticks", "fits_into", "joined", "resample"]


def resample(bars: Bars, timeframe: Timeframe | str) -> Bars:
    """Bars of a longer timeframe; a stretch without bars gives none.

    The first and the last bar may be made of fewer bars than the others. The fingerprint stays that of
    the dataset the bars came from.

    Raises
    ------
    IncompatibleTimeframesError
        Bars of this timeframe do not fit into the longer one's, or it is shorter.
    """
    wanted = timeframe_named(timeframe)
    if wanted is bars.timeframe:
        return bars
    builder = BarBuilder(bars.instrument, wanted, sides=bars.sides, fingerprint=bars.fingerprint)
    return joined([builder.add_bars(bars), builder.finish()])


def bars_from_ticks(
    ticks: Ticks, timeframe: Timeframe | str, *, sides: str = BOTH_SIDES, fingerprint: str = ""
) -> Bars:
    """Bars of quotes; the last one is what its quotes made of it so far."""
    builder = BarBuilder(ticks.instrument, timeframe, sides=sides, fingerprint=fingerprint)
    return joined([builder.add(ticks), builder.finish()])


def joined(pieces: Sequence[Bars]) -> Bars:
    """Pieces of one series, one after another; at least one piece."""
    filled = [item for item in pieces if len(item)] or list(pieces[:1])
    first = filled[0]
    if len(filled) == 1:
        return first
    columns = {name: np.concatenate([getattr(item, name) for item in filled]) for name in COLUMNS}
    return Bars(
        instrument=first.instrument,
        timeframe=first.timeframe,
        **columns,
        sides=first.sides,
        fingerprint=first.fingerprint,
    )
