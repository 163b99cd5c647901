"""Knowing a process again: its pid together with when it started, since pids are used anew."""

import os
import signal

import psutil

__all__ = ["SAME_START_S", "alive", "send", "started_at"]

SAME_START_S = 0.05  # start times are kept in clock ticks of 10 ms


def started_at(pid: int) -> float:
    """When `pid` started, seconds after boot or since the epoch as the system counts; 0.0 for none.

    On Linux the kernel's own count of ticks since boot: it stays the same when the clock is set.
    """
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
        return 0.0 if fields[0] == b"Z" else int(fields[19]) / os.sysconf("SC_CLK_TCK")
    except (FileNotFoundError, ProcessLookupError):
        if os.path.isdir("/proc/self"):
            return 0.0
    try:
        process = psutil.Process(pid)
        return 0.0 if process.status() == psutil.STATUS_ZOMBIE else float(process.create_time())
    except psutil.NoSuchProcess:
        return 0.0


def alive(pid: int, started: float) -> bool:
    """Whether the process that had `pid` and started at `started` still runs."""
    return pid > 0 and started > 0 and abs(started_at(pid) - started) < SAME_START_S


def send(pid: int, started: float, number: signal.Signals) -> bool:
    """Send a signal to that process, and to no later one of the same pid; whether it was there."""
    if not hasattr(os, "pidfd_open"):  # not Linux: a pid can not be held on to
        if alive(pid, started):
            os.kill(pid, number)
            return True
        return False
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return False
    try:
        if not alive(pid, started):
            return False
        signal.pidfd_send_signal(handle, number)
    except ProcessLookupError:
        return False
    finally:
        os.close(handle)
    return True
