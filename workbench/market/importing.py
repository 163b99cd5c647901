"""From a file of somebody else's to checked bars with both sides."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np

from workbench.domain.cost_book import CostBook
from workbench.domain.instruments import Instrument
from workbench.domain.timeframes import NS_PER_MINUTE, Timeframe
from workbench.errors import BadInputError
from workbench.market.bars import Bars, Ints, make_bars
from workbench.market.checks import weekly_opens
from workbench.market.errors import (
    BadBarsError,
    DuplicateBarsError,
    TimeZoneNotStatedError,
    WrongTimeZoneError,
)
from workbench.market.new_york import to_utc
from workbench.market.sides import with_both_sides
from workbench.market.text_files import RawBars, read_bars

__all__ = ["bars_from_file"]

_HOUR = 60 * NS_PER_MINUTE
_MORE_OPENINGS = {"XAU": (17, 18), "XAG": (17, 18)}  # metals open an hour after currencies at many brokers
_DOUBT = 0.25  # share of weeks that open at another hour; a holiday week or two do not reach it
_USUAL_ZONES = ("UTC", "America/New_York", "Etc/GMT+5", "Europe/London", "Europe/Berlin", "Etc/GMT-2")


def bars_from_file(
    path: Path,
    instrument: Instrument,
    *,
    fmt: str = "auto",
    timeframe: Timeframe | None = None,
    timezone: str | None = None,
    side: str | None = None,
    cost_book: CostBook | None = None,
    progress: Callable[[int], None] | None = None,
) -> Bars:
    """The bars of a text file (`workbench.market.text_files`), in UTC and with both sides.

    Parameters
    ----------
    timezone
        IANA name of the clock the file's times were read from; not used when the times say it themselves.

    Raises
    ------
    BadInputError
        Anything that is wrong with the file, by a subclass of its own; nothing is repaired.
    """
    raw = read_bars(path, instrument, fmt=fmt, side=side, progress=progress)
    name = path.name
    open_ns = raw.times_ns if raw.utc else _in_utc(raw, name, timezone)
    _refuse_disorder(open_ns, raw.lines, name)
    chosen = timeframe or _timeframe(open_ns, name)
    if not raw.utc:
        _refuse_wrong_zone(raw, open_ns, instrument, chosen, name, timezone)
    both = with_both_sides(
        raw.prices,
        side=raw.side,
        open_ns=open_ns,
        instrument=instrument,
        timeframe=chosen,
        cost_book=cost_book,
    )
    return make_bars(
        instrument, timeframe=chosen, open_ns=open_ns, prices=both.prices, sides=both.sides, lines=raw.lines
    )


def _in_utc(raw: RawBars, name: str, timezone: str | None) -> Ints:
    if timezone is None:
        raise TimeZoneNotStatedError(
            f"{name}: its times have no zone; give timezone=, as in 'UTC' or 'America/New_York'. "
            f"{_fitting_zones(raw.times_ns)}"
        )
    open_ns, doubtful = to_utc(raw.times_ns, _zone(timezone))
    if doubtful.any():
        first = int(np.argmax(doubtful))
        raise BadInputError(
            f"{name}, line {int(raw.lines[first])}: {_shown(raw.times_ns[first])} happened twice or never in "
            f"{timezone}; the file was written by another clock. {_fitting_zones(raw.times_ns)}"
        )
    return open_ns


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise BadInputError(
            f"unknown time zone {name!r}; expected an IANA name like UTC or America/New_York"
        ) from None


def _refuse_disorder(open_ns: Ints, lines: Ints, name: str) -> None:
    same: dict[int, int] = {}
    first_seen: dict[int, int] = {}
    steps = np.diff(open_ns)
    if (steps > 0).all():
        return
    for moment, line in zip(open_ns.tolist(), lines.tolist(), strict=True):
        if moment in first_seen:
            same[line] = first_seen[moment]
        else:
            first_seen[moment] = line
    if same:
        line, earlier = next(iter(same.items()))
        moment = int(open_ns[int(np.searchsorted(lines, line))])
        raise DuplicateBarsError(
            f"{name}: {len(same)} bars have the time of another, first: lines {earlier} and {line} at "
            f"{_shown(moment)} UTC; remove one of each"
        )
    index = int(np.argmax(steps < 0)) + 1
    raise BadBarsError(
        f"{name}, line {int(lines[index])}: {_shown(open_ns[index])} UTC comes after "
        f"{_shown(open_ns[index - 1])}; expected bars in time order, sort the file"
    )


def _timeframe(open_ns: Ints, name: str) -> Timeframe:
    if len(open_ns) < 2:
        raise BadInputError(f"{name}: one bar does not tell how long it is; give timeframe=, as in 'H1'")
    usual = Counter(np.diff(open_ns).tolist()).most_common(1)[0][0]
    for candidate in Timeframe:
        if candidate.nanoseconds == usual:
            return candidate
    raise BadInputError(
        f"{name}: its bars are {usual / NS_PER_MINUTE:g} minutes apart; "
        f"expected one of {', '.join(Timeframe)}"
    )


def _refuse_wrong_zone(
    raw: RawBars,
    open_ns: Ints,
    instrument: Instrument,
    timeframe: Timeframe,
    name: str,
    timezone: str | None,
) -> None:
    if timeframe.nanoseconds > _HOUR:
        return
    hours = weekly_opens(open_ns) // _HOUR % 24
    expected = _MORE_OPENINGS.get(instrument.base, (17,))
    wrong = ~np.isin(hours, expected)
    if not len(hours) or wrong.mean() <= _DOUBT:
        return
    found = ", ".join(f"{count} at {hour}:00" for hour, count in sorted(Counter(hours.tolist()).items()))
    raise WrongTimeZoneError(
        f"{name}: in {timezone} the market's week would open at these hours of New York: {found}; "
        f"expected 17:00 in every week. {_fitting_zones(raw.times_ns)}"
    )


def _fitting_zones(naive_ns: Ints) -> str:
    """Which of the usual zones let every week open at 17:00 New York."""
    fitting = []
    for zone in _USUAL_ZONES:
        open_ns, doubtful = to_utc(naive_ns, ZoneInfo(zone))
        hours = weekly_opens(open_ns) // _HOUR % 24
        if len(hours) and not doubtful.any() and (hours == 17).mean() > 1 - _DOUBT:
            fitting.append(zone)
    if not fitting:
        return "None of the usual zones fits"
    return f"By its weekly openings it fits {' and '.join(fitting)}"


def _shown(time_ns: int) -> str:
    return str(np.datetime64(int(time_ns), "ns").astype("M8[s]")).replace("T", " ")
