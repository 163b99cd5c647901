"""The check before every answer: signed in, allowed by Jupyter's authorizer, in a role that has the verb."""

from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Any, TypeVar, cast

from jupyter_server.auth.decorator import authorized
from jupyter_server.base.handlers import JupyterHandler
from tornado import web

from workbench.server.roles import RESOURCE, Person, person_of

__all__ = ["needs", "require"]

_Method = TypeVar("_Method", bound=Callable[..., Awaitable[None]])
_READING = frozenset({"status", "controls", "fills", "logs", "verify"})


def require(handler: JupyterHandler, verb: str) -> Person:
    """The caller, whose role has the verb.

    Raises
    ------
    tornado.web.HTTPError
        403 otherwise; it says which role was found.
    """
    person = person_of(handler, handler.current_user)
    if not person.may(verb):
        role = f"in the role {person.role}" if person.role else "without a role here"
        raise web.HTTPError(403, f"{person.user} is {role}, which may not {verb}; ask an administrator")
    return person


def needs(verb: str) -> Callable[[_Method], _Method]:
    """Let a handler's method run only for somebody whose role has the verb; it is told who calls."""

    def decorate(method: _Method) -> _Method:
        @wraps(method)
        async def checked(self: JupyterHandler, *arguments: Any, **named: Any) -> None:
            await method(self, require(self, verb), *arguments, **named)

        # the arguments are spelled out: without them @authorized keeps those of the first call for all
        action = "read" if verb in _READING else "execute"
        return cast(_Method, web.authenticated(authorized(action, RESOURCE)(checked)))

    return decorate
