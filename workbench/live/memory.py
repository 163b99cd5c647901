"""What a supervisor must still know of a deployment after its own restart: a small file beside its log."""

import os
import time
from pathlib import Path

import msgspec

from workbench.live.restarts import RestartPolicy

__all__ = ["Memory", "Recovery", "Remembered", "read_memory", "write_memory"]


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
    overdue_after: int = -1  # the event after which its guard ended it the last time; -1 for never


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


class Remembered:
    """The memory of one deployment, by what happens to its kernel."""

    def __init__(self, path: Path, *, policy: RestartPolicy) -> None:
        self._path = path
        self._policy = policy
        self.now = read_memory(path)

    def forgive(self) -> None:
        """A person starts it: restarts are counted from none."""
        self.now = msgspec.structs.replace(self.now, restarts=(), ended_at=0.0, overdue_after=-1)

    def restart(self, why: str) -> float | None:
        """A kernel ended and is to start again: seconds to wait, None when it did so too often."""
        now = time.time()
        wait_s = self._policy.wait_s(self.now.restarts, now=now)
        if wait_s is None:
            return None
        self._write(
            restarts=(*self._policy.recent(self.now.restarts, now=now), now),
            ended_at=self.now.ended_at or now,
            ended_why=why,
        )
        return wait_s

    def overdue(self, event_seq: int) -> bool:
        """Its guard ended it after that event; whether it did so there the last time too."""
        again = self.now.overdue_after == event_seq
        self._write(overdue_after=event_seq)
        return again

    def recovered(self) -> Recovery | None:
        """It trades; the recovery, when its kernel had ended before."""
        if not self.now.ended_at:
            return None
        recovery = Recovery(
            reason=self.now.ended_why,
            seen_ns=int(self.now.ended_at * 1e9),
            seconds=round(time.time() - self.now.ended_at, 3),
        )
        self._write(recoveries=(*self.now.recoveries, recovery), ended_at=0.0)
        return recovery

    def _write(self, **changes: object) -> None:
        self.now = msgspec.structs.replace(self.now, **changes)
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_memory(self._path, self.now)
