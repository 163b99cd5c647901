"""Starting a live kernel's process."""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from workbench.live.launch import Launch, Places, write_connection_file

__all__ = ["KERNEL_COMMAND", "kernel_environment", "start_kernel"]

KERNEL_COMMAND = (sys.executable, "-m", "workbench.live.live_kernel")

_PASSED_ON = (
    *("HOME", "LANG", "LC_ALL", "LC_CTYPE", "LOGNAME", "PATH", "TMPDIR", "TZ", "USER", "VIRTUAL_ENV"),
    *("XDG_RUNTIME_DIR", "XDG_CACHE_HOME", "PYTHONHASHSEED", "LD_LIBRARY_PATH"),
    *("NUMBA_CACHE_DIR", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"),
    *("WORKBENCH_HOME", "WORKBENCH_PROJECT", "WORKBENCH_MLRUNS", "WORKBENCH_DATABASE_URL"),
    "WORKBENCH_TRACES_URL",
)


def kernel_environment(inherited: Mapping[str, str], *, deployment_id: str, folder: Path) -> dict[str, str]:
    """What a live kernel may know: no broker keys, no parent to die with, no start-up files."""
    return {
        **{name: inherited[name] for name in _PASSED_ON if name in inherited},
        "WORKBENCH_MODE": "live",
        "WORKBENCH_DEPLOYMENT_ID": deployment_id,
        "IPYTHONDIR": str(folder / "ipython"),
        "MPLBACKEND": "agg",
        "PYTHONUNBUFFERED": "1",
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }


def start_kernel(
    command: Sequence[str], launch: Launch, *, places: Places, environment: Mapping[str, str]
) -> "subprocess.Popen[bytes]":
    """Start a live kernel in a session of its own; its order, with the secret, goes through its input."""
    write_connection_file(places)
    handle = os.open(places.output, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        child = subprocess.Popen(
            [*command, "-f", str(places.connection_file)],
            cwd=places.folder,
            env=dict(environment),
            stdin=subprocess.PIPE,
            stdout=handle,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    finally:
        os.close(handle)
    assert child.stdin is not None
    try:
        with child.stdin as pipe:
            pipe.write(msgspec.json.encode(launch))
    except BrokenPipeError:
        pass  # it died at once: whoever watches it will see
    return child
