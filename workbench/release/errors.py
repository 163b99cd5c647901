"""What can be wrong with a release, and why a promotion or an approval is refused."""

from typing import TYPE_CHECKING

from workbench.errors import WorkbenchError

if TYPE_CHECKING:
    from workbench.release.evidence import Evidence

__all__ = [
    "ApprovalRefusedError",
    "CausalityError",
    "GateRefusedError",
    "LimitsMissingError",
    "NoCandidateError",
    "ReleaseNotFoundError",
    "ReproductionError",
    "SigningKeyError",
    "TamperedReleaseError",
]


class ReleaseNotFoundError(WorkbenchError):
    """There is no release of this id."""


class SigningKeyError(WorkbenchError):
    """The signing key can not be trusted or read."""


class TamperedReleaseError(WorkbenchError):
    """A release is not what was signed.

    Attributes
    ----------
    file
        Name of the file in the bundle that is altered, missing or extra.
    """

    def __init__(self, message: str, *, file: str) -> None:
        super().__init__(message)
        self.file = file


class GateRefusedError(WorkbenchError):
    """A gate refused the promotion.

    Attributes
    ----------
    gate
        Name of the gate.
    evidence
        What the gates found up to and with the one that refused.
    """

    def __init__(self, message: str, *, gate: str, evidence: "tuple[Evidence, ...]" = ()) -> None:
        super().__init__(message)
        self.gate = gate
        self.evidence = evidence


class NoCandidateError(GateRefusedError):
    """The run did not register a strategy with `deploy`."""


class ReproductionError(GateRefusedError):
    """Run again from pinned data in a clean kernel, the notebook showed something else."""


class CausalityError(GateRefusedError):
    """A decision changed when the bars after it were taken away."""


class LimitsMissingError(GateRefusedError):
    """A limit is missing or zero."""


class ApprovalRefusedError(WorkbenchError):
    """This person may not decide on this release, or it was decided already."""
