"""What can go wrong around a live kernel."""

from workbench.errors import WorkbenchError

__all__ = [
    "AccountInUseError",
    "DecisionDiffersError",
    "DeploymentRefusedError",
    "GatewayRefusedError",
    "NotArmableError",
    "RoleRefusedError",
    "StopIncompleteError",
    "SupervisorError",
    "SupervisorRunningError",
    "SupervisorUnreachableError",
    "UnknownDeploymentError",
]


class DeploymentRefusedError(WorkbenchError):
    """This release may not be deployed or started as asked."""


class AccountInUseError(DeploymentRefusedError):
    """The account's lease is taken: another deployment trades on it."""


class UnknownDeploymentError(WorkbenchError):
    """No deployment of that id."""


class NotArmableError(WorkbenchError):
    """What the notebook handed to `deploy` is not what was released."""


class DecisionDiffersError(WorkbenchError):
    """A decision made again is not the one that was recorded: the strategy is not deterministic."""


class GatewayRefusedError(WorkbenchError):
    """The gateway refused this live kernel."""


class RoleRefusedError(WorkbenchError):
    """The person's role does not have the verb."""


class StopIncompleteError(WorkbenchError):
    """A deployment could be stopped in part only."""


class SupervisorError(WorkbenchError):
    """The supervisor did not do what was asked, or did not answer."""


class SupervisorUnreachableError(SupervisorError):
    """No supervisor answers."""


class SupervisorRunningError(SupervisorError):
    """Another supervisor looks after this home."""
