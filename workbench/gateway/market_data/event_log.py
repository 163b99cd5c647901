"""Events of a stream as they were given out, on disk: what can not be had from a market again.

Each record is a kind, the checksum of what follows, and whole numbers; a tail that was torn off by a power
cut is dropped when the file is opened. A record is durable after `sync`, and readable by its number at once.
"""

import os
import struct
import zlib
from array import array
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from workbench.domain.instruments import InstrumentId
from workbench.domain.quotes import Bar, Quote
from workbench.gateway.errors import DamagedStoreError
from workbench.gateway.messages import BarClosed, FeedEvent, QuoteMoved

__all__ = ["EventLog"]

_HEAD = struct.Struct("<BBHI")  # kind, instrument or how many bars, 0, crc32 of the body
_QUOTE = struct.Struct("<3q")
_BAR = struct.Struct("<11q")
_QUOTE_KIND, _BARS_KIND = 1, 2


class EventLog:
    """Events by number from 1, of one feed; one process writes it.

    Parameters
    ----------
    instruments
        Their ids in order; at most 255, the same whenever the file is opened.
    """

    def __init__(self, path: Path, *, instruments: Sequence[InstrumentId]) -> None:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._beside = path.with_suffix(".state")
        self._names = tuple(instruments)
        self._index = {name: k for k, name in enumerate(self._names)}
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._starts = array("q", [0])
        self._synced = 0
        self._read_starts(path)

    def __len__(self) -> int:
        return len(self._starts) - 1

    def append(self, event: QuoteMoved | BarClosed) -> None:
        """Add the event that follows the last.

        Raises
        ------
        OSError
            The disk did not take it; nothing was added.
        """
        if event.seq != len(self) + 1:
            raise ValueError(f"expected event {len(self) + 1}, found {event.seq}")
        if isinstance(event, QuoteMoved):
            quote = event.quote
            body = _QUOTE.pack(quote.time_ns, quote.bid, quote.ask)
            head = (_QUOTE_KIND, self._index[quote.instrument])
        else:
            bars = event.bars
            body = b"".join(self._bar_body(bar) for bar in bars)
            head = (_BARS_KIND, len(bars))
        record = _HEAD.pack(*head, 0, zlib.crc32(body)) + body
        at = self._starts[-1]
        if os.pwrite(self._file, record, at) != len(record):
            raise OSError(f"the disk took a part of event {event.seq} only")
        self._starts.append(at + len(record))

    def event(self, seq: int) -> FeedEvent:
        """Event `seq`, which is there.

        Raises
        ------
        DamagedStoreError
            It is not what was written.
        """
        at, end = self._starts[seq - 1], self._starts[seq]
        record = os.pread(self._file, end - at, at)
        kind, number, _, checksum = _HEAD.unpack_from(record)
        body = record[_HEAD.size :]
        if zlib.crc32(body) != checksum:
            raise DamagedStoreError(
                f"event {seq} of the recorded stream is not what was written; restore a copy"
            )
        if kind == _QUOTE_KIND:
            time_ns, bid, ask = _QUOTE.unpack(body)
            quote = Quote(instrument=self._names[number], time_ns=time_ns, bid=bid, ask=ask)
            return QuoteMoved(seq=seq, quote=quote)
        first, *others = (self._bar_of(body, k * _BAR.size) for k in range(number))
        return BarClosed(seq=seq, bar=first, others=tuple(others), quoted=True)

    def sync(self) -> None:
        """Make all that was added durable.

        Raises
        ------
        OSError
            It is not; what depends on it must not happen.
        """
        if self._synced != self._starts[-1]:
            os.fdatasync(self._file)
            self._synced = self._starts[-1]

    def keep(self, state: Mapping[str, Any]) -> None:
        """Keep a value beside the events, in the place of the last one; all of it or nothing."""
        aside = self._beside.with_suffix(".writing")
        aside.write_bytes(msgspec.json.encode(state))
        aside.replace(self._beside)

    def kept(self) -> dict[str, Any]:
        """The value that was kept last; empty for none."""
        try:
            return msgspec.json.decode(self._beside.read_bytes(), type=dict[str, Any])
        except (FileNotFoundError, msgspec.DecodeError):
            return {}

    def close(self) -> None:
        """Give the file back."""
        os.close(self._file)

    def _bar_body(self, bar: Bar) -> bytes:
        return _BAR.pack(
            self._index[bar.instrument],
            bar.open_ns,
            bar.close_ns,
            *(bar.bid_open, bar.bid_high, bar.bid_low, bar.bid_close),
            *(bar.ask_open, bar.ask_high, bar.ask_low, bar.ask_close),
        )

    def _bar_of(self, body: bytes, at: int) -> Bar:
        k, open_ns, close_ns, *prices = _BAR.unpack_from(body, at)
        names = ("open", "high", "low", "close")
        values = dict(
            zip([f"{side}_{name}" for side in ("bid", "ask") for name in names], prices, strict=True)
        )
        return Bar(instrument=self._names[k], open_ns=open_ns, close_ns=close_ns, **values)

    def _read_starts(self, path: Path) -> None:
        """Find the records, and cut off what is not whole."""
        size = os.fstat(self._file).st_size
        at = 0
        with path.open("rb") as file:
            while at + _HEAD.size <= size:
                kind, number, _, checksum = _HEAD.unpack(file.read(_HEAD.size))
                length = _QUOTE.size if kind == _QUOTE_KIND else number * _BAR.size
                body = file.read(length)
                if (
                    kind not in (_QUOTE_KIND, _BARS_KIND)
                    or len(body) != length
                    or zlib.crc32(body) != checksum
                ):
                    break
                at += _HEAD.size + length
                self._starts.append(at)
        if at != size:
            os.ftruncate(self._file, at)
        self._synced = at
