"""Jupyter server extension: the REST routes under ``/workbench/api/v1``, the live stream, and the roles."""

from workbench.server.extension import WorkbenchServer, _jupyter_server_extension_points
from workbench.server.roles import Person, WorkbenchRoles

__all__ = ["Person", "WorkbenchRoles", "WorkbenchServer", "_jupyter_server_extension_points"]
