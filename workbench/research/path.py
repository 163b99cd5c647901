"""What orders are matched on, as columns for `workbench.research.quick`: bars, finer bars, or ticks."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt

from workbench.market import Bars
from workbench.market.ticks import Ticks
from workbench.research.plain_steps import path_extremes

__all__ = ["Path", "bar_path", "tick_path"]

Ints = npt.NDArray[np.int64]
_SIDES = tuple(f"{side}_{part}" for side in ("bid", "ask") for part in ("open", "high", "low", "close"))
_NONE = np.empty(0, np.int64)
_KNOWN: "WeakKeyDictionary[Bars, Path]" = (
    WeakKeyDictionary()
)  # what is worked out of bars, as long as they are


@dataclass(frozen=True, kw_only=True, eq=False)
class Path:
    """Prices in order of time, and where in them the bars end that are decided on.

    `columns` are the times of opens and closes, then bid and ask open, high, low, close; of ticks time, bid
    and ask stand for all of them. `after` has for each bar the first element from its close on; it is empty
    where the elements are the bars. `ranges` says whether elements have a range beside their first quote.
    """

    columns: tuple[Ints, ...]
    after: Ints
    bars: int
    ranges: bool

    @cached_property
    def limits(self) -> tuple[int, int]:
        """The lowest bid and the highest ask of all opens and closes, at which margin is looked at."""
        _, _, bid_open, _, _, bid_close, ask_open, _, _, ask_close = self.columns
        if not self.ranges:
            return int(bid_open.min()), int(ask_open.max())
        return min(int(bid_open.min()), int(bid_close.min())), max(int(ask_open.max()), int(ask_close.max()))

    @cached_property
    def extremes(self) -> tuple[Ints, Ints, Ints, Ints]:
        """See `path_extremes`."""
        lows, highs, bid_highs, ask_lows = path_extremes(self.columns)
        return lows, highs, bid_highs, ask_lows

    @property
    def known_extremes(self) -> tuple[Ints, Ints, Ints, Ints]:
        """The extremes where they have been computed, else empty."""
        found: tuple[Ints, Ints, Ints, Ints] = self.__dict__.get("extremes", (_NONE, _NONE, _NONE, _NONE))
        return found

    def rollovers(self, roll_ns: Ints) -> tuple[Ints, Ints]:
        """For each rollover the element it is booked at, and 1 where it lies inside its range.

        Known for those that were asked for last: one account trades the same bars again and again.
        """
        known = self._rollovers.get(id(roll_ns))
        if known is None:
            self._rollovers.clear()
            known = self._rollovers[id(roll_ns)] = (roll_ns, *self._found_rollovers(roll_ns))
        return known[1:]

    @cached_property
    def _rollovers(self) -> dict[int, tuple[Ints, Ints, Ints]]:
        return {}  # by the identity of the instants, which are held with what was found

    def _found_rollovers(self, roll_ns: Ints) -> tuple[Ints, Ints]:
        opens, closes = self.columns[0], self.columns[1]
        at = np.searchsorted(opens, roll_ns, side="left")
        inside = np.zeros(len(roll_ns), np.int64)
        if self.ranges:
            holding = np.searchsorted(closes, roll_ns, side="right")  # the first that closes after it
            within = holding < at
            at = np.where(within, holding, at)
            inside = within.astype(np.int64)
        return at.astype(np.int64), inside


def bar_path(bars: Bars, *, decided: Bars | None = None) -> Path | None:
    """Bars as they are, or `decided` at the closes of coarser bars; None if one of those has no bar in it."""
    if decided is None and bars in _KNOWN:
        return _KNOWN[bars]
    columns = (bars.open_ns, bars.close_ns, *(getattr(bars, name) for name in _SIDES))
    found = _path(columns, decided, ranges=True)
    if decided is None and found is not None:
        _KNOWN[bars] = found
    return found


def tick_path(ticks: Ticks, *, decided: Bars | None = None) -> Path | None:
    """Ticks, decided at the closes of bars; None if one of the bars has no tick in it."""
    times, bid, ask = (_frozen(item) for item in (ticks.time_ns, ticks.bid, ticks.ask))
    return _path((times, times, *(4 * (bid,)), *(4 * (ask,))), decided, ranges=False)


def _path(columns: tuple[Any, ...], decided: Bars | None, *, ranges: bool) -> Path | None:
    if decided is None:
        return Path(columns=columns, after=_NONE, bars=len(columns[0]), ranges=ranges)
    after = np.searchsorted(columns[0], decided.close_ns, side="left")
    if len(after) == 0 or after[0] == 0 or not (np.diff(after) > 0).all():
        return None
    return Path(columns=columns, after=after.astype(np.int64), bars=len(after), ranges=ranges)


def _frozen(column: Ints) -> Ints:
    """As the columns of bars are: contiguous and read-only, so that one compiled function serves both."""
    view = np.ascontiguousarray(column, np.int64).view()
    view.flags.writeable = False
    return view
