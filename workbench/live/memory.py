"""What a supervisor must still know of a deployment after its own restart: a small file beside its log."""

import os
from pathlib import Path

import msgspec

__all__ = ["Memory", "Recovery", "read_memory", "write_memory"]


class Recovery(msgspec.Struct, frozen=True, kw_only=True):
    """One restart of a live kernel, from the moment its end was seen until it traded again."""

    reason: str
    seen_ns: int  # UTC
    seconds: float


class Memory(msgspec.Struct, frozen=True, kw_only=True):
    """Restarts, and how long each took."""

    restarts: tuple[float, ...] = ()  # UTC seconds
    recoveries: tuple[Recovery, ...] = ()
    ended_at: float = 0.0  # UTC seconds: the kernel's end was seen, and it does not trade again yet
    ended_why: str = ""


def read_memory(path: Path) -> Memory:
    """The memory; an empty one when there is none."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Memory)
    except (FileNotFoundError, msgspec.DecodeError):
        return Memory()


def write_memory(path: Path, memory: Memory) -> None:
    """Replace the file at once."""
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    fresh.write_bytes(msgspec.json.encode(memory))
    fresh.replace(path)
