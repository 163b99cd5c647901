"""The live session: arms the strategy, runs its thread, and ends the process when it is over."""

import os
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn, Protocol

import msgspec

from workbench.errors import WorkbenchError
from workbench.live.arming import Armed
from workbench.live.beat import Phase
from workbench.live.board import Board
from workbench.live.errors import DecisionDiffersError, NotArmableError
from workbench.live.gateway_line import Gateway
from workbench.live.launch import Launch, Places
from workbench.live.log import JsonLog
from workbench.live.runtime import Decider, Ending, StrategyRuntime
from workbench.live.saying import Said

__all__ = ["Parts", "Ready", "Session"]

_SEAL_LOOK_S = 0.25
_SEAL_ALONE_AFTER_S = 120.0  # a driver that was killed never says that it is done
_SWITCH_S = 0.0005  # how long another thread of the kernel may hold the strategy's up


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """A strategy made ready to decide."""

    decider: Decider
    warm_up_bars: int
    quotes: bool = False  # whether it decides on every quote too


class Parts(Protocol):
    """What the session is joined with: the strategy room, the market store and the gateway's socket."""

    def name(self, strategy: Any) -> str:
        """The strategy's name, for people."""

    def spec_digest(self, strategy: Any) -> str:
        """The sha256 of what the strategy is."""

    def make_ready(self, strategy: Any, launch: Launch) -> Ready:
        """The strategy compiled and warmed up."""

    def gateway(self, launch: Launch) -> Gateway:
        """A socket to the gateway, for the thread that calls."""


