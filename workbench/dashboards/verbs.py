"""The verbs a dashboard's viewer has, sent to the processes that carry them out and check them again."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from workbench.domain.roles import allowed
from workbench.errors import WorkbenchError
from workbench.gateway.client import OperatorClient

__all__ = ["GatewayAnswer", "GatewayVerbs", "TradingState"]

_STATUS_WITHIN_S = 1.5
_STOP_WITHIN_S = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class TradingState:
    """What the gateway says of one deployment."""

    state: str  # running | finished | stopped | closed | frozen
    detail: str = ""
    limit_use: tuple[Mapping[str, Any], ...] = ()  # the limits that hold for it and what is used of each


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayAnswer:
    """Whether the gateway answers, and what it says of each deployment it knows."""

    wrong: str = ""  # empty when it answers
    deployments: Mapping[str, TradingState] = field(default_factory=dict)


class GatewayVerbs:
    """Verbs through the sockets of gateway and supervisor."""

    def __init__(self, gateway: Path, supervisor: Path, *, user: str, role: str) -> None:
        self._operator: Callable[[float], OperatorClient] = lambda seconds: OperatorClient(
            gateway, user=user, role=role, timeout_s=seconds
        )
        self._supervisor = supervisor
        self._user = user
        self._role = role

    @property
    def role(self) -> str:
        """The viewer's role."""
        return self._role

    def may_stop(self) -> bool:
        """Whether this viewer's role has the verb."""
        return allowed(self._role, "stop")

    def gateway(self) -> GatewayAnswer:
        """What the gateway says, or that it says nothing."""
        try:
            status = self._operator(_STATUS_WITHIN_S).status()
        except WorkbenchError as error:
            return GatewayAnswer(wrong=str(error))
        return GatewayAnswer(
            deployments={
                item["deployment_id"]: TradingState(
                    state=item["state"], detail=item["detail"], limit_use=tuple(item.get("limit_use", ()))
                )
                for item in status["deployments"]
            }
        )

    def prepare_stop(self) -> None:
        """Load what `stop` needs: it takes seconds and 200 MB, which those who only look are spared."""
        import workbench.live.stopping  # noqa: F401

    def stop(self, deployment_id: str, *, flatten: bool) -> str:
        """Stop a deployment; with `flatten` its position is closed at the next price.

        Raises
        ------
        WorkbenchError
            The gateway did not stop it.
        """
        from workbench.live.client import SupervisorClient
        from workbench.live.stopping import stop_deployment

        supervisor = SupervisorClient(self._supervisor, user=self._user, role=self._role)
        return stop_deployment(self._operator(_STOP_WITHIN_S), supervisor, deployment_id, flatten=flatten)
