"""The live kernel: `python -m workbench.live.live_kernel -f kernel.json`, started by the supervisor only.

A driver runs the released notebook's cells in it, the last one arms it. From then on it executes
nothing that is asked of it: the handlers of all requests but `kernel_info` refuse, then the session
key changes and the sockets' names are removed. Debugger, subshells, history, shutdown and interrupt
requests are refused from the start. SIGTERM alone ends it, gracefully; SIGINT does nothing.

It is two processes from its first moment: a guard, which is the one that others know, and its child, in
which the cells and the strategy run (`workbench.live.guard`).
"""

import argparse
import ctypes
import fcntl
import logging
import os
import secrets
import signal
import socket
import sys
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

import msgspec
from ipykernel.ipkernel import IPythonKernel
from ipykernel.kernelapp import IPKernelApp
from structlog.typing import Processor
from traitlets.config import Config

from workbench.live import arming
from workbench.live.beat import Phase
from workbench.live.errors import NotArmableError
from workbench.live.forking import Kin, part
from workbench.live.guard import Guard
from workbench.live.launch import Launch, Places
from workbench.live.log import JsonLog, open_log
from workbench.live.saying import say
from workbench.live.session import Parts, Session
from workbench.operations import open_tracer

__all__ = ["LiveKernel", "StopSignal", "main"]

_BEFORE_ARMING = frozenset({"execute_request", "kernel_info_request", "comm_info_request"})
_AFTER_ARMING = frozenset({"kernel_info_request"})
_PR_SET_DUMPABLE = 4


class LiveKernel(IPythonKernel):
    """An IPython kernel that listens to its driver until it is armed, and to nobody afterwards."""

    def __init__(self, **options: Any) -> None:
        options["debugpy_stream"] = None
        super().__init__(**options)  # type: ignore[no-untyped-call]  # ipykernel types none of it
        self._allow(_BEFORE_ARMING)

    def close_requests(self) -> None:
        """Refuse every request from now on, those that wait in a queue as well."""
        self._allow(_AFTER_ARMING)

    def change_key(self) -> None:
        """Take another session key: who holds the connection file can not even ask any more."""
        assert self.session is not None
        self.session.key = secrets.token_hex(32).encode()

    def pre_handler_hook(self) -> None:
        """Leave SIGINT alone; the base class would arm it for the length of a request."""

    def post_handler_hook(self) -> None:
        """See `pre_handler_hook`."""

    def _allow(self, names: frozenset[str]) -> None:
        for handlers in (self.shell_handlers, self.control_handlers):
            for name in list(handlers):
                if name not in names:
                    handlers[name] = self._refuse

    async def _refuse(self, stream: Any, ident: Any, parent: Any) -> None:
        kind = parent["header"]["msg_type"]
        self.log.warning("refused %s", kind)
        if not kind.endswith("_request"):
            return  # comm messages have no reply
        assert self.session is not None
        self.session.send(
            stream,
            f"{kind.removesuffix('_request')}_reply",
            {
                "status": "error",
                "ename": "Refused",
                "evalue": "a live kernel executes nothing that is asked of it",
                "traceback": [],
                "execution_count": self.execution_count,
            },
            parent,
            ident=ident,
        )


class StopSignal:
    """SIGTERM, heard whatever the main thread is busy with; SIGINT does nothing.

    Python runs signal handlers in the main thread, between two instructions. The byte that arrives at the
    wake-up descriptor is written by the system's handler at once, from whichever thread was interrupted.
    """

    def __init__(self) -> None:
        self._ear, self._mouth = socket.socketpair()
        self._mouth.setblocking(False)

    def listen(self) -> None:
        """Take the signals over; in the main thread."""
        signal.set_wakeup_fd(self._mouth.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGTERM, lambda number, frame: None)
        signal.signal(signal.SIGINT, signal.SIG_IGN)

    def wait(self) -> None:
        """Come back when SIGTERM has arrived."""
        while self._ear.recv(1) != bytes([signal.SIGTERM]):
            pass


