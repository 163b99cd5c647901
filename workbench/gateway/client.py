"""Asking the gateway: a live kernel's side, and a person's.

Both block, with a limit. A question that stays unanswered is asked again on a new connection; that is
safe, because the gateway repeats its first answer to an intent's client id, to the event after a number
and to every verb that is already done.
"""

import os
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec
import zmq

from workbench.domain.orders import Order
from workbench.domain.roles import allowed
from workbench.gateway.errors import (
    GatewayUnreachableError,
    NotAllowedError,
    RefusedError,
    UnknownDeploymentError,
)
from workbench.gateway.kill_requests import KillRequest, KillRequests, is_kill_scope
from workbench.gateway.messages import (
    PROTOCOL_VERSION,
    Attach,
    Attached,
    EventReply,
    Heartbeat,
    IntentResult,
    KernelReply,
    KernelRequest,
    NextEvent,
    Ok,
    OperatorReply,
    OperatorRequest,
    Refused,
    SubmitIntent,
    Waiting,
)
from workbench.gateway.sockets import somebody_listens

__all__ = ["GatewayClient", "OperatorClient"]

_ERRORS: Mapping[str, type[RefusedError | NotAllowedError | UnknownDeploymentError]] = {
    "NotAllowedError": NotAllowedError,
    "UnknownDeploymentError": UnknownDeploymentError,
}


class _Line:
    """A connection that is made anew for each try, so that a late answer never meets a later question."""

    def __init__(self, socket: Path) -> None:
        self._path = socket
        self._line: zmq.Socket[bytes] | None = None

    def ask(self, question: bytes, *, timeout_s: float, patience_s: float) -> bytes:
        """The answer to `question`, asked again every `timeout_s` for `patience_s` in all."""
        deadline = time.monotonic() + patience_s
        while True:
            line = self._connected()
            line.send(question)
            left_s = min(timeout_s, max(0.0, deadline - time.monotonic()))
            if line.poll(int(left_s * 1_000)):
                return line.recv()
            self.close()
            if time.monotonic() >= deadline:
                raise GatewayUnreachableError(
                    f"expected an answer at {self._path} within {patience_s:g} s, found none; "
                    "start the gateway: workbench up, or python -m workbench.gateway"
                )

    def close(self) -> None:
        if self._line is not None:
            self._line.close(linger=0)
            self._line = None

    def _connected(self) -> "zmq.Socket[bytes]":
        if self._line is None:
            self._line = zmq.Context.instance().socket(zmq.DEALER)
            self._line.setsockopt(zmq.LINGER, 0)
            self._line.setsockopt(zmq.RECONNECT_IVL, 20)
            self._line.setsockopt(zmq.RECONNECT_IVL_MAX, 200)
            self._line.connect(f"ipc://{self._path}")
        return self._line


class GatewayClient:
    """A live kernel's side; for one thread.

    Parameters
    ----------
    timeout_s
        After this long a question is asked again.
    patience_s
        After this long `GatewayUnreachableError`.
    """

    def __init__(self, socket: Path, *, timeout_s: float = 5.0, patience_s: float = 30.0) -> None:
        self._line = _Line(socket)
        self._timeout_s = timeout_s
        self._patience_s = patience_s
        self._deployment_id = ""
        self._token = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def ask(self, request: KernelRequest) -> KernelReply:
        """The gateway's answer, `Refused` among them."""
        answer = self._line.ask(
            msgspec.json.encode(request), timeout_s=self._timeout_s, patience_s=self._patience_s
        )
        return msgspec.json.decode(answer, type=KernelReply)  # type: ignore[no-any-return]

    def attach(self, deployment_id: str, *, token: str, pid: int | None = None) -> Attached:
        """Say who asks; the later calls are for this deployment.

        Raises
        ------
        RefusedError
            Another protocol version, an unknown deployment, a wrong token, or not to be traded now.
        """
        request = Attach(
            version=PROTOCOL_VERSION, deployment_id=deployment_id, token=token, pid=pid or os.getpid()
        )
        reply = self.ask(request)
        if not isinstance(reply, Attached):
            raise _refusal(reply)
        self._deployment_id, self._token = deployment_id, token
        return reply

    def next_event(self, *, after: int, decision: Mapping[str, Any] | None = None) -> EventReply | Waiting:
        """Say what was decided on event `after`, and take the next one that asks for a decision."""
        reply = self.ask(
            NextEvent(
                deployment_id=self._deployment_id,
                token=self._token,
                after=after,
                decision=dict(decision or {}),
            )
        )
        if not isinstance(reply, EventReply | Waiting):
            raise _refusal(reply)
        return reply

    def submit(self, order: Order, *, event_seq: int) -> IntentResult:
        """Place an order decided on event `event_seq`."""
        reply = self.ask(
            SubmitIntent(
                deployment_id=self._deployment_id, token=self._token, event_seq=event_seq, order=order
            )
        )
        if not isinstance(reply, IntentResult):
            raise _refusal(reply)
        return reply

    def heartbeat(self) -> None:
        """Say that the kernel lives."""
        reply = self.ask(Heartbeat(deployment_id=self._deployment_id, token=self._token))
        if not isinstance(reply, Ok):
            raise _refusal(reply)

    def close(self) -> None:
        """Give the connection back."""
        self._line.close()


