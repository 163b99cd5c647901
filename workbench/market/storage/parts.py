"""Parts: the immutable files that datasets of ticks are made of, in Parquet that any tool reads.

A part holds the ticks of one week (from Saturday 00:00 UTC, when no market is open; several parts when it
has more than two million) or the kept bars of 26 weeks. Times are stored in the coarsest unit that loses
nothing and packed by their differences, as prices are; sizes by a dictionary, and not at all where every
row has the same. The file's hash is in the catalogue and compared at every read.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from workbench.market.bars import Ints
from workbench.market.errors import DamagedDatasetError
from workbench.market.storage.folders import Folder

__all__ = [
    "WEEK_NS",
    "Part",
    "PartColumns",
    "content_digest",
    "read_part",
    "week_of",
    "week_start",
    "write_part",
]

_FORMAT = 1
_DAY_NS = 86_400_000_000_000
WEEK_NS = 7 * _DAY_NS
_SATURDAY = 2 * _DAY_NS  # after Thursday 1970-01-01
_ROW_GROUP = 32_768  # rows read at once: a day of one currency pair is one or two
_UNITS = {"ms": 1_000_000, "us": 1_000, "ns": 1}


@dataclass(frozen=True, slots=True)
class Part:
    """One file of a dataset."""

    week: int  # number of its first week, see `week_of`
    rows: int
    first_ns: int
    last_ns: int
    digest: str  # SHA-256 of the content, whatever the file format
    file: str  # SHA-256 of the file
    size: int  # bytes

    @property
    def name(self) -> str:
        """Of the file, below the store's root."""
        return f"parts/{self.file[:2]}/{self.file}.parquet"

    def to_json(self) -> list[int | str]:
        """A plain value."""
        return [self.week, self.rows, self.first_ns, self.last_ns, self.digest, self.file, self.size]


@dataclass(frozen=True, slots=True)
class PartColumns:
    """Rows of a part, times still in the unit of the file: multiply by `unit_ns`."""

    unit_ns: int
    columns: dict[str, Ints]  # the first is the time

    def in_ns(self) -> dict[str, Ints]:
        """The columns with their times in nanoseconds."""
        times = {"time_ns", "open_ns", "close_ns"}
        if self.unit_ns == 1:
            return self.columns
        return {
            name: column * self.unit_ns if name in times else column for name, column in self.columns.items()
        }


def week_of(time_ns: int) -> int:
    """The number of the week that an instant lies in."""
    return (time_ns - _SATURDAY) // WEEK_NS


def week_start(week: int) -> int:
    """When a week begins, in nanoseconds UTC."""
    return week * WEEK_NS + _SATURDAY


def write_part(folder: Folder, columns: Mapping[str, Ints], *, week: int, head: Mapping[str, Any]) -> Part:
    """Write a part durably; `head` says what it holds. The first column is its time order."""
    times = next(iter(columns.values()))
    constants = _constants(columns)
    data = _encoded(columns, constants, head)
    part = Part(
        week=week,
        rows=len(times),
        first_ns=int(times[0]),
        last_ns=int(times[-1]),
        digest=_digest(columns, constants),
        file=hashlib.sha256(data).hexdigest(),
        size=data.size,
    )
    folder.write(part.name, data)
    return part


def read_part(
    folder: Folder,
    part: Part,
    names: Sequence[str] | None = None,
    *,
    start_ns: int | None = None,
    end_ns: int | None = None,
    whole: bool = False,
) -> PartColumns:
    """The rows with a time in `[start_ns, end_ns)`, checked against the hash of the file.

    Parameters
    ----------
    names
        Columns to read; the time is always among them.
    whole
        Compare the hash of the content too, which needs every column.

    Raises
    ------
    DamagedDatasetError
        The file is gone, or is not the one that was written.
    """
    path = folder.path(part.name)
    try:
        with pa.memory_map(str(path)) as mapped:
            buffer = mapped.read_buffer()
        if hashlib.sha256(buffer).hexdigest() != part.file:
            folder.forget(part.name)
            raise DamagedDatasetError(
                f"{path} was changed after it was written: its hash is not the catalogue's; "
                "import the source again, it brings the file back"
            )
        found = _decoded(buffer, names, start_ns, end_ns)
    except FileNotFoundError:
        raise DamagedDatasetError(
            f"{path} is gone; import the source again, it brings the file back"
        ) from None
    except (pa.ArrowException, OSError, KeyError, ValueError) as error:
        raise DamagedDatasetError(
            f"{path} can not be read ({error}); import the source again, it brings the file back"
        ) from None
    if whole and content_digest(found.in_ns()) != part.digest:
        raise DamagedDatasetError(f"{path} holds other rows than the catalogue says; import the source again")
    return found


def content_digest(columns: Mapping[str, Ints]) -> str:
    """The hash of a part's rows, independent of machine and file format."""
    return _digest(columns, _constants(columns))


