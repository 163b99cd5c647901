"""One gateway a home: an exclusive lock that the system drops when its holder dies."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from workbench.gateway.errors import GatewayRunningError

__all__ = ["gateway_lease"]


@contextmanager
def gateway_lease(home: Path) -> Iterator[int]:
    """Hold the home's gateway lease; yields the lease's number, one more than the last holder's.

    Raises
    ------
    GatewayRunningError
        Somebody holds it; the message names the process.
    """
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = home / "gateway.lock"
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        pid, number = _read(handle)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise GatewayRunningError(
                f"expected no gateway for {home}, found one running as process {pid or 'unknown'}; "
                "use it, or stop it first"
            ) from None
        _, number = _read(handle)
        _write(handle, pid=os.getpid(), number=number + 1)
        yield number + 1
    finally:
        os.close(handle)


def _read(handle: int) -> tuple[int, int]:
    words = os.pread(handle, 100, 0).split()
    if len(words) != 2 or not all(word.isdigit() for word in words):
        return 0, 0
    return int(words[0]), int(words[1])


def _write(handle: int, *, pid: int, number: int) -> None:
    text = f"{pid} {number}\n".encode()
    os.pwrite(handle, text, 0)
    os.ftruncate(handle, len(text))
    os.fsync(handle)
