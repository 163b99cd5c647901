"""What can go wrong between a strategy, a person and the gateway."""

from workbench.errors import BadInputError, WorkbenchError

__all__ = [
    "BooksMismatchError",
    "DamagedStoreError",
    "GatewayRunningError",
    "GatewayUnreachableError",
    "LeaseLostError",
    "LedgerWriteError",
    "NotAllowedError",
    "RefusedError",
    "UnknownDeploymentError",
    "WrongTokenError",
]


class GatewayRunningError(WorkbenchError):
    """Another gateway serves this home or this store."""


class GatewayUnreachableError(WorkbenchError):
    """No gateway answers."""


class RefusedError(WorkbenchError):
    """The gateway refused a request; the message is its reason."""


class DamagedStoreError(WorkbenchError):
    """The gateway's store or journal is not what it wrote."""


class LedgerWriteError(WorkbenchError):
    """A change could not be made durable, so nothing that depends on it may happen."""


class LeaseLostError(LedgerWriteError):
    """Another gateway writes to this store now; this one writes and sends nothing more."""


class BooksMismatchError(WorkbenchError):
    """Books computed again from the events differ from the stored ones."""


class UnknownDeploymentError(BadInputError):
    """No deployment of that name is open."""


class WrongTokenError(WorkbenchError):
    """A request without the deployment's session secret."""


class NotAllowedError(WorkbenchError):
    """A role asked for a verb it does not have."""
