"""What an error means to a caller over HTTP: this is the one place that says so."""

from typing import Any

from workbench.errors import BadInputError, WorkbenchError
from workbench.gateway.errors import GatewayUnreachableError
from workbench.gateway.errors import NotAllowedError as GatewayNotAllowedError
from workbench.gateway.errors import UnknownDeploymentError as GatewayUnknownDeploymentError
from workbench.live.errors import (
    RoleRefusedError,
    StopIncompleteError,
    SupervisorUnreachableError,
    UnknownDeploymentError,
)
from workbench.release.errors import ReleaseNotFoundError
from workbench.store.errors import NewerDatabaseError, StoreMissingError

__all__ = ["NotAllowedError", "NotFoundError", "PromotionRunningError", "reply_to"]


class NotAllowedError(WorkbenchError):
    """The caller may not do this."""


class NotFoundError(WorkbenchError):
    """There is no such thing."""


class PromotionRunningError(WorkbenchError):
    """This run or notebook is being promoted already."""


_CONFLICT = 409  # a rule of the workbench refuses it as things stand
_STATUS: tuple[tuple[type[WorkbenchError], int, str], ...] = (
    (NotFoundError, 404, ""),
    (ReleaseNotFoundError, 404, ""),
    (UnknownDeploymentError, 404, ""),
    (GatewayUnknownDeploymentError, 404, ""),
    (NotAllowedError, 403, ""),
    (GatewayNotAllowedError, 403, ""),
    (RoleRefusedError, 403, ""),
    (GatewayUnreachableError, 503, "gateway"),
    (StopIncompleteError, 503, "gateway"),
    (SupervisorUnreachableError, 503, "supervisor"),
    (StoreMissingError, 503, "store"),
    (NewerDatabaseError, 503, "store"),
    (BadInputError, 400, ""),
)


def reply_to(error: WorkbenchError) -> tuple[int, dict[str, Any]]:
    """The status and the body that tell a caller of an error."""
    for kind, status, missing in _STATUS:
        if isinstance(error, kind):
            return status, {"error": str(error), **({"missing": missing} if missing else {})}
    return _CONFLICT, {"error": str(error)}
