"""Reading bars from text files: which layout a file has, and its lines as whole points.

Layouts: ``ohlc`` (a header, one time column, open, high, low and close of one side: Dukascopy's
exports with times like ``01.01.2017 22:00:00.000``, and any file with ISO 8601 times), ``bid+ask``
(the same with both sides in one line), and ``histdata`` (HistData's ASCII M1: no header, semicolons,
bid). Prices are read as decimals, never through a float.
"""

import gzip
import io
import re
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import IO

import numpy as np

from workbench.domain.instruments import Instrument
from workbench.errors import BadInputError
from workbench.market.bars import Ints
from workbench.market.errors import (
    EmptyFileError,
    MalformedLineError,
    SideNotStatedError,
    UnknownFormatError,
)

__all__ = ["FORMATS", "RawBars", "read_bars"]

FORMATS = ("ohlc", "bid+ask", "histdata")

_PARTS = ("open", "high", "low", "close")
_WIDE = {
    **{f"{side}{part}": f"{side}_{part}" for side in ("bid", "ask") for part in _PARTS},
    **{f"{part}{side}": f"{side}_{part}" for side in ("bid", "ask") for part in _PARTS},
}
_TIMES = (
    "time",
    "timestamp",
    "datetime",
    "date",
    "opentime",
    "openat",
    "gmttime",
    "localtime",
    "utc",
    "timeutc",
)
_UTC_TIMES = ("gmttime", "utc", "timeutc")
_IGNORED = ("volume", "vol", "tickvolume", "tickvol", "volumebid", "volumeask", "bidvolume", "askvolume")
_HISTDATA = re.compile(r"\d{8} \d{6};[^;]+;[^;]+;[^;]+;[^;]+(;[^;]*)?$")
_ISO = re.compile(r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d{1,6})?)?)?(Z|[+-]\d\d:?\d\d)?")
_MOST_POINTS = 10**9  # 10,000 for EUR_USD: beyond it a decimal point is missing
_FIRST_NS, _LAST_NS = 0, 7_258_118_400 * 10**9  # from 1970 to the end of 2199
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - what a clock on the wall showed; its zone is applied later


@dataclass(frozen=True, slots=True, kw_only=True)
class RawBars:
    """A file's bars as it has them: not checked, in its order."""

    layout: str
    side: str  # "bid+ask", "bid", "ask" or "mid"
    times_ns: Ints  # UTC, or what a clock showed when the file does not say where
    utc: bool
    prices: dict[str, Ints]  # by "open", or by "bid_open"; points
    lines: Ints  # each bar's line number in the file, from 1


@dataclass(frozen=True, slots=True)
class _Layout:
    name: str
    separator: str
    time_index: int
    price_indexes: dict[str, int]
    fields: int
    header: bool
    utc: bool


def read_bars(
    path: Path,
    instrument: Instrument,
    *,
    fmt: str = "auto",
    side: str | None = None,
    progress: Callable[[int], None] | None = None,
) -> RawBars:
    """The bars of a text file, of a gzip file, or of a zip file with one text file in it.

    Parameters
    ----------
    fmt
        One of `FORMATS`, to insist on it; ``auto`` goes by the file's first lines.
    side
        ``bid``, ``ask`` or ``mid``; needed when neither the layout nor the file's name tells.
    progress
        Called now and then with the bytes read since the last call.

    Raises
    ------
    UnknownFormatError, EmptyFileError, MalformedLineError, SideNotStatedError, BadInputError
        The file can not be used; the message says where and why.
    """
    if fmt != "auto" and fmt not in FORMATS:
        raise BadInputError(f"unknown format {fmt!r}; expected auto, {', '.join(FORMATS)}")
    if side not in (None, "bid", "ask", "mid"):
        raise BadInputError(f"unknown side {side!r}; expected bid, ask or mid")
    with _text(path) as (file, compressed):
        try:
            return _read(
                file, path, instrument, fmt=fmt, side=side, progress=None if compressed else progress
            )
        except (UnicodeDecodeError, gzip.BadGzipFile, EOFError):
            raise UnknownFormatError(f"{path.name}: expected text, found bytes that are none") from None


@contextmanager
def _text(path: Path) -> Iterator[tuple[IO[str], bool]]:
    if not path.is_file():
        what = "a folder" if path.is_dir() else "no such file"
        raise BadInputError(f"{path}: expected a file with bars, found {what}")
    if path.suffix == ".zip":
        try:
            with zipfile.ZipFile(path) as archive:
                names = [name for name in archive.namelist() if not name.endswith("/")]
                if len(names) != 1:
                    raise UnknownFormatError(
                        f"{path.name}: expected one file in the archive, found {len(names)}; unpack it and "
                        "import the file with the bars"
                    )
                with archive.open(names[0]) as member:
                    yield io.TextIOWrapper(member, encoding="utf-8-sig", newline=None), True
        except zipfile.BadZipFile:
            raise UnknownFormatError(f"{path.name}: expected a zip archive, found something else") from None
    elif path.suffix == ".gz":
        with gzip.open(path, "rt", encoding="utf-8-sig") as file:
            yield file, True
    else:
        with path.open(encoding="utf-8-sig") as file:
            yield file, False


