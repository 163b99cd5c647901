"""New York's hour, weekday and FX day of many instants at once."""

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from workbench.domain.calendar import NEW_YORK, to_ns
from workbench.indicators import compiled

__all__ = ["CLOCK_ROWS", "clock_kernel", "new_york_offsets"]

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

CLOCK_ROWS = 3
_NS_PER_HOUR = 3_600_000_000_000
_NS_PER_DAY = 24 * _NS_PER_HOUR
_UNTIL_MIDNIGHT = 7 * _NS_PER_HOUR  # from 17:00
_THURSDAY = 3  # 1970-01-01
_YEARS = (1970, 2100)


@lru_cache(maxsize=1)
def new_york_offsets() -> tuple[Ints, Ints]:
    """When each of New York's offsets from UTC began, and the offset, both in ns, 1970 to 2100.

    Before and after, the first and the last offset are taken to hold.
    """
    months = [
        datetime(year, month, 1, tzinfo=UTC)
        for year in range(_YEARS[0], _YEARS[1] + 1)
        for month in range(1, 13)
    ]
    starts, offsets = [to_ns(months[0])], [_offset(months[0])]
    for before, after in pairwise(months):
        if _offset(after) != offsets[-1]:
            starts.append(to_ns(_change(before, after)))
            offsets.append(_offset(after))
    return np.array(starts, np.int64), np.array(offsets, np.int64)


def _change(before: datetime, after: datetime) -> datetime:
    """The full hour between the two at which the offset changes."""
    old = _offset(before)
    while after - before > timedelta(hours=1):
        middle = before + timedelta(hours=(after - before) // timedelta(hours=1) // 2)
        before, after = (middle, after) if _offset(middle) == old else (before, middle)
    return after


def _offset(moment: datetime) -> int:
    shift = moment.astimezone(NEW_YORK).utcoffset()
    return int((shift or timedelta()).total_seconds()) * 1_000_000_000


@compiled
def clock_kernel(time_ns: Ints, starts: Ints, offsets: Ints, clock: Floats) -> None:
    """New York's clock at each instant, in the rows of `clock`.

    Hour 0 to 23, weekday 0 (Monday) to 6, and the number of the FX day, which ends at 17:00.
    """
    at = 0
    for i in range(time_ns.shape[0]):
        moment = time_ns[i]
        if moment < starts[at] or (at + 1 < starts.shape[0] and moment >= starts[at + 1]):
            at = max(0, np.searchsorted(starts, moment, side="right") - 1)
        local = moment + offsets[at]
        clock[0, i] = local // _NS_PER_HOUR % 24
        clock[1, i] = (local // _NS_PER_DAY + _THURSDAY) % 7
        clock[2, i] = (local + _UNTIL_MIDNIGHT) // _NS_PER_DAY
