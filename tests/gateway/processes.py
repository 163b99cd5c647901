"""Real gateway processes for the tests, forked from a server that has everything imported."""

import multiprocessing
import multiprocessing.forkserver
import os
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import psutil
import sqlalchemy as sa

from tests.gateway.bench import Kernel
from workbench.errors import WorkbenchError
from workbench.gateway import specs
from workbench.gateway.client import GatewayClient, OperatorClient
from workbench.gateway.errors import GatewayUnreachableError
from workbench.gateway.process import open_log, run_gateway
from workbench.settings import Settings
from workbench.store import open_store

_server = multiprocessing.forkserver._forkserver  # type: ignore[attr-defined]
_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(["tests.gateway.warm"])


def _forget_dead_server() -> None:
    """Let the fork server be started again: a run in this process ends all of the process's children."""
    if _server._forkserver_pid is not None and not psutil.pid_exists(_server._forkserver_pid):
        os.close(_server._forkserver_alive_fd)
        _server._forkserver_address = _server._forkserver_alive_fd = _server._forkserver_pid = None


@dataclass(frozen=True)
class DieAt:
    """Ends the process by SIGKILL at its `number`-th boundary; 0 for never."""

    number: int

    def __call__(self) -> Callable[[str], None]:
        """The hook."""
        left = self.number

        def at_boundary(name: str) -> None:
            nonlocal left
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

        return at_boundary


def open_little(url: str) -> sa.Engine:
    """A store whose file may grow by a few pages only."""
    engine = open_store(url)
    with engine.connect() as connection:
        pages = connection.scalar(sa.text("PRAGMA page_count"))
    engine.dispose()

    @sa.event.listens_for(engine, "connect")
    def limit(connection: Any, record: Any) -> None:
        connection.execute(f"PRAGMA max_page_count = {pages + 6}")

    return engine


def _serve(
    settings: Settings,
    runtime: str,
    die_at: DieAt,
    open_engine: Callable[[str], sa.Engine],
    limit_bytes: int,
    replays_elsewhere: bool,
) -> None:
    os.environ["XDG_RUNTIME_DIR"] = runtime  # the fork server's own is that of the first test
    os.umask(0o077)
    if limit_bytes:
        import resource

        resource.setrlimit(resource.RLIMIT_FSIZE, (limit_bytes, limit_bytes))
    if replays_elsewhere:
        specs._check_feed = lambda spec: None
    try:
        run_gateway(settings, log=open_log(settings.logs_dir), at_boundary=die_at(), open_engine=open_engine)
    except WorkbenchError as error:
        sys.stderr.write(f"{error}\n")
        raise SystemExit(1) from None


@dataclass
class Gateway:
    """One home's gateway, started and killed as the test likes."""

    settings: Settings
    process: BaseProcess | None = None
    killed: list[float] = field(default_factory=list)
    replays_elsewhere: bool = False  # lets a replay drive an account elsewhere, which a gateway refuses

    def start(
        self,
        *,
        die_at: int = 0,
        open_engine: Callable[[str], sa.Engine] = open_store,
        limit_bytes: int = 0,
        wait: bool = True,
    ) -> None:
        """Start it and, unless it may die before, wait until it answers."""
        self.process = _context.Process(
            target=_serve,
            args=(
                self.settings,
                os.environ["XDG_RUNTIME_DIR"],
                DieAt(die_at),
                open_engine,
                limit_bytes,
                self.replays_elsewhere,
            ),
        )
        _forget_dead_server()
        self.process.start()
        if wait:
            self.wait()

    def wait(self) -> None:
        """Until it answers."""
        assert self.process is not None
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and self.process.is_alive():
            try:
                self.operator(timeout_s=0.25).status()
            except GatewayUnreachableError:
                time.sleep(0.05)
                continue
            return
        raise AssertionError(f"the gateway does not answer; exit code {self.process.exitcode}")

    @property
    def alive(self) -> bool:
        """Whether the process lives."""
        return self.process is not None and self.process.is_alive()

    def kill(self) -> None:
        """SIGKILL."""
        assert self.process is not None
        self.process.kill()
        self.process.join(30)

    def terminate(self) -> int | None:
        """SIGTERM; its exit code."""
        assert self.process is not None
        self.process.terminate()
        self.process.join(30)
        return self.process.exitcode

    def operator(self, *, role: str = "admin", timeout_s: float = 60.0) -> OperatorClient:
        """A person's client."""
        return OperatorClient(
            self.settings.operator_socket,
            user="david",
            role=role,
            timeout_s=timeout_s,
            kills_dir=self.settings.kills_dir,
        )

    def client(self, *, timeout_s: float = 60.0, patience_s: float = 60.0) -> GatewayClient:
        """A kernel's client."""
        return GatewayClient(self.settings.gateway_socket, timeout_s=timeout_s, patience_s=patience_s)

    def kernel(self, client: GatewayClient, deployment_id: str = "d-1", **options: Any) -> Kernel:
        """A kernel over a client."""
        return Kernel(client.ask, deployment_id=deployment_id, **options)


def prepared(home: Path, bars: Any) -> Settings:
    """A home whose market store holds `bars`."""
    from workbench.market import MarketStore

    settings = Settings(home=home)
    store = MarketStore(settings.market_dir, settings.store_url)
    assert store.add(bars, source="made up").fingerprint == bars.fingerprint
    return settings
