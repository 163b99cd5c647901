"""Which clock wrote these times? Evidence from the market's week, from daily breaks and from other series.

The currency market opens on Sunday and closes on Friday at 17:00 in New York, in summer and winter. So
each weekend tells by how much a file's clock differs from UTC, and weeks on both sides of a change to
daylight saving tell whether and when that clock changes. A series in UTC of the same time tells it too:
hourly changes agree (r above 0.95) at one offset only.

Nothing is guessed: a zone is named when what was seen contradicts every other clock at least twice. One
weekend, an opening and a closing, is not enough; a week that follows another series is.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
import numpy.typing as npt

from workbench.domain.calendar import NEW_YORK
from workbench.errors import BadInputError
from workbench.market.bars import Bars, Ints
from workbench.market.new_york import local_ns, to_utc

__all__ = [
    "Clock",
    "Observation",
    "Survey",
    "Surveyor",
    "ZoneEvidence",
    "clock",
    "contradiction",
    "detect",
    "observations",
    "weekly_offsets",
]

Floats = npt.NDArray[np.float64]

_HOUR = 3_600_000_000_000
_DAY = 24 * _HOUR
_WEEK = 7 * _DAY
_SUNDAY_EVENING = 4 * _DAY - 7 * _HOUR  # Sunday 17:00 after Thursday 1970-01-01
_OFFSETS = range(-12, 15)  # hours before and after UTC that clocks have
_LEAST_R = 0.95
_LEAST_HOURS = 24  # of hourly changes in common, to compare two series
_LEAST_BREAKS = 5
_ENOUGH = 3  # observations, of which each weekend has two and a week that follows another series is three
_RULED_OUT = 2  # contradictions more than the best clock has
_MUCH = 0.25  # share of contradictions that refuses a zone; holiday weeks do not reach it
_NAMED = (
    "UTC",
    "America/New_York",
    "America/New_York+7h",
    "Etc/GMT+5",
    "Europe/London",
    "Europe/Berlin",
    "Europe/Athens",
    "Europe/Moscow",
    "Asia/Tokyo",
    "Australia/Sydney",
)
_FIXED = tuple(f"Etc/GMT{-hours:+d}" for hours in _OFFSETS if hours)
_ALIASES = {"metatrader": "America/New_York+7h"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ZoneEvidence:
    """By which clock a file's times are read, and why."""

    zone: str
    basis: str  # "stated": by the times; "format": by the format; "given": by a person; "detected"
    text: str
    findings: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """A plain value."""
        return {**asdict(self), "findings": list(self.findings)}

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True)
class Clock:
    """A zone's clock, perhaps put forward by some hours as brokers' servers are."""

    name: str
    zone: ZoneInfo
    shift_ns: int = 0

    def to_utc(self, naive_ns: Ints) -> tuple[Ints, npt.NDArray[np.bool_]]:
        """UTC of what this clock showed, and where that was shown twice or never."""
        return to_utc(naive_ns - self.shift_ns, self.zone)


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """What a pass over a file's times and prices kept."""

    rows: int
    first_ns: int
    last_ns: int
    openings: Ints  # first time after each pause of more than a day
    closings: Ints  # last time before each
    breaks: Ints  # middle of the longest pause of each day, where that was 3 minutes to 4 hours
    hours: Ints  # hours since 1970 by the file's clock with a price, in order
    closes: Floats  # last price in each


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """What one sight says the clock's distance from UTC is."""

    at_ns: int  # by the file's clock
    hours: int
    what: str  # "opening", "closing" or "correlation"
    weight: int = 1


