"""Stop a deployment the way a person means it: no more orders, position closed if asked, kernel ended.

And start it again.
"""

import time
from typing import Any, Protocol

from workbench.errors import WorkbenchError
from workbench.gateway.errors import NotAllowedError, UnknownDeploymentError
from workbench.live.errors import StopIncompleteError

__all__ = ["start_deployment", "stop_deployment"]

_CLOSING_WAIT_S = 3.0


class _Gateway(Protocol):
    def status(self) -> dict[str, Any]: ...

    def stop(self, deployment_id: str, *, flatten: bool = ...) -> dict[str, Any]: ...

    def resume(self, deployment_id: str) -> dict[str, Any]: ...


class _Supervisor(Protocol):
    def stop(self, deployment_id: str) -> dict[str, Any]: ...

    def start(self, deployment_id: str) -> dict[str, Any]: ...


def stop_deployment(gateway: _Gateway, supervisor: _Supervisor, deployment_id: str, *, flatten: bool) -> str:
    """What was done, in one sentence.

    The gateway comes first: from its answer on no order of the deployment is taken, whatever becomes of the
    kernel. A position that is to be closed is closed at the next price, which a replay reaches only while its
    kernel goes on asking, so the kernel is ended when the position is flat or a few seconds have passed.
    The kernel is ended too when the gateway does not answer or does not know the deployment yet.

    Raises
    ------
    StopIncompleteError
        The gateway did not stop it.
    WorkbenchError
        Nobody knows it, or this role may not.
    """
    try:
        found = gateway.stop(deployment_id, flatten=flatten)
    except NotAllowedError:
        raise  # of the supervisor too
    except UnknownDeploymentError:
        supervisor.stop(deployment_id)
        return f"{deployment_id} is stopped before it was opened at the gateway; it holds no position."
    except WorkbenchError as error:
        try:
            supervisor.stop(deployment_id)
        except WorkbenchError as also:
            raise StopIncompleteError(
                f"{deployment_id}: {error}; its kernel was not ended either: {also}"
            ) from error
        raise StopIncompleteError(
            f"its kernel is ended, but {deployment_id} is not stopped at the gateway: {error}"
        ) from error
    flat = not found.get("position")
    if flatten and not flat:
        deadline = time.monotonic() + _CLOSING_WAIT_S
        while not flat and time.monotonic() < deadline:
            time.sleep(0.05)
            flat = any(
                item["deployment_id"] == deployment_id and not item["position"]
                for item in gateway.status()["deployments"]
            )
    if flat:
        position = "it holds no position"
    elif flatten:
        position = "its position is closed at the next price, which has not come yet"
    else:
        position = "its position is kept"
    try:
        supervisor.stop(deployment_id)
    except WorkbenchError as error:
        return f"{deployment_id} sends no more orders and {position}, but its kernel runs on: {error}"
    return f"{deployment_id} is stopped; {position}."


def start_deployment(gateway: _Gateway, supervisor: _Supervisor, deployment_id: str) -> dict[str, Any]:
    """Let a stopped deployment trade on where it was; the supervisor's answer.

    One whose kernel has ended is closed at the gateway: the supervisor opens it when it starts the kernel.

    Raises
    ------
    WorkbenchError
        It can not be started again, and why; then the gateway takes no order of it.
    """
    states = {item["deployment_id"]: item["state"] for item in gateway.status()["deployments"]}
    waits = states.get(deployment_id) in ("stopped", "frozen")
    if waits:
        gateway.resume(deployment_id)
    try:
        return supervisor.start(deployment_id)
    except WorkbenchError:
        if waits:
            gateway.stop(deployment_id)
        raise
