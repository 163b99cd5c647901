"""OANDA's candles: the answers of ``GET /v3/instruments/EUR_USD/candles``, a page a file or several in one.

Bid and ask candles come whole; a page with mid candles alone is one-sided. The candle that is still
being made (``complete`` false) is left out and counted, and so is one that two pages share.
"""

import re
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from workbench.domain.instruments import Instrument
from workbench.domain.timeframes import Timeframe
from workbench.errors import BadInputError
from workbench.market.formats.json_files import load_json, points_of
from workbench.market.formats.raw import Notes, RawBatch

__all__ = ["GRANULARITIES", "first_ns", "peek", "read", "recognise"]

_PARTS = {"o": "open", "h": "high", "l": "low", "c": "close"}
_TIME = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?Z$|(\d{1,10})(?:\.(\d{1,9}))?$")
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - both sides of a difference in UTC

GRANULARITIES: dict[str, Timeframe] = {
    **{str(item): item for item in Timeframe if str(item)[0] in "SMH" and item is not Timeframe.MN1},
    "D": Timeframe.D1,
    "W": Timeframe.W1,
    "M": Timeframe.MN1,
}


def recognise(head: bytes, name: str) -> str | None:
    """The format's name, if the file begins like one."""
    start = re.sub(rb"\s", b"", head[:4_000])
    if start[:1] not in (b"{", b"[") or b'"candles":[' not in start:
        return None
    return "oanda" if b'"granularity":' in start or b'"complete":' in start else None


def peek(path: Path) -> tuple[str, str, Timeframe]:
    """Instrument, side (``bid+ask``, ``bid``, ``ask`` or ``mid``) and length of the candles in a file.

    Raises
    ------
    BadInputError
        The file does not tell, or tells of several.
    """
    found = set()
    for page in _pages(load_json(path), path):
        granularity = page.get("granularity")
        if granularity not in GRANULARITIES:
            raise BadInputError(
                f"{path.name}: expected a granularity like M1, H1 or D, found {granularity!r}"
            )
        name = page.get("instrument")
        if not isinstance(name, str):
            raise BadInputError(f"{path.name}: expected the instrument's name, found {name!r}")
        for candle in page["candles"][:1]:
            found.add((name, _side(candle, f"{path.name}, candle 1"), GRANULARITIES[granularity]))
        if not page["candles"]:
            found.add((name, "", GRANULARITIES[granularity]))
    told = {item for item in found if item[1]} or found
    if len(told) != 1:
        raise BadInputError(f"{path.name}: expected pages of one kind of candles, found {len(told)}")
    return told.pop()


def first_ns(path: Path) -> int:
    """Time of the first candle, to put pages in order; -1 when it has none."""
    for page in _pages(load_json(path), path):
        for candle in page["candles"][:1]:
            return _time(candle, f"{path.name}, candle 1")
    return -1


def read(
    path: Path,
    instrument: Instrument,
    *,
    notes: Notes,
    progress: Callable[[int], None] | None = None,
) -> Iterator[RawBatch]:
    """The complete candles of a file.

    Raises
    ------
    BadInputError
        A candle has no time, no price, or other sides than the first.
    """
    for page in _pages(load_json(path, progress=progress), path):
        times: list[int] = []
        rows: list[int] = []
        columns: dict[str, list[int]] = {}
        side = ""
        for number, candle in enumerate(page["candles"], start=1):
            place = f"{path.name}, candle {number}"
            if not isinstance(candle, dict):
                raise BadInputError(f"{place}: expected an object, found {candle!r:.60}")
            side = side or _side(candle, place)
            if _side(candle, place) != side:
                raise BadInputError(
                    f"{place}: expected {side} prices as before, found {_side(candle, place)}"
                )
            moment = _time(candle, place)
            complete = candle.get("complete", True)
            if not isinstance(complete, bool):
                raise BadInputError(f"{place}: expected complete to be true or false, found {complete!r}")
            if not complete:
                notes.add("not complete", 1, "candles were still being made and were left out", place)
                continue
            times.append(moment)
            rows.append(number)
            for name in side.split("+"):
                for letter, part in _PARTS.items():
                    target = f"{name}_{part}" if side == "bid+ask" else part
                    points = points_of(
                        candle[name].get(letter), instrument.digits, f"{place}: {name} {letter}"
                    )
                    columns.setdefault(target, []).append(points)
        if times:
            yield RawBatch(
                times_ns=np.array(times, dtype=np.int64),
                columns={name: np.array(values, dtype=np.int64) for name, values in columns.items()},
                rows=np.array(rows, dtype=np.int64),
                files=((0, path.name),),
                row_word="candle",
            )


def _pages(value: Any, path: Path) -> list[dict[str, Any]]:
    pages = value if isinstance(value, list) else [value]
    for page in pages:
        if not isinstance(page, dict) or not isinstance(page.get("candles"), list):
            raise BadInputError(f"{path.name}: expected pages with a list of candles, found something else")
    return pages


def _side(candle: Any, place: str) -> str:
    sides = {name for name in ("bid", "ask", "mid") if isinstance(candle, dict) and name in candle}
    if any(not isinstance(candle[name], dict) for name in sides):
        raise BadInputError(f"{place}: expected o, h, l and c of each side")
    if {"bid", "ask"} <= sides:
        return "bid+ask"
    if len(sides) == 1:
        return sides.pop()
    raise BadInputError(
        f"{place}: expected bid and ask, or mid, found {', '.join(sorted(sides)) or 'neither'}"
    )


def _time(candle: Any, place: str) -> int:
    text = candle.get("time") if isinstance(candle, dict) else None
    found = _TIME.match(text) if isinstance(text, str) else None
    if found is not None:
        stamp, fraction, seconds, seconds_fraction = found.groups()
        try:
            if stamp is not None:
                passed = datetime.fromisoformat(stamp) - _EPOCH
                whole = passed // timedelta(seconds=1)
            else:
                whole = int(seconds)
        except ValueError:
            whole = -1
        if 0 <= whole < 7_258_118_400:
            return whole * 10**9 + int((fraction or seconds_fraction or "").ljust(9, "0"))
    raise BadInputError(f"{place}: expected a time like 2014-05-05T00:00:00.000000000Z, found {text!r}")
