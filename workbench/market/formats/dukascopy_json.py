"""Dukascopy's newer JSON answers: candles and ticks as columns of differences.

``timestamp`` and the first prices are where the sums begin; ``times`` counts steps of ``shift``
milliseconds (candles) or milliseconds (ticks), prices steps of ``multiplier``. Minutes that are left
out of ``times`` had no quote.
"""

import json
import re
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from workbench.domain.instruments import Instrument
from workbench.domain.timeframes import Timeframe
from workbench.errors import BadInputError
from workbench.market.bars import Ints
from workbench.market.formats.json_files import load_json
from workbench.market.formats.raw import Notes, RawBatch
from workbench.market.formats.text_rows import head_of

__all__ = ["first_ns", "read", "recognise", "side_of", "timeframe_of"]

Floats = npt.NDArray[np.float64]

_NAME = re.compile(r"candles-[a-z]+-([A-Z]{3})-([A-Z]{3})-(BID|ASK)-|ticks-([A-Z]{3})-([A-Z]{3})-")
_PARTS = ("open", "high", "low", "close")
_FIRST_MS, _LAST_MS = 0, 7_258_118_400_000
_MS = 1_000_000
_FRAMES = {
    60_000: Timeframe.M1,
    3_600_000: Timeframe.H1,
    86_400_000: Timeframe.D1UTC,
}


def recognise(head: bytes, name: str) -> str | None:
    """The format's name, if the file begins like one."""
    start = re.sub(rb"\s", b"", head[:2_000])
    if not start.startswith(b"{") or b'"multiplier":' not in start or b'"timestamp":' not in start:
        return None
    return "dukascopy-json" if b'"shift":' in start or b'"open":' in start else "dukascopy-json-ticks"


def side_of(name: str) -> str | None:
    """The side that a file's name tells, as in ``candles-minute-EUR-USD-BID-2026-7-10.json``."""
    words = {word for word in re.split(r"[^a-z]+", name.lower()) if word in ("bid", "ask")}
    return words.pop() if len(words) == 1 else None


def symbol_of(name: str) -> str:
    """The letters of the instrument in a file's name, or nothing."""
    found = _NAME.search(name)
    return "".join(item for item in found.groups() if item and item not in ("BID", "ASK")) if found else ""


def timeframe_of(path: Path) -> Timeframe | None:
    """The length of the candles in a file."""
    value = load_json(path)
    shift = value.get("shift") if isinstance(value, dict) else None
    return _FRAMES.get(shift) if isinstance(shift, int) else None


def first_ns(path: Path) -> int:
    """Where a file's times begin, to put files in order."""
    head, _ = head_of(path)
    found = re.search(rb'"timestamp"\s*:\s*(\d{1,15})\b', head)
    if found is None:
        raise BadInputError(f"{path.name}: expected a timestamp in milliseconds at its beginning")
    return int(found.group(1)) * _MS


def read(
    path: Path,
    instrument: Instrument,
    *,
    notes: Notes,
    progress: Callable[[int], None] | None = None,
) -> Iterator[RawBatch]:
    """The candles or ticks of a file.

    Raises
    ------
    BadInputError
        It is not the form described above.
    """
    value = load_json(path, progress=progress)
    if not isinstance(value, dict):
        raise BadInputError(f"{path.name}: expected an object, found {json.dumps(value, default=str)[:60]}")
    candles = "shift" in value
    names = {f"{part}s": part for part in _PARTS} if candles else {"bids": "bid", "asks": "ask"}
    steps = _whole(value, "times", path)
    if not len(steps):
        notes.add("empty files", 1, "files had no quote", path.name)
        return
    shift = value.get("shift", 1)
    if not isinstance(shift, int) or not 0 < shift <= 2_678_400_000:
        raise BadInputError(f"{path.name}: expected a shift in milliseconds, found {shift!r}")
    start = value.get("timestamp")
    if not isinstance(start, int) or not _FIRST_MS <= start < _LAST_MS:
        raise BadInputError(f"{path.name}: expected a timestamp in milliseconds since 1970, found {start!r}")
    if (steps < 0).any() or int(steps.sum()) * shift > _LAST_MS:
        raise BadInputError(f"{path.name}: expected times that go on, found a step of {int(steps.min())}")
    scale = _scale(value, path, instrument)
    columns = {}
    for name, target in names.items():
        first = _first(value, target, path, instrument)
        moves = _whole(value, name, path)
        if len(moves) != len(steps):
            raise BadInputError(
                f"{path.name}: expected {len(steps)} {name} as there are times, found {len(moves)}"
            )
        moved = np.cumsum(moves)
        if (np.abs(moved) > 10**10).any():
            raise BadInputError(f"{path.name}: expected {name} as small steps, found a jump beyond any price")
        columns[target] = first + moved * scale
        if (columns[target] < 1).any() or (columns[target] > 10**9).any():
            index = int(np.argmax((columns[target] < 1) | (columns[target] > 10**9)))
            raise BadInputError(f"{path.name}, value {index + 1} of {name}: expected a price, found none")
    keep = np.ones(len(steps), dtype=np.bool_)
    if candles:
        notes.add(
            "gaps",
            int((steps[1:] - 1).clip(0).sum()),
            "candles without quotes are not in the file",
            path.name,
        )
        volumes = _numbers(value, "volumes", len(steps), path)
        flat = (columns["open"] == columns["high"]) & (columns["open"] == columns["low"])
        keep = ~(flat & (columns["open"] == columns["close"]) & (volumes == 0))
        notes.add("flat fillers", int((~keep).sum()), "flat candles without volume were left out", path.name)
    else:
        for name, target in (("bidVolumes", "bid_size"), ("askVolumes", "ask_size")):
            columns[target] = np.rint(_numbers(value, name, len(steps), path)).astype(np.int64)
    yield RawBatch(
        times_ns=((start + np.cumsum(steps) * shift) * _MS)[keep],
        columns={name: column[keep] for name, column in columns.items()},
        rows=np.flatnonzero(keep) + 1,
        files=((0, path.name),),
        row_word="value",
    )


def _scale(value: dict[str, Any], path: Path, instrument: Instrument) -> int:
    """Points of the instrument in one step of the file."""
    given = value.get("multiplier")
    if isinstance(given, (int, Decimal)) and not isinstance(given, bool) and 0 < given <= 1000:
        points = Decimal(given).scaleb(instrument.digits)
        if points == points.to_integral_value() and 1 <= points <= 10**8:
            return int(points)
    raise BadInputError(
        f"{path.name}: expected a multiplier of whole points of {instrument.id} ({instrument.digits} "
        "decimals), "
        f"found {given}"
    )


def _first(value: dict[str, Any], name: str, path: Path, instrument: Instrument) -> int:
    from workbench.market.formats.json_files import points_of

    return points_of(value.get(name), instrument.digits, f"{path.name}: {name}")


def _whole(value: dict[str, Any], name: str, path: Path) -> Ints:
    found = value.get(name)
    if not isinstance(found, list) or not all(type(item) is int and abs(item) < 10**11 for item in found):
        raise BadInputError(f"{path.name}: expected {name} as a list of whole numbers")
    return np.array(found, dtype=np.int64)


def _numbers(value: dict[str, Any], name: str, count: int, path: Path) -> Floats:
    found = value.get(name)
    if found is None:
        return np.zeros(count)
    fine = isinstance(found, list) and len(found) == count
    if not fine or not all(type(item) in (int, Decimal) and 0 <= item < 10**15 for item in found):
        raise BadInputError(f"{path.name}: expected {count} {name} from 0 on")
    return np.array([float(item) for item in found], dtype=np.float64)
