"""Parquet files with the columns of `workbench.market.formats.delimited`, exact or refused.

Prices may be decimals, text, or doubles of which each is the double nearest to a whole point.
"""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from workbench.domain.instruments import Instrument
from workbench.errors import BadInputError
from workbench.market.bars import Ints
from workbench.market.errors import MalformedLineError, TruncatedFileError
from workbench.market.formats.delimited import PARTS, WIDE, kind_of, refuse_roles
from workbench.market.formats.raw import BATCH_ROWS, Notes, RawBatch

__all__ = ["MAGIC", "SIDES_KEY", "columns_of", "read", "sides_of"]

MAGIC = b"PAR1"
SIDES_KEY = "workbench.sides"  # of the file's metadata: which side of its bars is modelled and how

_TIMES = ("time", "time_ns", "timestamp", "open_ns", "open_at", "open_time", "datetime", "date")
_SIZES = ("bid_size", "ask_size")
_UNITS = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}
_LAST_NS = 7_258_118_400 * 10**9


def columns_of(
    path: Path, columns: Mapping[str, str | int] | None
) -> tuple[dict[str, str], str, str | None, bool]:
    """Role to column name, kind, side, and whether the times say that they are UTC.

    Raises
    ------
    BadInputError, TruncatedFileError
        Not these columns, or no whole Parquet file.
    """
    with _opened(path) as file:
        schema = file.schema_arrow
    names = list(schema.names)
    if columns is not None:
        refuse_roles(columns)
        found = {}
        for role, column in columns.items():
            if isinstance(column, int) and 0 <= column < len(names):
                found[role] = names[column]
            elif column in names:
                found[role] = str(column)
            else:
                raise BadInputError(f"{path.name}: no column {column!r}; expected one of {', '.join(names)}")
        if "date" in found:
            raise BadInputError("columns: a Parquet file has its times in one column; leave date out")
    else:
        times = [name for name in _TIMES if name in names]
        if len(times) != 1:
            raise BadInputError(
                f"{path.name}: expected one of {', '.join(_TIMES)} for the time, found columns "
                f"{', '.join(names)}; name them with columns="
            )
        found = {"time": times[0]}
        for wanted in (WIDE, ("bid", "ask"), PARTS):
            if set(wanted) <= set(names):
                found.update({name: name for name in wanted})
                break
        else:
            raise BadInputError(
                f"{path.name}: expected columns bid and ask, open … close, or bid_open … ask_close; found "
                f"{', '.join(names)}; name them with columns="
            )
        if "bid" in found:
            found.update({name: name for name in _SIZES if name in names})
    kind, side = kind_of(found)
    stamp = schema.field(found["time"]).type
    utc = getattr(stamp, "tz", None) is not None or found["time"] in ("time_ns", "open_ns")
    return found, kind, side, utc


def sides_of(path: Path) -> str:
    """What our own export says of the two sides of its bars; empty in other files."""
    with _opened(path) as file:
        return ((file.schema_arrow.metadata or {}).get(SIDES_KEY.encode()) or b"").decode("utf-8", "replace")


def read(
    path: Path,
    instrument: Instrument,
    columns: Mapping[str, str],
    *,
    time_unit: str | None,
    notes: Notes,
    progress: Callable[[int], None] | None = None,
) -> Iterator[RawBatch]:
    """The rows of a file, a batch at a time.

    Raises
    ------
    MalformedLineError, BadInputError
        A value that is not exact, missing, or no price; the message names the row.
    """
    size, told, first = path.stat().st_size, 0, 1
    with _opened(path) as file:
        rows = max(file.metadata.num_rows, 1)
        try:
            for batch in file.iter_batches(batch_size=BATCH_ROWS, columns=list(columns.values())):
                if not batch.num_rows:
                    continue
                arrays = dict(zip(batch.schema.names, batch.columns, strict=True))
                reader = _Values(path.name, first, instrument)
                found = {
                    role: reader.sizes(role, arrays[name])
                    if role in (*_SIZES, "spread")
                    else reader.prices(role, arrays[name])
                    for role, name in columns.items()
                    if role != "time"
                }
                yield RawBatch(
                    times_ns=reader.times(arrays[columns["time"]], columns["time"], time_unit),
                    columns=found,
                    rows=np.arange(first, first + batch.num_rows),
                    files=((0, path.name),),
                    row_word="row",
                )
                first += batch.num_rows
                if progress is not None:
                    share = size * (first - 1) // rows
                    progress(share - told)
                    told = share
        except (OSError, ValueError) as error:
            raise TruncatedFileError(f"{path.name}: expected a whole Parquet file, found: {error}") from None


