"""The results of a search on disk, saved as they come: a description and parts that are never changed.

A part is written beside its place and moved there, so that a reader and a search that goes on see whole parts
alone, whenever the process ended.
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from workbench.research.search.columns import Column
from workbench.research.search.errors import OtherSearchError

__all__ = ["NUMBER", "SearchFolder"]

NUMBER = "number"  # the trial's place in the search
_DESCRIPTION = "search.json"
_MANY_PARTS = 64


class SearchFolder:
    """One search in one folder.

    Parameters
    ----------
    description
        What is searched, on what, how; a folder takes no other search.

    Raises
    ------
    OtherSearchError
        The folder holds a search that differs; the message names the first difference.
    """

    def __init__(self, path: Path | str, description: Mapping[str, Any]) -> None:
        self.path = Path(path)
        self.path.mkdir(parents=True, exist_ok=True)
        wanted = json.loads(json.dumps(description, sort_keys=True))
        file = self.path / _DESCRIPTION
        if not file.is_file():
            if any(self.path.glob("part-*.parquet")):
                raise OtherSearchError(
                    f"expected {file} beside the parts of a search, found none; take another folder"
                )
            _write(file, (json.dumps(wanted, indent=1, sort_keys=True) + "\n").encode())
        else:
            _compare(self.path, json.loads(file.read_text(encoding="utf-8")), wanted)
        for left in self.path.glob(".*.writing"):
            left.unlink(missing_ok=True)
        self._count = max((int(item.stem.split("-")[1]) for item in self._parts()), default=0)

    def load(self) -> dict[str, Column]:
        """All trials that were kept, in the order of their numbers; empty without any."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        parts = self._parts()
        if not parts:
            return {}
        table = pa.concat_tables([pq.read_table(part) for part in parts], promote_options="permissive")
        numbers = table[NUMBER].to_numpy()
        _, first = np.unique(
            numbers, return_index=True
        )  # a part and the one it was merged into may both be there
        return {name: table[name].to_numpy()[first] for name in table.column_names}

    def keep(self, columns: Mapping[str, Column]) -> None:
        """Add trials: `NUMBER` and a column each for what is known of them."""
        self._count += 1
        self._save(self.path / f"part-{self._count:08d}.parquet", columns)

    def merge(self) -> None:
        """Make one part of many."""
        parts = self._parts()
        if len(parts) < _MANY_PARTS:
            return
        self.keep(self.load())
        for part in parts:
            part.unlink()

    def _parts(self) -> list[Path]:
        return sorted(self.path.glob("part-*.parquet"))

    def _save(self, file: Path, columns: Mapping[str, Column]) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        sink = pa.BufferOutputStream()
        table = pa.table({name: pa.array(column) for name, column in columns.items()})
        pq.write_table(table, sink, compression="zstd")
        _write(file, sink.getvalue().to_pybytes())


def _write(file: Path, content: bytes) -> None:
    beside = file.with_name(f".{file.name}.{os.getpid()}.writing")
    with beside.open("wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    os.replace(beside, file)
    folder = os.open(file.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _compare(path: Path, kept: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    for name in sorted({*kept, *wanted}):
        if kept.get(name) != wanted.get(name):
            raise OtherSearchError(
                f"expected {path} to hold this search, found one with {name} {_short(kept.get(name))} "
                f"instead of {_short(wanted.get(name))}; take another folder, or the search as it was"
            )


def _short(value: Any) -> str:
    text = json.dumps(value, sort_keys=True)
    return text if len(text) <= 120 else text[:117] + "…"