def _read(
    file: IO[str],
    path: Path,
    instrument: Instrument,
    *,
    fmt: str,
    side: str | None,
    progress: Callable[[int], None] | None,
) -> RawBars:
    number, first = 0, ""
    for number, line in enumerate(file, start=1):  # noqa: B007 - the number is used below
        if first := line.strip():
            break
    if not first:
        raise EmptyFileError(f"{path.name}: expected bars, found an empty file")
    layout = _layout(first, path.name)
    if fmt not in ("auto", layout.name):
        raise UnknownFormatError(
            f"{path.name}: expected the layout {fmt}, found {layout.name}: {first[:80]!r}"
        )
    side = _side(layout, path.name, side)

    times: list[int] = []
    lines: list[int] = []
    columns: dict[str, list[int]] = {name: [] for name in layout.price_indexes}
    targets = [(columns[name].append, index) for name, index in layout.price_indexes.items()]
    parse_time: Callable[[str], tuple[int, bool]] | None = None
    aware: bool | None = None
    digits, pending = instrument.digits, len(first) + 1 if layout.header else 0

    def rows() -> Iterator[tuple[int, str]]:
        if not layout.header:
            yield number, first
        yield from enumerate(file, start=number + 1)

    for index, text in rows():
        pending += len(text)
        if progress is not None and pending >= 262_144:
            progress(pending)
            pending = 0
        content = text.strip()
        if not content:
            continue
        fields = content.split(layout.separator)
        if len(fields) != layout.fields:
            raise _malformed(path, index, content, f"expected {layout.fields} fields, found {len(fields)}")
        stamp = fields[layout.time_index].strip().strip('"')
        if parse_time is None:
            parse_time = _time_parser(stamp, layout)
        try:
            moment, has_zone = parse_time(stamp)
        except (ValueError, OverflowError):
            raise _malformed(path, index, content, f"expected a time, found {stamp!r}") from None
        if aware is None:
            aware = has_zone
        elif aware != has_zone:
            raise _malformed(path, index, content, "some times have a zone and some have none")
        if not _FIRST_NS <= moment < _LAST_NS:
            raise _malformed(path, index, content, f"expected a time from 1970 to 2199, found {stamp!r}")
        times.append(moment)
        lines.append(index)
        for append, position in targets:
            try:
                append(_points(fields[position].strip(), digits))
            except ValueError as error:
                raise _malformed(path, index, content, f"{instrument.id}: {error}") from None
    if progress is not None and pending:
        progress(pending)
    if not times:
        raise EmptyFileError(f"{path.name}: expected bars below the header, found none")
    return RawBars(
        layout=layout.name,
        side=side,
        times_ns=np.array(times, dtype=np.int64),
        utc=bool(aware) or layout.utc,
        prices={name: np.array(values, dtype=np.int64) for name, values in columns.items()},
        lines=np.array(lines, dtype=np.int64),
    )


def _layout(first: str, name: str) -> _Layout:
    if _HISTDATA.match(first):
        indexes = {part: index for index, part in enumerate(_PARTS, start=1)}
        return _Layout("histdata", ";", 0, indexes, first.count(";") + 1, header=False, utc=False)
    separator = max(",;\t", key=first.count)
    headings = [re.sub(r"[^a-z]", "", heading.lower()) for heading in first.split(separator)]
    times = [index for index, heading in enumerate(headings) if heading in _TIMES]
    wide = {_WIDE[heading]: index for index, heading in enumerate(headings) if heading in _WIDE}
    single = {heading: index for index, heading in enumerate(headings) if heading in _PARTS}
    known = (*_TIMES, *_WIDE, *_PARTS, *_IGNORED)
    unknown = [
        text.strip()
        for text, heading in zip(first.split(separator), headings, strict=True)
        if heading not in known
    ]
    expected = (
        "a header with a time and open, high, low, close (or bid_open … ask_close), or HistData lines like "
        "20170301 000000;1.05522;1.05529;1.05521;1.05529;0"
    )
    if len(times) != 1 or not (wide or single):
        raise UnknownFormatError(f"{name}: expected {expected}; found {first[:80]!r}")
    if unknown:
        raise UnknownFormatError(
            f"{name}: unknown column {', '.join(map(repr, unknown))}; expected {expected}; "
            "remove it or rename it"
        )
    utc = headings[times[0]] in _UTC_TIMES
    if wide and not single and len(wide) == 2 * len(_PARTS):
        return _Layout("bid+ask", separator, times[0], wide, len(headings), header=True, utc=utc)
    if single and not wide and len(single) == len(_PARTS):
        return _Layout("ohlc", separator, times[0], single, len(headings), header=True, utc=utc)
    raise UnknownFormatError(
        f"{name}: expected all of open, high, low, close for one side or for both, found {first[:120]!r}"
    )