class _Values:
    """The columns of one batch as whole numbers."""

    def __init__(self, name: str, first: int, instrument: Instrument) -> None:
        self._name, self._first, self._instrument = name, first, instrument

    def times(self, array: Any, column: str, unit: str | None) -> Ints:
        import pyarrow as pa

        self._refuse_nulls(array, column)
        if pa.types.is_timestamp(array.type):
            values, factor = array.cast(pa.int64()), _UNITS[array.type.unit]
        elif pa.types.is_integer(array.type):
            if unit is None and column not in ("time_ns", "open_ns"):
                raise BadInputError(
                    f"{self._name}: {column} holds numbers; say what they are with time_format='s', 'ms', "
                    "'us' or "
                    "'ns'"
                )
            if unit is not None and unit not in _UNITS:
                raise BadInputError(
                    f"{self._name}: time_format {unit!r}: expected s, ms, us or ns for numbers"
                )
            values, factor = array.cast(pa.int64()), _UNITS[unit or "ns"]
        else:
            raise BadInputError(
                f"{self._name}: expected {column} as timestamps or numbers, found {array.type}"
            )
        found: Ints = np.asarray(values.to_numpy(zero_copy_only=False), dtype=np.int64)
        self._refuse((found < 0) | (found >= _LAST_NS // factor), column, "a time from 1970 to 2199")
        return found * factor

    def prices(self, role: str, array: Any) -> Ints:
        import pyarrow as pa

        self._refuse_nulls(array, role)
        digits = self._instrument.digits
        if pa.types.is_floating(array.type):
            doubles = np.asarray(array.to_numpy(zero_copy_only=False), dtype=np.float64)
            self._refuse(~(np.abs(doubles) < 10**9), role, "a price")
            points = np.rint(doubles * 10.0**digits)
            nearest = points / 10.0**digits == doubles
            if array.type == pa.float32():
                nearest = (points / 10.0**digits).astype(np.float32) == doubles.astype(np.float32)
            self._refuse(~nearest, role, f"a price with at most {digits} decimals")
            found = points.astype(np.int64)
        elif pa.types.is_decimal(array.type):
            try:
                exact = array.cast(pa.decimal128(38, digits))
            except pa.ArrowInvalid:
                raise MalformedLineError(
                    f"{self._name}, row {self._first} on: expected {role} with at most {digits} decimals",
                    line=self._first,
                    content="",
                ) from None
            halves = np.frombuffer(exact.buffers()[1], dtype="<i8").reshape(-1, 2)
            halves = halves[exact.offset : exact.offset + len(exact)]  # low and high half of 128 bits
            self._refuse((halves[:, 1] != 0) | (halves[:, 0] < 0), role, "a price")
            found = halves[:, 0].astype(np.int64)
        elif pa.types.is_string(array.type) or pa.types.is_large_string(array.type):
            found = np.array(
                [self._point(role, index, text.as_py()) for index, text in enumerate(array)], dtype=np.int64
            )
        else:
            raise BadInputError(
                f"{self._name}: expected {role} as decimals, text or doubles, found {array.type}; whole "
                "numbers do "
                "not tell where the point is"
            )
        self._refuse((found < 1) | (found > 10**9), role, f"a price from 0 to {10**9 // 10**digits:,}")
        return found

    def sizes(self, role: str, array: Any) -> Ints:
        import pyarrow as pa

        self._refuse_nulls(array, role)
        if not pa.types.is_integer(array.type):
            raise BadInputError(f"{self._name}: expected {role} as whole numbers, found {array.type}")
        found: Ints = np.asarray(array.cast(pa.int64()).to_numpy(zero_copy_only=False), dtype=np.int64)
        self._refuse((found < 0) | (found > 10**15), role, "a size from 0 on")
        return found

    def _point(self, role: str, index: int, text: str) -> int:
        try:
            return self._instrument.to_points(text)
        except (ValueError, ArithmeticError) as error:
            raise MalformedLineError(
                f"{self._name}, row {self._first + index}: {role}: {error}",
                line=self._first + index,
                content=text,
            ) from None

    def _refuse_nulls(self, array: Any, column: str) -> None:
        if array.null_count:
            self._refuse(np.asarray(array.is_null().to_numpy(zero_copy_only=False)), column, "a value")

    def _refuse(self, wrong: Any, column: str, expected: str) -> None:
        if wrong.any():
            row = self._first + int(np.argmax(wrong))
            raise MalformedLineError(
                f"{self._name}, row {row}: expected {expected} in {column}", line=row, content=""
            )


def _opened(path: Path) -> Any:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return pq.ParquetFile(path)
    except (pa.ArrowException, OSError) as error:
        raise TruncatedFileError(f"{path.name}: expected a whole Parquet file, found: {error}") from None