class Session:
    """One live kernel's life, from its start to its end.

    Parameters
    ----------
    close_kernel
        From now on the kernel executes nothing that is asked of it.
    cut_off
        Its session key is another one now.
    board, tell
        Where the guard reads how far the strategy is, and hears in words where the session stands.
    """

    def __init__(
        self,
        launch: Launch,
        *,
        places: Places,
        log: JsonLog,
        parts: Parts,
        close_kernel: Callable[[], None],
        cut_off: Callable[[], None],
        board: Board,
        tell: Callable[[Said], None],
        leave: Callable[[int], NoReturn] = os._exit,
    ) -> None:
        self._launch = launch
        self._places = places
        self._log = log
        self._parts = parts
        self._close_kernel = close_kernel
        self._cut_off = cut_off
        self._leave = leave
        self._board = board
        self._tell = tell
        self._lock = threading.Lock()  # of what is said
        self._said = Said()
        self._runtime: StrategyRuntime | None = None
        self._strategy_thread: threading.Thread | None = None
        self._armed_at = 0.0
        self._sealed = threading.Event()
        threading.Thread(target=self._watch_seal, name="seal", daemon=True).start()

    def ready(self) -> None:
        """The kernel's sockets are there."""
        self._enter(Phase.READY)

    def arm(self, strategy: Any, *, instruments: Sequence[str], timeframe: str) -> Armed:
        """See `workbench.live.arming.LiveSession`."""
        try:
            return self._arm(strategy, instruments=instruments, timeframe=timeframe)
        except NotArmableError as error:
            if self._strategy_thread is None:
                self._log.error("not armable", detail=str(error))
                self._enter(Phase.FAILED, str(error))
            raise

    def _arm(self, strategy: Any, *, instruments: Sequence[str], timeframe: str) -> Armed:
        launch = self._launch
        if self._strategy_thread is not None:
            raise NotArmableError("this kernel is armed already; a notebook calls deploy(...) once, last")
        found = (tuple(instruments), str(timeframe))
        if found != (launch.instruments, launch.timeframe):
            raise NotArmableError(
                f"the release trades {', '.join(launch.instruments)} {launch.timeframe}, "
                f"the notebook deploys {', '.join(found[0])} {found[1]}; promote the notebook again"
            )
        if (digest := self._parts.spec_digest(strategy)) != launch.spec_digest:
            raise NotArmableError(
                f"the release's strategy has digest {launch.spec_digest[:12]}, the notebook made one with "
                f"{digest[:12]}; it depends on something that is not in the release"
            )
        began = time.monotonic()
        ready = self._parts.make_ready(strategy, launch)
        self._close_kernel()
        runtime = StrategyRuntime(
            gateway=self._parts.gateway(launch),
            decider=ready.decider,
            deployment_id=launch.deployment_id,
            token=launch.token,
            pid=os.getppid(),  # the guard's: that is the process a person ends
            log=self._log,
            board=self._board,
            attached=lambda: self._enter(Phase.TRADING),
            wait=self._waits,
            quotes=ready.quotes,
        )
        self._log.info(
            "armed",
            strategy=self._parts.name(strategy),
            spec_digest=digest,
            warm_up_bars=ready.warm_up_bars,
            seconds=round(time.monotonic() - began, 3),
        )
        sys.setswitchinterval(_SWITCH_S)
        self._armed_at = time.monotonic()
        self._runtime = runtime
        self._enter(Phase.ARMED)
        self._strategy_thread = threading.Thread(target=self._trade, name="strategy", daemon=True)
        self._strategy_thread.start()
        return Armed(
            deployment_id=launch.deployment_id,
            release_id=launch.release_id,
            account_id=launch.account_id,
            strategy=self._parts.name(strategy),
            instruments=launch.instruments,
            timeframe=launch.timeframe,
            warm_up_bars=ready.warm_up_bars,
        )

    def stop(self) -> NoReturn:
        """Finish the decision at hand, tell the gateway, flush the log and end the process with 0.

        A strategy that does not finish it is ended by the guard.
        """
        self._log.info("asked to stop")
        if self._strategy_thread is not None and self._runtime is not None:
            self._runtime.request_stop()
            self._strategy_thread.join()
        self._end(Phase.STOPPED, "Stopped as asked.", 0)

    def _trade(self) -> None:
        """The strategy thread; an entry point: whatever goes wrong is logged and ends the process."""
        assert self._runtime is not None
        try:
            ending = self._runtime.run()
        except DecisionDiffersError as error:
            self._log.error("failed", detail=str(error))
            self._end(Phase.FAILED, str(error), 1)
        except WorkbenchError as error:
            self._log.error("broken", detail=str(error))
            self._end(Phase.BROKEN, str(error), 1)
        except Exception as error:
            self._log.error("broken", exc_info=True)
            self._end(Phase.BROKEN, f"the strategy raised {type(error).__name__}: {error}", 1)
        if ending is Ending.FINISHED:
            self._enter(Phase.FINISHED, "The feed has ended.")
            self._sealed.wait(_SEAL_ALONE_AFTER_S)  # the driver still wants its last answers
            self._end(Phase.FINISHED, "The feed has ended.", 0)
        # stopped: the thread that asked ends the process

    def _enter(self, phase: Phase, detail: str = "") -> None:
        self._say(phase=phase, detail=detail)

    def _waits(self, what: str) -> None:
        self._say(waiting=what)

    def _say(self, **changes: Any) -> None:
        with self._lock:
            self._said = msgspec.structs.replace(self._said, **changes)
            self._tell(self._said)

    def _end(self, phase: Phase, detail: str, code: int) -> NoReturn:
        """Leave without waiting for the main thread, which may be stuck in a cell."""
        self._enter(phase, detail)
        self._log.info("ended", phase=phase.value, detail=detail, code=code)
        self._log.flush()
        sys.stdout.flush()
        sys.stderr.flush()
        self._leave(code)

    def _watch_seal(self) -> None:
        """Cut the kernel off when its driver has what it wants."""
        while not self._sealed.wait(_SEAL_LOOK_S):
            if not self._armed_at:
                continue
            alone = time.monotonic() - self._armed_at > _SEAL_ALONE_AFTER_S
            if alone or self._places.seal.exists():
                self._cut_off()
                self._places.cut_off()
                sys.stdout, sys.stderr = (
                    sys.__stdout__,
                    sys.__stderr__,
                )  # nobody reads the notebook's any more
                self._log.info("sealed", alone=alone)
                self._sealed.set()
