"""Any text with one row a line: by its header, or by the columns a person names.

Without help a header is understood that has one time and either open, high, low and close
(``ohlc``), the same of both sides (``bid+ask``), or bid and ask (``ticks``). With ``columns=`` any
header or none will do.
"""

import re
from collections.abc import Mapping

from workbench.errors import BadInputError
from workbench.market.errors import AmbiguousFormatError, UnknownFormatError
from workbench.market.formats.grammar import (
    COMPACT,
    COMPACT_MINUTES,
    COMPACT_MS,
    DOTTED,
    DOTTED_CLOCK,
    DOTTED_DATE,
    EPOCH_DECIMALS,
    ISO,
    Field,
    Layout,
    Steps,
    time_steps,
)
from workbench.market.formats.heads import first_lines, split_line

__all__ = ["EXPECTED", "PARTS", "ROLES", "WIDE", "by_columns", "kind_of", "recognise", "refuse_roles"]

PARTS = ("open", "high", "low", "close")
WIDE = tuple(f"{side}_{part}" for side in ("bid", "ask") for part in PARTS)
ROLES = ("time", "date", "bid", "ask", "bid_size", "ask_size", *PARTS, *WIDE, "spread")
EXPECTED = (
    "a header with a time and open, high, low, close (or bid_open … ask_close, or bid and ask), or lines of "
    "a "
    "known vendor like 20170301 000000;1.05522;1.05529;1.05521;1.05529;0"
)

_TIMES = (
    *("time", "timestamp", "datetime", "date", "opentime", "openat"),
    *("gmttime", "localtime", "utc", "timeutc", "etutc"),
)
_UTC_TIMES = ("gmttime", "utc", "timeutc", "etutc")
_WIDE = {
    **{f"{side}{part}": f"{side}_{part}" for side in ("bid", "ask") for part in PARTS},
    **{f"{part}{side}": f"{side}_{part}" for side in ("bid", "ask") for part in PARTS},
}
_TICK = {"bid": "bid", "ask": "ask", "bidsize": "bid_size", "asksize": "ask_size"}
_IGNORED = ("volume", "vol", "tickvolume", "tickvol", "volumebid", "volumeask", "bidvolume", "askvolume")
_STAMPS: tuple[tuple[re.Pattern[str], Steps], ...] = (
    (re.compile(r"\d{4}-\d\d-\d\d"), ISO),
    (re.compile(r"\d\d\.\d\d\.\d{4} "), DOTTED),
    (re.compile(r"\d{8} \d{9}$"), COMPACT_MS),
    (re.compile(r"\d{8} \d{6}$"), COMPACT),
    (re.compile(r"\d{8} \d\d:\d\d$"), COMPACT_MINUTES),
)
_DATES: tuple[tuple[re.Pattern[str], Steps], ...] = (
    (re.compile(r"\d{4}\.\d\d\.\d\d$"), DOTTED_DATE),
    (re.compile(r"\d{4}-\d\d-\d\d$"), time_steps("%Y-%m-%d")),
    (re.compile(r"\d{8}$"), time_steps("%Y%m%d")),
)
_EPOCHS = {10: "s", 13: "ms", 16: "us", 19: "ns"}


def recognise(head: bytes, name: str) -> tuple[Layout, ...]:
    """The layout that the file's header tells, if there is one.

    Raises
    ------
    UnknownFormatError
        A header of quotes, but with a column too many, too few or twice.
    """
    lines = first_lines(head, 2)
    if not lines:
        return ()
    separator = _separator(lines[0])
    titles = [item.strip() for item in split_line(lines[0], separator)]
    headings = [re.sub(r"[^a-z]", "", item.lower()) for item in titles]
    times = [index for index, heading in enumerate(headings) if heading in _TIMES]
    prices = [item for item in headings if item in _WIDE or item in PARTS or item in ("bid", "ask")]
    if not times or not prices or titles[0].startswith("<"):
        return ()
    _refuse_columns(name, titles, headings, times)
    wide = {_WIDE[item] for item in headings if item in _WIDE}
    single = {item for item in headings if item in PARTS}
    tick = {_TICK[item] for item in headings if item in _TICK}
    fits = [
        found
        for found, complete in (
            ("bid+ask", len(wide) == 8),
            ("ohlc", len(single) == 4),
            ("ticks", {"bid", "ask"} <= tick),
        )
        if complete
    ]
    if len(fits) > 1:
        raise AmbiguousFormatError(
            f"{name}: the header fits {' and '.join(fits)}: {lines[0][:120]!r}; name the columns to take, "
            "as in "
            "columns={'time': 'time', 'bid': 'bid', 'ask': 'ask'}"
        )
    if not fits or sum(map(bool, (wide, single, tick))) > 1:
        raise UnknownFormatError(
            f"{name}: expected all of open, high, low, close for one side or for both, or bid and ask, found "
            f"{lines[0][:120]!r}"
        )
    stamp = split_line(lines[1], separator)[times[0]] if len(lines) > 1 else ""
    targets = {**_WIDE, **{item: item for item in PARTS}, **_TICK}
    fields = tuple(
        _time_field(stamp.strip(), name)
        if index == times[0]
        else _field(targets[heading])
        if heading in targets
        else Field.skip()
        for index, heading in enumerate(headings)
    )
    utc = headings[times[0]] in _UTC_TIMES
    return (
        Layout(
            format=fits[0],
            kind="ticks" if fits[0] == "ticks" else "bars",
            separator=separator,
            fields=fields,
            why=f"the header {lines[0][:80]}",
            header=True,
            side=None if fits[0] == "ohlc" else "bid+ask",
            zone="UTC" if utc else None,
            zone_why=f"the column {titles[times[0]]!r} says so" if utc else "",
        ),
    )


