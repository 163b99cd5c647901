"""The processes of the workbench on one machine: start them, know when they are ready, stop them."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from workbench.errors import WorkbenchError
from workbench.settings import Settings

__all__ = [
    "PortInUseError",
    "Process",
    "ProcessFailedError",
    "check_port",
    "child_environment",
    "running",
    "start",
    "stop",
]

_READY_TIMEOUT_S = 300.0  # of what trading needs, on a machine that is busy
_PATIENCE_S = 60.0  # with what trading does not need
_STOP_TIMEOUT_S = 30.0  # the supervisor gives its live kernels 20
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class PortInUseError(WorkbenchError):
    """Something else listens on a port the workbench needs."""


class ProcessFailedError(WorkbenchError):
    """A process of the workbench ended or did not become ready."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """One process to run. Without one that is not `needed`, the others go on."""

    name: str
    command: Sequence[str]
    ready: Callable[[], bool]
    folder: Path
    needed: bool = True
    environment: Mapping[str, str] = field(default_factory=dict)


def check_port(port: int, *, needed_by: str, setting: str) -> None:
    """Refuse a port that something listens on already.

    Raises
    ------
    PortInUseError
        The message names the setting that chooses another port.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            raise PortInUseError(
                f"port {port} is in use, {needed_by} needs it; stop what listens there or choose another: "
                f"{setting}={port + 1}"
            ) from None


def child_environment(settings: Settings) -> dict[str, str]:
    """The environment the workbench's processes share, so that all of them see the same home."""
    return {
        **os.environ,
        "WORKBENCH_HOME": str(settings.home.resolve()),
        "WORKBENCH_PROJECT": str(settings.project.resolve()),
        "WORKBENCH_MLRUNS": str(settings.mlruns_dir.resolve()),
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}",
        "PYTHONUNBUFFERED": "1",
    }


def start(process: Process, *, settings: Settings) -> "subprocess.Popen[bytes]":
    """Start a process in a session of its own and wait until it is ready.

    Whatever ends the wait, Ctrl-C too, ends the process.

    Raises
    ------
    ProcessFailedError
        It ended, or was not ready in five minutes; the message carries the end of its log.
    """
    child, log = _launch(process, settings=settings)
    try:
        if (trouble := _awaited(process, child, _READY_TIMEOUT_S)) is not None:
            raise ProcessFailedError(_with_log(f"the {process.name} {trouble}", log))
    except BaseException:
        with _unheard():
            stop(child)
        raise
    return child


def _launch(process: Process, *, settings: Settings) -> "tuple[subprocess.Popen[bytes], Path]":
    settings.logs_dir.mkdir(parents=True, exist_ok=True)
    log = settings.logs_dir / f"{process.name}.out"
    with log.open("wb") as output:
        child = subprocess.Popen(
            process.command,
            cwd=process.folder,
            env={**child_environment(settings), **process.environment},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    return child, log


def _awaited(process: Process, child: "subprocess.Popen[bytes]", timeout_s: float) -> str | None:
    """Wait until a process is ready; what kept it from that, None when nothing did."""
    deadline = time.monotonic() + timeout_s
    while not process.ready():
        if child.poll() is not None:
            return f"ended with {child.returncode}"
        if time.monotonic() > deadline:
            return f"was not ready in {timeout_s:.0f} s"
        time.sleep(0.1)
    return None


def _with_log(sentence: str, log: Path) -> str:
    tail = log.read_text(errors="replace").strip().splitlines()[-5:]
    return "\n".join([f"{sentence}; its log is {log}:", *tail])


def stop(child: "subprocess.Popen[bytes]", *, timeout_s: float = _STOP_TIMEOUT_S) -> None:
    """End a process that `start` started: politely, then for good."""
    if child.poll() is not None:
        return
    child.terminate()
    try:
        child.wait(timeout_s)
    except subprocess.TimeoutExpired:
        os.killpg(child.pid, signal.SIGKILL)
        child.wait(timeout_s)


@contextmanager
def running(
    processes: Sequence[Process], *, settings: Settings, tell: Callable[[str], None]
) -> "Iterator[dict[str, subprocess.Popen[bytes]]]":
    """Run processes in order for the length of a `with` block; they are stopped in the reverse order.

    A SIGTERM or SIGHUP that nobody handles ends the block as Ctrl-C does, so that none is left behind. While
    they are stopped none of these is heard.
    """
    children: dict[str, subprocess.Popen[bytes]] = {}
    with _heard():
        try:
            for process in processes:
                began = time.monotonic()
                if process.needed:
                    children[process.name] = start(process, settings=settings)
                else:
                    children[process.name], log = _launch(process, settings=settings)
                    trouble = _awaited(process, children[process.name], _PATIENCE_S)
                    if trouble is not None:
                        tell(_with_log(f"the {process.name} {trouble}, the others go on without it", log))
                        continue
                tell(f"{process.name} ready in {time.monotonic() - began:.1f} s")
            yield children
        finally:
            with _unheard():
                for name, child in reversed(children.items()):
                    stop(child)
                    with contextlib.suppress(OSError):  # the terminal may be gone
                        tell(f"{name} stopped")


@contextmanager
def _heard() -> Iterator[None]:
    """Turn SIGTERM and SIGHUP, where they would end this process at once, into an exit that cleans up."""

    def leave(number: int, frame: object) -> None:
        sys.exit(128 + number)

    deaf = threading.current_thread() is not threading.main_thread()
    numbers = [] if deaf else [item for item in _SIGNALS if signal.getsignal(item) is signal.SIG_DFL]
    for number in numbers:
        signal.signal(number, leave)
    try:
        yield
    finally:
        for number in numbers:
            signal.signal(number, signal.SIG_DFL)


@contextmanager
def _unheard() -> Iterator[None]:
    """Hear no signal that would leave the work half done."""
    deaf = threading.current_thread() is not threading.main_thread()
    former = {} if deaf else {number: signal.signal(number, signal.SIG_IGN) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
