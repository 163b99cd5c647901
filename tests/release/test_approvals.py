"""A second person decides, by name, role and reason; what they signed is checked each time."""

import pytest
import sqlalchemy as sa

from workbench.release import (
    ApprovalRefusedError,
    ApprovalState,
    Release,
    TamperedReleaseError,
    approval_state,
    approvals_of,
    approve,
    is_approved,
    refuse,
)
from workbench.settings import Settings
from workbench.store import open_store
from workbench.store.schema import approvals

_DAVID = {"approver": "david", "role": "approver", "reason": "seen the drawdown, limits are small"}


def test_another_person_approves(home: Settings, release: Release) -> None:
    assert approval_state(release.id, settings=home) is ApprovalState.WAITING
    assert not is_approved(release.id, settings=home)
    approve(release.id, settings=home, **_DAVID)
    assert is_approved(release.id, settings=home)
    (found,) = approvals_of(release.id, settings=home)
    assert (found.approver, found.decision, found.reason, found.valid) == (
        "david",
        "approved",
        _DAVID["reason"],
        True,
    )


@pytest.mark.parametrize("name", ["sarah", "Sarah", " SARAH ", "s a r a h", "ｓａｒａｈ", "s.arah", "sárah"])
def test_the_author_does_not_approve_under_any_spelling(home: Settings, release: Release, name: str) -> None:
    with pytest.raises(ApprovalRefusedError, match="made by sarah"):
        approve(release.id, settings=home, **{**_DAVID, "approver": name})
    assert not is_approved(release.id, settings=home)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("sarah\N{ZERO WIDTH SPACE}", "not seen"),
        ("s\N{SOFT HYPHEN}arah", "not seen"),
        ("s\N{CYRILLIC SMALL LETTER A}rah", "mixes letters of Cyrillic and Latin"),
        ("\N{ZERO WIDTH SPACE}", "no letter"),
        ("...", "no letter"),
    ],
)
def test_a_name_that_looks_like_another_approves_nothing(
    home: Settings, release: Release, name: str, says: str
) -> None:
    with pytest.raises(ApprovalRefusedError, match=says):
        approve(release.id, settings=home, **{**_DAVID, "approver": name})
    assert not is_approved(release.id, settings=home)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"role": "researcher"}, "is researcher here"),
        ({"role": "operator"}, "is operator here"),
        ({"role": "viewer"}, "is viewer here"),
        ({"role": ""}, "without a role"),
        ({"role": "root"}, "is root here"),
        ({"reason": "  "}, "expected a reason"),
        ({"approver": " "}, "expected the name"),
    ],
)
def test_role_reason_and_name_are_needed(
    home: Settings, release: Release, change: dict[str, str], says: str
) -> None:
    for decide in (approve, refuse):
        with pytest.raises(ApprovalRefusedError, match=says):
            decide(release.id, settings=home, **{**_DAVID, **change})
    assert approvals_of(release.id, settings=home) == []


def test_a_refusal_is_final(home: Settings, release: Release) -> None:
    approve(release.id, settings=home, **_DAVID)
    refuse(release.id, settings=home, approver="maria", role="admin", reason="the spread has doubled")
    assert approval_state(release.id, settings=home) is ApprovalState.REFUSED
    with pytest.raises(ApprovalRefusedError, match="refused by maria already"):
        approve(release.id, settings=home, **{**_DAVID, "approver": "olga"})


def test_a_person_decides_once(home: Settings, release: Release) -> None:
    approve(release.id, settings=home, **_DAVID)
    for decide in (approve, refuse):
        with pytest.raises(ApprovalRefusedError, match="approved by david already"):
            decide(release.id, settings=home, **_DAVID)
    assert is_approved(release.id, settings=home)


def test_a_tampered_release_is_not_approved(home: Settings, release: Release) -> None:
    release.notebook.chmod(0o644)
    release.notebook.write_bytes(release.notebook.read_bytes().replace(b"fast = 4", b"fast = 5"))
    with pytest.raises(TamperedReleaseError, match=r"notebook\.ipynb was altered"):
        approve(release.id, settings=home, **_DAVID)
    assert approvals_of(release.id, settings=home) == []


@pytest.mark.parametrize(
    "change", [{"approver": "olga"}, {"reason": "other"}, {"created_ns": 1}, {"signature": "00" * 64}]
)
def test_an_approval_changed_in_the_database_does_not_count(
    home: Settings, release: Release, change: dict[str, object]
) -> None:
    approve(release.id, settings=home, **_DAVID)
    engine = open_store(home.store_url)
    with engine.begin() as connection:
        connection.execute(sa.update(approvals).values(**change))
    engine.dispose()
    assert not is_approved(release.id, settings=home)
    assert not approvals_of(release.id, settings=home)[0].valid


def test_an_approval_written_into_the_database_by_hand_does_not_count(
    home: Settings, release: Release
) -> None:
    engine = open_store(home.store_url)
    with engine.begin() as connection:
        connection.execute(
            approvals.insert().values(
                release_id=release.id,
                approver="david",
                decision="approved",
                reason="trust me",
                signature=release.signature,
                created_ns=1,
            )
        )
    engine.dispose()
    assert not is_approved(release.id, settings=home)
