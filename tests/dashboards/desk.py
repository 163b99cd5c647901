"""A desk to watch in a browser: a home, its real gateway, deployments that trade, and Voila over it."""

import contextlib
import hashlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import requests
import sqlalchemy as sa
import zmq

from tests.gateway.bench import BALANCE, Kernel, made_up_bars, opening
from workbench.dashboards.serving import token_file, voila_command
from workbench.errors import WorkbenchError
from workbench.gateway.client import GatewayClient, OperatorClient
from workbench.gateway.messages import OperatorReply, OperatorRequest
from workbench.market import Bars, MarketStore
from workbench.settings import Settings
from workbench.store import open_store, schema

ROOT = Path(__file__).resolve().parents[2]
DASHBOARDS = ROOT / "notebooks" / "dashboards"
RELEASE = hashlib.sha256(b"a release").hexdigest()


@dataclass(frozen=True, kw_only=True)
class Voila:
    """A stand-alone Voila to open in a browser."""

    port: int
    token: str
    log: Path

    @property
    def url(self) -> str:
        """Its root."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def monitor(self) -> str:
        """The monitor, with the token that logs a browser in."""
        return f"{self.url}/voila/render/monitor.ipynb?token={self.token}"

    def get(self, path: str) -> requests.Response:
        """What somebody who is logged in gets, the path sent as it stands."""
        session = requests.Session()
        prepared = session.prepare_request(requests.Request("GET", self.url))
        prepared.url = f"{self.url}{path}"
        prepared.headers["Authorization"] = f"token {self.token}"
        return session.send(prepared, timeout=30)


@dataclass
class Desk:
    """One home, its gateway, which a test may end, and what stands at the supervisor's socket."""

    settings: Settings
    bars: Bars = field(default_factory=lambda: made_up_bars(96))
    _gateway: subprocess.Popen[bytes] | None = None
    _ended: threading.Event = field(default_factory=threading.Event)

    def start_gateway(self) -> None:
        """Start it and wait until it answers."""
        log = (self.settings.home / "gateway.out").open("ab")
        self._gateway = subprocess.Popen(
            [sys.executable, "-m", "workbench.gateway"], env=self.environment(), stdout=log, stderr=log
        )
        log.close()
        wait_for(lambda: self.operator(timeout_s=0.2).status(), "the gateway's answer")

    def end_gateway(self) -> None:
        """End it and wait until it is gone."""
        if self._gateway is not None:
            self._gateway.terminate()
            self._gateway.wait(30)

    def environment(self) -> dict[str, str]:
        """This home for a process."""
        return {**os.environ, "WORKBENCH_HOME": str(self.settings.home)}

    def operator(self, *, timeout_s: float = 5.0) -> OperatorClient:
        """Somebody who may do everything."""
        return OperatorClient(self.settings.operator_socket, user="david", role="admin", timeout_s=timeout_s)

    def state(self, deployment_id: str) -> dict[str, Any]:
        """What the gateway says of a deployment."""
        found: dict[str, Any] = next(
            item for item in self.operator().status()["deployments"] if item["deployment_id"] == deployment_id
        )
        return found

    def deploy(self, deployment_id: str, *, bars: int) -> Kernel:
        """A deployment on an account of its own, after so many bars; its kernel."""
        account = f"account-of-{deployment_id}"
        with contextlib.closing(_Store(self.settings.store_url)) as store:
            store.register(deployment_id, account=account)
        self.operator().open(**opening(deployment_id, self.bars, account={"id": account}, release_id=RELEASE))
        client = GatewayClient(self.settings.gateway_socket)
        kernel = Kernel(client.ask, deployment_id=deployment_id)
        kernel.attach()
        kernel.run(most=bars)
        return kernel

    @contextmanager
    def supervising(self) -> Iterator[None]:
        """Something that stops kernels when asked, as the supervisor would."""
        thread = threading.Thread(target=self._supervise, daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._ended.set()
            thread.join(10)

    def _supervise(self) -> None:
        with zmq.Context() as context, context.socket(zmq.ROUTER) as line:
            line.bind(f"ipc://{self.settings.supervisor_socket}")
            while not self._ended.is_set():
                if not line.poll(50):
                    continue
                sender, frame = line.recv_multipart()
                request = msgspec.json.decode(frame, type=OperatorRequest)
                if request.verb == "stop":
                    with contextlib.closing(_Store(self.settings.store_url)) as store:
                        store.stop(request.arguments["deployment_id"])
                line.send_multipart([sender, msgspec.json.encode(OperatorReply(error="", value={}))])


class _Store:
    """The research store, as release and supervisor write it."""

    def __init__(self, url: str) -> None:
        self._engine = open_store(url)

    def close(self) -> None:
        self._engine.dispose()

    def register(self, deployment_id: str, *, account: str) -> None:
        release = {
            "id": RELEASE,
            "name": "10_sma_cross",
            "run_id": "run",
            "author": "sarah",
            "manifest": {},
            "signature": "",
            "created_ns": 1,
        }
        deployment = {
            "id": deployment_id,
            "release_id": RELEASE,
            "account_id": account,
            "feed": {},
            "limits": {},
            "desired": "running",
            "state": "running",
            "detail": "Trades.",
            "pid": 0,
            "pid_started": 0.0,
            "restarts": 0,
            "heartbeat_ns": 1,
            "deployed_by": "david",
            "created_ns": time.time_ns(),
        }
        with self._engine.begin() as connection:
            if connection.scalar(sa.select(sa.func.count()).select_from(schema.releases)) == 0:
                connection.execute(sa.insert(schema.releases), release)
            connection.execute(
                sa.insert(schema.accounts),
                {
                    "id": account,
                    "broker": "paper",
                    "currency": "USD",
                    "balance": BALANCE,
                    "settings": {},
                    "created_ns": 1,
                },
            )
            connection.execute(sa.insert(schema.deployments), deployment)

    def stop(self, deployment_id: str) -> None:
        with self._engine.begin() as connection:
            connection.execute(
                sa.update(schema.deployments)
                .where(schema.deployments.c.id == deployment_id)
                .values(desired="stopped", state="stopped", detail="Stopped.")
            )


@contextmanager
def desk_running(home: Path) -> Iterator[Desk]:
    """A desk with its gateway, for the length of a `with` block."""
    desk = Desk(Settings(home=home))
    MarketStore(desk.settings.market_dir, desk.settings.store_url).add(desk.bars, source="made up")
    desk.start_gateway()
    try:
        with desk.supervising():
            yield desk
    finally:
        desk.end_gateway()


@contextmanager
def private_sockets() -> Iterator[None]:
    """Sockets of the homes in this block, in a folder of its own with a short name."""
    folder = tempfile.mkdtemp(prefix="wb-")  # a socket's path has at most 107 bytes
    before = os.environ.get("XDG_RUNTIME_DIR")
    os.environ["XDG_RUNTIME_DIR"] = folder
    try:
        yield
    finally:
        if before is None:
            del os.environ["XDG_RUNTIME_DIR"]
        else:
            os.environ["XDG_RUNTIME_DIR"] = before
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def voila_running(home: Path, *, role: str, dashboards: Path = DASHBOARDS) -> Iterator[Voila]:
    """Voila as `workbench up` starts it, for one role, for the length of a `with` block."""
    token = token_file(home / "keys", f"voila-{role}")
    voila = Voila(port=_free_port(), token=token.read_text(), log=home / f"voila-{role}.out")
    environment = {
        **os.environ,
        "WORKBENCH_HOME": str(home),
        "JUPYTER_TOKEN_FILE": str(token),
        "WORKBENCH_DASHBOARD_USER": "alex",
        "WORKBENCH_DASHBOARD_ROLE": role,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}",
    }
    with voila.log.open("wb") as log:
        process = subprocess.Popen(
            voila_command(dashboards, port=voila.port), env=environment, stdout=log, stderr=log, cwd=home
        )
    try:
        wait_for(lambda: requests.get(voila.url, timeout=5), f"Voila; see {voila.log}")
        yield voila
    finally:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(20)
        if process.poll() is None:
            process.kill()
            process.wait()


def wait_for(done: Callable[[], object], what: str, *, seconds: float = 60.0) -> None:
    """Until `done()` gives something true; an error of ours or a refused connection counts as no."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with contextlib.suppress(WorkbenchError, requests.ConnectionError):
            if done():
                return
        time.sleep(0.05)
    raise AssertionError(f"waited {seconds:g} s for {what}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
