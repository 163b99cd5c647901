"""The scheduler: fires what is due, starts runs, watches their processes, stops and ends them.

One a home, held by a file lock. Each run is a process of its own in a session of its own. What the scheduler
knows of a run is in the store, so the next one takes over where this one was killed.
"""

import contextlib
import fcntl
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from workbench.live.pids import alive, send
from workbench.notebook.processes import TOKEN_VARIABLE, kill_tree
from workbench.operations import Watchdog
from workbench.schedule.errors import SchedulerRunningError
from workbench.schedule.runs import Run, change_run, end_run, list_runs
from workbench.schedule.schedules import DEFAULT_TIMEOUT_S, fire_due
from workbench.settings import Settings
from workbench.store import open_store
from workbench.tracking import settings_environment

__all__ = ["Scheduler", "lease"]

_CHILD = (sys.executable, "-m", "workbench.schedule.child")
_LOG = logging.getLogger(__name__)
_DYING_S = 2.0


@dataclass(slots=True)
class _Ending:
    """A process that was told to end."""

    pid: int
    pid_started: float
    kill_at: float  # monotonic clock


class Scheduler:
    """Works through the store's schedules and runs.

    Parameters
    ----------
    grace_s
        A moment that lies further back than this was missed; the schedule's policy says what happens then.
    patience_s
        How long a run that is stopped may take to end by itself.
    most_running
        Runs at the same time; others wait.
    watchdog
        Told of the loop; default: the service manager's, where there is one.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        poll_s: float = 1.0,
        grace_s: float = 60.0,
        patience_s: float = 10.0,
        most_running: int = 2,
        clock_ns: Callable[[], int] = time.time_ns,
        child: Sequence[str] = _CHILD,
        watchdog: Watchdog | None = None,
    ) -> None:
        self.settings = settings
        self._engine = open_store(settings.store_url)
        self._poll_s = poll_s
        self._grace_ns = int(grace_s * 1e9)
        self._patience_s = patience_s
        self._most_running = most_running
        self._clock_ns = clock_ns
        self._child = tuple(child)
        self._children: dict[str, subprocess.Popen[bytes]] = {}
        self._codes: dict[str, int] = {}  # exit codes of children that ended
        self._endings: dict[str, _Ending] = {}
        self._ended = threading.Event()
        self._watchdog = watchdog or Watchdog()

    def run(self) -> None:
        """Work until `end` is called."""
        _LOG.info("scheduler of %s begins", self.settings.home)
        self._watchdog.ready("looking at the schedules")
        while not self._ended.is_set():
            self.tick()
            self._watchdog.beat()
            self._ended.wait(self._poll_s)
        self._watchdog.stopping()
        self._shut_down()
        _LOG.info("scheduler ends")

    def end(self) -> None:
        """Let `run` return; safe in a signal handler."""
        self._ended.set()

    def tick(self) -> None:
        """Look at everything once."""
        self._watch()
        for run_id in fire_due(self._engine, now_ns=self._clock_ns(), grace_ns=self._grace_ns):
            _LOG.info("run %s is due", run_id)
        self._start_queued()

    def _start_queued(self) -> None:
        queued = [
            run
            for run in reversed(list_runs(self._engine, status=("queued",)))
            if run.id not in self._children
        ]
        busy = len(list_runs(self._engine, status=("running", "stopping")))
        starting = sum(child.poll() is None for child in self._children.values())
        for run in queued[: max(0, self._most_running - max(busy, starting))]:
            self._start(run)

    def _start(self, run: Run) -> None:
        folder = self.settings.logs_dir / "runs"
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / f"{run.id}.log").open("ab") as log:
            self._children[run.id] = subprocess.Popen(
                [*self._child, run.id],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, **settings_environment(self.settings), TOKEN_VARIABLE: run.id},
                cwd=self.settings.project,
                start_new_session=True,
            )
        _LOG.info("run %s of %s started as process %d", run.id, run.name, self._children[run.id].pid)

    def _watch(self) -> None:
        """End what is over its time or asked to stop, and say of what is gone that it failed."""
        self._reap()
        for run in list_runs(self._engine, status=("running", "stopping")):
            if not alive(run.pid, run.pid_started):
                self._say_gone(run)
            elif run.status == "stopping":
                self._end_process(run)
            elif self._overdue(run):
                limit = run.options.get("timeout_s", DEFAULT_TIMEOUT_S)
                end_run(
                    self._engine, run.id, status="failed", detail=f"ran longer than its limit of {limit:g} s"
                )
                self._end_process(run)
        self._press()

    def _reap(self) -> None:
        """Collect children that ended; one that never claimed its run has failed it."""
        for run_id, child in list(self._children.items()):
            code = child.poll()
            if code is None:
                continue
            del self._children[run_id]
            if self._ended.is_set():
                continue  # what had not begun waits for the next scheduler
            log = self.settings.logs_dir / "runs" / f"{run_id}.log"
            change_run(
                self._engine,
                run_id,
                when=("queued",),
                status="failed",
                detail=f"its process {_how(code)} before it began: {_last_line(log)}",
                ended_ns=time.time_ns(),
            )
            self._codes[run_id] = code

    def _say_gone(self, run: Run) -> None:
        child = self._children.get(run.id)
        if child is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(_DYING_S)  # a killed process is gone from sight before its code can be read
        self._reap()
        code = self._codes.pop(run.id, None)
        detail = "its process was gone without a word" if code is None else f"its process {_how(code)}"
        stopped = run.status == "stopping"
        said = end_run(
            self._engine,
            run.id,
            status="stopped" if stopped else "failed",
            detail=run.detail.removeprefix("being ") if stopped else detail,
        )
        if said:
            kill_tree(run.pid, token=run.id, include_root=False)
            _LOG.warning("run %s of %s: %s", run.id, run.name, detail)

    def _overdue(self, run: Run) -> bool:
        limit_s = float(run.options.get("timeout_s", DEFAULT_TIMEOUT_S))
        return self._clock_ns() - run.started_ns > limit_s * 1e9

    def _end_process(self, run: Run) -> None:
        """Ask a run's process to end; `_press` kills it when it does not."""
        if run.id not in self._endings:
            send(run.pid, run.pid_started, signal.SIGTERM)
            kill_at = time.monotonic() + self._patience_s
            self._endings[run.id] = _Ending(run.pid, run.pid_started, kill_at)

    def _press(self) -> None:
        for run_id, ending in list(self._endings.items()):
            if not alive(ending.pid, ending.pid_started):
                del self._endings[run_id]
            elif time.monotonic() > ending.kill_at:
                kill_tree(ending.pid, token=run_id)

    def _shut_down(self) -> None:
        """Stop every run that is going, and wait for its end."""
        for run in list_runs(self._engine, status=("running",)):
            detail = "being stopped: the scheduler was shut down"
            change_run(self._engine, run.id, when=("running",), status="stopping", detail=detail)
        deadline = time.monotonic() + self._patience_s + 5.0
        while time.monotonic() < deadline:
            self._watch()
            starting = [child for child in self._children.values() if child.poll() is None]
            if not starting and not list_runs(self._engine, status=("running", "stopping")):
                break
            for child in starting:
                with contextlib.suppress(ProcessLookupError):
                    child.terminate()
            time.sleep(0.1)
        self._engine.dispose()


@contextmanager
def lease(settings: Settings) -> Iterator[None]:
    """Be the only scheduler of this home for the length of a `with` block.

    Raises
    ------
    SchedulerRunningError
        Another process is.
    """
    path = settings.home / "scheduler.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pid = os.pread(handle, 20, 0).decode(errors="replace").strip() or "unknown"
            raise SchedulerRunningError(
                f"a scheduler works for {settings.home} already, process {pid}; stop it first"
            ) from None
        os.ftruncate(handle, 0)
        os.pwrite(handle, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(handle)


def _how(code: int) -> str:
    if code >= 0:
        return f"ended with code {code}"
    with contextlib.suppress(ValueError):
        return f"was killed by {signal.Signals(-code).name}"
    return f"was killed by signal {-code}"


def _last_line(log: Path) -> str:
    lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
    return lines[-1][:300] if lines else "it said nothing"
