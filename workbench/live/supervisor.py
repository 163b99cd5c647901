"""The supervisor: one process a home that starts, watches, restarts and stops live kernels.

It answers a closed list of verbs on its Unix socket; there is none that executes anything in a kernel.
Live kernels are in sessions of their own: they trade on when the supervisor dies, and the next one
finds them by pid and start time.
"""

import fcntl
import os
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
import sqlalchemy as sa
import zmq

from workbench.domain.roles import allowed
from workbench.errors import BadInputError, WorkbenchError
from workbench.gateway.messages import PROTOCOL_VERSION, OperatorReply, OperatorRequest
from workbench.live.children import KERNEL_COMMAND
from workbench.live.deployments import deployment, list_deployments, set_desired
from workbench.live.errors import RoleRefusedError, SupervisorRunningError
from workbench.live.launch import Places
from workbench.live.liveness import Timing
from workbench.live.log import JsonLog
from workbench.live.prepared import Drive, Prepare, Release
from workbench.live.restarts import RestartPolicy
from workbench.live.watch import Watch

__all__ = ["Supervisor", "serve_signals", "supervisor_lease"]

_TICK_MS = 100
_STORE_EVERY_S = 1.0
_MOST_LINES = 1_000
_SHUTDOWN_WITHIN_S = 20.0


@contextmanager
def supervisor_lease(home: Path) -> Iterator[None]:
    """Hold the home's supervisor lease, which the system drops when its holder dies.

    Raises
    ------
    SupervisorRunningError
        Somebody holds it; the message names the process.
    """
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = home / "supervisor.lock"
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = path.read_text().strip() or "unknown"
            raise SupervisorRunningError(
                f"a supervisor runs already for {home} (pid {holder}); stop it first or use another home"
            ) from None
        os.ftruncate(handle, 0)
        os.write(handle, str(os.getpid()).encode())
        yield
    finally:
        os.close(handle)


