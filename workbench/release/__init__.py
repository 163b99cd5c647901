"""Promotion: gates, immutable signed bundles, a second person's approval."""

from workbench.release.approvals import (
    Approval,
    ApprovalState,
    approval_state,
    approvals_of,
    approve,
    is_approved,
    refuse,
)
from workbench.release.errors import (
    ApprovalRefusedError,
    CausalityError,
    GateRefusedError,
    LimitsMissingError,
    NoCandidateError,
    ReleaseNotFoundError,
    ReproductionError,
    SigningKeyError,
    TamperedReleaseError,
)
from workbench.release.evidence import GATES, Evidence, GateProgress
from workbench.release.promotion import promote
from workbench.release.releases import Release, find_release_id, list_releases, load_release

__all__ = [
    "GATES",
    "Approval",
    "ApprovalRefusedError",
    "ApprovalState",
    "CausalityError",
    "Evidence",
    "GateProgress",
    "GateRefusedError",
    "LimitsMissingError",
    "NoCandidateError",
    "Release",
    "ReleaseNotFoundError",
    "ReproductionError",
    "SigningKeyError",
    "TamperedReleaseError",
    "approval_state",
    "approvals_of",
    "approve",
    "find_release_id",
    "is_approved",
    "list_releases",
    "load_release",
    "promote",
    "refuse",
]
