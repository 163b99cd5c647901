"""What a watch is given: how a deployment is made ready, driven through its notebook, and given up."""

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from workbench.live.deployments import Deployment
from workbench.live.launch import Launch, Places

__all__ = ["Drive", "GatewayAbsentError", "Prepare", "Prepared", "Release"]


class GatewayAbsentError(Exception):
    """No gateway answers; nothing is wrong with the deployment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """What is needed to start a live kernel, checked and opened at the gateway."""

    launch: Launch
    notebook: Path
    parameters: Mapping[str, Any]


class Prepare(Protocol):
    """Checks the release and opens the deployment at the gateway."""

    def __call__(self, deployment: Deployment, *, places: Places, token: str) -> Prepared:
        """Raise `GatewayAbsentError` to be asked again, a `WorkbenchError` to refuse for good."""


class Release(Protocol):
    """Tells the gateway that a deployment is over."""

    def __call__(self, deployment_id: str) -> None:
        """Give the deployment's place at the gateway back."""


class Drive(Protocol):
    """Runs the released notebook's cells in the live kernel; the empty string when all went well."""

    def __call__(
        self, prepared: Prepared, *, places: Places, kernel_pid: int, stop: threading.Event
    ) -> str: ...
