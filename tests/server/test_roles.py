"""Who is what: names to roles, and the person alone on his machine."""

from pathlib import Path
from typing import Any

import pytest
from jupyter_server.auth.identity import PasswordIdentityProvider, User
from traitlets import TraitError
from traitlets.config import Config

from tests.server.conftest import TOKENS
from tests.server.seeding import Seeded
from tests.server.serving import API, NamedTokens, serving
from workbench.server import WorkbenchRoles


def person(roles: WorkbenchRoles, *, name: str = "somebody", **options: Any) -> Any:
    provider = options.pop("provider", PasswordIdentityProvider(token="secret"))
    return roles.person(
        User(username=name), provider=provider, address=options.pop("address", "127.0.0.1"), owner="sarah"
    )


def test_the_one_person_of_a_loopback_server_is_its_administrator() -> None:
    found = person(WorkbenchRoles())
    assert (found.user, found.role, found.sole_user) == ("sarah", "admin", True)


@pytest.mark.parametrize(
    "options",
    [
        {"address": "0.0.0.0"},
        {"address": ""},
        {"provider": NamedTokens()},
        {"provider": PasswordIdentityProvider(token="")},
    ],
)
def test_where_it_is_not_sure_who_that_is_he_has_no_role(options: dict[str, Any]) -> None:
    found = person(WorkbenchRoles(), **options)
    assert (found.role, found.sole_user) == ("", False)
    assert found.verbs == []


def test_as_soon_as_one_person_is_named_nobody_else_is_administrator() -> None:
    roles = WorkbenchRoles(config=Config({"WorkbenchRoles": {"users": {"david": "approver"}}}))
    assert person(roles, name="david").role == "approver"
    assert person(roles).role == ""


def test_a_default_role_is_for_those_who_are_not_named() -> None:
    roles = WorkbenchRoles(users={"david": "approver"}, default_role="viewer")
    assert person(roles).role == "viewer"
    assert person(roles).may("status")
    assert not person(roles).may("stop")


@pytest.mark.parametrize(
    "values", [{"users": {"eve": "root"}}, {"users": {"eve": ""}}, {"default_role": "god"}]
)
def test_a_role_that_does_not_exist_is_refused(values: dict[str, Any]) -> None:
    with pytest.raises(TraitError, match="expected one of the roles"):
        WorkbenchRoles(**values)


@pytest.mark.usefixtures("joined")
def test_the_scheduler_routes_ask_for_the_role_as_well(seeded: Seeded, tmp_path: Path) -> None:
    config = {
        "ServerApp": {
            "jpserver_extensions": {"workbench.server": True, "jupyter_scheduler": True},
            "identity_provider_class": NamedTokens,
            "allow_unauthenticated_access": False,
        },
        "SchedulerApp": {"db_url": f"sqlite:///{tmp_path / 'scheduler.sqlite'}"},
        "NamedTokens": {"people": {TOKENS[role]: role for role in TOKENS}},
        "WorkbenchRoles": {"users": {role: role for role in TOKENS}},
    }
    with serving(tmp_path, config) as server:
        for role, refused in [("viewer", True), ("operator", True), ("researcher", False)]:
            response = server.ask("/scheduler/jobs", token=TOKENS[role], body={"name": "no input file"})
            assert (response.status_code == 403) is refused, (role, response.text)
        assert server.ask("/scheduler/jobs", token=TOKENS["viewer"]).status_code == 200
        assert server.ask(f"{API}/me", token=TOKENS["viewer"]).json()["role"] == "viewer"