def main(make_parts: Callable[[], Parts]) -> None:
    """Run a live kernel; the order to launch comes through standard input.

    Parameters
    ----------
    make_parts
        Called in the kernel alone: what it imports and starts is none of its guard's.
    """
    os.umask(0o077)
    parser = argparse.ArgumentParser(prog="python -m workbench.live.live_kernel")
    parser.add_argument("-f", dest="connection_file", required=True)
    connection_file = parser.parse_args().connection_file
    launch = msgspec.json.decode(sys.stdin.buffer.read(), type=Launch)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    places = Places(Path(launch.folder), Path(launch.private))
    lease = _lease_or_leave(launch, places)
    kin = part()
    _hide_memory()
    if kin.child:
        sys.exit(_watch_over(kin, launch, places))
    _trade(make_parts(), kin, launch, places, connection_file)
    os.close(lease)  # not reached while the process lives: both processes hold the lease until their end


def _lease_or_leave(launch: Launch, places: Places) -> int:
    try:
        return _take_lease(Path(launch.lease))
    except NotArmableError as error:
        log = _log(launch, places)
        log.error("refused", detail=str(error))
        sys.exit(str(error))


def _watch_over(kin: Kin, launch: Launch, places: Places) -> int:
    guard = Guard(
        kin.child,
        deployment_id=launch.deployment_id,
        places=places,
        allowance=launch.allowance,
        board=kin.board,
        said=kin.said,
        printed=kin.printed,
        log=_log(launch, places),
    )
    guard.listen()
    return guard.run()


def _log(launch: Launch, places: Places, *watchers: Processor) -> JsonLog:
    return open_log(
        places.log,
        watchers=watchers,
        deployment_id=launch.deployment_id,
        release_id=launch.release_id,
        account_id=launch.account_id,
        pid=os.getpid(),
    )


def _trade(parts: Parts, kin: Kin, launch: Launch, places: Places, connection_file: str) -> None:
    """The kernel proper."""
    tracer = open_tracer(os.environ.get("WORKBENCH_TRACES_URL", ""), service="workbench-live")
    log = _log(launch, places, *(() if tracer is None else (tracer.on_event,)))
    log.info("starting")
    app = _application(connection_file)
    stop = StopSignal()

    def close_kernel() -> None:
        app.kernel.close_requests()
        stop.listen()  # again: a cell may have set handlers of its own

    session = Session(
        launch,
        places=places,
        log=log,
        parts=parts,
        close_kernel=close_kernel,
        cut_off=lambda: app.kernel.change_key(),
        board=kin.board,
        tell=partial(say, kin.said),
    )
    arming.install(session)
    stop.listen()
    threading.Thread(target=_stop_at_signal, args=(stop, session), name="stop", daemon=True).start()
    app.initialize(["-f", connection_file])  # type: ignore[no-untyped-call]
    session.ready()
    log.info(Phase.READY.value)
    app.start()  # type: ignore[no-untyped-call]


def _application(connection_file: str) -> IPKernelApp:
    sys.modules["debugpy"] = None  # type: ignore[assignment]  # no debugger can be imported here
    config = Config()
    config.IPKernelApp.kernel_class = LiveKernel
    config.IPKernelApp.capture_fd_output = False
    config.IPKernelApp.quiet = False  # what cells print goes to the process's own output as well
    config.IPKernelApp.parent_handle = 0
    config.HistoryManager.enabled = False
    config.IPKernelApp.log_level = logging.WARNING
    return IPKernelApp.instance(config=config, connection_file=connection_file)


def _stop_at_signal(stop: StopSignal, session: Session) -> NoReturn:
    stop.wait()
    session.stop()


def _take_lease(path: Path) -> int:
    """Hold the account's lease for as long as this process lives."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        raise NotArmableError(
            f"another live kernel holds the lease {path.name} of this account; two never trade one account"
        ) from None
    return handle


def _hide_memory() -> None:
    """No core dumps, and no debugger of the same user may attach (Linux)."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)


def _workbench_parts() -> Parts:
    from workbench.live.joining import WorkbenchParts

    return WorkbenchParts()


if __name__ == "__main__":
    main(_workbench_parts)
