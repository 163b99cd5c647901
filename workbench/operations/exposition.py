"""A process's metrics on a port of its own, for Prometheus to fetch."""

import threading
from collections.abc import Callable
from wsgiref.simple_server import WSGIServer

from prometheus_client import CollectorRegistry, start_http_server

from workbench.errors import BadInputError

__all__ = ["serve_metrics"]


def serve_metrics(registry: CollectorRegistry, *, port: int, setting: str) -> Callable[[], None]:
    """Serve `registry` on the loopback port `port`, 0 for not at all; what ends it again.

    Raises
    ------
    BadInputError
        The port is taken; the message names the setting that chooses another.
    """
    if port == 0:
        return lambda: None
    try:
        server, thread = start_http_server(port, addr="127.0.0.1", registry=registry)
    except OSError as error:
        raise BadInputError(
            f"expected port {port} free for metrics, found: {error.strerror}; choose another by {setting}"
        ) from None
    return lambda: _end(server, thread)


def _end(server: WSGIServer, thread: threading.Thread) -> None:
    server.shutdown()
    server.server_close()
    thread.join(5)
