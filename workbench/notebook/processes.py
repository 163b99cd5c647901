"""End a process with everything it started, also what left its session or lost its parent."""

import contextlib
import os

import psutil

__all__ = ["TOKEN_VARIABLE", "kill_tree"]

TOKEN_VARIABLE = "WORKBENCH_RUN_TOKEN"  # noqa: S105 - inherited by every process of a run, no secret


def kill_tree(pid: int, *, token: str, include_root: bool = True) -> int:
    """Kill `pid`, its descendants, and any process of this user whose environment carries `token`.

    Kernels run in sessions of their own and a child can cut itself off from its parent, so neither the
    process group nor the tree alone finds all. Repeats until nothing new is found.

    Returns
    -------
    int
        How many processes were killed.
    """
    spared = {os.getpid()} if include_root else {os.getpid(), pid}
    killed: set[int] = set()
    for _ in range(10):
        found = [process for process in _members(pid, token) if process.pid not in spared]
        if include_root and pid not in spared:
            with contextlib.suppress(psutil.NoSuchProcess):
                found.append(psutil.Process(pid))
        found = [process for process in found if process.pid not in killed]
        if not found:
            break
        for process in found:
            with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
                process.kill()
            killed.add(process.pid)
        psutil.wait_procs(found, timeout=2)
    return len(killed)


def _members(pid: int, token: str) -> list[psutil.Process]:
    found: dict[int, psutil.Process] = {}
    with contextlib.suppress(psutil.NoSuchProcess):
        for process in psutil.Process(pid).children(recursive=True):
            found[process.pid] = process
    for process in psutil.process_iter():
        if process.pid in found:
            continue
        with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied, OSError):
            if process.uids().real == os.getuid() and process.environ().get(TOKEN_VARIABLE) == token:
                found[process.pid] = process
    return list(found.values())
