"""The only process that can send an order: risk, journal, brokers, kill switch."""

from workbench.gateway.client import GatewayClient, OperatorClient
from workbench.gateway.errors import (
    DamagedStoreError,
    GatewayRunningError,
    GatewayUnreachableError,
    NotAllowedError,
    RefusedError,
    UnknownDeploymentError,
)
from workbench.gateway.journal import JournalReport, verify_journal
from workbench.gateway.specs import AccountSpec, DeploymentSpec, ReplayFeedSpec

__all__ = [
    "AccountSpec",
    "DamagedStoreError",
    "DeploymentSpec",
    "GatewayClient",
    "GatewayRunningError",
    "GatewayUnreachableError",
    "JournalReport",
    "NotAllowedError",
    "OperatorClient",
    "RefusedError",
    "ReplayFeedSpec",
    "UnknownDeploymentError",
    "verify_journal",
]
