"""Bars and ticks as files for others: CSV and Parquet that the import reads back without loss."""

import gzip
import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any, cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from workbench.errors import BadInputError
from workbench.market.bars import PRICES, Bars, Ints
from workbench.market.errors import MissingDataError
from workbench.market.formats.parquet import SIDES_KEY
from workbench.market.ticks import Ticks

__all__ = ["export", "rows_as_csv"]

_ENDINGS = (".csv", ".csv.gz", ".parquet")
_ROWS = 262_144  # written at once


def export(pieces: Iterable[Bars | Ticks], out: Path) -> Path:
    """Write pieces of one series at `out`: whole or not at all, by the ending of its name.

    CSV has times in ISO 8601 with ``Z`` and prices with all their decimals; Parquet has timestamps in
    nanoseconds and exact decimals. Only Parquet can say, and does, that one side of bars is a model's.

    Raises
    ------
    BadInputError
        Another ending.
    MissingDataError
        There is no row.
    """
    if not out.name.endswith(_ENDINGS):
        raise BadInputError(f"{out.name}: expected a file name that ends with {', '.join(_ENDINGS)}")
    out.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=out.parent, prefix=".writing-")
    try:
        with os.fdopen(handle, "wb") as file:
            rows = (_write_parquet if out.suffix == ".parquet" else _write_csv)(_blocks(pieces), file, out)
            file.flush()
            os.fsync(file.fileno())
        if not rows:
            raise MissingDataError(f"{out.name}: expected rows to write, found none in this span")
        Path(name).chmod(0o644)
        os.replace(name, out)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    return out


def rows_as_csv(piece: Bars | Ticks) -> Iterator[bytes]:
    """The rows as CSV without a header, a block at a time."""
    for block in _blocks([piece]):
        yield _csv(block)


def _blocks(pieces: Iterable[Bars | Ticks]) -> Iterator[Bars | Ticks]:
    for piece in pieces:
        for low in range(0, len(piece), _ROWS):
            yield piece.at(low, min(low + _ROWS, len(piece)))


def _write_parquet(blocks: Iterator[Bars | Ticks], file: IO[bytes], out: Path) -> int:
    rows = 0
    with ExitStack() as stack:
        writer: Any = None
        for block in blocks:
            table = pa.table(
                {
                    name: _exact(name, column, block.instrument.digits)
                    for name, column in _columns(block).items()
                }
            )
            if isinstance(block, Bars):
                table = table.replace_schema_metadata({SIDES_KEY: block.sides})
            if writer is None:
                writer = stack.enter_context(pq.ParquetWriter(file, table.schema, compression="zstd"))
            writer.write_table(table)
            rows += len(block)
    return rows


def _write_csv(blocks: Iterator[Bars | Ticks], file: IO[bytes], out: Path) -> int:
    rows = 0
    with ExitStack() as stack:
        sink = file
        if out.name.endswith(".gz"):
            packed = gzip.GzipFile(filename="", mode="wb", fileobj=file, mtime=0)
            sink = cast("IO[bytes]", stack.enter_context(packed))
        for block in blocks:
            if not rows:
                sink.write((",".join(_columns(block)) + "\n").encode())
            sink.write(_csv(block))
            rows += len(block)
    return rows


def _csv(block: Bars | Ticks) -> bytes:
    digits = block.instrument.digits
    table = pa.table({name: _text(name, column, digits) for name, column in _columns(block).items()})
    sink = pa.BufferOutputStream()
    options = pa.csv.WriteOptions(include_header=False, quoting_style="none")
    pa.csv.write_csv(table, sink, options)
    return bytes(sink.getvalue())


def _columns(block: Bars | Ticks) -> dict[str, Ints]:
    columns = block.columns()
    if isinstance(block, Bars):
        return {"time": columns["open_ns"], **{name: columns[name] for name in PRICES}}
    return {"time": columns.pop("time_ns"), **columns}


def _exact(name: str, column: Ints, digits: int) -> pa.Array:
    if name == "time":
        return pa.array(column).view(pa.timestamp("ns", "UTC"))
    if name.endswith("_size"):
        return pa.array(column)
    # a decimal128 is its whole number of points in 16 bytes, and the number of decimals is in the type
    wide = np.empty((len(column), 2), dtype="<i8")
    wide[:, 0], wide[:, 1] = column, np.where(column < 0, -1, 0)
    kind = pa.decimal128(18, digits)
    return pa.Array.from_buffers(kind, len(column), [None, pa.py_buffer(wide)])


def _text(name: str, column: Ints, digits: int) -> pa.Array:
    if name == "time":
        return pa.array(_stamps(column))
    exact = _exact(name, column, digits)
    return exact.cast(pa.string()) if not name.endswith("_size") else exact


def _stamps(column: Ints) -> npt.NDArray[np.str_]:
    units = (("s", 10**9), ("ms", 10**6), ("us", 10**3), ("ns", 1))
    unit = next(unit for unit, ns in units if ns == 1 or not (column % ns).any())
    return np.char.add(np.datetime_as_string(column.view("M8[ns]").astype(f"M8[{unit}]")), "Z")
