"""The verbs a dashboard's viewer has, sent to the processes that carry them out and check them again."""

from workbench.domain.roles import allowed
from workbench.errors import WorkbenchError
from workbench.gateway.client import OperatorClient
from workbench.live.client import SupervisorClient
from workbench.live.stopping import stop_deployment

__all__ = ["GatewayVerbs"]


class GatewayVerbs:
    """Verbs through the sockets of gateway and supervisor."""

    def __init__(self, client: OperatorClient, supervisor: SupervisorClient, *, role: str) -> None:
        self._client = client
        self._supervisor = supervisor
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
        return stop_deployment(self._client, self._supervisor, deployment_id, flatten=flatten)
