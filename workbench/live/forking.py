"""Parting into a guard and the live kernel proper, before either has a thread.

No program is started anew: the kernel is a fork, so that the two share a page of memory and what is loaded.
"""

import ctypes
import gc
import os
import signal
import sys
import threading
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from workbench.live.board import Board

__all__ = ["Kin", "part"]

_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Kin:
    """What the two have of each other: in the guard `child` is the kernel's pid, in the kernel it is 0."""

    child: int
    board: Board
    said: int  # the guard reads it, the kernel writes it
    printed: int = -1  # the guard's end of the kernel's standard output and error


def part() -> Kin:
    """Return twice: in the guard, and in its child.

    Raises
    ------
    RuntimeError
        This process has threads already, which a fork would lose.
    """
    if (count := threading.active_count()) != 1:
        raise RuntimeError(f"expected one thread before the live kernel parts from its guard, found {count}")
    board = Board()
    said, say = os.pipe()
    printed, out = os.pipe()
    guard = os.getpid()
    gc.collect()
    gc.freeze()  # what is loaded stays shared: no collection writes to its pages
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if child:
        _give_group(child)
        os.close(say)
        os.close(out)
        for pipe in (said, printed):
            os.set_blocking(pipe, False)
        return Kin(child=child, board=board, said=said, printed=printed)
    _die_with(guard)
    _give_group(0)
    _be_first_to_go()
    os.close(said)
    os.close(printed)
    for number in (1, 2):
        os.dup2(out, number)
    os.close(out)
    return Kin(child=0, board=board, said=say)


def _give_group(pid: int) -> None:
    """A group of its own: what the strategy starts ends with it. Both sides ask: then it is done for both."""
    with suppress(PermissionError, ProcessLookupError):  # done by the other, or it is gone
        os.setpgid(pid, 0)


def _die_with(guard: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != guard:
        os._exit(1)  # it died in between


def _be_first_to_go() -> None:
    """Where memory runs out the system ends the strategy, not the gateway (Linux)."""
    with suppress(OSError):  # another system, or one that does not allow it
        Path("/proc/self/oom_score_adj").write_text("1000")
