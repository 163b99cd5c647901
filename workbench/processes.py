"""The processes of the workbench on one machine: start them, know when they are ready, stop them."""

import os
import signal
import socket
import subprocess
import sys
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

_READY_TIMEOUT_S = 60.0
_STOP_TIMEOUT_S = 15.0


class PortInUseError(WorkbenchError):
    """Something else listens on a port the workbench needs."""


class ProcessFailedError(WorkbenchError):
    """A process of the workbench ended or did not become ready."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """One process to run."""

    name: str
    command: Sequence[str]
    ready: Callable[[], bool]
    folder: Path
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

    Raises
    ------
    ProcessFailedError
        It ended, or was not ready in a minute; the message carries the end of its log.
    """
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
    deadline = time.monotonic() + _READY_TIMEOUT_S
    while not process.ready():
        if child.poll() is not None or time.monotonic() > deadline:
            stop(child)
            tail = log.read_text(errors="replace").strip().splitlines()[-5:]
            what = f"ended with {child.returncode}" if child.returncode else "was not ready in a minute"
            raise ProcessFailedError("\n".join([f"the {process.name} {what}; its log is {log}:", *tail]))
        time.sleep(0.1)
    return child


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
    """Run processes in order for the length of a `with` block; they are stopped in the reverse order."""
    children: dict[str, subprocess.Popen[bytes]] = {}
    try:
        for process in processes:
            began = time.monotonic()
            children[process.name] = start(process, settings=settings)
            tell(f"{process.name} ready in {time.monotonic() - began:.1f} s")
        yield children
    finally:
        for name, child in reversed(children.items()):
            stop(child)
            tell(f"{name} stopped")
