"""Roles for jupyter-scheduler's routes, which ask nobody: a job is code that runs as the server's user."""

from typing import Any

from jupyter_server.serverapp import ServerApp
from tornado.routing import PathMatches, Rule
from tornado.web import RequestHandler

from workbench.server.access import require

__all__ = ["guard_scheduler"]

_READING = frozenset({"GET", "HEAD", "OPTIONS"})


class _Guarded:
    """Put before a handler of somebody else: the role is checked once the person is known."""

    async def prepare(self: Any) -> None:
        await super().prepare()  # type: ignore[misc]
        if self._finished:
            return
        require(self, "status" if self.request.method in _READING else "schedule")


def guard_scheduler(serverapp: ServerApp | None) -> None:
    """Check the role on every route under `/scheduler` that is there by now; safe to call again."""
    if serverapp is None:
        return
    prefix = f"{serverapp.base_url.rstrip('/')}/scheduler"
    for rule in _rules(serverapp.web_app.default_router.rules):
        if isinstance(rule.matcher, PathMatches) and rule.matcher.regex.pattern.startswith(prefix):
            target = rule.target
            if issubclass(target, RequestHandler) and not issubclass(target, _Guarded):
                rule.target = type(f"Guarded{target.__name__}", (_Guarded, target), {})


def _rules(rules: list[Rule]) -> list[Rule]:
    """All rules, those of a host's own router with them."""
    found: list[Rule] = []
    for rule in rules:
        inner = getattr(rule.target, "rules", None)
        found.extend(_rules(inner) if isinstance(inner, list) else [rule])
    return found
