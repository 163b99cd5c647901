"""A real JupyterLab with a home of its own, and processes at its sockets that answer as a gateway would."""

import contextlib
import os
import secrets
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import pytest
import requests
import zmq
from playwright.sync_api import Page

from tests.server.serving import free_port
from workbench.gateway.messages import OperatorReply, OperatorRequest
from workbench.settings import Settings
from workbench.store import open_store
from workbench.store.schema import kills

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, kw_only=True)
class Lab:
    """A JupyterLab to open in a browser."""

    url: str
    token: str
    settings: Settings

    @property
    def address(self) -> str:
        """Logs the browser in and opens an empty Lab."""
        return f"{self.url}/lab?reset&token={self.token}"

    def notebook(self, path: str) -> str:
        """Opens a notebook in a Lab without anything else."""
        return f"{self.url}/lab/tree/{path}?reset&token={self.token}"


def environment_of(settings: Settings, folder: Path) -> dict[str, str]:
    """This home for a process, and Jupyter's own folders out of the way."""
    return {
        **os.environ,
        "WORKBENCH_HOME": str(settings.home),
        "WORKBENCH_PROJECT": str(settings.project),
        "WORKBENCH_USER": settings.user,
        "JUPYTER_CONFIG_DIR": str(folder / "jupyter"),
        "JUPYTER_DATA_DIR": str(folder / "jupyter"),
        "JUPYTER_RUNTIME_DIR": str(folder / "jupyter" / "runtime"),
        "JUPYTERLAB_SETTINGS_DIR": str(folder / "jupyter" / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(folder / "jupyter" / "workspaces"),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}",
    }


@contextmanager
def lab_running(settings: Settings, folder: Path) -> Iterator[Lab]:
    """JupyterLab with the project's own configuration for the length of a `with` block."""
    port, token = free_port(), secrets.token_hex(16)
    log = folder / "lab.log"
    command = [
        *(sys.executable, "-m", "jupyterlab", "--no-browser", f"--config={ROOT / 'jupyter_config.py'}"),
        *(f"--port={port}", "--ServerApp.port_retries=0", f"--ServerApp.root_dir={settings.project}"),
        "--LabApp.expose_app_in_browser=True",
        *(["--allow-root"] if os.getuid() == 0 else []),
    ]
    environment = {**environment_of(settings, folder), "JUPYTER_TOKEN": token}
    with log.open("w") as output:
        process = subprocess.Popen(
            command, env=environment, stdout=output, stderr=output, cwd=settings.project
        )
    lab = Lab(url=f"http://127.0.0.1:{port}", token=token, settings=settings)
    try:
        _wait_for(lab, process, log)
        yield lab
    finally:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(20)
        if process.poll() is None:
            process.kill()
            process.wait()


def _wait_for(lab: Lab, process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline:
        with contextlib.suppress(requests.ConnectionError):
            if requests.get(f"{lab.url}/api", timeout=5).ok:
                return
        if process.poll() is not None:
            break
        time.sleep(0.1)
    raise AssertionError(f"JupyterLab did not come up:\n{log.read_text()[-4000:]}")


def contrast_faults(page: Page, *places: str) -> list[str]:
    """What somebody with weak eyes or a screen reader would stumble over in parts of a page."""
    axe = ROOT / "extensions/workbench-lab/node_modules/axe-core/axe.min.js"
    if not axe.is_file():
        pytest.skip("axe-core is not installed: run `python extensions/build_lab.py` first")
    page.add_script_tag(path=axe)
    found: list[str] = page.evaluate(
        """async places => {
            const found = await axe.run(places.map(place => [place]), {runOnly: ['wcag2a', 'wcag2aa']});
            return found.violations.flatMap(item => item.nodes.map(
                node => `${item.id}: ${node.html} ${node.failureSummary}`));
        }""",
        list(places),
    )
    return found


@dataclass
class Desk:
    """What stands at the gateway's and the supervisor's sockets; it keeps the kill switch in the store."""

    settings: Settings
    asked: list[tuple[str, str, dict[str, Any]]] = field(default_factory=list)
    _silent: threading.Event = field(default_factory=threading.Event)
    _ended: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def serving(self) -> Iterator["Desk"]:
        """Answers for the length of a `with` block."""
        thread = threading.Thread(target=self._run, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._ended.set()
            thread.join(10)
            for path in (self.settings.operator_socket, self.settings.supervisor_socket):
                path.unlink(missing_ok=True)

    @contextmanager
    def silent(self) -> Iterator[None]:
        """Answers nothing for the length of a `with` block."""
        self._silent.set()
        try:
            yield
        finally:
            self._silent.clear()

    def _run(self) -> None:
        store = open_store(self.settings.gateway_store_url)
        with zmq.Context() as context, context.socket(zmq.ROUTER) as one, context.socket(zmq.ROUTER) as other:
            one.bind(f"ipc://{self.settings.operator_socket}")
            other.bind(f"ipc://{self.settings.supervisor_socket}")
            poller = zmq.Poller()
            poller.register(one, zmq.POLLIN)
            poller.register(other, zmq.POLLIN)
            while not self._ended.is_set():
                for line, _ in poller.poll(50):
                    sender, frame = line.recv_multipart()
                    if self._silent.is_set():
                        continue
                    request = msgspec.json.decode(frame, type=OperatorRequest)
                    if request.verb != "status":
                        self.asked.append((request.user, request.verb, request.arguments))
                    with store.begin() as connection:
                        if request.verb == "kill":
                            connection.execute(
                                kills.insert().values(
                                    scope=request.arguments["scope"],
                                    by=request.user,
                                    reason=request.arguments["reason"],
                                    created_ns=time.time_ns(),
                                )
                            )
                        if request.verb == "unkill":
                            connection.execute(kills.delete())
                    line.send_multipart([sender, msgspec.json.encode(OperatorReply(error="", value={}))])
        store.dispose()
