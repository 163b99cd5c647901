"""Where is nothing, and why: gaps against the calendar of the instrument."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from workbench.domain.calendar import (
    Hours,
    Kind,
    closed_ns,
    day_close_ns,
    day_open_ns,
    expected_bars,
    hours_of,
    session_of,
    spans,
)
from workbench.domain.timeframes import Timeframe
from workbench.domain.trading_times import bar_grid
from workbench.market.bars import Bars, Ints
from workbench.market.checks.report import Coverage, Finding
from workbench.market.checks.words import EXAMPLES, longest_first, utc

__all__ = ["Gaps", "bar_coverage", "bar_gaps", "closed_bars", "inside", "open_time", "session_borders"]

Flags = npt.NDArray[np.bool_]

_YEAR_NS = 366 * 86_400_000_000_000
_MISSING = (
    ("missing", "bars missing while the market is open"),
    ("daily break", "bars missing around 17:00 New York and other breaks, where brokers pause"),
    ("holidays", "bars missing around Christmas and New Year"),
)


@dataclass(slots=True)
class Gaps:
    """Runs of missing bars, (first open, how many), by what they are."""

    weekends: int = 0
    runs: dict[str, list[tuple[int, int]]] = field(default_factory=lambda: {name: [] for name, _ in _MISSING})

    def findings(self, rows: int) -> Iterator[Finding]:
        """What is missing, the longest gaps first."""
        for name, detail in _MISSING:
            found = longest_first(self.runs[name])
            count = sum(number for _, number in found)
            share = f"{count / (count + rows):.2%} of the expected" if count else "none"
            yield Finding(
                name=name,
                severity=("warning" if name == "missing" else "note") if count else "ok",
                count=count,
                detail=f"{detail}: {len(found)} gaps, {share}" if count else f"no {detail}",
                examples=tuple(f"{utc(first)} UTC: {number:,} bars" for first, number in found[:EXAMPLES]),
            )


def bar_gaps(bars: Bars) -> Gaps:
    """Every bar that the calendar has and the data have not, from the first bar to the last."""
    gaps = Gaps()
    if len(bars) < 2:
        return gaps
    hours = hours_of(bars.instrument)
    first, last = int(bars.open_ns[0]), int(bars.open_ns[-1])
    for start in range(first, last, _YEAR_NS):  # a year at a time: a bounded grid
        end = min(start + _YEAR_NS, last)
        grid = bar_grid(bars.timeframe, start, end)
        if not len(grid):
            continue
        absent = grid[~_among(grid, bars.open_ns)]
        _sort_in(gaps, absent, bars.timeframe, hours)
    return gaps


def closed_bars(bars: Bars) -> tuple[Flags, Flags]:
    """Bars wholly within weekends and daily breaks, and bars wholly within holiday closures."""
    hours = hours_of(bars.instrument)
    opens, closes = bars.open_ns, bars.close_ns
    if not len(opens):
        return np.zeros(0, dtype=np.bool_), np.zeros(0, dtype=np.bool_)
    holiday = inside(opens, closes, hours, Kind.HOLIDAY, certain=True)
    weekend = inside(opens, closes, hours, Kind.WEEKEND, certain=True)
    pause = inside(opens, closes, hours, Kind.BREAK, certain=True)
    return weekend | (pause & ~holiday), holiday & ~weekend


def bar_coverage(bars: Bars) -> tuple[Coverage, ...]:
    """Bars there and expected, by FX day; nothing for bars of a week and longer."""
    if not len(bars) or bars.timeframe.seconds > Timeframe.D1.seconds:
        return ()
    borders = session_borders(int(bars.open_ns[0]), int(bars.open_ns[-1]))
    expected = expected_bars(bars.instrument, bars.timeframe, int(bars.open_ns[0]), int(bars.open_ns[-1]) + 1)
    found = []
    for session, start, end in borders:
        low, high = np.searchsorted(bars.open_ns, (start, end))
        wanted = int(np.diff(np.searchsorted(expected, (start, end)))[0])
        found.append(Coverage(session=session, present=int(high - low), expected=wanted))
    return tuple(found)


def session_borders(first_ns: int, last_ns: int) -> list[tuple[str, int, int]]:
    """The FX days from the first instant to the last: ISO date, begin and end; Monday has its weekend."""
    session, last = session_of(first_ns), session_of(last_ns)
    found = []
    while session <= last:
        if session.weekday() < 5:
            before = timedelta(days=2 if session.weekday() == 0 else 0)
            found.append((session.isoformat(), day_open_ns(session - before), day_close_ns(session)))
        session += timedelta(days=1)
    return found


def open_time(starts: Ints, ends: Ints, hours: Hours) -> tuple[Ints, Ints]:
    """How much of each span is open, and how much when every pause that may be is taken."""
    if not len(starts):
        return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64)
    both = np.concatenate([starts, ends])
    found = []
    for certain in (True, False):
        closed = closed_ns(both, hours, certain=certain)
        found.append((ends - starts) - (closed[len(starts) :] - closed[: len(starts)]))
    return found[0], found[1]


def inside(starts: Ints, ends: Ints, hours: Hours, kind: Kind | None, *, certain: bool) -> Flags:
    """Which spans lie wholly within closed spans of one kind, None: of all together."""
    if not len(starts):
        return np.zeros(0, dtype=np.bool_)
    years = np.array([starts.min(), ends.max()], dtype="M8[ns]").astype("M8[Y]").astype(np.int64) + 1970
    closed = spans(hours, int(years[0]) - 1, int(years[1]), kind=kind, certain=certain)
    if not len(closed):
        return np.zeros(len(starts), dtype=np.bool_)
    index = np.searchsorted(closed[:, 0], starts, side="right") - 1
    flags: Flags = (index >= 0) & (ends <= closed[np.maximum(index, 0), 1])
    return flags


def _sort_in(gaps: Gaps, absent: Ints, timeframe: Timeframe, hours: Hours) -> None:
    if not len(absent):
        return
    if timeframe.is_by_session:  # a day is never within an hour's break
        ends = np.array([_end_of(timeframe, item) for item in absent.tolist()], dtype=np.int64)
    else:
        ends = absent + timeframe.nanoseconds
    weekend = inside(absent, ends, hours, Kind.WEEKEND, certain=True)
    holiday = inside(absent, ends, hours, Kind.HOLIDAY, certain=False) & ~weekend
    pause = inside(absent, ends, hours, Kind.BREAK, certain=False) & ~weekend & ~holiday
    anything = inside(absent, ends, hours, None, certain=False)  # partly one, partly another
    holiday |= anything & ~(weekend | holiday | pause)
    gaps.weekends += len(_runs(absent[weekend], timeframe))
    missing = ~(weekend | holiday | pause)
    for name, chosen in (("missing", missing), ("daily break", pause), ("holidays", holiday)):
        gaps.runs[name] += _runs(absent[chosen], timeframe)


def _end_of(timeframe: Timeframe, open_ns: int) -> int:
    return int(bar_grid(timeframe, open_ns + 1, open_ns + 40 * 86_400_000_000_000)[0])


def _runs(opens: Ints, timeframe: Timeframe) -> list[tuple[int, int]]:
    """Neighbouring bars as (first open, how many)."""
    if not len(opens):
        return []
    step = timeframe.nanoseconds + (3_600_000_000_000 if timeframe.is_by_session else 0)
    starts = np.concatenate([[0], np.flatnonzero(np.diff(opens) > step) + 1, [len(opens)]])
    return [(int(opens[low]), high - low) for low, high in pairwise(starts.tolist())]


def _among(grid: Ints, opens: Ints) -> Flags:
    index = np.searchsorted(opens, grid)
    flags: Flags = opens[np.minimum(index, len(opens) - 1)] == grid
    return flags