@dataclass(slots=True)
class Surveyor:
    """Keeps from rows that pass by what tells the zone; memory by the hours, not by the rows."""

    _rows: int = 0
    _first: int | None = None
    _last: int = 0
    _openings: list[int] = field(default_factory=list)
    _closings: list[int] = field(default_factory=list)
    _breaks: dict[int, tuple[int, int]] = field(default_factory=dict)
    _hours: list[Ints] = field(default_factory=list)
    _closes: list[Floats] = field(default_factory=list)

    def add(self, times_ns: Ints, prices: Ints) -> None:
        """Take in rows in the file's order; prices in points of any one side."""
        if not len(times_ns):
            return
        if self._first is None:
            self._first = int(times_ns[0])
            times = times_ns
        else:
            times = np.concatenate([np.array([self._last], dtype=np.int64), times_ns])
        steps = np.diff(times)
        self._pauses(times, steps)
        hours = times_ns // _HOUR
        ends = np.flatnonzero(np.diff(hours, append=hours[-1] + 1))
        self._hours.append(hours[ends])
        self._closes.append(prices[ends].astype(np.float64))
        self._rows += len(times_ns)
        self._last = int(times_ns[-1])

    def survey(self) -> Survey:
        """What was kept."""
        hours = np.concatenate([np.empty(0, dtype=np.int64), *self._hours])
        closes = np.concatenate([np.empty(0), *self._closes])
        last = np.flatnonzero(np.diff(hours, append=hours[-1] + 1 if len(hours) else 0))
        return Survey(
            rows=self._rows,
            first_ns=self._first or 0,
            last_ns=self._last,
            openings=np.array(self._openings, dtype=np.int64),
            closings=np.array(self._closings, dtype=np.int64),
            breaks=np.array([middle for _, middle in self._breaks.values()], dtype=np.int64),
            hours=hours[last],
            closes=closes[last],
        )

    def _pauses(self, times: Ints, steps: Ints) -> None:
        for index in np.flatnonzero(steps > _DAY).tolist():
            self._closings.append(int(times[index]))
            self._openings.append(int(times[index + 1]))
        for index in np.flatnonzero((steps >= _HOUR // 20) & (steps <= 4 * _HOUR)).tolist():
            length, middle = int(steps[index]), int(times[index] + steps[index] // 2)
            if length > self._breaks.get(middle // _DAY, (0, 0))[0]:
                self._breaks[middle // _DAY] = (length, middle)


def clock(name: str) -> Clock:
    """The clock called `name`: an IANA zone, perhaps with hours added as in ``America/New_York+7h``.

    ``metatrader`` stands for that one, which most MetaTrader servers show.

    Raises
    ------
    BadInputError
        There is no such zone.
    """
    text = _ALIASES.get(name.lower(), name)
    shifted = re.fullmatch(r"([A-Za-z]+/[A-Za-z_]+)([+-]\d{1,2})h", text)
    base, hours = (shifted.group(1), int(shifted.group(2))) if shifted else (text, 0)
    try:
        return Clock(text, ZoneInfo(base), hours * _HOUR)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise BadInputError(
            f"unknown time zone {name!r}; expected an IANA name like UTC or America/New_York, or one with "
            "hours "
            "added, like America/New_York+7h"
        ) from None


def observations(survey: Survey, *, trusted: Bars | None = None) -> list[Observation]:
    """Every sight of the clock's distance from UTC that a survey holds, in time order."""
    found = list(_of_weekends(survey.openings, what="opening"))
    found += _of_weekends(survey.closings, what="closing")
    if trusted is not None and len(trusted):
        for middle, hours, r, _ in weekly_offsets(survey, trusted):
            if r > _LEAST_R:
                found.append(Observation(at_ns=middle, hours=hours, what="correlation", weight=_ENOUGH))
    return sorted(found, key=lambda item: (item.at_ns, item.what))


def weekly_offsets(survey: Survey, trusted: Bars) -> Iterator[tuple[int, int, float, int]]:
    """For each week: its middle by the file's clock, the best offset in hours, its r, the hours compared.

    Hourly changes of the file are held against those of `trusted` (UTC, an hour or shorter) at every
    offset from -12 to +14 hours.
    """
    if trusted.timeframe.nanoseconds > _HOUR or not len(survey.hours):
        return
    middle = (trusted.bid_close + trusted.ask_close).astype(np.float64) / 2
    utc_hours = trusted.open_ns // _HOUR
    last = np.flatnonzero(np.diff(utc_hours, append=utc_hours[-1] + 1))
    first_hour = int(min(survey.hours[0], utc_hours[0])) - 24
    size = int(max(survey.hours[-1], utc_hours[-1])) + 25 - first_hour
    ours, theirs = np.full(size, np.nan), np.full(size, np.nan)
    ours[survey.hours - first_hour] = survey.closes
    theirs[utc_hours[last] - first_hour] = middle[last]
    changes, their_changes = np.diff(ours, prepend=np.nan), np.diff(theirs, prepend=np.nan)
    start = (int(survey.hours[0]) + 4 * 24) // 168 * 168 - 4 * 24  # weeks from Sunday 00:00
    for week in range(start, int(survey.hours[-1]) + 1, 168):
        low = max(week - first_hour, 24)
        part = changes[low : week - first_hour + 168]
        best = (0, -2.0, 0)
        for hours in _OFFSETS:
            other = their_changes[low - hours : low - hours + len(part)]
            common = min(len(part), len(other))
            both = ~(np.isnan(part[:common]) | np.isnan(other[:common]))
            count = int(both.sum())
            if count < _LEAST_HOURS:
                continue
            left, right = part[:common][both], other[:common][both]
            if left.std() == 0 or right.std() == 0:
                continue
            r = float(np.corrcoef(left, right)[0, 1])
            if r > best[1]:
                best = (hours, r, count)
        if best[1] > -2:
            yield week * _HOUR + _WEEK // 2, best[0], best[1], best[2]


def detect(
    survey: Survey,
    *,
    trusted: Bars | Callable[[int, int], Bars | None] | None = None,
    prefer: Sequence[str] = (),
) -> tuple[ZoneEvidence | None, str]:
    """The zone the evidence names and the evidence; or None, and why it names none.

    Parameters
    ----------
    trusted
        Bars in UTC to compare with, or what finds them for a span of UTC nanoseconds.
    prefer
        Names to use first where several clocks showed the same throughout the file.
    """
    series = trusted
    if callable(series):
        series = series(survey.first_ns - 2 * _DAY, survey.last_ns + 2 * _DAY)
    seen = observations(survey, trusted=series)
    findings = _findings(survey, seen, series)
    names = tuple(dict.fromkeys((*prefer, *_NAMED, *_FIXED)))
    offsets = {name: _offsets_of(clock(name), survey, seen) for name in names}
    against = {name: _against(seen, offsets[name][0]) for name in names}
    total = sum(item.weight for item in seen)
    fitting = [name for name in names if total and against[name] <= 0.1 * total]
    if not fitting:
        return None, _thin(findings, "no clock fits" if total else "nothing in it tells")
    best = min(fitting, key=lambda name: (against[name], names.index(name)))
    same = [name for name in names if (offsets[name][1] == offsets[best][1]).all()]
    rivals = [name for name in names if name not in same and against[name] < against[best] + _RULED_OUT]
    if total < _ENOUGH:
        return None, _thin(findings, "there is too little of it")
    if rivals:
        shown = ", ".join([*same[:2], *rivals[:3]])
        return None, _thin(findings, f"it may be any of {shown}")
    also = f" (as are {' and '.join(same[1:3])} in these weeks)" if len(same) > 1 else ""
    text = f"Times are {same[0]}{also}: {'; '.join(findings)}."
    return ZoneEvidence(zone=same[0], basis="detected", text=text, findings=tuple(findings)), ""


def contradiction(survey: Survey, stated: Clock, *, metals: bool = False) -> str:
    """What the weekly openings say against a clock, or nothing.

    Metals may open an hour after currencies.
    """
    if not len(survey.openings):
        return ""
    utc, _ = stated.to_utc(survey.openings)
    hours = local_ns(utc) // _HOUR % 24
    wrong = ~np.isin(hours, (17, 18) if metals else (17,))
    if wrong.mean() <= _MUCH:
        return ""
    found = ", ".join(f"{count} at {hour}:00" for hour, count in sorted(Counter(hours.tolist()).items()))
    return f"the market's week would open at these hours of New York: {found}; expected 17:00 in every week"


def _of_weekends(times: Ints, *, what: str) -> Iterator[Observation]:
    """The distance from UTC that lets each weekend begin or end at 17:00 New York."""
    for moment in times.tolist():
        sunday = (moment - _SUNDAY_EVENING + _WEEK // 2) // _WEEK * _WEEK + _SUNDAY_EVENING
        local = sunday if what == "opening" else sunday - 2 * _DAY
        for candidate in (local - _WEEK, local, local + _WEEK):
            utc = int(to_utc(np.array([candidate], dtype=np.int64), NEW_YORK)[0][0])
            hours = (moment - utc) // _HOUR + (0 if what == "opening" else 1)
            if hours in _OFFSETS:
                yield Observation(at_ns=moment, hours=hours, what=what)
                break


def _offsets_of(clock_: Clock, survey: Survey, seen: Sequence[Observation]) -> tuple[Ints, Ints]:
    """Hours before UTC that a clock shows at each observation, and on each day of the file."""
    days = np.arange(survey.first_ns, survey.last_ns + _DAY, _DAY, dtype=np.int64)
    at = np.array([item.at_ns for item in seen], dtype=np.int64)
    return tuple((times - clock_.to_utc(times)[0]) // _HOUR for times in (at, days))  # type: ignore[return-value]


def _against(seen: Sequence[Observation], hours: Ints) -> int:
    return sum(item.weight for item, shown in zip(seen, hours.tolist(), strict=True) if item.hours != shown)


def _findings(survey: Survey, seen: Sequence[Observation], trusted: Bars | None) -> list[str]:
    found = []
    weekends = [item for item in seen if item.what != "correlation"]
    if weekends:
        openings = sum(item.what == "opening" for item in weekends)
        found.append(
            f"{openings} weekly openings and {len(weekends) - openings} closings, at 17:00 New York, put "
            "the clock "
            f"{_runs(weekends)}"
        )
    breaks = _breaks(survey, weekends)
    if breaks:
        found.append(breaks)
    matched = [item for item in seen if item.what == "correlation"]
    if matched and trusted is not None:
        found.append(
            f"hourly changes in {len(matched)} weeks follow {trusted.instrument.id} {trusted.timeframe} of "
            "the store "
            f"(r > {_LEAST_R}) {_runs(matched)}"
        )
    return found


def _runs(seen: Sequence[Observation]) -> str:
    """'5 h behind UTC to 2017-03-10, 4 h behind from 2017-03-12 (…)'."""
    runs: list[tuple[int, int, int]] = []
    for item in seen:
        if runs and runs[-1][0] == item.hours:
            runs[-1] = (item.hours, runs[-1][1], item.at_ns)
        else:
            runs.append((item.hours, item.at_ns, item.at_ns))
    shown = [f"{_distance(hours)} from {_day(first)} to {_day(last)}" for hours, first, last in runs[:6]]
    text = ", ".join(shown) + (" and so on" if len(runs) > 6 else "")
    changes = [second[1] for _, second in pairwise(runs)]
    whose = {name for moment in changes for name in _change_of(moment)}
    if changes and len(whose) == 1:
        text += f", changing as clocks in {whose.pop()} do"
    return text


def _change_of(moment: int) -> Iterator[str]:
    """Whose clocks changed in the week before `moment`, and nobody else's."""
    span = np.array([moment - _WEEK, moment], dtype=np.int64)
    for name, zone in (("the United States", "America/New_York"), ("Europe", "Europe/London")):
        offsets = local_ns(span, ZoneInfo(zone)) - span
        if offsets[0] != offsets[1]:
            yield name


def _breaks(survey: Survey, weekends: Sequence[Observation]) -> str:
    if len(survey.breaks) < _LEAST_BREAKS or not weekends:
        return ""
    at = np.array([item.at_ns for item in weekends], dtype=np.int64)
    hours = np.array([item.hours for item in weekends], dtype=np.int64)
    nearest = np.clip(np.searchsorted(at, survey.breaks), 0, len(at) - 1)
    local = local_ns(survey.breaks - hours[nearest] * _HOUR)
    minutes = local // (60 * 10**9) % (24 * 60)
    near = int(((minutes >= 16 * 60 + 50) & (minutes <= 18 * 60 + 5)).sum())
    if near < 0.6 * len(minutes):
        return ""
    return f"on {near} of {len(minutes)} days the longest pause is the daily break at 17:00 New York"


def _thin(findings: Sequence[str], why: str) -> str:
    told = "; ".join(findings) or "no weekend in it"
    return (
        f"The evidence does not settle it, {why} ({told}). What would: weeks on both sides of a change to "
        "daylight saving in one import, or bars of the same time in UTC in the store to compare with"
    )


def _distance(hours: int) -> str:
    return "at UTC" if hours == 0 else f"{abs(hours)} h {'behind' if hours < 0 else 'ahead of'} UTC"


def _day(moment: int) -> str:
    return str(np.datetime64(int(moment), "ns").astype("M8[D]"))
