"""Asking the supervisor: the closed list of verbs over its Unix socket."""

from pathlib import Path
from typing import Any

import msgspec
import zmq

from workbench.gateway.messages import PROTOCOL_VERSION, OperatorReply, OperatorRequest
from workbench.live.errors import SupervisorError, SupervisorUnreachableError

__all__ = ["SupervisorClient"]


class SupervisorClient:
    """One person's verbs at the supervisor, which checks the role again.

    Parameters
    ----------
    timeout_s
        How long to wait for an answer.
    """

    def __init__(self, socket: Path, *, user: str, role: str, timeout_s: float = 5.0) -> None:
        self._path = socket
        self._user = user
        self._role = role
        self._timeout_ms = int(timeout_s * 1_000)

    def status(self) -> dict[str, Any]:
        """The supervisor's pid and every deployment as it sees it."""
        return self.ask("status")

    def start(self, deployment_id: str) -> dict[str, Any]:
        """Let a stopped or failed deployment run again."""
        return self.ask("start", deployment_id=deployment_id)

    def stop(self, deployment_id: str) -> dict[str, Any]:
        """Stop a deployment's live kernel gracefully; its position stays."""
        return self.ask("stop", deployment_id=deployment_id)

    def logs(self, deployment_id: str, *, lines: int = 100) -> list[str]:
        """The last lines of a deployment's log."""
        return list(self.ask("logs", deployment_id=deployment_id, lines=lines)["lines"])

    def shutdown(self, *, stop_kernels: bool) -> dict[str, Any]:
        """End the supervisor; live kernels trade on without it unless they are stopped with it."""
        return self.ask("shutdown", stop_kernels=stop_kernels)

    def ask(self, verb: str, **arguments: Any) -> dict[str, Any]:
        """The verb's answer.

        Raises
        ------
        SupervisorUnreachableError
            No supervisor answered.
        SupervisorError
            It was refused.
        """
        request = OperatorRequest(
            version=PROTOCOL_VERSION, verb=verb, user=self._user, role=self._role, arguments=arguments
        )
        context: zmq.Context[zmq.Socket[bytes]] = zmq.Context.instance()
        with context.socket(zmq.DEALER) as socket:
            socket.setsockopt(zmq.LINGER, 0)
            socket.connect(f"ipc://{self._path}")
            socket.send(msgspec.json.encode(request))
            if not socket.poll(self._timeout_ms):
                raise SupervisorUnreachableError(
                    f"no supervisor answers at {self._path}; "
                    "start it: workbench up, or python -m workbench.live"
                )
            reply = msgspec.json.decode(socket.recv(), type=OperatorReply)
        if reply.error:
            raise SupervisorError(reply.error)
        return reply.value