class OperatorClient:
    """A person's side: the closed list of verbs; the gateway checks the role again.

    Parameters
    ----------
    kills_dir
        Where kills are remembered whatever the gateway does (`KillRequests`); without it a kill needs a
        gateway that answers.
    """

    def __init__(
        self, socket: Path, *, user: str, role: str, timeout_s: float = 5.0, kills_dir: Path | None = None
    ) -> None:
        self._path = socket
        self._kills_dir = kills_dir
        self._user = user
        self._role = role
        self._timeout_s = timeout_s

    def ask(self, verb: str, **arguments: Any) -> dict[str, Any]:
        """The verb's answer.

        Raises
        ------
        GatewayUnreachableError
            No gateway answers.
        NotAllowedError
            The role does not have the verb.
        UnknownDeploymentError
            No such deployment.
        RefusedError
            Not done, and why.
        """
        request = OperatorRequest(
            version=PROTOCOL_VERSION, verb=verb, user=self._user, role=self._role, arguments=arguments
        )
        if not somebody_listens(self._path):
            raise GatewayUnreachableError(
                f"no gateway listens at {self._path}; "
                "start the gateway: workbench up, or python -m workbench.gateway"
            )
        line = _Line(self._path)  # a connection a verb: callers may be many threads
        try:
            answer = line.ask(
                msgspec.json.encode(request), timeout_s=self._timeout_s, patience_s=self._timeout_s
            )
        finally:
            line.close()
        reply = msgspec.json.decode(answer, type=OperatorReply)
        if reply.error:
            raise _ERRORS.get(str(reply.value.get("error")), RefusedError)(reply.error)
        return reply.value

    def status(self) -> dict[str, Any]:
        """The gateway, its kill switch and its deployments."""
        return self.ask("status")

    def open(self, **spec: Any) -> dict[str, Any]:
        """Open a deployment, or give an open one a new session secret; see `DeploymentSpec`."""
        return self.ask("open", **spec)

    def stop(self, deployment_id: str, *, flatten: bool = False) -> dict[str, Any]:
        """No new orders, waiting ones cancelled; with `flatten` the position is closed at the next quote."""
        return self.ask("stop", deployment_id=deployment_id, flatten=flatten)

    def close(self, deployment_id: str, *, flatten: bool = False) -> dict[str, Any]:
        """As `stop`, and the deployment is over until it is opened again."""
        return self.ask("close", deployment_id=deployment_id, flatten=flatten)

    def resume(self, deployment_id: str) -> dict[str, Any]:
        """Let a stopped or frozen deployment trade again; its books are computed again first."""
        return self.ask("resume", deployment_id=deployment_id)

    def kill(self, scope: str = "all", *, reason: str = "") -> dict[str, Any]:
        """Block every new order of ``all``, ``account:ID`` or ``deployment:ID`` and cancel waiting ones.

        Where the gateway does not answer the kill is remembered, if that is possible: no order is sent from
        now on, and a gateway that starts later starts killed. The answer's ``remembered`` says so; orders
        that waited at a broker may then still be live.
        """
        name = self._remember(scope, reason)
        try:
            return self.ask("kill", scope=scope, reason=reason, request=name)
        except GatewayUnreachableError as error:
            if not name:
                raise
            return {
                "kills": [scope],
                "deployments": [],
                "canceled": [],
                "waiting": [],
                "not_written": [],
                "remembered": str(error),
            }

    def unkill(self, scope: str = "all", *, reason: str = "") -> dict[str, Any]:
        """Take the kill of this scope back."""
        return self.ask("unkill", scope=scope, reason=reason)

    def controls(self, *, history: bool = False) -> dict[str, Any]:
        """The controls, the limits in force by scope, and the changes that wait for a second person."""
        return self.ask("controls", history=history)

    def limits(self, action: str, **change: Any) -> dict[str, Any]:
        """Change the table of limits: set, propose, approve or withdraw; see `change_limits`."""
        return self.ask("limits", action=action, **change)

    def override(self, action: str, **change: Any) -> dict[str, Any]:
        """Ask for, approve or withdraw an override of one order (R26); see `change_override`."""
        return self.ask("override", action=action, **change)

    def verify(self) -> dict[str, Any]:
        """Check the store and the whole journal."""
        return self.ask("verify")

    def fills(self, deployment_id: str, *, after: int = 0, limit: int = 1_000) -> list[dict[str, Any]]:
        """The executions with an event number above `after`, in order."""
        return list(self.ask("fills", deployment_id=deployment_id, after=after, limit=limit)["fills"])

    def orders(self, deployment_id: str, *, after: int = 0, limit: int = 1_000) -> list[dict[str, Any]]:
        """The intents decided on events above `after`, denied ones with them, and what became of them."""
        return list(self.ask("orders", deployment_id=deployment_id, after=after, limit=limit)["orders"])

    def decisions(self, deployment_id: str, *, after: int = 0, limit: int = 1_000) -> list[dict[str, Any]]:
        """What the strategy decided on each event above `after`."""
        return list(self.ask("decisions", deployment_id=deployment_id, after=after, limit=limit)["decisions"])

    def equity(self, deployment_id: str, *, points: int = 2_000) -> dict[str, list[int]]:
        """Columns ``time_ns``, ``equity`` (micro-units) and ``units``, thinned to about `points` rows."""
        return self.ask("equity", deployment_id=deployment_id, points=points)

    def _remember(self, scope: str, reason: str) -> str:
        """Put a kill in force before anybody is asked; its name, empty where that can not be."""
        if self._kills_dir is None or not allowed(self._role, "kill") or not is_kill_scope(scope):
            return ""
        request = KillRequest(
            scope=scope, by=self._user, role=self._role, reason=reason, created_ns=time.time_ns()
        )
        try:
            return KillRequests(self._kills_dir).add(request)
        except OSError:
            return ""  # a full disk: the gateway is asked all the same

    def shutdown(self) -> dict[str, Any]:
        """End the gateway."""
        return self.ask("shutdown")


def _refusal(reply: KernelReply) -> RefusedError:
    return RefusedError(reply.reason if isinstance(reply, Refused) else f"unexpected answer {reply!r}")
