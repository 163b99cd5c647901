"""Reading the lines of a text layout, in batches, with an error that shows the line."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from workbench.domain.instruments import Instrument
from workbench.market.errors import EmptyFileError, MalformedLineError, UnknownFormatError
from workbench.market.formats.chunks import HEAD_BYTES, ByteStream
from workbench.market.formats.grammar import TIME, Field, Layout
from workbench.market.formats.heads import split_line
from workbench.market.formats.raw import BATCH_ROWS, Notes, RawBatch

__all__ = ["MOST_POINTS", "head_of", "peek", "read_text"]

MOST_POINTS = 10**9  # 10,000 for EUR_USD: beyond it a decimal point is missing
_MOST_UNITS = 10**15
_CHUNK = 4 << 20
_PAD = 64  # the parser looks a few bytes ahead
_SHOWN = 120
_NAMES_OF_ENDS = {(10, False): "LF", (10, True): "CR LF", (13, False): "CR"}


def head_of(path: Path) -> tuple[bytes, str]:
    """The first bytes of a file's text, and the name it has, inside its archive if it is in one."""
    with ByteStream(path) as stream:
        head = b""
        while len(head) < HEAD_BYTES:
            part = stream.read(HEAD_BYTES - len(head))
            if not part:
                break
            head += part
        return head, stream.inner


def peek(path: Path, layout: Layout, instrument: Instrument, *, count: int = 100) -> tuple[RawBatch, bool]:
    """The first rows of a file, and whether their times say where they are."""
    reader = _Reader(path, layout, instrument, Notes(), None)
    try:
        batch = next(reader.batches(count), None)
    finally:
        reader.stream.close()
    if batch is None:
        raise EmptyFileError(f"{path.name}: expected {layout.kind} below the header, found none")
    return batch, reader.zoned


def read_text(
    path: Path,
    layout: Layout,
    instrument: Instrument,
    *,
    notes: Notes,
    progress: Callable[[int], None] | None = None,
    batch_rows: int = BATCH_ROWS,
) -> Iterator[RawBatch]:
    """The rows of a file, `batch_rows` at a time.

    Raises
    ------
    MalformedLineError, UnknownFormatError, TruncatedFileError, ChangedWhileReadError
        The message says where and shows the line.
    """
    reader = _Reader(path, layout, instrument, notes, progress)
    with reader.stream:
        yield from reader.batches(batch_rows)


