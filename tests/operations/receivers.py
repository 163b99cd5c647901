"""Local servers that take what the workbench sends, and the programs that read its files."""

import json
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest


def program(name: str, *, package: str) -> str:
    """The path of a program of the machine's own."""
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"no {name} on this machine; install Debian's package `{package}`")
    return found


@dataclass
class Receiver:
    """What came in."""

    port: int
    bodies: list[bytes] = field(default_factory=list)
    answer: int = 200

    @property
    def messages(self) -> list[dict[str, Any]]:
        """The bodies as JSON."""
        return [json.loads(body) for body in self.bodies]

    def wait_for(self, wanted: Callable[["Receiver"], bool], *, within_s: float) -> bool:
        """Whether something wanted came in time."""
        deadline = time.monotonic() + within_s
        while not (there := wanted(self)) and time.monotonic() < deadline:
            time.sleep(0.02)
        return there


@contextmanager
def receiver() -> Iterator[Receiver]:
    """A server on a free port of loopback."""
    found = Receiver(port=0)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            found.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(found.answer)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield found
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
