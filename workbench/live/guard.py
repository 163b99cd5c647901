"""A live kernel's guard: the process that stays in charge whatever the strategy in the kernel does.

The notebook's cells and the strategy's decisions run in a child of it. The guard runs nothing of theirs: it
gives the sign of life, hears a stop, copies what is printed up to a limit, and ends a child that takes longer
for a decision or more memory than it may. A child that hangs in compiled code, crashes or prints without end
holds up none of this. When the guard dies, the system ends the child.
"""

import errno
import os
import select
import signal
import time
from contextlib import suppress
from types import FrameType

import psutil

from workbench.domain.allowance import Allowance
from workbench.live.beat import ENDED, Beat, Phase, write_beat
from workbench.live.board import Board, Deciding
from workbench.live.launch import Places
from workbench.live.log import JsonLog
from workbench.live.machine_memory import allowed_bytes
from workbench.live.pids import started_at
from workbench.live.printed import Printed
from workbench.live.saying import Sayings

__all__ = ["Guard"]

_LOOK_EVERY_S = 0.05
_BEAT_EVERY_S = 0.25
_STOP_WITHIN_S = 6.0
_FIRST_DECISION_S = 60.0  # in which a strategy may compile what it uses
_FULL = (errno.ENOSPC, errno.EDQUOT)  # the supervisor waits half a minute for a sign of life
_MIB = 1 << 20


