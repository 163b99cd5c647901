"""What a reader of a format hands on: columns as the file has them, not yet in UTC, not yet checked."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from workbench.market.bars import Ints

__all__ = ["BATCH_ROWS", "Note", "Notes", "RawBatch", "gathered"]

BATCH_ROWS = 1 << 20
_EXAMPLES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """Something that was left out of an import, or that a person should know of it."""

    name: str
    count: int
    detail: str
    examples: tuple[str, ...] = ()

    def to_json(self) -> dict[str, object]:
        """A plain value."""
        return {
            "name": self.name,
            "count": self.count,
            "detail": self.detail,
            "examples": list(self.examples),
        }

    def __str__(self) -> str:
        shown = f" ({'; '.join(self.examples)})" if self.examples else ""
        return f"{self.name}: {self.count:,} {self.detail}{shown}"


@dataclass(slots=True)
class Notes:
    """Notes as they come up, counted by name."""

    _found: dict[str, Note] = field(default_factory=dict)

    def add(self, name: str, count: int, detail: str, *examples: str) -> None:
        """Count `count` more of what is called `name`."""
        if not count:
            return
        known = self._found.get(name)
        if known is not None:
            count, examples = known.count + count, (*known.examples, *examples)
        self._found[name] = Note(name=name, count=count, detail=detail, examples=examples[:_EXAMPLES])

    def all(self) -> tuple[Note, ...]:
        """The notes by name."""
        return tuple(self._found[name] for name in sorted(self._found))


@dataclass(frozen=True, slots=True, kw_only=True)
class RawBatch:
    """Some rows of one or more files, in their order."""

    times_ns: Ints  # UTC, or what a clock showed
    columns: dict[str, Ints]  # points and units
    rows: Ints  # the number of each row in its file, from 1: the line of a text, the record of a binary
    files: tuple[tuple[int, str], ...]  # index of the first row of each file, and its name
    row_word: str = "line"

    def __len__(self) -> int:
        return len(self.times_ns)

    def place(self, index: int) -> str:
        """Where row `index` stands, for a message."""
        name = next(name for first, name in reversed(self.files) if first <= index)
        return f"{name}, {self.row_word} {int(self.rows[index])}"


def gathered(batches: Iterator[RawBatch], *, least: int = BATCH_ROWS) -> Iterator[RawBatch]:
    """The same rows in batches of `least` rows or more, the last one perhaps less."""
    held: list[RawBatch] = []
    count = 0
    for batch in batches:
        if not len(batch):
            continue
        held.append(batch)
        count += len(batch)
        if count >= least:
            yield _joined(held)
            held, count = [], 0
    if held:
        yield _joined(held)


def _joined(batches: Sequence[RawBatch]) -> RawBatch:
    if len(batches) == 1:
        return batches[0]
    first = 0
    files: list[tuple[int, str]] = []
    for batch in batches:
        files += [(first + index, name) for index, name in batch.files]
        first += len(batch)
    return RawBatch(
        times_ns=np.concatenate([item.times_ns for item in batches]),
        columns={
            name: np.concatenate([item.columns[name] for item in batches]) for name in batches[0].columns
        },
        rows=np.concatenate([item.rows for item in batches]),
        files=tuple(files),
        row_word=batches[0].row_word,
    )
