"""Bars as Parquet files: int64 columns, written whole or not at all."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from workbench.domain.instruments import instrument
from workbench.domain.timeframes import timeframe
from workbench.market.bars import COLUMNS, Bars
from workbench.market.errors import DamagedDatasetError
from workbench.market.storage.folders import write_durably

__all__ = ["bars_file", "read_bars_file", "write_bars_file"]

_FORMAT = "1"


def bars_file(bars: Bars) -> pa.Buffer:
    """The content of the file of `bars`."""
    head = {
        "format": _FORMAT,
        "instrument": bars.instrument.id,
        "timeframe": str(bars.timeframe),
        "sides": bars.sides,
        "fingerprint": bars.fingerprint,
    }
    table = pa.table(
        {name: pa.array(column) for name, column in bars.columns().items()},
        metadata={"bars": json.dumps(head)},
    )
    sink = pa.BufferOutputStream()
    pq.write_table(
        table,
        sink,
        compression="zstd",
        use_dictionary=False,
        column_encoding=dict.fromkeys(COLUMNS, "DELTA_BINARY_PACKED"),
    )
    return sink.getvalue()


def write_bars_file(bars: Bars, path: Path) -> None:
    """Write `bars` at `path`, whole or not at all."""
    write_durably(path, bars_file(bars))


def read_bars_file(path: Path, *, fingerprint: str) -> Bars:
    """The bars of a file, checked against the fingerprint of their content.

    Raises
    ------
    DamagedDatasetError
        The file is gone, can not be read, or holds something else.
    """
    try:
        table = pq.read_table(path, memory_map=True)
        head = json.loads((table.schema.metadata or {})[b"bars"])
        columns = {name: table.column(name).to_numpy() for name in COLUMNS}
    except FileNotFoundError:
        raise DamagedDatasetError(
            f"dataset {fingerprint[:12]}: its file {path} is gone; "
            "import the source again, it brings the file back"
        ) from None
    except (pa.ArrowException, OSError, KeyError, ValueError) as error:
        raise DamagedDatasetError(
            f"dataset {fingerprint[:12]}: {path} can not be read ({error}); "
            "import the source again, it brings the file back"
        ) from None
    bars = Bars(
        instrument=instrument(head["instrument"]),
        timeframe=timeframe(head["timeframe"]),
        **columns,
        sides=head["sides"],
        fingerprint=fingerprint,
    )
    if bars.content_digest() != fingerprint:
        raise DamagedDatasetError(
            f"dataset {fingerprint[:12]}: {path} was changed after it was imported; "
            "import the source again, it brings the file back"
        )
    return bars