def _encoded(columns: Mapping[str, Ints], constants: Mapping[str, int], head: Mapping[str, Any]) -> pa.Buffer:
    untold = {name: constants[name] for name in columns if name in constants and name.endswith("_size")}
    names = [name for name in columns if name not in untold]
    times = [name for name in names if name.endswith("_ns")]
    sizes = [name for name in names if name.endswith("_size")]
    unit, scaled = _in_coarsest_unit({name: columns[name] for name in times})
    arrays = {
        name.removesuffix("_ns"): pa.array(scaled[name]).view(pa.timestamp(unit, "UTC"))
        if name in scaled
        else pa.array(np.ascontiguousarray(columns[name]))
        for name in names
    }
    told = {
        "format": _FORMAT,
        **head,
        "rows": len(columns[names[0]]),
        "firsts": columns[names[0]][::_ROW_GROUP].tolist(),
        "constants": untold,
    }
    packed = [name.removesuffix("_ns") for name in names if name not in sizes]
    schema = pa.schema(
        [pa.field(name, item.type, nullable=False) for name, item in arrays.items()],
        metadata={"workbench": json.dumps(told)},
    )
    sink = pa.BufferOutputStream()
    pq.write_table(
        pa.table(arrays, schema=schema),
        sink,
        row_group_size=_ROW_GROUP,
        use_dictionary=sizes,
        column_encoding=dict.fromkeys(packed, "DELTA_BINARY_PACKED"),
        compression={**dict.fromkeys(packed, "none"), **dict.fromkeys(sizes, "zstd")},
        write_page_checksum=True,  # for other readers; ours compares the hash of the file
        write_statistics=packed[:1],
    )
    return sink.getvalue()


def _in_coarsest_unit(times: Mapping[str, Ints]) -> tuple[str, dict[str, Ints]]:
    for unit, ns in _UNITS.items():
        if ns == 1:
            break
        scaled = {}
        for name, column in times.items():
            scaled[name] = column // ns
            if not np.array_equal(scaled[name] * ns, column):
                break
        else:
            return unit, scaled
    return "ns", dict(times)


def _decoded(
    buffer: pa.Buffer, names: Sequence[str] | None, start_ns: int | None, end_ns: int | None
) -> PartColumns:
    file = pq.ParquetFile(pa.BufferReader(buffer))
    head = json.loads(file.metadata.metadata[b"workbench"])
    schema = file.schema_arrow
    constants: dict[str, int] = head["constants"]
    unit_ns = _UNITS[schema.field(0).type.unit]
    there = {name: f"{name}_ns" if pa.types.is_timestamp(kind) else name for name, kind in _fields(schema)}
    there |= {name: name for name in constants}
    first_name = schema.names[0]
    wanted = {
        stored: name
        for stored, name in there.items()
        if names is None or name in names or stored == first_name
    }
    firsts = np.array(head["firsts"], dtype=np.int64)
    low = 0 if start_ns is None else max(0, int(np.searchsorted(firsts, start_ns, side="left")) - 1)
    high = len(firsts) if end_ns is None else int(np.searchsorted(firsts, end_ns, side="left"))
    table = file.read_row_groups(
        list(range(low, max(low, high))),
        columns=[item for item in wanted if item not in constants],
        use_threads=False,
    )
    times = _values(table.column(first_name))
    first = 0 if start_ns is None else int(np.searchsorted(times, -(-start_ns // unit_ns), side="left"))
    last = len(times) if end_ns is None else int(np.searchsorted(times, -(-end_ns // unit_ns), side="left"))
    columns: dict[str, Ints] = {}
    for stored, name in wanted.items():
        if stored == first_name:
            columns[name] = times[first:last]
        elif stored in constants:
            columns[name] = _constant(constants[stored], max(0, last - first))
        else:
            columns[name] = _values(table.column(stored))[first:last]
    return PartColumns(unit_ns, columns)


def _fields(schema: pa.Schema) -> list[tuple[str, pa.DataType]]:
    return [(schema.field(index).name, schema.field(index).type) for index in range(len(schema.names))]


def _values(column: pa.ChunkedArray) -> Ints:
    if not column.num_chunks:
        return np.empty(0, dtype=np.int64)
    whole = column.chunk(0) if column.num_chunks == 1 else pa.concat_arrays(column.chunks)
    values: Ints = whole.view(pa.int64()).to_numpy()
    return values


def _constant(value: int, rows: int) -> Ints:
    return np.full(rows, value, dtype=np.int64) if value else np.zeros(rows, dtype=np.int64)


def _constants(columns: Mapping[str, Ints]) -> dict[str, int]:
    """The columns that have one value in every row."""
    return {
        name: int(column[0])
        for name, column in columns.items()
        if len(column) and column[0] == column[-1] and bool((column == column[0]).all())
    }


def _digest(columns: Mapping[str, Ints], constants: Mapping[str, int]) -> str:
    """SHA-256 of the columns as little-endian int64; of a column with one value that value alone."""
    digest = hashlib.sha256()
    for name, column in columns.items():
        kind = "constant" if name in constants else "rows"
        digest.update(f"{name}|{len(column)}|{kind}|".encode())
        digest.update(np.ascontiguousarray(column[:1] if name in constants else column, dtype="<i8").data)
    return digest.hexdigest()
