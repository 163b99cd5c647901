"""A local cache of bars as plain columns that are mapped into memory: nothing is decoded or copied.

Only of what can be made anew; a file that is not what was written is dropped.
"""

import hashlib
import json
import os
import tempfile
from contextlib import suppress
from pathlib import Path

import pyarrow as pa

from workbench.domain.instruments import Instrument
from workbench.domain.timeframes import Timeframe
from workbench.market.bars import COLUMNS, Bars

__all__ = ["BarCache"]

_MOST_BYTES = 4 << 30  # the oldest go when there are more


class BarCache:
    """Bars by the fingerprint of the ticks they were made from and their timeframe."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._trusted: set[tuple[str, int, int, int]] = set()  # files whose hash was compared, as they were

    def read(self, fingerprint: str, instrument: Instrument, timeframe: Timeframe) -> Bars | None:
        """The bars, or None; their content is compared with its hash when this process first reads them."""
        path = self._path(fingerprint, timeframe)
        try:
            stat = path.stat()
            with pa.memory_map(str(path)) as mapped:
                table = pa.ipc.open_file(mapped).read_all()
            head = json.loads(table.schema.metadata[b"bars"])
            columns = {name: table.column(name).chunk(0).to_numpy() for name in COLUMNS}
        except (OSError, pa.ArrowException, KeyError, TypeError, ValueError, IndexError):
            return None
        bars = Bars(
            instrument=instrument,
            timeframe=timeframe,
            **columns,
            sides=str(head["sides"]),
            fingerprint=fingerprint,
        )
        state = (str(path), stat.st_ino, stat.st_size, stat.st_mtime_ns)
        if state not in self._trusted:
            if _digest(bars) != head["digest"]:
                with suppress(OSError):
                    path.unlink()
                return None
            self._trusted.add(state)
        return bars

    def write(self, bars: Bars, fingerprint: str) -> None:
        """Keep bars; where nothing can be written nothing is kept."""
        head = {"sides": bars.sides, "digest": _digest(bars)}
        table = pa.table(
            {name: pa.array(column) for name, column in bars.columns().items()},
            metadata={"bars": json.dumps(head)},
        )
        path = self._path(fingerprint, bars.timeframe)
        with suppress(OSError):
            self._folder.mkdir(parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(dir=self._folder, prefix=".writing-", suffix=path.suffix)
            try:
                with os.fdopen(handle, "wb") as file, pa.ipc.new_file(file, table.schema) as writer:
                    writer.write_table(table)  # not by way of memory: twenty years are half a gigabyte
                os.replace(name, path)
            except BaseException:
                Path(name).unlink(missing_ok=True)
                raise
            self._sweep()

    def drop(self, fingerprint: str) -> None:
        """Forget the bars of a version that another has taken the place of."""
        for path in self._folder.glob(f"{fingerprint}-*.arrow"):
            with suppress(OSError):
                path.unlink()

    def _path(self, fingerprint: str, timeframe: Timeframe) -> Path:
        return self._folder / f"{fingerprint}-{timeframe}.arrow"

    def _sweep(self) -> None:
        found = [
            (item.stat(), item.path) for item in os.scandir(self._folder) if item.name.endswith(".arrow")
        ]
        left = sum(stat.st_size for stat, _ in found)
        for stat, name in sorted(found, key=lambda item: item[0].st_mtime_ns)[:-1]:
            if left <= _MOST_BYTES:
                return
            with suppress(OSError):
                os.unlink(name)
            left -= stat.st_size


def _digest(bars: Bars) -> str:
    digest = hashlib.sha256()
    for column in bars.columns().values():
        digest.update(column.data)
    return digest.hexdigest()
