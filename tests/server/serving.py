"""A real Jupyter server in a thread, whose users are known by their tokens."""

import asyncio
import os
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests
import websocket
from jupyter_server.auth.identity import IdentityProvider, User
from jupyter_server.serverapp import ServerApp
from traitlets import Dict
from traitlets.config import Config

API = "/workbench/api/v1"


class NamedTokens(IdentityProvider):
    """Every token is a person of its own."""

    people = Dict(config=True)

    @property
    def auth_enabled(self) -> bool:
        return True

    async def get_user_token(self, handler: Any) -> User | None:
        name = self.people.get(self.get_token(handler) or "")
        return User(username=name) if name else None


@dataclass(frozen=True, kw_only=True)
class LabServer:
    """A server to ask."""

    port: int
    app: ServerApp

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def ask(
        self,
        path: str,
        *,
        token: str = "",
        body: object = None,
        method: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> requests.Response:
        """A GET, or a POST when there is a body."""
        return requests.request(
            method or ("GET" if body is None else "POST"),
            f"{self.url}{path}",
            json=body,
            headers={**({"Authorization": f"token {token}"} if token else {}), **(headers or {})},
            timeout=30,
            allow_redirects=False,
        )

    def watch(self, *, token: str = "", origin: str | None = None) -> websocket.WebSocket:
        """The stream."""
        return websocket.create_connection(
            f"ws://127.0.0.1:{self.port}{API}/stream",
            header=[f"Authorization: token {token}"] if token else [],
            origin=origin or self.url,
            timeout=20,
        )


def free_port() -> int:
    """A port nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def serving(folder: Path, config: Mapping[str, Mapping[str, Any]]) -> Iterator[LabServer]:
    """A server with this configuration for the length of a `with` block."""
    port, begun, problem = free_port(), threading.Event(), list[BaseException]()
    made: list[ServerApp] = []

    def run() -> None:
        asyncio.set_event_loop(asyncio.new_event_loop())
        try:
            ServerApp.clear_instance()
            app = ServerApp.instance(
                config=Config({name: dict(values) for name, values in config.items()}),
                ip="127.0.0.1",
                port=port,
                port_retries=0,
                open_browser=False,
                allow_root=True,
                root_dir=str(folder),
                log_level="ERROR",
            )
            app.init_signal = lambda: None  # signals belong to the main thread
            app.initialize(argv=[])
            made.append(app)
            app.io_loop.add_callback(begun.set)
            app.start()
        except BaseException as error:
            problem.append(error)
            begun.set()
            raise

    keep = dict(os.environ)
    os.environ.update(
        JUPYTER_CONFIG_DIR=str(folder / "jupyter"),
        JUPYTER_DATA_DIR=str(folder / "jupyter"),
        JUPYTER_RUNTIME_DIR=str(folder / "jupyter" / "runtime"),
        JUPYTER_NO_CONFIG="1",
    )
    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        assert begun.wait(60), "the server did not start"
        if problem:
            raise problem[0]
        yield LabServer(port=port, app=made[0])
    finally:
        if made:
            made[0].io_loop.add_callback(made[0].io_loop.stop)
        thread.join(20)
        ServerApp.clear_instance()
        os.environ.clear()
        os.environ.update(keep)
