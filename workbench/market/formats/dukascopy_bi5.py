"""Dukascopy's ``.bi5`` files: hours of ticks, and days, months or years of candles of one side.

Where a file stands tells its time: ``EURUSD/2019/01/04/13h_ticks.bi5`` is 4 February, for months count
from zero. Records are big-endian; ticks name the ask first, candles have open, close, low, high. Flat
candles without volume fill the times without quotes: they are left out and counted.
"""

import lzma
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from workbench.domain.calendar import to_ns
from workbench.domain.instruments import Instrument
from workbench.domain.timeframes import Timeframe
from workbench.errors import BadInputError
from workbench.market.bars import Ints
from workbench.market.errors import ArchiveTooLargeError, TruncatedFileError
from workbench.market.formats.raw import Notes, RawBatch

__all__ = ["Piece", "price_decimals", "read_candles", "read_ticks", "recognise_path"]

_TICKS = re.compile(r"(\d\d)h_ticks\.bi5$")
_CANDLES = re.compile(r"(BID|ASK)_candles_(min|hour|day)_1\.bi5$")
_FRAMES = {"min": Timeframe.M1, "hour": Timeframe.H1, "day": Timeframe.D1UTC}
_PARENTS = {"min": 3, "hour": 2, "day": 1}  # folders of numbers above the file
_TICK = np.dtype([("time", ">u4"), ("ask", ">u4"), ("bid", ">u4"), ("ask_size", ">f4"), ("bid_size", ">f4")])
_CANDLE = np.dtype(
    [("time", ">u4"), ("open", ">u4"), ("close", ">u4"), ("low", ">u4"), ("high", ">u4"), ("volume", ">f4")]
)
_MOST_BYTES = 512 << 20  # 25 million ticks in an hour
_HOUR_MS = 3_600_000
_MILLION = 1_000_000
_PARTS = ("open", "high", "low", "close")
_THOUSANDTHS = ("XAU_USD", "XAG_USD")  # counted in thousandths whatever a broker quotes


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """One file, and what its place tells."""

    path: Path
    symbol: str
    start_ns: int
    frame: str  # "ticks", "min", "hour" or "day"
    side: str  # "bid", "ask", or "bid+ask" for ticks

    @property
    def timeframe(self) -> Timeframe | None:
        """Of candles."""
        return _FRAMES.get(self.frame)

    @property
    def label(self) -> str:
        """What the file holds, for a person."""
        return "ticks" if self.frame == "ticks" else f"{self.timeframe} {self.side} candles"


def recognise_path(path: Path) -> Piece | None:
    """What a file's name and folders tell, or None when it is no such file.

    Raises
    ------
    BadInputError
        The name is one of these and the folders above are not.
    """
    ticks, candles = _TICKS.match(path.name), _CANDLES.match(path.name)
    if ticks is None and candles is None:
        return None
    frame = "ticks" if candles is None else candles.group(2)
    side = "bid+ask" if candles is None else candles.group(1).lower()
    count = 3 if candles is None else _PARENTS[frame]
    folders = path.absolute().parts[-2 - count : -1]
    try:
        year, month, day = (*(int(item) for item in folders[1:]), *(0, 1)[count - 3 :][: 3 - count])
        hour = int(ticks.group(1)) if ticks is not None else 0
        start = datetime(year, month + 1, day, hour, tzinfo=UTC)
        symbol = folders[0].upper()
    except (ValueError, IndexError):
        raise BadInputError(
            f"{path}: expected it below folders like EURUSD/2019/01/04 (months from 00), which tell its "
            "time; "
            "keep the folders as they were fetched"
        ) from None
    return Piece(path=path, symbol=symbol, start_ns=to_ns(start), frame=frame, side=side)


def price_decimals(instrument: Instrument) -> int:
    """Decimals of the prices in these files."""
    return 3 if instrument.id in _THOUSANDTHS else instrument.digits


