"""Bars of several instruments on one grid of times, as they were known: nothing from later fills a gap."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from workbench.domain.timeframes import Timeframe
from workbench.errors import BadInputError
from workbench.market.bars import PRICES, Bars, Ints

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Aligned", "align", "as_of"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Aligned:
    """n bars of k instruments; a row is known at its close."""

    instruments: tuple[str, ...]
    timeframe: Timeframe
    open_ns: Ints  # (n,)
    close_ns: Ints  # (n,)
    columns: dict[str, Ints]  # each price column (n, k), points
    is_present: npt.NDArray[np.bool_]  # (n, k); where False the prices are the last close before
    fingerprints: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.open_ns)

    def to_pandas(self) -> "pd.DataFrame":
        """Columns (price, instrument) by the bar's open, aware and UTC; whole points."""
        import pandas as pd

        index = pd.DatetimeIndex(self.open_ns.view("M8[ns]"), copy=False, name="open").tz_localize("UTC")
        parts = {
            name: pd.DataFrame(column, index=index, columns=list(self.instruments), copy=False)
            for name, column in self.columns.items()
        }
        return pd.concat(parts, axis=1)


def align(series: Sequence[Bars], *, how: str = "union") -> Aligned:
    """Bars of one timeframe side by side.

    Parameters
    ----------
    how
        ``common``: rows for which every instrument has its bar. ``union``: a row for every bar of any, from
        the first for which all have been seen; who has no bar then has its last close in all prices.

    Raises
    ------
    BadInputError
        No series, several timeframes, or one instrument twice.
    """
    names = tuple(str(item.instrument.id) for item in series)
    if not series or len(set(names)) != len(names) or len({item.timeframe for item in series}) != 1:
        raise BadInputError(
            f"expected series of one timeframe, each instrument once, found "
            f"{', '.join(f'{item.instrument.id} {item.timeframe}' for item in series) or 'none'}"
        )
    if how not in ("union", "common"):
        raise BadInputError(f"expected how='union' or 'common', found {how!r}")
    opens = series[0].open_ns
    for item in series[1:]:
        opens = np.intersect1d(opens, item.open_ns) if how == "common" else np.union1d(opens, item.open_ns)
    if how == "union" and len(opens):
        opens = opens[opens >= max(int(item.open_ns[0]) for item in series)]
    closes = np.full(len(opens), np.iinfo(np.int64).min)
    present = np.zeros((len(opens), len(series)), dtype=np.bool_)
    columns = {name: np.empty((len(opens), len(series)), dtype=np.int64) for name in PRICES}
    for position, item in enumerate(series):
        row = as_of(opens, item.open_ns)
        here = item.open_ns[row] == opens
        present[:, position] = here
        closes = np.where(here, item.close_ns[row], closes)
        for name, column in columns.items():
            last = getattr(item, f"{name[:3]}_close")[row]
            column[:, position] = np.where(here, getattr(item, name)[row], last)
    return Aligned(
        instruments=names,
        timeframe=series[0].timeframe,
        open_ns=opens,
        close_ns=closes,
        columns=columns,
        is_present=present,
        fingerprints=tuple(item.fingerprint for item in series),
    )


def as_of(times: Ints, known_ns: Ints) -> Ints:
    """For each time the last row known at it, -1 where there is none; both in time order."""
    found: Ints = np.searchsorted(known_ns, times, side="right") - 1
    return found
