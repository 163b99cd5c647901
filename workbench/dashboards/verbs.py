"""The verbs a dashboard's viewer has, sent to the process that carries them out and checks them again."""

from workbench.domain.roles import allowed
from workbench.errors import WorkbenchError
from workbench.gateway.client import OperatorClient

__all__ = ["GatewayVerbs"]


class GatewayVerbs:
    """Verbs through the gateway's operator socket."""

    def __init__(self, client: OperatorClient, *, role: str) -> None:
        self._client = client
        self._role = role

    def may_stop(self) -> bool:
        """Whether this viewer's role has the verb."""
        return allowed(self._role, "stop")

    def gateway(self) -> str:
        """Empty when the gateway answers, else what is wrong."""
        try:
            self._client.status()
        except WorkbenchError as error:
            return str(error)
        return ""

    def stop(self, deployment_id: str, *, flatten: bool) -> str:
        """Stop a deployment; with `flatten` its position is closed at the next price."""
        self._client.stop(deployment_id, flatten=flatten)
        return (
            "Stopped; the position is closed at the next price."
            if flatten
            else "Stopped; the position is kept."
        )
