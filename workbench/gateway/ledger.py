"""The gateway's one way to write: a change and its journal records, in one transaction, or not at all."""

import time
import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa
from structlog.typing import FilteringBoundLogger

from workbench.gateway.checkpoints import CheckpointFile
from workbench.gateway.errors import LeaseLostError, LedgerWriteError
from workbench.gateway.journal import append, tail
from workbench.gateway.lease import check_lease
from workbench.gateway.statements import Lookup, Prepared
from workbench.store import writing_connection

__all__ = ["Change", "Ledger"]

_DISK_FAILURES = ("disk i/o error", "input/output error", "could not fsync", "malformed")


class Change:
    """One transaction under way."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection
        self.entries: list[tuple[str, Mapping[str, Any]]] = []

    def execute(self, statement: sa.Executable, rows: Any = None) -> "sa.CursorResult[Any]":
        """Run a statement in the transaction."""
        return self._connection.execute(statement, rows)

    def run(self, statement: Prepared, row: Mapping[str, Any]) -> int:
        """Run a statement that is run often; how many rows it met."""
        return statement.run(self._connection, row)

    def record(self, kind: str, **body: Any) -> None:
        """Add a record to the journal, in the same transaction."""
        self.entries.append((kind, body))


class Ledger:
    """Writes to the gateway's store from one thread, over one connection at a time.

    Parameters
    ----------
    at_boundary
        Called with a name right before and right after each commit, and in it before the commit itself.
    lease
        The number that `take_lease` gave; None checks none.
    """

    def __init__(
        self,
        engine: sa.Engine,
        *,
        checkpoints: CheckpointFile,
        log: FilteringBoundLogger,
        clock_ns: Callable[[], int] = time.time_ns,
        monotonic: Callable[[], float] = time.monotonic,
        at_boundary: Callable[[str], None] = lambda name: None,
        checkpoint_records: int = 1_000,
        checkpoint_seconds: float = 60.0,
        lease: int | None = None,
    ) -> None:
        self._engine = engine
        self._checkpoints = checkpoints
        self._log = log
        self._clock_ns = clock_ns
        self._monotonic = monotonic
        self._at_boundary = at_boundary
        self._checkpoint_records = checkpoint_records
        self._checkpoint_seconds = checkpoint_seconds
        self._lease = lease
        self._failed = ""
        self._under_way = False
        self._held: sa.Connection | None = None  # of SQLite, from change to change
        self._last_change_s = 0.0
        _give_back_with(engine, self)
        with engine.connect() as connection:
            self._tail: tuple[int, str] | None = tail(connection)
        self._length = self._tail[0]
        self._signed = self._length
        self._signed_at = monotonic()

    @property
    def length(self) -> int:
        """Records in the journal, as far as known."""
        return self._length

    @property
    def unsigned(self) -> bool:
        """Whether there are records after the last signed head."""
        return self._length > self._signed

    @property
    def under_way(self) -> bool:
        """Whether a transaction is open: nothing is waited for meanwhile."""
        return self._under_way

    @property
    def failed(self) -> str:
        """Why nothing is written any more by this process, empty while all is well.

        After a disk's failure nobody knows what is on it: only a new start, which reads it again, may go on
        (Rebello et al., "Can Applications Recover from fsync Failures?", USENIX ATC 2020).
        """
        return self._failed

    @property
    def last_change_s(self) -> float:
        """How long the last change took to be durable, from before it was begun."""
        return self._last_change_s

    def now_ns(self) -> int:
        """The wall clock."""
        return self._clock_ns()

    @contextmanager
    def change(self, name: str) -> Iterator[Change]:
        """A transaction; when the `with` block ends it is durable.

        Raises
        ------
        LedgerWriteError
            The store did not take it, or did not say so; what depends on it must not happen.
        LeaseLostError
            Another gateway writes to the store now.
        """
        if self._failed:
            raise LedgerWriteError(f"{name} was not written: {self._failed}")
        began = self._monotonic()
        self._at_boundary(f"before {name}")
        self._under_way = True
        try:
            with self._transaction() as connection:
                if self._lease is not None:
                    check_lease(connection, self._lease)
                last = self._tail if self._tail is not None else tail(connection)
                change = Change(connection)
                yield change
                last = append(connection, change.entries, after=last, created_ns=self._clock_ns())
                self._at_boundary(f"in {name}")
        except LeaseLostError as error:
            self._failed = str(error)
            self._log.error("lease lost", change=name, detail=self._failed)
            raise
        except sa.exc.SQLAlchemyError as error:
            if any(words in str(error.__cause__ or error).lower() for words in _DISK_FAILURES):
                self._failed = f"the disk failed: {error.__cause__ or error}; start the gateway again"
            self.close()
            self._tail = None  # the outcome of a commit that failed is read again, never guessed
            self._engine.dispose()
            self._log.error("not written", change=name, detail=str(error.__cause__ or error))
            raise LedgerWriteError(
                f"expected the store to take {name}, found: {error.__cause__ or error}; nothing was sent; "
                "make room or repair the store, then resume the deployment"
            ) from error
        finally:
            self._under_way = False
        self._tail = last
        self._length = last[0]
        self._last_change_s = self._monotonic() - began
        self._at_boundary(f"after {name}")
        if self._length - self._signed >= self._checkpoint_records:
            self.sign_head()

    def look(self, lookup: Lookup, **values: Any) -> tuple[Any, ...] | None:
        """The first row of what is durable, between changes."""
        if self._engine.dialect.name == "sqlite" and not self._under_way:
            try:
                return lookup.first(self._connected(), **values)
            except sa.exc.SQLAlchemyError:
                self.close()
                raise
        with self._engine.connect() as connection:
            return lookup.first(connection, **values)

    def close(self) -> None:
        """Give the connection back; the next change takes another."""
        held, self._held = self._held, None
        if held is not None:
            held.invalidate()  # a pool that was disposed of would keep it open, with the store's files
            held.close()

    @contextmanager
    def _transaction(self) -> Iterator[sa.Connection]:
        if self._engine.dialect.name != "sqlite":  # a server may have begun anew: the pool finds out
            with self._engine.begin() as connection:
                yield connection
            return
        connection = self._connected()
        with connection.begin():
            yield connection

    def _connected(self) -> sa.Connection:
        """The connection that is kept; its transactions take the write lock at once."""
        if self._held is None:
            self._held = writing_connection(self._engine)
        return self._held

    def tick(self) -> None:
        """Sign the head when the last signature is old and there is something new."""
        if self.unsigned and self._monotonic() - self._signed_at >= self._checkpoint_seconds:
            self.sign_head()

    def sign_head(self) -> None:
        """Write a signed checkpoint of the journal's head, into its file and the log."""
        if self._tail is None or self._tail[0] == 0:
            return
        seq, head = self._tail
        self._signed_at = self._monotonic()
        try:
            checkpoint = self._checkpoints.write(seq=seq, head=head, created_ns=self._clock_ns())
        except OSError as error:
            self._log.error("no checkpoint written", seq=seq, detail=str(error))
            return
        self._signed = seq
        self._log.info("checkpoint", seq=seq, hash=head, signature=checkpoint.signature)


def _give_back_with(engine: sa.Engine, ledger: Ledger) -> None:
    """An engine that gives its connections back gives the ledger's back too."""
    known = weakref.ref(ledger)

    @sa.event.listens_for(engine, "engine_disposed")
    def give_back(disposed: sa.Engine) -> None:
        if (found := known()) is not None:
            found.close()