def read_ticks(
    pieces: Sequence[Piece],
    instrument: Instrument,
    *,
    notes: Notes,
    progress: Callable[[int], None] | None = None,
) -> Iterator[RawBatch]:
    """The ticks of `pieces`, in their order; an empty file is an hour without any.

    Raises
    ------
    TruncatedFileError, BadInputError
        A file breaks off, or holds what no tick can be.
    """
    for piece in pieces:
        records = _records(piece, _TICK, progress)
        if not len(records):
            notes.add("empty files", 1, "hours had no tick", piece.path.name)
            continue
        times = records["time"].astype(np.int64)
        _refuse(piece, times >= _HOUR_MS, "a time within its hour")
        yield RawBatch(
            times_ns=piece.start_ns + times * 1_000_000,
            columns={
                "bid": _points(piece, records["bid"], instrument),
                "ask": _points(piece, records["ask"], instrument),
                "bid_size": _units(piece, records["bid_size"]),
                "ask_size": _units(piece, records["ask_size"]),
            },
            rows=np.arange(1, len(records) + 1),
            files=((0, _shown(piece)),),
            row_word="record",
        )


def read_candles(
    pieces: Sequence[Piece],
    instrument: Instrument,
    *,
    notes: Notes,
    progress: Callable[[int], None] | None = None,
) -> Iterator[RawBatch]:
    """The candles of `pieces` of one side, without the flat ones that fill gaps."""
    for piece in pieces:
        records = _records(piece, _CANDLE, progress)
        if not len(records):
            notes.add("empty files", 1, "files had no candle", piece.path.name)
            continue
        traded = records["volume"] > 0
        flat = np.ones(len(records), dtype=np.bool_)
        for name in ("close", "low", "high"):
            flat &= records[name] == records["open"]
        keep = traded | ~flat
        notes.add(
            "flat fillers", int((~keep).sum()), "flat candles without volume were left out", _shown(piece)
        )
        kept = records[keep]
        yield RawBatch(
            times_ns=piece.start_ns + kept["time"].astype(np.int64) * 1_000_000_000,
            columns={name: _points(piece, kept[name], instrument) for name in _PARTS},
            rows=np.flatnonzero(keep) + 1,
            files=((0, _shown(piece)),),
            row_word="record",
        )


def _records(piece: Piece, dtype: Any, progress: Callable[[int], None] | None) -> Any:
    try:
        packed = piece.path.read_bytes()
    except OSError as error:
        raise BadInputError(f"{_shown(piece)}: it can not be read: {error.strerror}") from None
    if progress is not None:
        progress(len(packed))
    if not packed:
        return np.empty(0, dtype=dtype)
    unpacker = lzma.LZMADecompressor(format=lzma.FORMAT_ALONE, memlimit=256 << 20)
    try:
        data = unpacker.decompress(packed, max_length=_MOST_BYTES + 1)
    except (lzma.LZMAError, MemoryError) as error:
        raise TruncatedFileError(
            f"{_shown(piece)}: expected LZMA data, found it broken ({error}); fetch it again"
        ) from None
    if len(data) > _MOST_BYTES:
        raise ArchiveTooLargeError(
            f"{_shown(piece)}: expected at most {_MOST_BYTES:,} bytes in it, found more; it is no file of "
            "quotes"
        )
    if not unpacker.eof or len(data) % dtype.itemsize:
        raise TruncatedFileError(
            f"{_shown(piece)}: expected whole records of {dtype.itemsize} bytes, found {len(data):,} bytes "
            "and then its end; fetch it again"
        )
    if unpacker.unused_data:
        raise BadInputError(
            f"{_shown(piece)}: expected one LZMA stream, found {len(unpacker.unused_data):,} bytes after its "
            "end; fetch it again"
        )
    return np.frombuffer(data, dtype=dtype)


def _points(piece: Piece, values: Any, instrument: Instrument) -> Ints:
    points: Ints = values.astype(np.int64)
    _refuse(piece, (points < 1) | (points > 10**9), "prices from 1 to 1,000,000,000 points")
    shift = instrument.digits - price_decimals(instrument)
    if shift >= 0:
        points *= 10**shift
        return points
    _refuse(piece, points % 10**-shift != 0, f"prices with {instrument.digits} decimals")
    points //= 10**-shift
    return points


def _units(piece: Piece, millions: Any) -> Ints:
    wide = millions.astype(np.float64)
    _refuse(piece, ~(wide >= 0) | (wide > _MILLION), "volumes from 0 to a million millions")
    units: Ints = np.rint(wide * _MILLION).astype(np.int64)
    return units


def _refuse(piece: Piece, wrong: Any, expected: str) -> None:
    if wrong.any():
        raise BadInputError(
            f"{_shown(piece)}, record {int(np.argmax(wrong)) + 1}: expected {expected}; the file is damaged"
        )


def _shown(piece: Piece) -> str:
    return "/".join(piece.path.parts[-5:]) if piece.frame == "ticks" else "/".join(piece.path.parts[-4:])
