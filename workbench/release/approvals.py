"""A second person's word on a release: signed, kept, and checked again each time it counts."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from workbench.domain.people import same_person, unreadable_name
from workbench.domain.roles import allowed
from workbench.release.bundle import canonical
from workbench.release.errors import ApprovalRefusedError
from workbench.release.keys import SigningKey, signing_key
from workbench.release.releases import Release, load_release, the_store
from workbench.settings import Settings
from workbench.store.schema import approvals, releases

__all__ = ["Approval", "ApprovalState", "approval_state", "approvals_of", "approve", "is_approved", "refuse"]


class ApprovalState(StrEnum):
    """Where a release stands."""

    WAITING = "waiting"
    APPROVED = "approved"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """One person's decision on a release."""

    release_id: str
    approver: str
    decision: str  # approved | refused
    reason: str
    created_ns: int
    valid: bool  # its signature is this workbench's


def approve(release_id: str, *, settings: Settings, approver: str, reason: str, role: str) -> Approval:
    """Approve a release that somebody else made; its bytes are checked first.

    Raises
    ------
    ApprovalRefusedError
        The approver is its author, has not the role, gave no reason, or somebody has decided already.
    TamperedReleaseError
        The release is not what was signed.
    """
    return _decide(release_id, settings, approver, reason, role, decision="approved")


def refuse(release_id: str, *, settings: Settings, approver: str, reason: str, role: str) -> Approval:
    """Refuse a release for good, approved or not; see `approve`."""
    return _decide(release_id, settings, approver, reason, role, decision="refused")


def approvals_of(release_id: str, *, settings: Settings) -> list[Approval]:
    """The decisions on a release, oldest first."""
    query = sa.select(approvals).where(approvals.c.release_id == release_id).order_by(approvals.c.id)
    key = signing_key(settings.keys_dir, "approval")
    with the_store(settings) as engine, engine.connect() as connection:
        return [_approval(dict(row), key) for row in connection.execute(query).mappings()]


def approval_state(release_id: str, *, settings: Settings) -> ApprovalState:
    """Where a release stands: one valid refusal refuses it, one valid approval by another than its author
    approves it. A decision whose signature does not hold counts as a refusal.
    """
    with the_store(settings) as engine, engine.connect() as connection:
        author = connection.scalar(sa.select(releases.c.author).where(releases.c.id == release_id))
    found = approvals_of(release_id, settings=settings)
    if any(item.decision == "refused" or not item.valid for item in found):
        return ApprovalState.REFUSED
    if author is not None and any(not same_person(item.approver, author) for item in found):
        return ApprovalState.APPROVED
    return ApprovalState.WAITING


def is_approved(release_id: str, *, settings: Settings) -> bool:
    """Whether a release may be deployed as far as people are concerned."""
    return approval_state(release_id, settings=settings) is ApprovalState.APPROVED


def _decide(
    release_id: str, settings: Settings, approver: str, reason: str, role: str, *, decision: str
) -> Approval:
    release = load_release(release_id, settings=settings)
    _check_person(release, approver=approver, reason=reason, role=role)
    statement = {
        "release_id": release.id,
        "approver": approver.strip(),
        "decision": decision,
        "reason": reason.strip(),
        "created_ns": time.time_ns(),
    }
    key = signing_key(settings.keys_dir, "approval")
    row = {**statement, "signature": key.sign(canonical(statement))}
    with the_store(settings) as engine, engine.begin() as connection:
        query = sa.select(approvals).where(approvals.c.release_id == release.id)
        earlier = [dict(item) for item in connection.execute(query).mappings()]
        for item in sorted(earlier, key=lambda item: item["decision"] != "refused"):
            mine = same_person(item["approver"], approver)
            if item["decision"] == "refused" or item["decision"] == decision or mine:
                raise ApprovalRefusedError(
                    f"release {release.id[:12]} was {item['decision']} by {item['approver']} already"
                    f" ({item['reason']}); promote the run again to have it looked at anew"
                )
        connection.execute(approvals.insert().values(**row))
    return _approval(row, key)


def _check_person(release: Release, *, approver: str, reason: str, role: str) -> None:
    if not allowed(role, "approve"):
        raise ApprovalRefusedError(
            f"{approver or 'nobody'} is {role or 'without a role'} here; an approver or administrator decides"
        )
    if not approver.strip():
        raise ApprovalRefusedError("expected the name of the person who decides, found none")
    if problem := unreadable_name(approver.strip()):
        raise ApprovalRefusedError(f"expected a name that people can read, found {approver!r}: {problem}")
    if same_person(approver, release.author):
        raise ApprovalRefusedError(
            f"release {release.id[:12]} was made by {release.author}; another person has to decide on it"
        )
    if not reason.strip():
        raise ApprovalRefusedError(
            "expected a reason in a few words, found none; it is kept with the release"
        )


def _approval(row: Mapping[str, Any], key: SigningKey) -> Approval:
    statement = {name: row[name] for name in ("release_id", "approver", "decision", "reason", "created_ns")}
    return Approval(**statement, valid=key.verifies(canonical(statement), str(row["signature"])))