def _side(layout: _Layout, name: str, side: str | None) -> str:
    given = {"histdata": "bid", "bid+ask": "bid+ask"}.get(layout.name)
    if given is not None:
        if side not in (None, given):
            raise BadInputError(f"{name}: {layout.name} files are {given}, found side={side!r}; leave it out")
        return given
    if side is not None:
        return side
    words = {word for word in re.split(r"[^a-z]+", name.lower()) if word in ("bid", "ask", "mid")}
    if len(words) == 1:
        return words.pop()
    raise SideNotStatedError(
        f"{name}: one side only, and neither the columns nor the file's name say which; "
        "give side='bid', 'ask' or 'mid'"
    )


def _points(text: str, digits: int) -> int:
    whole, _, decimals = text.partition(".")
    if len(decimals) > digits:
        if decimals[digits:].strip("0"):
            raise ValueError(f"expected a price with at most {digits} decimals, found {text}")
        decimals = decimals[:digits]
    joined = whole + decimals.ljust(digits, "0")
    if not whole or not joined.isdecimal() or not joined.isascii():
        raise ValueError(f"expected a price, found {text!r}")
    points = int(joined)
    if points > _MOST_POINTS:
        raise ValueError(f"expected a price of at most {_MOST_POINTS // 10**digits:,}, found {text}")
    return points


def _time_parser(stamp: str, layout: _Layout) -> Callable[[str], tuple[int, bool]]:
    if layout.name == "histdata":
        return _compact_times()
    if re.match(r"\d\d\.\d\d\.\d{4} ", stamp):
        return _dotted_times()
    return _iso_time


def _compact_times() -> Callable[[str], tuple[int, bool]]:
    day = _days(lambda text: date(int(text[:4]), int(text[4:6]), int(text[6:])))

    def parse(text: str) -> tuple[int, bool]:  # 20170301 235900
        if len(text) != 15 or text[8] != " ":
            raise ValueError
        return day(text[:8]) + _time_of_day(text[9:11], text[11:13], text[13:15]), False

    return parse


def _dotted_times() -> Callable[[str], tuple[int, bool]]:
    day = _days(lambda text: date(int(text[6:]), int(text[3:5]), int(text[:2])))
    shape = re.compile(r"(\d\d):(\d\d):(\d\d)(?:\.(\d{3}))?(?: GMT([+-])(\d\d)(\d\d))?$")

    def parse(text: str) -> tuple[int, bool]:  # 31.12.2017 23:59:00.000, with or without GMT+0100
        found = shape.match(text, 11)
        if found is None:
            raise ValueError
        hours, minutes, seconds, milliseconds, sign, zone_hours, zone_minutes = found.groups()
        moment = day(text[:10]) + _time_of_day(hours, minutes, seconds) + int(milliseconds or 0) * 1_000_000
        if sign is None:
            return moment, False
        offset = (int(zone_hours) * 60 + int(zone_minutes)) * 60_000_000_000
        return moment - offset if sign == "+" else moment + offset, True

    return parse


def _days(parse: Callable[[str], date]) -> Callable[[str], int]:
    """Nanoseconds of a date since 1970, remembering dates already met: a file repeats each many times."""
    known: dict[str, int] = {}

    def day(text: str) -> int:
        found = known.get(text)
        if found is None:
            found = known[text] = (parse(text) - _EPOCH.date()).days * 86_400_000_000_000
        return found

    return day


def _time_of_day(hours: str, minutes: str, seconds: str) -> int:
    hour, minute, second = int(hours), int(minutes), int(seconds)
    if hour > 23 or minute > 59 or second > 59:
        raise ValueError
    return ((hour * 60 + minute) * 60 + second) * 1_000_000_000


def _iso_time(text: str) -> tuple[int, bool]:
    if _ISO.fullmatch(text) is None:  # `fromisoformat` lets more than that pass
        raise ValueError
    moment = datetime.fromisoformat(text)
    offset = moment.utcoffset()
    delta = moment.replace(tzinfo=None) - _EPOCH - (offset or timedelta())
    return (
        delta.days * 86_400 + delta.seconds
    ) * 1_000_000_000 + delta.microseconds * 1_000, offset is not None


def _malformed(path: Path, line: int, content: str, what: str) -> MalformedLineError:
    shown = content if len(content) <= 120 else content[:117] + "…"
    return MalformedLineError(
        f"{path.name}, line {line}: {what}; the line is {shown!r}", line=line, content=content
    )
