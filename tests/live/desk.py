"""What the tests put around one supervisor: releases, a notebook, and how a deployment is prepared."""

import hashlib
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nbformat
import sqlalchemy as sa
from nbformat.v4 import new_code_cell, new_notebook

from tests.live.fake_gateway import FakeGateway, tell_token
from workbench.domain.allowance import Allowance
from workbench.domain.limits import Limits
from workbench.live.client import SupervisorClient
from workbench.live.deployments import Deployment, deploy
from workbench.live.driving import drive
from workbench.live.errors import DeploymentRefusedError
from workbench.live.launch import Launch, Places
from workbench.live.liveness import Timing
from workbench.live.log import open_log
from workbench.live.prepared import Prepared
from workbench.live.releases import ReleasedNotebook
from workbench.live.restarts import RestartPolicy
from workbench.live.supervisor import Supervisor
from workbench.store.schema import releases

KERNEL = (sys.executable, str(Path(__file__).with_name("kernel_under_test.py")))
SPEC = hashlib.sha256(b"Swinger 1000").hexdigest()
LIMITS = Limits(
    instruments=("EUR_USD",),
    max_order_units=10_000,
    max_order_value=20_000_000_000,
    max_position_units=10_000,
    max_open_orders=4,
    max_orders_per_minute=10,
    max_margin_use_ppm=500_000,
    max_daily_loss=1_000_000_000,
)
ARM = 'arming.current().arm(Swinger(mood=mood), instruments=["EUR_USD"], timeframe="H1")'


def write_notebook(path: Path, *, last: str = ARM, mood: str = "") -> Path:
    """A released notebook whose last cell arms, with a research cell that would fail."""
    notebook = new_notebook(
        cells=[
            new_code_cell(f"mood = {mood!r}", metadata={"tags": ["parameters"]}),
            new_code_cell("raise RuntimeError('this is research')", metadata={"tags": ["research"]}),
            new_code_cell(
                "from workbench.live import arming\nfrom kernel_under_test import Swinger\nran = [1]"
            ),
            new_code_cell(last),
        ]
    )
    nbformat.write(notebook, path)
    return path


def eventually(check: Callable[[], Any], *, within_s: float = 120.0, what: str = "it") -> Any:
    """Wait until `check` gives something true."""
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        if found := check():
            return found
        time.sleep(0.02)
    raise AssertionError(f"{what} did not happen within {within_s} s")


def places_of(home: Path, runtime: Path, deployment_id: str) -> Places:
    short = hashlib.sha256(deployment_id.encode()).hexdigest()[:10]
    return Places(home / "deployments" / deployment_id, runtime / "live" / short)


def launch_for(
    home: Path, runtime: Path, deployment_id: str, *, token: str, allowance: Allowance | None = None
) -> Launch:
    """The order to launch of a deployment on account `paper-1`."""
    places = places_of(home, runtime, deployment_id)
    return Launch(
        deployment_id=deployment_id,
        release_id="r1",
        account_id="paper-1",
        token=token,
        gateway_socket=str(runtime / "gateway.sock"),
        folder=str(places.folder),
        private=str(places.private),
        lease=str(home / "leases" / "paper-1"),
        market_dir="",
        store_url="",
        spec_digest=SPEC,
        instruments=("EUR_USD",),
        timeframe="H1",
        warm_up=(),
        allowance=allowance or Allowance(),
    )


@dataclass
class Preparing:
    """Prepares every deployment with the same notebook; a file `refused` in the home refuses it."""

    home: Path
    runtime: Path
    notebook: Path
    allowance: Allowance = field(default_factory=Allowance)

    def __call__(self, deployment: Deployment, *, places: Places, token: str) -> Prepared:
        refused = self.home / "refused"
        if refused.exists():
            raise DeploymentRefusedError(refused.read_text())
        tell_token(self.runtime / "gateway.sock", token)
        launch = launch_for(self.home, self.runtime, deployment.id, token=token, allowance=self.allowance)
        return Prepared(launch=launch, notebook=self.notebook, parameters={})


@dataclass
class Desk:
    """Everything around one supervisor, which runs in a thread."""

    home: Path
    runtime: Path
    engine: sa.Engine
    gateway: FakeGateway
    notebook: Path
    approved: bool = True
    policy: RestartPolicy = field(default_factory=lambda: RestartPolicy(first_wait_s=0.05, factor=1.0))
    timing: Timing = field(default_factory=Timing)
    allowance: Allowance = field(default_factory=Allowance)
    supervisor: Supervisor | None = None
    thread: threading.Thread | None = None
    released: list[str] = field(default_factory=list)

    def load(self, release_id: str) -> ReleasedNotebook:
        return ReleasedNotebook(
            id=release_id,
            name="Swinger on EURUSD",
            approved=self.approved,
            notebook=self.notebook,
            parameters={},
            spec_digest=SPEC,
            instruments=("EUR_USD",),
            timeframe="H1",
            fingerprints={"EUR_USD": "f" * 64},
            cost_book={},
            limits=LIMITS,
        )

    def add_release(self) -> None:
        with self.engine.begin() as connection:
            connection.execute(
                releases.insert().values(
                    id="r1", name="s", run_id="", author="sarah", manifest={}, signature="", created_ns=0
                )
            )

    def deploy(self, *, limits: Limits | None = None) -> str:
        return deploy(
            self.engine,
            self.load,
            release_id="r1",
            account_id="paper-1",
            feed={"kind": "replay"},
            by="david",
            limits=limits,
        )

    def places(self, deployment_id: str) -> Places:
        return places_of(self.home, self.runtime, deployment_id)

    @property
    def socket(self) -> Path:
        return self.runtime / "supervisor.sock"

    def client(self, role: str = "admin") -> SupervisorClient:
        return SupervisorClient(self.socket, user="david", role=role)

    def start(self) -> None:
        self.supervisor = Supervisor(
            engine=self.engine,
            socket=self.socket,
            deployments_dir=self.home / "deployments",
            runtime_dir=self.runtime,
            prepare=Preparing(self.home, self.runtime, self.notebook, self.allowance),
            release=self.released.append,
            drive=drive,
            log=open_log(self.home / "logs" / "supervisor.log"),
            policy=self.policy,
            timing=self.timing,
            kernel_command=KERNEL,
        )
        self.thread = threading.Thread(target=self.supervisor.run, daemon=True)
        self.thread.start()

    def end(self, *, stop_kernels: bool) -> None:
        if self.supervisor is not None and self.thread is not None:
            self.supervisor.request_end(stop_kernels=stop_kernels)
            self.thread.join(30)
            self.supervisor = None

    def of(self, deployment_id: str) -> dict[str, Any]:
        """One deployment's line of the supervisor's status."""
        lines = self.client().status()["deployments"]
        return next((line for line in lines if line["deployment_id"] == deployment_id), {})

    def until(self, deployment_id: str, *, within_s: float = 120.0, **wanted: Any) -> dict[str, Any]:
        """Wait until the deployment's line of the status has these values."""
        deadline = time.monotonic() + within_s
        line: dict[str, Any] = {}
        while time.monotonic() < deadline:
            line = self.of(deployment_id)
            if all(line.get(name) == value for name, value in wanted.items()):
                return line
            assert not (line.get("stage") == "over" and "state" in wanted), f"wanted {wanted}, found {line}"
            time.sleep(0.1)
        raise AssertionError(f"wanted {wanted} within {within_s} s, found {line}")

    def decided(self, count: int) -> None:
        """Wait until the gateway has that many decisions."""
        eventually(lambda: self.gateway.acked >= 2 * count, what=f"decision {count}")
