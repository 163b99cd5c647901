"""Longer bars from shorter ones: those of `workbench.market.resample`, over columns and one by one."""

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np

from workbench.domain.calendar import to_ns
from workbench.domain.quotes import Bar
from workbench.domain.timeframes import Timeframe
from workbench.errors import BadInputError
from workbench.indicators import compiled
from workbench.strategy.running import BarArrays, BarColumns, Ints
from workbench.strategy.sessions import zone_offsets

__all__ = ["LongerBars", "cuts", "last_closed", "longer_bars"]

_NS_PER_DAY = 86_400_000_000_000
_DAY_END = 7 * 3_600_000_000_000  # 17:00 plus this is midnight
_THURSDAY = 3  # 1970-01-01
_NEW_YORK = "America/New_York"


def longer_bars(bars: BarColumns, timeframe: Timeframe) -> BarArrays:
    """The longer bars; the last one may not have ended yet.

    Raises
    ------
    BadInputError
        A bar crosses the border of two longer ones.
    """
    open_ns, close_ns = np.asarray(bars.open_ns, np.int64), np.asarray(bars.close_ns, np.int64)
    opens, closes = cuts(open_ns, timeframe)
    if len(wrong := np.flatnonzero(close_ns > closes)):
        raise _crossing(bars.instrument.id, timeframe, int(open_ns[wrong[0]]))
    starts = np.flatnonzero(np.diff(opens, prepend=opens[:1] - 1))
    ends = np.append(starts[1:], len(opens))[: len(starts)] - 1
    prices: dict[str, Ints] = {}
    for side in ("bid", "ask"):
        prices[f"{side}_open"] = getattr(bars, f"{side}_open")[starts]
        prices[f"{side}_high"] = np.maximum.reduceat(getattr(bars, f"{side}_high"), starts)
        prices[f"{side}_low"] = np.minimum.reduceat(getattr(bars, f"{side}_low"), starts)
        prices[f"{side}_close"] = getattr(bars, f"{side}_close")[ends]
    return BarArrays(instrument=bars.instrument, open_ns=opens[starts], close_ns=closes[starts], **prices)


class LongerBars:
    """The same, bar by bar: a longer bar is given when its time is over."""

    def __init__(self, timeframe: Timeframe) -> None:
        self._timeframe = timeframe
        self._bar: Bar | None = None

    def add(self, bar: Bar) -> Bar | None:
        """Take a shorter bar; the longer bar that it is the first one after, if any.

        Raises
        ------
        BadInputError
            It crosses the border of two longer ones.
        """
        done, now = None, self._bar
        if now is None or bar.open_ns >= now.close_ns:
            opens, closes = cuts(np.array([bar.open_ns]), self._timeframe)
            done, self._bar = now, replace(bar, open_ns=int(opens[0]), close_ns=int(closes[0]))
        else:
            self._bar = replace(
                now,
                bid_high=max(now.bid_high, bar.bid_high),
                bid_low=min(now.bid_low, bar.bid_low),
                bid_close=bar.bid_close,
                ask_high=max(now.ask_high, bar.ask_high),
                ask_low=min(now.ask_low, bar.ask_low),
                ask_close=bar.ask_close,
            )
        if bar.close_ns > self._bar.close_ns:
            raise _crossing(bar.instrument, self._timeframe, bar.open_ns)
        return done

    def over_at(self, time_ns: int) -> Bar | None:
        """The longer bar whose time is over, once."""
        found = self._bar
        if found is None or found.close_ns > time_ns:
            return None
        self._bar = None
        return found


def cuts(open_ns: Ints, timeframe: Timeframe) -> tuple[Ints, Ints]:
    """When the longer bar that contains each instant opens and closes."""
    if not timeframe.is_by_session:
        opens = np.empty_like(open_ns)
        _floors(open_ns, timeframe.nanoseconds, opens)
        return opens, opens + timeframe.nanoseconds
    starts, offsets = zone_offsets(_NEW_YORK)
    local = open_ns + offsets[np.maximum(np.searchsorted(starts, open_ns, side="right") - 1, 0)]
    day = (local + _DAY_END) // _NS_PER_DAY
    if timeframe is Timeframe.D1:
        return _day_start(day), _day_start(day + 1)
    if timeframe is Timeframe.W1:
        monday = (day + _THURSDAY) // 7 * 7 - _THURSDAY
        return _day_start(monday), _day_start(monday + 7)
    month = day.view("M8[D]").astype("M8[M]") if day.dtype == np.int64 else day
    first = month.astype("M8[D]").astype(np.int64)
    after = (month + 1).astype("M8[D]").astype(np.int64)
    return _day_start(first), _day_start(after)


def last_closed(closes: Ints, at: Ints) -> Ints:
    """For each instant of `at` the last of `closes` at or before it, -1 for none; both in order."""
    found = np.empty(len(at), np.int64)
    _last_closed(closes, at, found)
    return found


@compiled
def _last_closed(closes: Ints, at: Ints, found: Ints) -> None:
    place = -1
    for i in range(at.shape[0]):
        while place + 1 < closes.shape[0] and closes[place + 1] <= at[i]:
            place += 1
        found[i] = place


@compiled
def _floors(time_ns: Ints, length: int, found: Ints) -> None:
    """The last multiple of `length` at or before each instant."""
    now = np.int64(0)
    for i in range(time_ns.shape[0]):
        if time_ns[i] - now >= length or time_ns[i] < now:
            now = time_ns[i] // length * length
        found[i] = now


def _day_start(day: Ints) -> Ints:
    """17:00 New York before a local day, in UTC."""
    starts, offsets = zone_offsets(_NEW_YORK)
    local = day * _NS_PER_DAY - _DAY_END
    guess = local - offsets[np.maximum(np.searchsorted(starts, local, side="right") - 1, 0)]
    found: Ints = local - offsets[np.maximum(np.searchsorted(starts, guess, side="right") - 1, 0)]
    return found


def _crossing(instrument: str, timeframe: Timeframe, open_ns: int) -> BadInputError:
    moment = datetime.fromtimestamp(open_ns // 1_000_000_000, UTC)
    assert to_ns(moment) <= open_ns
    return BadInputError(
        f"{instrument}: {timeframe} bars can not be made from these: the bar that opens at "
        f"{moment:%Y-%m-%d %H:%M} UTC belongs to two of them; use shorter bars or another timeframe"
    )
