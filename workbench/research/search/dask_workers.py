"""A Dask cluster as the place where the points of a search are traded."""

import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from workbench.errors import BadInputError
from workbench.research.search.work import Chunk, Work, trade
from workbench.research.search.workers import (
    LAST_WAIT_S,
    Chunks,
    Done,
    Team,
    interrupt_between,
    lost,
    next_chunk,
)

if TYPE_CHECKING:
    from distributed import Client

__all__ = ["DaskWorkers"]

_CONNECT_S = 10
_LOOK_S = 0.02


@dataclass(frozen=True, slots=True)
class DaskWorkers:
    """The workers of a Dask cluster.

    Parameters
    ----------
    address
        Of its scheduler, as in ``tcp://host:8786``.

    Raises
    ------
    BadInputError
        Nobody answers there, or the cluster has no workers.
    """

    address: str

    def start(self, work: Work) -> Team:
        """Connect, and send the prices to every worker."""
        return _Cluster(work, self.address)


class _Cluster:
    def __init__(self, work: Work, address: str) -> None:
        self._work = work
        self._client = _connected(address)
        try:
            self.count = _threads(self._client, address)
            self._sent = self._scattered()
        except BaseException:
            self._client.close()
            raise
        self._losses: dict[int, int] = {}

    def results(self, chunks: Chunks) -> Iterator[Done]:
        from distributed import as_completed

        running: dict[Any, Chunk] = {}
        again: deque[Chunk] = deque()
        finished = as_completed(loop=self._client.loop)
        with interrupt_between() as check:
            try:
                while self._fill(running, again, chunks, finished, check):
                    future = next(finished)
                    chunk = running.pop(future)
                    if future.status == "finished":
                        yield chunk, future.result()
                    elif _was_lost(future):
                        again.append(lost(chunk, self._losses))
                        self._sent = self._scattered()
                    else:
                        future.result()  # raises what the trial raised
            except KeyboardInterrupt:
                yield from _last(running)
                raise
            finally:
                self._client.cancel(list(running))

    def close(self) -> None:
        """Leave the cluster."""
        self._client.close()

    def _fill(
        self, running: dict[Any, Chunk], again: deque[Chunk], chunks: Chunks, finished: Any, check: Any
    ) -> bool:
        check()
        while len(running) < (self.count + 1):
            chunk = next_chunk(again, chunks)
            if chunk is None:
                break
            future = self._client.submit(trade, self._sent, chunk, pure=False)
            running[future] = chunk
            finished.add(future)
        return bool(running)

    def _scattered(self) -> Any:
        return self._client.scatter(self._work, broadcast=True, hash=False)


def _last(running: dict[Any, Chunk]) -> Iterator[Done]:
    """What the workers are at when the search is told to stop; what only waits comes too, if it is soon."""
    until = time.monotonic() + LAST_WAIT_S
    for future, chunk in running.items():
        while future.status == "pending" and time.monotonic() < until:
            time.sleep(_LOOK_S)
        if future.status == "finished":
            yield chunk, future.result()


def _connected(address: str) -> "Client":
    from distributed import Client

    try:
        return Client(address, timeout=_CONNECT_S, set_as_default=False)
    except (OSError, TimeoutError, ValueError) as error:
        raise BadInputError(
            f"expected a Dask scheduler at {address}, found none that answers ({error}); start one with "
            "`dask scheduler`, workers with `dask worker`, and give its address"
        ) from error


def _threads(client: "Client", address: str) -> int:
    found = sum(client.nthreads().values())
    if not found:
        raise BadInputError(
            f"expected workers at the Dask cluster {address}, found none; start some with "
            f"`dask worker {address}`"
        )
    return int(found)


def _was_lost(future: Any) -> bool:
    """Whether it was the worker that failed, not the trial."""
    if future.status in ("cancelled", "lost"):
        return True
    return type(future.exception()).__name__ in ("KilledWorker", "FutureCancelledError", "CancelledError")
