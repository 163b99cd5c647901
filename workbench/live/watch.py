"""Watching over one deployment: start its live kernel, drive its notebook, restart it, stop it.

A state machine that never blocks: the supervisor's loop calls `tick` often, and work that takes time
(checking the release, opening the deployment at the gateway, driving the notebook) runs in threads.
"""

import os
import secrets
import signal
import time
from collections.abc import Callable
from concurrent.futures import Executor, Future
from dataclasses import replace
from enum import StrEnum
from typing import Any

import msgspec
import sqlalchemy as sa

from workbench.errors import WorkbenchError
from workbench.live.beat import ENDED, Beat, Phase, read_beat
from workbench.live.children import KERNEL_COMMAND, kernel_environment, start_kernel
from workbench.live.deployments import Deployment
from workbench.live.launch import Places
from workbench.live.liveness import Timing, why_hung
from workbench.live.memory import Remembered
from workbench.live.pids import alive, send, started_at
from workbench.live.prepared import Drive, GatewayAbsentError, Prepare, Prepared, Release
from workbench.live.restarts import RestartPolicy
from workbench.live.telling import StoredRow
from workbench.live.watched_kernel import WatchedKernel

__all__ = ["Stage", "Watch"]


_SAYS_WHY = (Phase.BROKEN, Phase.OVERDUE)


class Stage(StrEnum):
    """Where a watch stands."""

    WAITING = "waiting"  # to start or start again
    PREPARING = "preparing"
    LAUNCHING = "launching"  # the kernel runs its notebook
    TRADING = "trading"
    STOPPING = "stopping"
    OVER = "over"


