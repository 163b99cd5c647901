"""A proxy on the loopback interface that loses, cuts, delays and doubles requests and answers of HTTP.

It reads a request whole before it decides what becomes of it, so a fault meets exactly the request it is
meant for, whichever connection carries it. Answers without a length (streams) are passed on as they come.
"""

import contextlib
import selectors
import socket
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass

from workbench.gateway.brokers.conformance.faults import Fault

__all__ = ["FaultProxy"]

_RESET = struct.pack("ii", 1, 0)  # SO_LINGER that turns close into RST
_MOST = 1 << 20
_UNAVAILABLE = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"


@dataclass(slots=True)
class _Rule:
    fault: Fault
    matches: Callable[[str], bool]  # of a request's first line
    times: int


class _EndError(Exception):
    """The connection is over."""


class FaultProxy:
    """Stands between a client and the server at `host`, `port`.

    Parameters
    ----------
    too_many
        The whole answer (head and body) with which the broker refuses a request too many.
    slow_s, dribble_s
        How late a `SLOW` answer is, and how long each byte of a `DRIBBLE` takes.
    """

    def __init__(
        self,
        host: str,
        port: int,
        *,
        too_many: bytes = b"",
        slow_s: float = 0.1,
        dribble_s: float = 0.05,
    ) -> None:
        self._upstream = (host, port)
        self._too_many = too_many
        self._slow_s = slow_s
        self._dribble_s = dribble_s
        self._rules: list[_Rule] = []
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._silent = threading.Event()
        self._open: set[socket.socket] = set()
        self._streams: set[socket.socket] = set()
        self.met: list[tuple[Fault, str]] = []
        """Each fault that was caused, and the first line of the request it met."""
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._accept, daemon=True, name="fault proxy")
        self._thread.start()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def cause(
        self, fault: Fault, matches: Callable[[str], bool] = lambda line: True, *, times: int = 1
    ) -> None:
        """Let the next `times` requests whose first line `matches` meet a fault; a stream's fault at once."""
        if fault is Fault.STREAM_CUT:
            with self._lock:
                streams = list(self._streams)
            for stream in streams:
                _shut(stream)
        elif fault is Fault.STREAM_SILENT:
            self._silent.set()
        else:
            with self._lock:
                self._rules.append(_Rule(fault, matches, times))

    def heal(self) -> None:
        """No more faults."""
        with self._lock:
            self._rules.clear()
        self._silent.clear()

    def close(self) -> None:
        """End, and every connection with it."""
        self._ended.set()
        _shut(self._listener)
        self._listener.close()
        with self._lock:
            found = list(self._open)
        for connection in found:
            _shut(connection)
        self._thread.join()

    def _accept(self) -> None:
        while not self._ended.is_set():
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with contextlib.ExitStack() as stack:
            stack.enter_context(self._kept(client))
            try:
                server = socket.create_connection(self._upstream)
            except OSError:
                return
            server.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            stack.enter_context(self._kept(server))
            with contextlib.suppress(_EndError, OSError):
                while True:
                    self._one(client, server)

    @contextlib.contextmanager
    def _kept(self, connection: socket.socket):  # type: ignore[no-untyped-def]
        with self._lock:
            self._open.add(connection)
        try:
            yield
        finally:
            with self._lock:
                self._open.discard(connection)
                self._streams.discard(connection)
            connection.close()

    def _one(self, client: socket.socket, server: socket.socket) -> None:
        """One request and its answer."""
        request = _message(client)
        line = request.split(b"\r\n", 1)[0].decode("latin-1")
        fault = self._fault_for(line)
        if fault is Fault.REQUEST_LOST:
            raise _EndError
        if fault is Fault.TOO_MANY:
            client.sendall(self._too_many)
            return
        server.sendall(request)
        reply = _message(server, until_stream=True)
        if b"chunked" in _head(reply).lower():
            client.sendall(reply)
            self._pass_on(client, server)
        if fault is Fault.TWICE:
            server.sendall(request)
            _message(server)
        self._reply(client, reply, fault)

    def _fault_for(self, line: str) -> Fault | None:
        with self._lock:
            rule = next((item for item in self._rules if item.matches(line)), None)
            if rule is None:
                return None
            rule.times -= 1
            if rule.times == 0:
                self._rules.remove(rule)
            self.met.append((rule.fault, line))
            return rule.fault

    def _reply(self, client: socket.socket, reply: bytes, fault: Fault | None) -> None:
        head, body = _head(reply), reply[len(_head(reply)) :]
        match fault:
            case None | Fault.TWICE:
                client.sendall(reply)
            case Fault.REPLY_LOST:
                raise _EndError
            case Fault.RESET:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                raise _EndError
            case Fault.REPLY_CUT:
                client.sendall(head + body[: len(body) // 2])
                raise _EndError
            case Fault.REPLY_GARBLED:
                client.sendall(head + b"\xff" * len(body))
            case Fault.SERVER_ERROR:
                client.sendall(_UNAVAILABLE)
            case Fault.HALF_OPEN:
                self._ended.wait(3_600)
                raise _EndError
            case Fault.SLOW:
                self._ended.wait(self._slow_s)
                client.sendall(reply)
            case Fault.DRIBBLE:
                client.sendall(head)
                for index in range(len(body)):
                    client.sendall(body[index : index + 1])
                    if self._ended.wait(self._dribble_s):
                        raise _EndError
            case _:
                raise ValueError(f"{fault} is not a fault of an answer")

    def _pass_on(self, client: socket.socket, server: socket.socket) -> None:
        """A stream: bytes as they come, none while it is silent."""
        with self._lock:
            self._streams |= {client, server}
        with selectors.DefaultSelector() as selector:
            selector.register(client, selectors.EVENT_READ, server)
            selector.register(server, selectors.EVENT_READ, client)
            while not self._ended.is_set():
                for key, _ in selector.select(0.05):
                    part = key.fileobj.recv(_MOST)  # type: ignore[union-attr]
                    if not part:
                        raise _EndError
                    if not self._silent.is_set():
                        key.data.sendall(part)
        raise _EndError


def _message(connection: socket.socket, *, until_stream: bool = False) -> bytes:
    """A request or an answer with its body; with `until_stream`, what came of one without a length."""
    found = b""
    while b"\r\n\r\n" not in found:
        found += _some(connection)
    head = _head(found)
    if until_stream and b"chunked" in head.lower():
        return found
    length = _length(head)
    while len(found) < len(head) + length:
        found += _some(connection)
    return found


def _some(connection: socket.socket) -> bytes:
    part = connection.recv(_MOST)
    if not part:
        raise _EndError
    return part


def _head(message: bytes) -> bytes:
    return message[: message.index(b"\r\n\r\n") + 4]


def _length(head: bytes) -> int:
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"content-length":
            return int(value)
    return 0


def _shut(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
