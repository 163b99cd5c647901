"""Who a signed-in person is to the workbench: the role comes from the server's configuration alone.

On a server of one's own (loopback, Jupyter's token or password, nobody named) whoever holds the token can
run any code as the server's user, so that person is the administrator of his own machine. As soon as one
user is named, or the people are known by another identity provider, everybody has the role written down
for his name, and `default_role` otherwise.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from jupyter_server.auth.authorizer import Authorizer
from jupyter_server.auth.identity import (
    IdentityProvider,
    LegacyIdentityProvider,
    PasswordIdentityProvider,
    User,
)
from traitlets import Dict, TraitError, Unicode, validate
from traitlets.config import LoggingConfigurable

from workbench.domain.roles import VERBS, Role, allowed

if TYPE_CHECKING:
    from jupyter_server.base.handlers import JupyterHandler

__all__ = ["RESOURCE", "Person", "WorkbenchAuthorizer", "WorkbenchRoles", "person_of"]

RESOURCE = "workbench"  # what Jupyter's authorizer is asked about, beside the role
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_ONE_SECRET = (IdentityProvider, PasswordIdentityProvider, LegacyIdentityProvider)  # nobody has a name there
_ROLES = tuple(role.value for role in Role)


@dataclass(frozen=True, slots=True)
class Person:
    """Who calls, in which role; an empty role may do nothing."""

    user: str
    role: str
    sole_user: bool = False  # one login serves everybody who sits at this machine

    def may(self, verb: str) -> bool:
        """Whether this person's role has the verb."""
        return allowed(self.role, verb)

    @property
    def verbs(self) -> list[str]:
        """Every verb the role has."""
        return sorted(verb for verb in VERBS if self.may(verb))


class WorkbenchRoles(LoggingConfigurable):
    """The roles of this server's users: `c.WorkbenchRoles.users = {"sarah": "researcher"}`."""

    users = Dict(
        key_trait=Unicode(),
        value_trait=Unicode(),
        config=True,
        help=f"Role by user name; roles: {', '.join(_ROLES)}.",
    )
    default_role = Unicode(
        "", config=True, help="Role of a signed-in user who is not named; empty: may do nothing."
    )

    def people_who_may(self, verb: str) -> list[str]:
        """Everybody named here whose role has the verb."""
        return sorted(name for name, role in self.users.items() if allowed(role, verb))

    @validate("users", "default_role")
    def _known_roles(self, proposal: Any) -> Any:
        value = proposal["value"]
        for role in value.values() if isinstance(value, dict) else [value]:
            if role not in _ROLES and not (role == "" and value == ""):
                raise TraitError(f"expected one of the roles {', '.join(_ROLES)}, found {role!r}")
        return value

    def person(self, user: User, *, provider: IdentityProvider, address: str, owner: str) -> Person:
        """The person a signed-in user is.

        Parameters
        ----------
        address
            What the server listens on.
        owner
            The name that a person alone on his machine goes by.
        """
        if not self.users and not self.default_role:
            if type(provider) in _ONE_SECRET and provider.auth_enabled and address in _LOOPBACK:
                return Person(owner, Role.ADMIN.value, sole_user=True)
            return Person(user.username, "")
        return Person(user.username, self.users.get(user.username, self.default_role))


class WorkbenchAuthorizer(Authorizer):
    """What the roles mean to Jupyter itself: whoever may run a kernel can run any code as this server's user.

    So only a role that may backtest gets a kernel, a console or a pen; every role may read.
    """

    def is_authorized(self, handler: "JupyterHandler", user: User, action: str, resource: str) -> bool:
        """Whether this person's role covers `action` on one of Jupyter's resources."""
        person = person_of(handler, user)
        if resource == RESOURCE or action == "read":
            return bool(person.role)  # the workbench's own routes ask for the verb as well
        return person.may("backtest")


def person_of(handler: "JupyterHandler", user: User) -> Person:
    """Who calls."""
    roles: WorkbenchRoles = handler.settings["workbench_roles"]
    server = handler.serverapp
    return roles.person(
        user,
        provider=handler.identity_provider,
        address=server.ip if server is not None else "",
        owner=handler.settings["workbench_owner"],
    )
