"""A live kernel's socket to the gateway: one question, one answer, and a new socket after a silence."""

from pathlib import Path

import msgspec
import zmq

from workbench.gateway.messages import KernelReply, KernelRequest
from workbench.live.runtime import GatewaySilentError

__all__ = ["GatewaySocket"]


class GatewaySocket:
    """Asks the gateway from one thread.

    After a silence the socket is thrown away: an answer that comes late must not be taken for the answer
    to a later question.
    """

    def __init__(self, path: Path, *, timeout_s: float = 3.0) -> None:
        self._address = f"ipc://{path}"
        self._timeout_ms = int(timeout_s * 1_000)
        self._context = zmq.Context()
        self._socket: zmq.Socket[bytes] | None = None
        self._encoder = msgspec.json.Encoder()
        self._decoder: msgspec.json.Decoder[KernelReply] = msgspec.json.Decoder(KernelReply)

    def ask(self, request: KernelRequest) -> KernelReply:
        """The gateway's answer.

        Raises
        ------
        GatewaySilentError
            None came in time.
        """
        socket = self._socket or self._connect()
        socket.send(self._encoder.encode(request))
        if not socket.poll(self._timeout_ms):
            self._drop()
            raise GatewaySilentError(f"no answer from {self._address} in {self._timeout_ms / 1_000:g} s")
        return self._decoder.decode(socket.recv())

    def close(self) -> None:
        """Give the socket back."""
        self._drop()
        self._context.term()

    def _connect(self) -> "zmq.Socket[bytes]":
        self._socket = self._context.socket(zmq.DEALER)
        self._socket.linger = 0
        self._socket.connect(self._address)
        return self._socket

    def _drop(self) -> None:
        if self._socket is not None:
            self._socket.close(0)
            self._socket = None
