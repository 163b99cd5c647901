"""The whole workbench for one person on one machine: what `make lab` starts and Ctrl-C stops."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
import webbrowser
from collections.abc import Callable
from pathlib import Path

from workbench.dashboards.serving import token_file, voila_command
from workbench.errors import WorkbenchError
from workbench.gateway.client import OperatorClient
from workbench.live.client import SupervisorClient
from workbench.processes import Process, check_port, running
from workbench.settings import Settings

__all__ = ["dashboard_process", "dashboard_url", "run_workbench", "trading_processes"]


def _answers(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.settimeout(0.2)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _responds(ask: Callable[[], object]) -> bool:
    try:
        ask()
    except WorkbenchError:
        return False
    return True


def trading_processes(settings: Settings) -> list[Process]:
    """Gateway and supervisor, in the order they start."""
    gateway = OperatorClient(settings.operator_socket, user=settings.user, role="admin")
    supervisor = SupervisorClient(settings.supervisor_socket, user=settings.user, role="admin")
    return [
        Process(
            name="gateway",
            command=[sys.executable, "-m", "workbench.gateway"],
            ready=lambda: _responds(gateway.status),
            folder=settings.project,
        ),
        Process(
            name="supervisor",
            command=[sys.executable, "-m", "workbench.live"],
            ready=lambda: _responds(supervisor.status),
            folder=settings.project,
        ),
    ]


def dashboard_process(settings: Settings) -> Process:
    """The stand-alone Voila with the dashboards."""
    check_port(settings.voila_port, needed_by="Voila", setting="WORKBENCH_VOILA_PORT")
    dashboards = settings.project / "notebooks" / "dashboards"
    return Process(
        name="voila",
        command=voila_command(dashboards, port=settings.voila_port),
        ready=lambda: _answers(settings.voila_port),
        needed=False,
        folder=settings.project,
        environment={
            "JUPYTER_TOKEN_FILE": str(token_file(settings.keys_dir, "voila")),
            "WORKBENCH_DASHBOARD_USER": settings.user,
            "WORKBENCH_DASHBOARD_ROLE": "operator",
        },
    )


def dashboard_url(settings: Settings) -> str:
    """The monitor's address, with the token that logs a browser in."""
    token = token_file(settings.keys_dir, "voila").read_text()
    return f"http://127.0.0.1:{settings.voila_port}/voila/render/monitor.ipynb?token={token}"


def _scheduler_process(settings: Settings) -> Process:
    began = time.monotonic()
    return Process(
        name="scheduler",
        command=[sys.executable, "-m", "workbench.schedule"],
        ready=lambda: time.monotonic() - began > 1.0,
        folder=settings.project,
    )


def _mlflow_process(settings: Settings) -> Process:
    check_port(settings.mlflow_port, needed_by="MLflow", setting="WORKBENCH_MLFLOW_PORT")
    return Process(
        name="mlflow",
        command=[
            *(sys.executable, "-m", "mlflow", "server", "--backend-store-uri", settings.tracking_uri),
            *("--host", "127.0.0.1", "--port", str(settings.mlflow_port), "--workers", "1"),
        ],
        ready=lambda: _answers(settings.mlflow_port),
        needed=False,
        folder=settings.project,
        environment={"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
    )


def _lab_process(settings: Settings) -> Process:
    check_port(settings.lab_port, needed_by="JupyterLab", setting="WORKBENCH_LAB_PORT")
    return Process(
        name="lab",
        command=[
            *(sys.executable, "-m", "jupyterlab", "--no-browser", f"--port={settings.lab_port}"),
            *("--ServerApp.port_retries=0", f"--config={settings.project / 'jupyter_config.py'}"),
            *(["--allow-root"] if os.getuid() == 0 else []),
        ],
        ready=lambda: _answers(settings.lab_port),
        needed=False,
        folder=settings.project,
        environment={"JUPYTER_TOKEN_FILE": str(token_file(settings.keys_dir, "lab"))},
    )


def run_workbench(settings: Settings, *, lab: bool, browser: bool, tell: Callable[[str], None]) -> None:
    """Start everything, say where it is, and stop everything at Ctrl-C or SIGTERM."""
    from workbench.tracking import bootstrap

    settings.home.mkdir(parents=True, exist_ok=True)
    bootstrap(settings)
    processes = [
        *trading_processes(settings),
        _scheduler_process(settings),
        dashboard_process(settings),
        _mlflow_process(settings),
        *([_lab_process(settings)] if lab else []),
    ]
    ended = threading.Event()
    with running(processes, settings=settings, tell=tell) as children:
        for number in (signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(number) is not signal.SIG_IGN:  # as under nohup
                signal.signal(number, lambda *_: ended.set())
        tell("")
        if lab:
            token = token_file(settings.keys_dir, "lab").read_text()
            address = f"http://127.0.0.1:{settings.lab_port}/lab?token={token}"
            tell(f"JupyterLab  {address}")
            if browser:
                webbrowser.open(address)
        tell(f"Monitor     {dashboard_url(settings)}")
        tell(f"MLflow      http://127.0.0.1:{settings.mlflow_port}")
        tell(f"Home        {settings.home.resolve()}")
        tell("Ctrl-C stops it all.")
        _watch(children, ended, tell=tell, logs=settings.logs_dir)


def _watch(
    children: "dict[str, subprocess.Popen[bytes]]",
    ended: threading.Event,
    *,
    tell: Callable[[str], None],
    logs: Path,
) -> None:
    gone: set[str] = set()
    try:
        while not ended.wait(0.5):
            for name, child in children.items():
                if child.poll() is not None and name not in gone:
                    gone.add(name)
                    tell(f"the {name} ended with {child.returncode}; see {logs / f'{name}.out'}")
    except KeyboardInterrupt:
        tell("stopping…")
