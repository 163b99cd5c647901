"""What the server asks of the other processes; one adapter each, joined in `extension.py`."""

from collections.abc import Mapping
from typing import Any, Protocol

from workbench.server.bodies import DeployBody
from workbench.server.roles import Person

__all__ = ["GatewayVerbs", "Releases", "RunList", "SupervisorVerbs"]


class GatewayVerbs(Protocol):
    """The gateway in the name of one person."""

    def status(self) -> dict[str, Any]:
        """Whatever it says of itself; raises when it does not answer."""

    def stop(self, deployment_id: str, *, flatten: bool = False) -> dict[str, Any]:
        """No more orders of this deployment; with `flatten` its position is closed."""

    def resume(self, deployment_id: str) -> dict[str, Any]:
        """Let a stopped deployment trade again."""

    def kill(self, scope: str, *, reason: str) -> dict[str, Any]:
        """Throw the kill switch."""

    def unkill(self, scope: str, *, reason: str) -> dict[str, Any]:
        """Release the kill switch."""

    def controls(self, *, history: bool = False) -> dict[str, Any]:
        """The controls, the limits in force and the changes that wait; with `history` what was before."""

    def limits(self, action: str, **change: Any) -> dict[str, Any]:
        """Change the table of limits."""

    def override(self, action: str, **change: Any) -> dict[str, Any]:
        """Ask for, approve or withdraw an override of one order (R26)."""


class SupervisorVerbs(Protocol):
    """The supervisor in the name of one person."""

    def status(self) -> dict[str, Any]:
        """Whatever it says of itself; raises when it does not answer."""

    def stop(self, deployment_id: str) -> dict[str, Any]:
        """End a deployment's live kernel."""

    def start(self, deployment_id: str) -> dict[str, Any]:
        """Start a deployment's live kernel."""


class Releases(Protocol):
    """The releases as bundles on disk, and what is decided about them."""

    def check(self, release_id: str) -> Mapping[str, Any]:
        """Limits, parameters and files of a release whose every byte was checked just now."""

    def approval(self, release_id: str) -> str:
        """waiting, approved or refused."""

    def decide(self, release_id: str, *, approver: str, role: str, approved: bool, reason: str) -> None:
        """Write an approval or a refusal down."""

    def deploy(self, body: DeployBody, *, by: Person) -> str:
        """Put an approved release on an account; the deployment's id."""


class RunList(Protocol):
    """The runs MLflow knows."""

    def latest(self, most: int) -> list[dict[str, Any]]:
        """The newest runs first."""
