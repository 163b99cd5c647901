"""New York's hour and weekday of many instants at once."""

from datetime import UTC, datetime, timedelta
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from workbench.domain.calendar import NEW_YORK, to_datetime, to_ns

__all__ = ["new_york_hour_and_weekday"]

_NS_PER_HOUR = 3_600_000_000_000
_NS_PER_DAY = 24 * _NS_PER_HOUR
_THURSDAY = 3  # 1970-01-01


def new_york_hour_and_weekday(
    time_ns: npt.NDArray[np.int64],
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Hour 0 to 23 and weekday 0 (Monday) to 6 by New York's clock at each instant."""
    if not len(time_ns):
        return np.empty(0), np.empty(0)
    first, last = to_datetime(int(time_ns.min())).year, to_datetime(int(time_ns.max())).year
    starts, offsets = _offsets(first - 1, last + 1)
    local = time_ns + offsets[np.searchsorted(starts, time_ns, side="right") - 1]
    hours = (local // _NS_PER_HOUR % 24).astype(np.float64)
    weekdays = ((local // _NS_PER_DAY + _THURSDAY) % 7).astype(np.float64)
    return hours, weekdays


@lru_cache(maxsize=64)
def _offsets(first_year: int, last_year: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """When each offset from UTC began, and the offset in ns, over whole years."""
    hour = timedelta(hours=1)
    moment = datetime(first_year, 1, 1, tzinfo=UTC)
    end = datetime(last_year + 1, 1, 1, tzinfo=UTC)
    starts, offsets = [to_ns(moment)], [_offset(moment)]
    while moment < end:
        following = moment + timedelta(days=1)
        if _offset(following) != offsets[-1]:
            while _offset(moment) == offsets[-1]:
                moment += hour
            starts.append(to_ns(moment))
            offsets.append(_offset(moment))
        moment = following
    return np.array(starts, np.int64), np.array(offsets, np.int64)


def _offset(moment: datetime) -> int:
    shift = moment.astimezone(NEW_YORK).utcoffset()
    return int((shift or timedelta()).total_seconds()) * 1_000_000_000
