"""A disk that can lose its power: what SQLite wrote and synced is noted, then told with the unsynced lost.

`NotingDisk` is a file system of APSW's that notes each write and each sync and passes it on. `states` gives
every content that the disk may hold after the power went at a sync: all that was synced, and of what was
written since, nothing, everything, or any sectors of 512 bytes in any mixture.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import apsw
import numpy as np

SECTOR = 512


@dataclass(frozen=True, slots=True)
class Write:
    """Bytes given to a file, not on the disk yet."""

    name: str
    offset: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Truncate:
    """A file cut, not on the disk yet."""

    name: str
    size: int


@dataclass(frozen=True, slots=True)
class Sync:
    """What was done to a file before is on the disk."""

    name: str


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """The program was told that the journal up to a record is durable, and acted on it."""

    length: int


Event = Write | Truncate | Sync | Acknowledged


@dataclass(slots=True)
class State:
    """A disk after the power went."""

    files: dict[str, bytes]
    acknowledged: int  # records of the journal that must be there
    sync: int  # which sync it was
    how: str  # what became of the unsynced


class NotingDisk(apsw.VFS):
    """Passes on to the machine's file system, and notes."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.events: list[Event] = []
        super().__init__(name, "")

    def xOpen(self, name: Any, flags: list[int]) -> apsw.VFSFile:
        """A file that notes; the flags are those of SQLite."""
        return _NotingFile(self, name, flags)

    def xDelete(self, filename: str, syncdir: bool) -> None:
        """No file of a database in WAL mode is deleted while it is in use."""
        raise AssertionError(f"{filename} was deleted")


class _NotingFile(apsw.VFSFile):
    def __init__(self, disk: NotingDisk, name: Any, flags: list[int]) -> None:
        super().__init__("", name, flags)
        self._events = disk.events
        path = name.filename() if isinstance(name, apsw.URIFilename) else name
        self._name = os.path.basename(path)

    def xWrite(self, data: Any, offset: int) -> None:
        self._events.append(Write(self._name, offset, bytes(data)))
        super().xWrite(data, offset)

    def xTruncate(self, newsize: int) -> None:
        self._events.append(Truncate(self._name, newsize))
        super().xTruncate(newsize)

    def xSync(self, flags: int) -> None:
        super().xSync(flags)
        self._events.append(Sync(self._name))


@dataclass(slots=True)
class _File:
    durable: bytearray
    pending: list[Write | Truncate] = field(default_factory=list)


def states(
    events: list[Event], *, start: dict[str, bytes], rng: np.random.Generator, torn: int
) -> Iterator[State]:
    """Every disk right before and right after each sync.

    Parameters
    ----------
    start
        The files when the first event happened, durable.
    torn
        How many mixtures of sectors to draw where something is unsynced.
    """
    files = {name: _File(bytearray(content)) for name, content in start.items()}
    acknowledged, syncs = 0, 0
    for event in events:
        match event:
            case Acknowledged(length=length):
                acknowledged = length
            case Write(name=name) | Truncate(name=name):
                files.setdefault(name, _File(bytearray())).pending.append(event)
            case Sync(name=name):
                syncs += 1
                yield from _around(files, acknowledged, syncs, rng=rng, torn=torn)
                file = files.setdefault(name, _File(bytearray()))
                _apply(file.durable, file.pending)
                file.pending.clear()
                yield from _around(files, acknowledged, syncs, rng=rng, torn=0)
    yield from _around(files, acknowledged, syncs, rng=rng, torn=torn)


def write_files(state: State, folder: Path) -> None:
    """Put a disk's content into a folder, in place of what was there."""
    for old in folder.iterdir():
        old.unlink()
    for name, content in state.files.items():
        (folder / name).write_bytes(content)


def _around(
    files: dict[str, _File], acknowledged: int, sync: int, *, rng: np.random.Generator, torn: int
) -> Iterator[State]:
    def state(how: str, content: dict[str, bytes]) -> State:
        return State(files=content, acknowledged=acknowledged, sync=sync, how=how)

    yield state("lost", {name: bytes(file.durable) for name, file in files.items()})
    if any(file.pending for file in files.values()):
        yield state("kept", {name: _with(file, file.pending) for name, file in files.items()})
    for _ in range(torn if any(file.pending for file in files.values()) else 0):
        yield state("torn", {name: _with(file, _sectors(file.pending, rng)) for name, file in files.items()})


def _with(file: _File, done: list[Write | Truncate]) -> bytes:
    content = bytearray(file.durable)
    _apply(content, done)
    return bytes(content)


def _sectors(pending: list[Write | Truncate], rng: np.random.Generator) -> list[Write | Truncate]:
    """Of the unsynced, some sectors: each reached the disk or did not, by itself."""
    chance = rng.choice([0.1, 0.5, 0.9])
    found: list[Write | Truncate] = []
    for item in pending:
        if isinstance(item, Truncate):
            found += [item] if rng.random() < chance else []
            continue
        begin = item.offset
        end = begin + len(item.data)
        while begin < end:
            until = min(end, (begin // SECTOR + 1) * SECTOR)
            if rng.random() < chance:
                found.append(Write(item.name, begin, item.data[begin - item.offset : until - item.offset]))
            begin = until
    return found


def _apply(content: bytearray, done: list[Write | Truncate]) -> None:
    for item in done:
        if isinstance(item, Truncate):
            del content[item.size :]
            continue
        if len(content) < item.offset:
            content.extend(bytes(item.offset - len(content)))
        content[item.offset : item.offset + len(item.data)] = item.data
