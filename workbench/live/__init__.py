"""Live kernels, their supervisor, the strategy's loop and the divergence account."""

from workbench.live.client import SupervisorClient
from workbench.live.deployments import (
    Account,
    Deployment,
    add_account,
    deploy,
    deployment,
    list_accounts,
    list_deployments,
)
from workbench.live.releases import released_notebooks

__all__ = [
    "Account",
    "Deployment",
    "SupervisorClient",
    "add_account",
    "deploy",
    "deployment",
    "list_accounts",
    "list_deployments",
    "released_notebooks",
]
