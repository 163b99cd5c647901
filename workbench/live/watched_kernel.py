"""The process of a live kernel that is watched, our child or one that an earlier supervisor left running."""

import os
import select
import signal
import subprocess
import threading
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path

from workbench.live.pids import alive

__all__ = ["WatchedKernel"]

_TAIL_BYTES = 4_096


@dataclass(slots=True, kw_only=True)
class WatchedKernel:
    """The live kernel's process, our child or adopted."""

    pid: int
    started: float
    began: float  # monotonic
    child: "subprocess.Popen[bytes] | None" = None
    handle: int = -1  # pidfd: readable at its end
    driven: "Future[str] | None" = None
    drive_stop: threading.Event = field(default_factory=threading.Event)
    trading_since: float = 0.0
    stop_by: float = 0.0
    killed_why: str = ""
    hung: bool = False  # killed because it did not come back

    def is_alive(self) -> bool:
        """Whether any thread of it is left: the first one may be gone before the others."""
        if self.child is not None:
            return self.child.poll() is None
        if self.handle >= 0:
            poller = select.poll()
            poller.register(self.handle, select.POLLIN)
            return not poller.poll(0)
        return alive(self.pid, self.started)

    def end_words(self, output: Path) -> str:
        """How it ended, in words; with the last line of its `output` where it never came to trade."""
        code = self.child.poll() if self.child is not None else None
        if code is None:
            words = "its kernel ended"
        elif code < 0:
            words = f"its kernel was ended by {signal.Signals(-code).name}"
        else:
            words = f"its kernel ended with code {code}"
        last = "" if self.trading_since else _last_line(output)
        return f"{words}: {last}" if last else words


def _last_line(path: Path) -> str:
    try:
        with path.open("rb") as file:
            file.seek(-min(_TAIL_BYTES, file.seek(0, os.SEEK_END)), os.SEEK_END)
            lines = file.read().decode("utf-8", errors="replace").strip().splitlines()
    except FileNotFoundError:
        return ""
    return lines[-1].strip()[:300] if lines else ""
