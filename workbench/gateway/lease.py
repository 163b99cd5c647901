"""One gateway a home and a store.

A home's lock is dropped by the system when its holder dies. A store's lease is a number in it that rises
with each holder: a gateway that was thought dead and is not finds a higher one and writes nothing more, so
it sends nothing more either, for an order is durable before it is sent.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa

from workbench.gateway.errors import GatewayRunningError, LeaseLostError, LedgerWriteError
from workbench.gateway.statements import Lookup
from workbench.store.schema import leases

__all__ = ["check_lease", "gateway_lease", "take_lease"]

_NUMBER = sa.select(leases.c.number).where(leases.c.id == 1)
_SHARED = Lookup(_NUMBER.with_for_update(read=True))
_NUMBER_ALONE = _NUMBER.with_for_update()


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


def take_lease(engine: sa.Engine, *, holder: str, now_ns: int) -> int:
    """Become the store's only writer; the number to show at each write.

    Raises
    ------
    LedgerWriteError
        The store did not take it.
    """
    try:
        with engine.begin() as connection:
            last = connection.scalar(_NUMBER_ALONE)
            number = (last or 0) + 1
            row = {"number": number, "holder": holder, "taken_ns": now_ns}
            if last is None:
                connection.execute(sa.insert(leases), {"id": 1, **row})
            else:
                connection.execute(sa.update(leases).where(leases.c.id == 1), row)
    except sa.exc.SQLAlchemyError as error:
        raise LedgerWriteError(
            f"expected the store to take a new writer, found: {error.__cause__ or error}; "
            "make room or repair the store, then start the gateway again"
        ) from error
    return number


def check_lease(connection: sa.Connection, number: int) -> None:
    """Make sure, in the transaction that is about to write, that nobody took the lease since.

    Raises
    ------
    LeaseLostError
        Somebody did.
    """
    row = _SHARED.first(connection)
    found = None if row is None else row[0]
    if found != number:
        raise LeaseLostError(
            f"expected to hold lease {number} of this store, found {found}: another gateway writes to it now;"
            " this one has stopped, let the other one trade"
        )


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