class Supervisor:
    """Works towards the deployments' desired state until it is told to end.

    Parameters
    ----------
    runtime_dir
        A short private folder for sockets, connection files and signs of life.
    each_round
        Called when the loop has gone round, some times a second.
    """

    def __init__(
        self,
        *,
        engine: sa.Engine,
        socket: Path,
        deployments_dir: Path,
        runtime_dir: Path,
        prepare: Prepare,
        release: Release,
        drive: Drive,
        log: JsonLog,
        policy: RestartPolicy | None = None,
        timing: Timing | None = None,
        kernel_command: tuple[str, ...] = KERNEL_COMMAND,
        each_round: Callable[["Supervisor"], None] = lambda supervisor: None,
    ) -> None:
        self._engine = engine
        self._socket_path = socket
        self._deployments_dir = deployments_dir
        self._runtime_dir = runtime_dir
        self._log = log
        self._executor = ThreadPoolExecutor(max_workers=32, thread_name_prefix="watch")
        self._options: dict[str, Any] = {
            "engine": engine,
            "prepare": prepare,
            "release": release,
            "drive": drive,
            "executor": self._executor,
            "policy": policy or RestartPolicy(),
            "timing": timing or Timing(),
            "kernel_command": kernel_command,
            "note": log.info,
        }
        self._watches: dict[str, Watch] = {}
        self._ending = threading.Event()
        self._stop_kernels = False
        self._looked_at = 0.0
        self._each_round = each_round
        self._verbs: dict[str, Callable[[Mapping[str, Any], str], dict[str, Any]]] = {
            "status": self._status,
            "start": self._start,
            "stop": self._stop,
            "logs": self._logs,
            "shutdown": self._shutdown,
        }

    def request_end(self, *, stop_kernels: bool) -> None:
        """End soon; safe to call from a signal handler."""
        self._stop_kernels = stop_kernels
        self._ending.set()

    def run(self) -> None:
        """Serve until `request_end` or the verb `shutdown`."""
        self._log.info("supervisor started", pid=os.getpid())
        self._socket_path.unlink(missing_ok=True)
        with zmq.Context() as context, context.socket(zmq.ROUTER) as socket:
            socket.linger = 500
            socket.bind(f"ipc://{self._socket_path}")
            try:
                while not self._ending.is_set():
                    self._round(socket)
                if self._stop_kernels:
                    self._stop_all()
            finally:
                for watch in self._watches.values():
                    watch.let_go()
                self._executor.shutdown(wait=True, cancel_futures=True)
                self._log.info("supervisor ended", kernels_stopped=self._stop_kernels)
                self._log.flush()

    # --- the loop -------------------------------------------------------------------------------------

    def _round(self, socket: "zmq.Socket[bytes]") -> None:
        poller = zmq.Poller()
        poller.register(socket, zmq.POLLIN)
        for watch in self._watches.values():
            if watch.handle >= 0:
                poller.register(watch.handle, zmq.POLLIN)  # a kernel's end is seen at once
        poller.poll(_TICK_MS)
        while socket.poll(0):
            sender, frame = socket.recv_multipart()
            socket.send_multipart([sender, msgspec.json.encode(self._answer(frame))])
        if time.monotonic() - self._looked_at > _STORE_EVERY_S:
            self._look_at_store()
        for watch in self._watches.values():
            watch.tick()
        self._each_round(self)

    def _look_at_store(self) -> None:
        self._looked_at = time.monotonic()
        try:
            rows = list_deployments(self._engine)
        except sa.exc.OperationalError as error:
            self._log.warning("the store does not answer", problem=str(error))
            return  # what runs goes on; the next look may see more
        for row in rows:
            watch = self._watches.get(row.id)
            if watch is not None:
                watch.update(row)
            elif row.desired == "running" or row.pid or row.state in ("starting", "running", "restarting"):
                self._watches[row.id] = Watch(row, places=self._places(row.id), **self._options)

    def _stop_all(self) -> None:
        deadline = time.monotonic() + _SHUTDOWN_WITHIN_S
        while time.monotonic() < deadline:
            busy = [watch for watch in self._watches.values() if watch.has_kernel]
            if not busy:
                return
            for watch in busy:
                watch.stop_kernel()
                watch.tick()
            time.sleep(_TICK_MS / 1_000)

    def _places(self, deployment_id: str) -> Places:
        short = sha256(deployment_id.encode()).hexdigest()[:10]
        return Places(self._deployments_dir / deployment_id, self._runtime_dir / "live" / short)

    # --- verbs ----------------------------------------------------------------------------------------

    def _answer(self, frame: bytes) -> OperatorReply:
        """An entry point: every problem becomes a reply."""
        try:
            request = msgspec.json.decode(frame, type=OperatorRequest)
            if request.version != PROTOCOL_VERSION:
                raise BadInputError(f"expected version {PROTOCOL_VERSION}, found {request.version}")
            verb = self._verbs.get(request.verb)
            if verb is None:
                raise BadInputError(
                    f"unknown verb {request.verb!r}; the supervisor has {', '.join(self._verbs)}"
                )
            if not allowed(request.role, request.verb):
                raise RoleRefusedError(f"the role {request.role!r} does not have the verb {request.verb!r}")
            value = verb(request.arguments, request.user)
            if request.verb not in ("status", "logs"):
                self._log.info("verb", verb=request.verb, user=request.user, role=request.role)
        except msgspec.DecodeError as error:
            return OperatorReply(error=f"not a request: {error}", value={})
        except WorkbenchError as error:
            return OperatorReply(error=str(error), value={})
        except Exception as error:
            self._log.error("verb failed", exc_info=True)
            return OperatorReply(error=f"the supervisor could not do it: {error}", value={})
        return OperatorReply(error="", value=value)

    def statuses(self) -> list[dict[str, Any]]:
        """What is known of each deployment, by name."""
        return [self._watches[name].status() for name in sorted(self._watches)]

    def _status(self, arguments: Mapping[str, Any], user: str) -> dict[str, Any]:
        return {"pid": os.getpid(), "deployments": self.statuses()}

    def _start(self, arguments: Mapping[str, Any], user: str) -> dict[str, Any]:
        return self._set(_text(arguments, "deployment_id"), running=True)

    def _stop(self, arguments: Mapping[str, Any], user: str) -> dict[str, Any]:
        return self._set(_text(arguments, "deployment_id"), running=False)

    def _set(self, deployment_id: str, *, running: bool) -> dict[str, Any]:
        set_desired(self._engine, deployment_id, running=running)
        self._look_at_store()
        return {"deployment_id": deployment_id, "desired": "running" if running else "stopped"}

    def _logs(self, arguments: Mapping[str, Any], user: str) -> dict[str, Any]:
        row = deployment(self._engine, _text(arguments, "deployment_id"))
        lines = arguments.get("lines", 100)
        if isinstance(lines, bool) or not isinstance(lines, int) or not 0 < lines <= _MOST_LINES:
            raise BadInputError(f"lines: expected a whole number from 1 to {_MOST_LINES}, found {lines!r}")
        path = self._places(row.id).log
        if not path.is_file():
            return {"lines": []}
        with path.open(encoding="utf-8", errors="replace") as file:
            return {"lines": [line.rstrip("\n") for line in deque(file, maxlen=lines)]}

    def _shutdown(self, arguments: Mapping[str, Any], user: str) -> dict[str, Any]:
        stop_kernels = arguments.get("stop_kernels")
        if not isinstance(stop_kernels, bool):
            raise BadInputError(
                "shutdown: say whether live kernels are to be stopped: stop_kernels must be true or false"
            )
        self.request_end(stop_kernels=stop_kernels)
        return {"stop_kernels": stop_kernels}


def serve_signals(supervisor: Supervisor, *, keep_kernels: bool) -> None:
    """SIGTERM and SIGINT end the supervisor."""

    def end(number: int, frame: object) -> None:
        supervisor.request_end(stop_kernels=not keep_kernels)

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)


def _text(arguments: Mapping[str, Any], name: str) -> str:
    value = arguments.get(name)
    if not isinstance(value, str) or not value:
        raise BadInputError(f"{name}: expected a text, found {value!r}")
    return value
