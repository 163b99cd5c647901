"""Dukascopy's datafeed: which files hold a span, and whether a body is a whole one of them.

Months count from zero in the paths. An hour without ticks is an empty file; the weekend is not asked for.
"""

import lzma
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from workbench.domain.calendar import is_open, to_ns
from workbench.domain.instruments import Instrument
from workbench.errors import BadInputError
from workbench.market.downloads.pieces import Piece

__all__ = ["BASE_URL", "WHAT", "pieces", "wrong_with"]

BASE_URL = "https://datafeed.dukascopy.com/datafeed"
WHAT = ("ticks", "M1", "H1", "D1")

_HOUR = timedelta(hours=1)
_NAMES = {"M1": "min", "H1": "hour", "D1": "day"}
_RECORD = {"ticks": 20, "M1": 24, "H1": 24, "D1": 24}
_MOST_BYTES = 512 << 20


def pieces(instrument: Instrument, start: datetime, end: datetime, *, what: str) -> Iterator[Piece]:
    """The files that together hold `[start, end)`, in time order.

    Raises
    ------
    BadInputError
        There are no such files.
    """
    if what not in WHAT:
        raise BadInputError(f"dukascopy: unknown {what!r}; expected one of {', '.join(WHAT)}")
    symbol = instrument.base + instrument.quote
    moment = _floor(start.astimezone(UTC), what)
    while moment < end:
        following = _next(moment, what)
        if what == "ticks":
            if _may_have_quotes(moment):
                yield _piece(f"{_day(symbol, moment)}/{moment.hour:02d}h_ticks.bi5", moment, following)
        elif what != "M1" or _may_have_quotes(moment) or _may_have_quotes(following - _HOUR):
            folder = {
                "M1": _day(symbol, moment),
                "H1": f"{symbol}/{moment.year:04d}/{moment.month - 1:02d}",
                "D1": f"{symbol}/{moment.year:04d}",
            }[what]
            for side in ("BID", "ASK"):
                yield _piece(f"{folder}/{side}_candles_{_NAMES[what]}_1.bi5", moment, following)
        moment = following


def wrong_with(body: bytes, *, what: str) -> str | None:
    """What is wrong with a body, or None; an empty one is whole."""
    if not body:
        return None
    unpacker = lzma.LZMADecompressor(format=lzma.FORMAT_ALONE, memlimit=256 << 20)
    try:
        data = unpacker.decompress(body, max_length=_MOST_BYTES)
    except (lzma.LZMAError, MemoryError) as error:
        return f"expected LZMA data ({error})"
    if not unpacker.eof:
        return "it breaks off"
    return "records are cut" if len(data) % _RECORD[what] else None


def _piece(relative: str, start: datetime, end: datetime) -> Piece:
    return Piece(request=f"/{relative}", params={}, relative=relative, start=start, end=end)


def _day(symbol: str, moment: datetime) -> str:
    return f"{symbol}/{moment.year:04d}/{moment.month - 1:02d}/{moment.day:02d}"


def _may_have_quotes(moment: datetime) -> bool:
    return is_open(to_ns(moment)) or is_open(to_ns(moment + _HOUR) - 1)


def _floor(moment: datetime, what: str) -> datetime:
    hour = moment.replace(minute=0, second=0, microsecond=0)
    if what == "ticks":
        return hour
    day = hour.replace(hour=0)
    if what == "M1":
        return day
    return day.replace(day=1) if what == "H1" else day.replace(month=1, day=1)


def _next(moment: datetime, what: str) -> datetime:
    if what == "ticks":
        return moment + _HOUR
    if what == "M1":
        return moment + timedelta(days=1)
    if what == "H1":
        return (moment + timedelta(days=32)).replace(day=1)
    return moment.replace(year=moment.year + 1)
