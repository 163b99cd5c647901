"""Stop a deployment the way a person means it: no more orders, position closed if asked, kernel ended."""

import time
from typing import Any, Protocol

from workbench.errors import WorkbenchError

__all__ = ["stop_deployment"]

_CLOSING_WAIT_S = 3.0


class _Gateway(Protocol):
    def status(self) -> dict[str, Any]: ...

    def stop(self, deployment_id: str, *, flatten: bool = ...) -> dict[str, Any]: ...


class _Supervisor(Protocol):
    def stop(self, deployment_id: str) -> dict[str, Any]: ...


def stop_deployment(gateway: _Gateway, supervisor: _Supervisor, deployment_id: str, *, flatten: bool) -> str:
    """What was done, in one sentence.

    The gateway comes first: from its answer on no order of the deployment is taken, whatever becomes of the
    kernel. A position that is to be closed is closed at the next price, which a replay reaches only while its
    kernel goes on asking, so the kernel is ended when the position is flat or a few seconds have passed.

    Raises
    ------
    WorkbenchError
        The gateway did not stop it.
    """
    found = gateway.stop(deployment_id, flatten=flatten)
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
