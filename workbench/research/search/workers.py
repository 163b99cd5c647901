"""Where the points of a search are traded: in this process, in processes beside it, or on a cluster.

A worker that ends in the middle loses only the chunk it was at, which is given to another; a chunk that takes
three workers with it ends the search, with its points named.
"""

import signal
import threading
from collections import deque
from collections.abc import Iterator
from concurrent.futures import CancelledError
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from types import FrameType
from typing import Any, Protocol

from workbench.errors import BadInputError
from workbench.research.search.errors import LostWorkerError
from workbench.research.search.work import Chunk, Work, trade
from workbench.research.trial_table import TrialTable

__all__ = [
    "AHEAD",
    "LAST_WAIT_S",
    "Chunks",
    "Done",
    "InProcess",
    "JoblibWorkers",
    "Processes",
    "Team",
    "Workers",
    "interrupt_between",
    "lost",
    "next_chunk",
]

Done = tuple[Chunk, TrialTable]
_LOSSES = 3
AHEAD = 2  # chunks a worker has waiting
LAST_WAIT_S = 30.0  # for chunks under way when a search is stopped


class Chunks(Protocol):
    """Where workers get their next chunk from."""

    def __next__(self) -> Chunk:
        """The next; StopIteration when there is none."""


class Team(Protocol):
    """Workers that serve one search."""

    @property
    def count(self) -> int:
        """How many work side by side."""

    def results(self, chunks: Chunks) -> Iterator[Done]:
        """Each chunk with its trials, in any order.

        Closed early, it ends what has not begun.
        """

    def close(self) -> None:
        """Give back what it holds."""


class Workers(Protocol):
    """Where chunks can be traded."""

    def start(self, work: Work) -> Team:
        """Workers for one search."""


@dataclass(frozen=True, slots=True)
class InProcess:
    """This process; sweeps that are large enough use threads."""

    threads: int | None = None

    def start(self, work: Work) -> Team:
        """Nothing has to be started."""
        work.threads = self.threads
        return _Alone(work)


@dataclass(frozen=True, slots=True)
class Processes:
    """Processes of this machine."""

    processes: int

    def __post_init__(self) -> None:
        if isinstance(self.processes, bool) or not isinstance(self.processes, int) or self.processes < 1:
            raise BadInputError(f"workers: expected 1 process or more, found {self.processes!r}")

    def start(self, work: Work) -> Team:
        """They start with the first chunk."""
        return _Pool(work, self.processes)


@dataclass(frozen=True, slots=True)
class JoblibWorkers:
    """Workers of a joblib backend, such as ``"spark"`` once `joblibspark.register_spark()` was called."""

    backend: str
    jobs: int = -1

    def start(self, work: Work) -> Team:
        """The backend starts them when it likes."""
        return _Backend(work, self.backend, self.jobs)


class _Alone:
    count = 1

    def __init__(self, work: Work) -> None:
        self._work = work

    def results(self, chunks: Chunks) -> Iterator[Done]:
        with interrupt_between() as check:
            for chunk in _all(chunks):
                check()
                yield chunk, trade(self._work, chunk)

    def close(self) -> None:
        """Nothing is held."""


class _Pool:
    """Processes; one that is killed takes the others with it, and all are replaced."""

    def __init__(self, work: Work, processes: int) -> None:
        self._work = work
        self.count = processes
        self._pool: Any = None
        self._losses: dict[int, int] = {}

    def results(self, chunks: Chunks) -> Iterator[Done]:
        from concurrent.futures.process import BrokenProcessPool

        again: deque[Chunk] = deque()
        running: dict[Any, Chunk] = {}
        with interrupt_between() as check:
            try:
                while self._fill(running, again, chunks, check):
                    try:
                        yield from self._done(running)
                    except BrokenProcessPool:
                        self.close()
                        for future, chunk in list(running.items()):
                            del running[future]
                            if future.done() and future.exception() is None:
                                yield chunk, future.result()
                            else:
                                again.append(lost(chunk, self._losses))
            except KeyboardInterrupt:
                for future in running:
                    future.cancel()
                yield from self._last(running)
                raise

    def close(self) -> None:
        """End the processes."""
        if self._pool is not None:
            self._pool.shutdown(wait=True, kill_workers=True)
            self._pool = None

    def _fill(self, running: dict[Any, Chunk], again: deque[Chunk], chunks: Chunks, check: Any) -> bool:
        from joblib.externals import loky

        check()
        while len(running) < self.count * AHEAD:
            chunk = next_chunk(again, chunks)
            if chunk is None:
                break
            if self._pool is None:
                self._pool = loky.ProcessPoolExecutor(self.count, initializer=_begin, initargs=(self._work,))
            running[self._pool.submit(_trade_here, chunk)] = chunk
        return bool(running)

    def _done(self, running: dict[Any, Chunk]) -> Iterator[Done]:
        from joblib.externals import loky

        done, _ = loky.wait(running, return_when=loky.FIRST_COMPLETED)
        for future in done:
            table = future.result()
            yield running.pop(future), table

    def _last(self, running: dict[Any, Chunk]) -> Iterator[Done]:
        """What was under way when the search was told to stop, as far as it comes to an end."""
        for future, chunk in running.items():
            if not future.cancelled() and _ended_well(future):
                yield chunk, future.result()