class Watch:
    """One deployment under watch."""

    def __init__(
        self,
        row: Deployment,
        *,
        engine: sa.Engine,
        places: Places,
        prepare: Prepare,
        release: Release,
        drive: Drive,
        executor: Executor,
        policy: RestartPolicy,
        timing: Timing,
        kernel_command: tuple[str, ...] = KERNEL_COMMAND,
        note: Callable[..., None] = lambda event, **values: None,
    ) -> None:
        self.stage = Stage.WAITING
        self._stored = StoredRow(row, engine=engine, note=note)
        self._tell = self._stored.tell
        self._places = places
        self._prepare, self._release, self._drive = prepare, release, drive
        self._executor = executor
        self._policy, self._timing = policy, timing
        self._kernel_command = kernel_command
        self._note = note
        self._remembered = Remembered(places.memory, policy=policy)
        self._kernel: WatchedKernel | None = None
        self._preparing: Future[Prepared] | None = None
        self._releasing: Future[None] | None = None
        self._start_at = 0.0
        self._allowance = ""  # of the strategy, in words; empty until it was prepared
        self._adopt()

    # --- what the supervisor asks ---------------------------------------------------------------------

    @property
    def row(self) -> Deployment:
        """The deployment, as the store should have it."""
        return self._stored.now

    @property
    def handle(self) -> int:
        """A file descriptor that becomes readable when the kernel ends; -1 for none."""
        return self._kernel.handle if self._kernel is not None else -1

    def status(self) -> dict[str, Any]:
        """Everything a person wants to know of it."""
        beat = read_beat(self._places.beat)
        return {
            "deployment_id": self.row.id,
            "release_id": self.row.release_id,
            "account_id": self.row.account_id,
            "desired": self.row.desired,
            "state": self.row.state,
            "detail": self.row.detail,
            "stage": self.stage.value,
            "pid": self._kernel.pid if self._kernel else 0,
            "restarts": self.row.restarts,
            "recoveries": [msgspec.to_builtins(item) for item in self._remembered.now.recoveries],
            "event_seq": beat.event_seq if beat else 0,
            "decisions": beat.decisions if beat else 0,
            "orders": beat.orders if beat else 0,
            "waiting": beat.waiting if beat else "",
            "allowance": self._allowance,
            "beat_age_s": (time.monotonic_ns() - beat.beat_ns) / 1e9 if beat and self._kernel else None,
        }

    def update(self, row: Deployment) -> None:
        """Take over what the store says should be."""
        if row.desired == "running" and self.row.desired != "running":
            self._remembered.forgive()
        self._stored.now = replace(self.row, desired=row.desired)
        if self.stage is Stage.OVER and row.desired == "running" and row.state == "starting":
            self._stored.now = row
            self._remembered.forgive()
            self.stage, self._start_at = Stage.WAITING, 0.0

    def tick(self) -> None:
        """Look, and do the next thing."""
        self._stored.tell_again()
        match self.stage:
            case Stage.WAITING:
                self._wait()
            case Stage.PREPARING:
                self._see_prepared()
            case Stage.LAUNCHING | Stage.TRADING:
                self._look_after()
            case Stage.STOPPING:
                self._see_stopped()
            case Stage.OVER:
                pass

    def stop_kernel(self) -> None:
        """End the kernel gracefully; the deployment should still run, and will when a supervisor starts."""
        if self._kernel is not None and self.stage is not Stage.STOPPING:
            self._begin_stop()

    @property
    def has_kernel(self) -> bool:
        """Whether a process of this deployment runs."""
        return self._kernel is not None

    def let_go(self) -> None:
        """Stop watching; the kernel trades on and the next supervisor takes it over."""
        if self._kernel is not None:
            self._kernel.drive_stop.set()
            if self._kernel.handle >= 0:
                os.close(self._kernel.handle)
                self._kernel.handle = -1

    # --- starting -------------------------------------------------------------------------------------

    def _adopt(self) -> None:
        """Find the kernel that an earlier supervisor left running."""
        row, beat = self.row, read_beat(self._places.beat)
        pid, started = row.pid, row.pid_started
        if not alive(pid, started) and beat is not None and beat.deployment_id == row.id:
            pid, started = beat.pid, beat.pid_started  # started, and not yet written down
        if alive(pid, started):
            self._watch_process(WatchedKernel(pid=pid, started=started, began=time.monotonic()))
            self._note("adopted", deployment_id=row.id, pid=pid)
            self._tell(pid=pid, pid_started=started)
            traded = beat is not None and beat.phase in (Phase.ARMED, Phase.TRADING, *ENDED)
            self.stage = Stage.LAUNCHING
            assert self._kernel is not None
            if traded:
                self._places.seal.touch()  # its driver went with the supervisor
                if row.state == "running":
                    self._kernel.trading_since = time.monotonic()
                    self.stage = Stage.TRADING
            else:
                self._kill("its notebook was not finished when its supervisor ended")
        elif row.desired == "running" and row.state in ("running", "restarting") and row.pid:
            self._ended(beat, "its kernel ended while no supervisor was there")
        elif row.desired != "running" and (row.state not in ("stopped", "finished", "failed") or row.pid):
            self._over("stopped", "Stopped.")
        elif row.state in ("finished", "failed", "stopped"):
            self.stage = Stage.OVER

    def _wait(self) -> None:
        if self.row.desired != "running":
            self._over("stopped", "Stopped before it was started.")
        elif time.monotonic() >= self._start_at and (self._releasing is None or self._releasing.done()):
            self._preparing = self._executor.submit(
                self._prepare, self.row, places=self._places, token=secrets.token_hex(32)
            )
            self.stage = Stage.PREPARING

    def _see_prepared(self) -> None:
        assert self._preparing is not None
        if not self._preparing.done():
            return
        future, self._preparing = self._preparing, None
        problem = future.exception()
        if self.row.desired != "running":
            self._over("stopped", "Stopped before it was started.")
        elif isinstance(problem, GatewayAbsentError):
            self._tell(detail=f"Waits for the gateway: {problem}")
            self.stage, self._start_at = Stage.WAITING, time.monotonic() + self._timing.gateway_again_s
        elif isinstance(problem, WorkbenchError):
            self._over("failed", f"Refused: {problem}")
        elif problem is not None:
            self._restart(f"it could not be prepared: {type(problem).__name__}: {problem}")
        else:
            self._launch(future.result())

    def _launch(self, prepared: Prepared) -> None:
        self._allowance = str(prepared.launch.allowance)
        self._places.prepare()
        child = start_kernel(
            self._kernel_command,
            prepared.launch,
            places=self._places,
            environment=kernel_environment(os.environ, deployment_id=self.row.id, folder=self._places.folder),
        )
        kernel = WatchedKernel(
            pid=child.pid, started=started_at(child.pid), began=time.monotonic(), child=child
        )
        self._watch_process(kernel)
        self._tell(
            state="restarting" if self._remembered.now.ended_at else "starting",
            detail="Runs its notebook.",
            pid=kernel.pid,
            pid_started=kernel.started,
        )
        self._note("launched", deployment_id=self.row.id, pid=kernel.pid)
        kernel.driven = self._executor.submit(
            self._drive, prepared, places=self._places, kernel_pid=kernel.pid, stop=kernel.drive_stop
        )
        self.stage = Stage.LAUNCHING

    def _watch_process(self, kernel: WatchedKernel) -> None:
        if hasattr(os, "pidfd_open"):
            try:
                kernel.handle = os.pidfd_open(kernel.pid)
            except ProcessLookupError:
                kernel.handle = -1  # gone already; the next tick sees it
        self._kernel = kernel

    # --- looking after it -----------------------------------------------------------------------------

    def _look_after(self) -> None:
        kernel = self._kernel
        assert kernel is not None
        beat = read_beat(self._places.beat)
        if not kernel.is_alive():
            self._gone(beat)
            return
        if self.row.desired != "running":
            self._begin_stop()
            return
        failure = self._see_driven(kernel, beat)
        if failure:
            self._kill(failure)
            return
        if beat is not None and beat.phase in (Phase.FAILED, Phase.BROKEN, Phase.OVERDUE):
            self._kill(beat.detail)
            return
        if beat is not None and beat.phase is Phase.TRADING and self.stage is Stage.LAUNCHING:
            self._trades(kernel)
        if hung := why_hung(kernel, beat, timing=self._timing):
            kernel.hung = True
            self._kill(hung)
            return
        if beat is not None and time.monotonic() - self._stored.told_at > self._timing.heartbeat_every_s:
            self._tell(heartbeat_ns=time.time_ns() - (time.monotonic_ns() - beat.beat_ns))

    def _see_driven(self, kernel: WatchedKernel, beat: Beat | None) -> str:
        """Cut the kernel off when its notebook has run; why it has to end, empty when it has not."""
        armed = beat is not None and beat.phase not in (Phase.STARTING, Phase.READY)
        if kernel.driven is not None and kernel.driven.done():
            future, kernel.driven = kernel.driven, None
            error = future.exception()
            problem = future.result() if error is None else f"{type(error).__name__}: {error}"
            if not armed:
                return problem or "its notebook ended without deploy(...)"
            if problem:
                self._note("driver", deployment_id=self.row.id, problem=problem)
            self._places.seal.touch()
        elif kernel.trading_since and time.monotonic() - kernel.trading_since > self._timing.drive_grace_s:
            kernel.drive_stop.set()  # the deploy cell does not come back; the strategy trades
        return ""

    def _trades(self, kernel: WatchedKernel) -> None:
        kernel.trading_since = time.monotonic()
        self.stage = Stage.TRADING
        detail = "Trades."
        if recovery := self._remembered.recovered():
            detail = f"Trades again, {recovery.seconds:.1f} s after {recovery.reason}."
            self._note("recovered", deployment_id=self.row.id, seconds=recovery.seconds)
        self._tell(state="running", detail=detail, heartbeat_ns=time.time_ns())

    def _kill(self, why: str) -> None:
        kernel = self._kernel
        assert kernel is not None
        if not kernel.killed_why:
            kernel.killed_why = why
            self._note("killed", deployment_id=self.row.id, pid=kernel.pid, why=why)
        send(kernel.pid, kernel.started, signal.SIGKILL)
        if not kernel.is_alive():
            self._gone(read_beat(self._places.beat))

    def _gone(self, beat: Beat | None) -> None:
        """The process is not there any more: why, and what now."""
        kernel = self._kernel
        assert kernel is not None
        why = kernel.killed_why or (beat.detail if beat and beat.phase in _SAYS_WHY else "")
        self._forget_process()
        if (
            beat is not None
            and (kernel.hung or beat.phase is Phase.OVERDUE)
            and self.row.desired == "running"
        ):
            self._overdue(beat, why)
        else:
            self._ended(beat, why or kernel.end_words(self._places.output))

    def _overdue(self, beat: Beat, why: str) -> None:
        """A strategy that did not come back: its waiting orders are taken back, its position keeps its exits.

        It may start again, but not for its guard to end it at the same event a second time.
        """
        self._note("overdue", deployment_id=self.row.id, why=why, event_seq=beat.event_seq)
        if beat.phase is Phase.OVERDUE and self._remembered.overdue(beat.event_seq):
            self._over(
                "failed",
                f"Ended twice after event {beat.event_seq}, because {why}; its waiting orders are taken back "
                "and its position is kept; see its log, then start it again.",
            )
            return
        self._releasing = self._executor.submit(self._release, self.row.id)
        self._restart(f"{why}; its waiting orders are taken back")

    def _ended(self, beat: Beat | None, why: str) -> None:
        phase = beat.phase if beat is not None else Phase.STARTING
        if beat is not None and phase is Phase.FINISHED:
            self._over("finished", beat.detail)
        elif beat is not None and phase is Phase.FAILED:
            self._over("failed", beat.detail)
        elif self.row.desired != "running":
            self._over("stopped", "Stopped.")
        else:
            self._restart(why)

    def _restart(self, why: str) -> None:
        wait_s = self._remembered.restart(why)
        if wait_s is None:
            self._over(
                "failed",
                f"Ended {self._policy.limit + 1} times within {self._policy.within_s / 60:g} minutes, "
                f"the last time because {why}; see its log, then start it again.",
            )
            return
        self._note("restarts", deployment_id=self.row.id, why=why, wait_s=wait_s)
        self._tell(
            state="restarting",
            detail=f"Starts again in {wait_s:g} s: {why}.",
            restarts=self.row.restarts + 1,
            pid=0,
            pid_started=0.0,
        )
        self.stage, self._start_at = Stage.WAITING, time.monotonic() + wait_s

    # --- ending ---------------------------------------------------------------------------------------

    def _begin_stop(self) -> None:
        kernel = self._kernel
        assert kernel is not None
        kernel.stop_by = time.monotonic() + self._timing.stop_within_s
        kernel.drive_stop.set()
        send(kernel.pid, kernel.started, signal.SIGTERM)
        self._tell(detail="Stops.")
        self.stage = Stage.STOPPING

    def _see_stopped(self) -> None:
        kernel = self._kernel
        assert kernel is not None
        if kernel.is_alive():
            if time.monotonic() > kernel.stop_by:
                kernel.killed_why = f"it did not stop within {self._timing.stop_within_s:.0f} s"
                send(kernel.pid, kernel.started, signal.SIGKILL)
            return
        beat, why = read_beat(self._places.beat), kernel.killed_why
        self._forget_process()
        if self.row.desired == "running":  # the supervisor ends and takes its kernels with it
            self._tell(state="starting", detail="Waits for the supervisor.", pid=0, pid_started=0.0)
            self.stage = Stage.WAITING
        elif beat is not None and beat.phase is Phase.FINISHED:
            self._over("finished", beat.detail)
        else:
            why = why or (beat.detail if beat is not None and beat.phase is Phase.OVERDUE else "")
            self._over("stopped", f"Stopped; {why}." if why else "Stopped.")

    def _over(self, state: str, detail: str) -> None:
        self._places.clear()
        self._tell(state=state, detail=detail, pid=0, pid_started=0.0, desired=_desired(state, self.row))
        self._note("over", deployment_id=self.row.id, state=state, detail=detail)
        self.stage = Stage.OVER
        if state != "finished":  # one whose feed has ended stays as it is, for people to look at
            self._executor.submit(self._release, self.row.id)

    def _forget_process(self) -> None:
        kernel = self._kernel
        assert kernel is not None
        kernel.drive_stop.set()
        if kernel.handle >= 0:
            os.close(kernel.handle)
        self._kernel = None


def _desired(state: str, row: Deployment) -> str:
    return "stopped" if state in ("stopped", "finished", "failed") else row.desired
