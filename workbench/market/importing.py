"""From a file of somebody else's to checked bars with both sides."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from workbench.domain.cost_history import Costs
from workbench.domain.instruments import Instrument
from workbench.domain.timeframes import Timeframe
from workbench.errors import BadInputError
from workbench.market.bars import PRICES, Bars, make_bars
from workbench.market.formats import Source, open_source
from workbench.market.formats.source import Trusted

__all__ = ["Source", "bars_from_file", "open_source"]


def bars_from_file(
    path: Path,
    instrument: Instrument,
    *,
    fmt: str = "auto",
    timeframe: Timeframe | None = None,
    timezone: str | None = None,
    side: str | None = None,
    pair_with: Path | None = None,
    cost_book: Costs | None = None,
    trusted: Trusted = None,
    progress: Callable[[int], None] | None = None,
) -> Bars:
    """All bars of a file (`workbench.market.formats`), in UTC and with both sides.

    Parameters
    ----------
    timezone
        IANA name of the clock the file's times were read from; not used when the times say it themselves,
        and found from the market's weeks when it is not given.

    Raises
    ------
    BadInputError
        Anything that is wrong with the file, by a subclass of its own; nothing is repaired.
    """
    source = open_source(
        path,
        instrument,
        fmt=fmt,
        timeframe=timeframe,
        timezone=timezone,
        side=side,
        pair_with=pair_with,
        cost_book=cost_book,
        trusted=trusted,
        progress=progress,
    )
    if source.kind != "bars":
        raise BadInputError(f"{Path(path).name}: expected bars, found {source.kind} ({source.format})")
    parts = [item for item in source.batches() if isinstance(item, Bars)]
    if len(parts) == 1:
        return parts[0]
    return make_bars(
        instrument,
        timeframe=parts[0].timeframe,
        open_ns=np.concatenate([item.open_ns for item in parts]),
        prices={name: np.concatenate([getattr(item, name) for item in parts]) for name in PRICES},
        sides=parts[0].sides,
    )