def by_columns(
    head: bytes, name: str, columns: Mapping[str, str | int], *, time_format: str | None
) -> Layout:
    """The layout of a file whose columns a person named.

    Raises
    ------
    BadInputError
        A role that there is not, a column that the file has not, or roles that make no quotes.
    """
    refuse_roles(columns)
    lines = first_lines(head, 2)
    if not lines:
        lines = [""]
    separator = _separator(lines[0])
    titles = [item.strip() for item in split_line(lines[0], separator)]
    named = any(isinstance(item, str) for item in columns.values())
    indexes = {role: _index(column, titles, name) for role, column in columns.items()}
    header = named or not re.match(r"[\d\"]", titles[indexes["time"]])
    sample = lines[1 if header and len(lines) > 1 else 0]
    found = split_line(sample, separator)
    fields = [Field.skip() for _ in titles]
    for role, index in indexes.items():
        if role in ("time", "date"):
            stamp = found[index].strip() if index < len(found) else ""
            fields[index] = _stated_time(role, stamp, time_format, "date" in indexes, name)
        else:
            fields[index] = _field(role)
    kind, side = kind_of(columns)
    return Layout(
        format="columns",
        kind=kind,
        separator=separator,
        fields=tuple(fields),
        why="the columns given",
        header=header,
        side=side,
    )


def _refuse_columns(name: str, titles: list[str], headings: list[str], times: list[int]) -> None:
    known = (*_TIMES, *_WIDE, *PARTS, *_TICK, *_IGNORED)
    unknown = [title for title, heading in zip(titles, headings, strict=True) if heading not in known]
    if unknown:
        raise UnknownFormatError(
            f"{name}: unknown column {', '.join(map(repr, unknown))}; expected {EXPECTED}; "
            "remove it or rename it, or name the columns to take with columns="
        )
    used = [heading for heading in headings if heading not in _IGNORED]
    twice = sorted({item for item in used if used.count(item) > 1})
    if twice or len(times) > 1:
        again = twice or [titles[index] for index in times]
        raise UnknownFormatError(
            f"{name}: expected each column once and one time, found {', '.join(map(repr, again))} again; "
            "name "
            "the columns to take with columns="
        )


def refuse_roles(columns: Mapping[str, str | int]) -> None:
    unknown = sorted(set(columns) - set(ROLES))
    if unknown:
        raise BadInputError(
            f"columns: unknown {', '.join(map(repr, unknown))}; expected some of {', '.join(ROLES)}"
        )
    if "time" not in columns:
        raise BadInputError("columns: expected time among them")
    if len(set(columns.values())) != len(columns):
        raise BadInputError("columns: one column stands for two things")


def kind_of(columns: Mapping[str, str | int]) -> tuple[str, str | None]:
    roles = set(columns) - {"time", "date"}
    if roles - {"bid_size", "ask_size"} == {"bid", "ask"}:
        return "ticks", "bid+ask"
    if roles == set(WIDE):
        return "bars", "bid+ask"
    if roles - {"spread"} == set(PARTS):
        return "bars", None
    raise BadInputError(
        "columns: expected bid and ask, or open, high, low and close, or the eight of bid_open … ask_close; "
        f"found {', '.join(sorted(roles)) or 'none'}"
    )


def _index(column: str | int, titles: list[str], name: str) -> int:
    if isinstance(column, int):
        if not 0 <= column < len(titles):
            raise BadInputError(f"{name}: no column {column}; it has {len(titles)}, counted from 0")
        return column
    for matches in (
        [index for index, title in enumerate(titles) if title == column],
        [index for index, title in enumerate(titles) if title.lower() == column.lower()],
    ):
        if len(matches) == 1:
            return matches[0]
        if len(matches) > 1:
            raise BadInputError(
                f"{name}: {len(matches)} columns are called {column!r}; give its index from 0"
            )
    raise BadInputError(f"{name}: no column {column!r}; expected one of {', '.join(map(repr, titles))}")


def _field(role: str) -> Field:
    if role in ("bid_size", "ask_size"):
        return Field.size(role)
    if role == "spread":
        return Field(kind=1, target="spread", decimals=0)
    return Field.price(role)


def _time_field(stamp: str, name: str) -> Field:
    stamp = stamp.strip('"').strip()
    for pattern, steps in _STAMPS:
        if pattern.match(stamp):
            return Field.time(steps)
    if stamp.isdecimal() and len(stamp) in _EPOCHS:
        return Field.epoch(_EPOCHS[len(stamp)])
    if re.match(r"\d\d?/\d\d?/\d{4}", stamp):
        raise AmbiguousFormatError(
            f"{name}: {stamp!r} may have the day or the month first; give time_format='%d/%m/%Y %H:%M:%S' or "
            "'%m/%d/%Y %H:%M:%S' and columns="
        )
    return Field.time(ISO)


def _stated_time(role: str, stamp: str, time_format: str | None, apart: bool, name: str) -> Field:
    if time_format is not None:
        if time_format in EPOCH_DECIMALS:
            return Field.epoch(time_format)
        if not apart:
            return Field.time(time_steps(time_format))
        parts = time_format.split(" ")
        if len(parts) != 2:
            raise BadInputError(
                f"time format {time_format!r}: expected the date's and the time's apart by a space, as in "
                "'%Y.%m.%d %H:%M'"
            )
        return Field.time(time_steps(parts[0 if role == "date" else 1]))
    if not apart:
        return _time_field(stamp, name)
    if role == "time":
        return Field.time(DOTTED_CLOCK)
    for pattern, steps in _DATES:
        if pattern.match(stamp):
            return Field.time(steps)
    raise BadInputError(f"{name}: {stamp!r} is no date that is known by itself; give time_format=")


def _separator(line: str) -> str:
    return max(",;\t|", key=line.count)