class _Backend:
    def __init__(self, work: Work, backend: str, jobs: int) -> None:
        import joblib

        self._work = work
        self._backend = backend
        self._jobs = jobs
        with joblib.parallel_config(backend=backend, n_jobs=jobs):
            self.count = max(1, int(joblib.effective_n_jobs(jobs)))
            chosen, _ = joblib.parallel.get_active_backend()
            self._streams = bool(chosen.supports_return_generator)

    def results(self, chunks: Chunks) -> Iterator[Done]:
        import joblib

        tasks = (joblib.delayed(_trade_sent)(self._work, chunk) for chunk in _all(chunks))
        with joblib.parallel_config(backend=self._backend, n_jobs=self._jobs), interrupt_between() as check:
            if self._streams:
                parallel = joblib.Parallel(
                    return_as="generator_unordered", pre_dispatch=f"{AHEAD}*n_jobs", batch_size=1
                )
                for done in parallel(tasks):
                    yield done
                    check()
                return
            while batch := list(islice(tasks, self.count * AHEAD)):  # it gives results all at once
                yield from joblib.Parallel(batch_size=1)(batch)
                check()

    def close(self) -> None:
        """The backend ends its workers itself."""


@contextmanager
def interrupt_between() -> Iterator[Any]:
    """Hold Ctrl-C back until the function it gives is called, so that what is being done gets done.

    A second Ctrl-C is not held back. Outside the main thread nothing changes.
    """
    pressed = threading.Event()

    def check() -> None:
        if pressed.is_set():
            raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield check
        return
    before = signal.getsignal(signal.SIGINT)
    if before is not signal.default_int_handler:
        yield check
        return

    def note(number: int, frame: FrameType | None) -> None:
        if pressed.is_set():
            raise KeyboardInterrupt
        pressed.set()

    signal.signal(signal.SIGINT, note)
    try:
        yield check
    finally:
        signal.signal(signal.SIGINT, before)


def _all(chunks: Chunks) -> Iterator[Chunk]:
    while True:
        try:
            yield next(chunks)
        except StopIteration:
            return


def next_chunk(again: deque[Chunk], chunks: Chunks) -> Chunk | None:
    """What to trade next: first what was lost; None when nothing is left."""
    if again:
        return again.popleft()
    try:
        return next(chunks)
    except StopIteration:
        return None


def lost(chunk: Chunk, losses: dict[int, int]) -> Chunk:
    """A chunk whose worker ended, to be traded again.

    Raises
    ------
    LostWorkerError
        It took several workers with it.
    """
    first = chunk.numbers[0]
    losses[first] = losses.get(first, 0) + 1
    if losses[first] >= _LOSSES:
        raise _lost_worker(chunk)
    return chunk


def _lost_worker(chunk: Chunk) -> LostWorkerError:
    """What to say of a chunk that takes its workers with it."""
    shown = "; ".join(str(point) for point in chunk.points[:3])
    rest = f" and {len(chunk.points) - 3:,} more" if len(chunk.points) > 3 else ""
    return LostWorkerError(
        f"expected workers to come back from {shown}{rest}, found {_LOSSES} that ended there, killed or out "
        "of memory; what was done is kept: give fewer workers, or leave these points out"
    )


_work: Work | None = None  # of a worker process, which serves one search


def _begin(work: Work) -> None:
    global _work
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that searches
    _work = work


def _trade_here(chunk: Chunk) -> TrialTable:
    assert _work is not None
    return trade(_work, chunk)


def _ended_well(future: Any) -> bool:
    try:
        return future.exception(timeout=LAST_WAIT_S) is None
    except (TimeoutError, CancelledError):
        return False


def _trade_sent(work: Work, chunk: Chunk) -> Done:
    return chunk, trade(work, chunk)
