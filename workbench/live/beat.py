"""A live kernel's sign of life: a small file, so that it outlives both the kernel and its supervisor.

Ages are taken from the system's monotonic clock, which every process of a host shares and no clock
setting moves.
"""

import os
from enum import StrEnum
from pathlib import Path

import msgspec

__all__ = ["ENDED", "Beat", "Phase", "read_beat", "write_beat"]

_VERSION = 1


class Phase(StrEnum):
    """How far a live kernel has come."""

    STARTING = "starting"  # the process is there
    READY = "ready"  # its driver may run the notebook
    ARMED = "armed"  # it has its strategy and executes nothing any more
    TRADING = "trading"  # the gateway knows it
    FINISHED = "finished"  # the feed ended
    STOPPED = "stopped"  # it was asked to stop, and did
    BROKEN = "broken"  # it ended with an error that a restart may mend
    OVERDUE = "overdue"  # its guard ended it: it took more time or memory than it may
    FAILED = "failed"  # it will not trade on, and a restart would not help


ENDED = frozenset({Phase.FINISHED, Phase.STOPPED, Phase.BROKEN, Phase.OVERDUE, Phase.FAILED})


class Beat(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a live kernel says of itself."""

    deployment_id: str
    pid: int
    pid_started: float
    phase: Phase
    detail: str  # one sentence
    event_seq: int  # the last event it decided
    decisions: int  # events decided since this process started, replayed ones with them
    orders: int  # intents sent since this process started
    waiting: str  # what it waits for, empty for nothing unusual
    beat_ns: int  # monotonic clock: when this was written
    progress_ns: int  # monotonic clock: when the strategy's loop last went round
    version: int = _VERSION


def write_beat(path: Path, beat: Beat) -> None:
    """Replace the file at once: a reader sees the old beat or the new one."""
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    fresh.write_bytes(msgspec.json.encode(beat))
    fresh.replace(path)


def read_beat(path: Path) -> Beat | None:
    """The last beat; None when there is none that this version can read."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Beat)
    except (FileNotFoundError, msgspec.DecodeError):
        return None