class Guard:
    """Watches one child, from its fork to its end.

    Parameters
    ----------
    child
        Its process, the first of a group of its own.
    said, printed
        Ends of pipes from it, which do not block.
    """

    def __init__(
        self,
        child: int,
        *,
        deployment_id: str,
        places: Places,
        allowance: Allowance,
        board: Board,
        said: int,
        printed: int,
        log: JsonLog,
    ) -> None:
        self._child = child
        self._deployment_id = deployment_id
        self._places = places
        self._decision_s, self._memory = allowance.decision_s, allowed_bytes(allowance)
        self._board = board
        self._sayings = Sayings(said)
        self._printed = Printed(printed, 1)
        self._open = {said, printed}
        self._said_pipe, self._printed_pipe = said, printed
        self._log = log
        self._pid_started = started_at(os.getpid())
        self._clock = _AwakeClock()
        self._stop = False
        self._stop_by = 0.0
        self._beaten_at = 0.0
        self._verdict: tuple[Phase, str] | None = None  # why the guard ended the child

    def listen(self) -> None:
        """Take the signals over; in the main thread. SIGTERM stops, SIGINT does nothing."""
        signal.signal(signal.SIGTERM, self._on_stop)
        signal.signal(signal.SIGINT, signal.SIG_IGN)

    def run(self) -> int:
        """Watch until the child has ended; the exit code for this process."""
        self._beat()
        while (status := self._status()) is None:
            self._rest()
            self._hear()
            self._clock.look(self._board.deciding)
            self._see_stop()
            self._see_limits()
            if time.monotonic() - self._beaten_at > _BEAT_EVERY_S:
                self._beat()
        self._end_group()  # what it has started and left: it would hold the account's lease for ever
        self._hear()
        return self._closing(status)

    def _on_stop(self, number: int, frame: FrameType | None) -> None:
        self._stop = True

    def _rest(self) -> None:
        poller = select.poll()
        for pipe in self._open:
            poller.register(pipe, select.POLLIN)
        for pipe, events in poller.poll(_LOOK_EVERY_S * 1_000):
            if not events & select.POLLIN:
                self._open.discard(pipe)  # its other end is closed

    def _hear(self) -> None:
        if self._sayings.hear():
            self._beat()
        if not self._printed.copy():
            self._open.discard(self._printed_pipe)

    def _see_stop(self) -> None:
        if self._stop and not self._stop_by:
            self._stop_by = time.monotonic() + _STOP_WITHIN_S
            os.kill(self._child, signal.SIGTERM)
        if self._stop_by and time.monotonic() > self._stop_by:
            self._end(
                Phase.OVERDUE,
                f"its strategy did not finish what it was at within {_STOP_WITHIN_S:g} s and was ended",
            )

    def _see_limits(self) -> None:
        first = self._board.progress.decisions == 0
        limit_s = max(self._decision_s, _FIRST_DECISION_S) if first else self._decision_s
        if (found := self._clock.longer_than(limit_s)) is not None:
            self._end(
                Phase.OVERDUE,
                f"its strategy took longer than {limit_s:g} s to decide event {found.event_seq}",
            )

    def _see_memory(self) -> None:
        try:
            resident = psutil.Process(self._child).memory_info().rss
        except psutil.Error:
            return  # it ends just now
        if resident > self._memory:
            self._end(
                Phase.OVERDUE,
                f"its strategy took {-(-resident // _MIB):,} MiB of memory, more than the "
                f"{self._memory // _MIB:,} MiB it may",
            )

    def _end(self, phase: Phase, detail: str) -> None:
        self._end_group()
        if self._verdict is None:
            self._verdict = (phase, detail)
            with suppress(OSError):  # a full disk
                self._log.error("ends its strategy", detail=detail, event_seq=self._board.progress.event_seq)

    def _end_group(self) -> None:
        with suppress(ProcessLookupError, PermissionError):  # all of it has ended by itself
            os.killpg(self._child, signal.SIGKILL)

    def _status(self) -> int | None:
        found, status = os.waitpid(self._child, os.WNOHANG)
        return None if found == 0 else status

    def _closing(self, status: int) -> int:
        """The last sign of life, and the exit code."""
        code = os.waitstatus_to_exitcode(status)
        said = self._sayings.last
        if self._verdict is not None:
            phase, detail = self._verdict
        elif said.phase in ENDED:
            phase, detail = said.phase, said.detail
        elif code < 0:
            phase, detail = Phase.BROKEN, f"its strategy's process was ended by {signal.Signals(-code).name}"
            if deciding := self._board.deciding:
                detail += f" while it decided event {deciding.event_seq}"
        else:
            phase, detail = said.phase, said.detail  # whoever waits for this process says with which code
        self._write(phase, detail)
        if said.phase not in ENDED:  # else it has written so itself
            with suppress(OSError):
                self._log.error("kernel ended", phase=phase.value, detail=detail, code=code)
                self._log.flush()
        return 1 if self._verdict is not None or code < 0 else code

    def _beat(self) -> None:
        self._beaten_at = time.monotonic()
        self._write(self._sayings.last.phase, self._sayings.last.detail)
        self._see_memory()

    def _write(self, phase: Phase, detail: str) -> None:
        progress = self._board.progress
        beat = Beat(
            deployment_id=self._deployment_id,
            pid=os.getpid(),
            pid_started=self._pid_started,
            phase=phase,
            detail=detail,
            event_seq=progress.event_seq,
            decisions=progress.decisions,
            orders=progress.orders,
            waiting=self._sayings.last.waiting,
            beat_ns=time.monotonic_ns(),
            progress_ns=progress.at_ns,
        )
        try:
            write_beat(self._places.beat, beat)
        except OSError as error:
            if error.errno not in _FULL:
                raise  # its folder is gone, say: nobody watches any more, and the strategy ends too


class _AwakeClock:
    """How long a decision lasts, by a clock that stands still while the guard itself does not run.

    Where the whole machine is held up, a strategy is not to blame.
    """

    _LONGEST_STEP_NS = 250_000_000

    def __init__(self) -> None:
        self._now_ns = self._looked_ns = time.monotonic_ns()
        self._deciding: Deciding | None = None
        self._began_ns = 0

    def look(self, deciding: Deciding | None) -> None:
        """A round of the guard."""
        real = time.monotonic_ns()
        step = min(real - self._looked_ns, self._LONGEST_STEP_NS)
        self._now_ns, self._looked_ns = self._now_ns + step, real
        if deciding != self._deciding:
            self._deciding = deciding
            self._began_ns = self._now_ns - (min(real - deciding.since_ns, step) if deciding else 0)

    def longer_than(self, limit_s: float) -> Deciding | None:
        """The decision that is being made, when it lasts longer."""
        if self._deciding is None or self._now_ns - self._began_ns <= limit_s * 1e9:
            return None
        return self._deciding