class _Reader:
    """One pass over one file."""

    def __init__(
        self,
        path: Path,
        layout: Layout,
        instrument: Instrument,
        notes: Notes,
        progress: Callable[[int], None] | None,
    ) -> None:
        from workbench.market.formats import byte_parser

        self._parser = byte_parser
        self._layout, self._instrument, self._notes = layout, instrument, notes
        self.stream = ByteStream(path, progress=progress)
        self._names = ("time", *layout.columns)
        self._program, self._steps = _compiled(layout.fields, self._names, instrument.digits)
        sizes = {"bid_size", "ask_size"}
        self._most = np.array(
            [0, *(_MOST_UNITS if name in sizes else MOST_POINTS for name in layout.columns)], dtype=np.int64
        )
        self._base = 0 if layout.base_ns is None else layout.base_ns(f"{self.stream.inner} {path.name}")
        self._state = np.zeros(byte_parser.STATE_SIZE, dtype=np.int64)
        self._state[byte_parser.ZONED] = -1
        self._state[byte_parser.CARRY :] = -1
        self._buffer = np.zeros(_CHUNK + _PAD, dtype=np.uint8)
        self._fill = self._start = 0
        self._eol, self._crlf = 10, False
        self._header = ""
        self._ended = False

    @property
    def zoned(self) -> bool:
        """Whether the times read so far say where they are."""
        return int(self._state[self._parser.ZONED]) == 1

    def batches(self, batch_rows: int) -> Iterator[RawBatch]:
        """The rows, `batch_rows` at a time."""
        self._begin()
        out, lines, row = self._space(batch_rows)
        while True:
            stop = self._whole_lines()
            if stop <= self._start:
                if self._ended:
                    break
                self._refill()
                continue
            self._start, row = self._parse(stop, out, lines, row)
            if self._state[self._parser.ERROR]:
                raise self._malformed()
            if row == batch_rows:
                yield self._batch(out, lines, row)
                out, lines, row = self._space(batch_rows)
        if row:
            yield self._batch(out, lines, row)
        self._finish()

    def _parse(
        self, stop: int, out: npt.NDArray[np.int64], lines: npt.NDArray[np.int64], row: int
    ) -> tuple[int, int]:
        return self._parser.parse_rows(
            self._buffer,
            self._start,
            stop,
            ord(self._layout.separator),
            self._eol,
            self._crlf,
            self._program,
            self._steps,
            self._most,
            self._base,
            out,
            lines,
            row,
            self._state,
        )

    def _space(self, batch_rows: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], int]:
        return (
            np.empty((len(self._names), batch_rows), dtype=np.int64),
            np.empty(batch_rows, dtype=np.int64),
            0,
        )

    def _batch(self, out: npt.NDArray[np.int64], lines: npt.NDArray[np.int64], row: int) -> RawBatch:
        span = self._layout.span_ns
        if span and (late := out[0, :row] - self._base >= span).any():
            line = int(lines[int(np.argmax(late))])
            raise MalformedLineError(
                f"{self.stream.name}, line {line}: expected a time within the day of the file's name",
                line=line,
                content="",
            )
        columns = [column[:row] if row == len(lines) else column[:row].copy() for column in (*out, lines)]
        return RawBatch(
            times_ns=columns[0],
            columns=dict(zip(self._names[1:], columns[1:-1], strict=True)),
            rows=columns[-1],
            files=((0, self.stream.name),),
        )

    def _begin(self) -> None:
        """Fill the buffer, find how lines end, take off blank lines and the header."""
        self._refill()
        head = self._buffer[: self._fill].tobytes()
        if b"\0" in head[:HEAD_BYTES]:
            line = head[: head.index(b"\0")].count(b"\n") + 1
            raise UnknownFormatError(
                f"{self.stream.name}, line {line}: expected text, found a byte 0 (binary, or UTF-16 without "
                "its mark); save it as UTF-8 text"
            )
        newline, carriage = head.find(b"\n"), head.find(b"\r")
        if newline < 0 and carriage >= 0:
            self._eol = 13
        elif carriage >= 0 and carriage + 1 == newline:
            self._crlf = True
        while self._layout.header:
            stop = self._whole_lines()
            if stop <= self._start:
                if self._ended:
                    break
                self._refill()
                continue
            text = self._buffer[self._start : stop].tobytes()
            header = text[: text.index(self._eol) + 1]
            self._start += len(header)
            self._state[self._parser.LINE] += 1
            if header.strip():
                self._header = _text(header).strip()
                break

    def _refill(self) -> None:
        left = self._fill - self._start
        if left and self._start:
            self._buffer[:left] = self._buffer[self._start : self._fill].copy()
        self._start, self._fill = 0, left
        if left > _CHUNK // 2:
            line = int(self._state[self._parser.LINE]) + 1
            raise UnknownFormatError(
                f"{self.stream.name}, line {line}: expected lines of text, found {left:,} bytes without a "
                "line end"
            )
        data = self.stream.read(_CHUNK // 2)
        if data:
            self._put(data)
            return
        self._ended = True
        if not left:
            return
        tail = self._buffer[self._fill - 1]
        if self._crlf:
            ending = b"" if tail == 10 else b"\n" if tail == 13 else b"\r\n"
        else:
            ending = b"" if tail == self._eol else bytes([self._eol])
        if ending and not self.stream.packed and self._buffer[self._start : self._fill].tobytes().strip():
            self._notes.add(
                "no last line end",
                1,
                "files end without a line end: see that the last line is whole",
                self.stream.name,
            )
        self._put(ending)

    def _put(self, data: bytes) -> None:
        end = self._fill + len(data)
        if end + _PAD > len(self._buffer):  # UTF-16 may become longer than it was
            self._buffer = np.concatenate([self._buffer, np.zeros(len(data) + _PAD, dtype=np.uint8)])
        self._buffer[self._fill : end] = np.frombuffer(data, dtype=np.uint8)
        self._fill = end

    def _whole_lines(self) -> int:
        """Position after the last line that is in the buffer to its end."""
        high = self._fill
        while high > self._start:
            low = max(self._start, high - 4_096)
            found = self._buffer[low:high].tobytes().rfind(bytes([self._eol]))
            if found >= 0:
                return low + found + 1
            high = low
        return self._start

    def _finish(self) -> None:
        parser = self._parser
        self.stream.refuse_change(int(self._state[parser.LINE]))
        self._notes.add(
            "before the first quote",
            int(self._state[parser.BEFORE_FIRST]),
            "lines came before both sides had been quoted and were left out",
        )
        self._notes.add(
            "nothing quoted",
            int(self._state[parser.UNCHANGED]),
            "lines changed neither bid nor ask and were left out",
        )
        if self.stream.encoding:
            self._notes.add("encoding", 1, f"files were {self.stream.encoding.upper()}", self.stream.name)

    def _malformed(self) -> Exception:
        parser, state = self._parser, self._state
        start = int(state[parser.LINE_START])
        rest = self._buffer[start : self._fill].tobytes()
        content = rest[: rest.index(self._eol)]
        line, field = int(state[parser.LINE]), int(state[parser.ERROR_FIELD])
        what = self._what(int(state[parser.ERROR]), field, content)
        return _malformed(self.stream.name, line, _text(content), what)

    def _what(self, code: int, field: int, content: bytes) -> str:
        parser, separator = self._parser, self._layout.separator
        text = _text(content)
        fields = split_line(text, separator)
        expected = len(self._layout.fields)
        shown = fields[field].strip() if field < len(fields) else ""
        if code == parser.LINE_END:
            ends = _NAMES_OF_ENDS[self._eol, self._crlf]
            other = "LF" if self._crlf else "CR LF"
            return f"expected lines that end with {ends} as the first does, found {other}"
        if self._header and text.strip() == self._header:
            return "expected a row, found the header again: import joined files apart"
        if code == parser.BAD_BYTE:
            return "expected text, found a control character"
        if len(fields) != expected:
            return f"expected {expected} fields, found {len(fields)}"
        what = self._layout.fields[field]
        name = self._instrument.id
        if what.target == "word":
            return f"expected {bytes(arg for _, arg in what.steps).decode()}, found {shown!r}"
        if what.kind == TIME or what.target == "time":
            if code == parser.TIME_OUT_OF_RANGE or code == parser.TOO_LARGE:
                return f"expected a time from 1970 to 2199, found {shown!r}"
            if code == parser.MIXED_ZONES:
                return "some times have a zone and some have none"
            return f"expected a time, found {shown!r}"
        if code == parser.TIME_OUT_OF_RANGE:
            return "expected a time from 1970 to 2199"
        if code == parser.MIXED_ZONES:
            return "some times have a zone and some have none"
        if what.target in ("bid_size", "ask_size"):
            return f"expected a size in whole units of at most {_MOST_UNITS:,}, found {shown!r}"
        digits = self._instrument.digits
        if code == parser.TOO_MANY_DECIMALS:
            return f"{name}: expected a price with at most {digits} decimals, found {shown}"
        if code == parser.TOO_LARGE:
            return f"{name}: expected a price of at most {MOST_POINTS // 10**digits:,}, found {shown}"
        if re.fullmatch(r"\d+,\d+", shown):
            return f"{name}: expected a price with a decimal point, found a decimal comma in {shown!r}"
        return f"{name}: expected a price, found {shown!r}"


def _compiled(fields: tuple[Field, ...], names: tuple[str, ...], digits: int) -> tuple[Any, Any]:
    """The fields as the parser wants them: one row a field, and the steps of all times."""
    program = np.zeros((len(fields), 4), dtype=np.int64)
    steps: list[tuple[int, int]] = []
    for index, item in enumerate(fields):
        column = names.index(item.target) if item.target in names else -1
        program[index, :2] = item.kind, column
        if item.kind == TIME:
            program[index, 2:] = len(steps), len(steps) + len(item.steps)
            steps += item.steps
        else:
            program[index, 2] = digits if item.decimals is None else item.decimals
    return program, np.array(steps or [(0, 0)], dtype=np.int64)


def _text(content: bytes) -> str:
    return content.decode("utf-8", "backslashreplace").strip("\r\n")


def _malformed(name: str, line: int, content: str, what: str) -> MalformedLineError:
    content = content.strip()
    shown = content if len(content) <= _SHOWN else content[: _SHOWN - 3] + "…"
    return MalformedLineError(
        f"{name}, line {line}: {what}; the line is {shown!r}", line=line, content=content
    )
