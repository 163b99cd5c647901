"""People's verbs on the table of limits: look, lower at once, raise with a second person, withdraw."""

import contextlib
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import msgspec

from workbench.domain.control_table import Entry, parse_scope
from workbench.domain.control_text import limit_from_text, limit_text
from workbench.domain.controls import CONTROLS, LIMITS, parse_value
from workbench.domain.people import unreadable_name
from workbench.errors import BadInputError
from workbench.gateway.controls.checks import release_layer
from workbench.gateway.controls.override_verbs import override_history, shown_overrides
from workbench.gateway.controls.overriding import SOFT, most_minutes
from workbench.gateway.messages import OperatorRequest

if TYPE_CHECKING:
    from workbench.gateway.desk import Desk
    from workbench.gateway.trading import Trading

__all__ = ["change_limits", "show_limits"]

_Kind = TypeVar("_Kind")
_MOST_HISTORY = 1_000
_MOST_REASON = 1_000


class _Show(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    history: bool = False


class _Change(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    action: Literal["set", "propose", "approve", "withdraw"]
    name: str = ""
    scope: str = "firm"
    text: str = ""  # the value as a person types it
    version: int = 0
    reason: str = ""
    approvers: list[str] = []  # others with the role, as far as the caller knows


def show_limits(desk: "Desk", request: OperatorRequest) -> dict[str, Any]:
    """The controls, their limits, what is in force in each scope, what waits, each deployment's own."""
    arguments = _parsed(_Show, request)
    book = desk.controls
    table = book.table
    value: dict[str, Any] = {
        "version": table.version,
        "controls": [asdict(item) for item in CONTROLS.values()],
        "limits": [
            {
                "name": kind.name,
                "control": kind.control,
                "words": kind.words,
                "unit": kind.unit,
                "sense": kind.sense.value,
                "default": limit_text(kind.name, kind.default),
            }
            for kind in LIMITS.values()
        ],
        "in_force": [_shown(desk, item) for item in table.in_force()],
        "waiting": [_shown(desk, item) for item in table.waiting],
        "second_person": book.needs_second_person(request.user),
        "overrides": shown_overrides(desk),
        "overridable": list(SOFT),
        "override_minutes": most_minutes(book.table),
        "deployments": [
            _deployment(trading)
            for _, trading in sorted(desk.deployments.items())
            if trading.archived is None
        ],
    }
    if arguments.history:
        value["history"] = [_shown(desk, item) for item in table.entries[-_MOST_HISTORY:]]
        value["override_history"] = override_history(desk)[-_MOST_HISTORY:]
    return value


def change_limits(desk: "Desk", request: OperatorRequest) -> dict[str, Any]:
    """Change the table; what it came to.

    Lowering holds at once. Raising holds at once where nobody else is known who could look at it; else it
    waits for another person's approval.

    Raises
    ------
    BadInputError
        The limit, its value, its scope or the person is not as it has to be.
    LedgerWriteError
        The store did not take it; nothing changed.
    """
    change = _parsed(_Change, request)
    user, reason = request.user.strip(), change.reason.strip()
    if problem := unreadable_name(user):
        raise BadInputError(f"expected a name that people can read, found {request.user!r}: {problem}")
    if not reason or len(reason) > _MOST_REASON:
        raise BadInputError("expected a reason in a few words, found none; it is kept with the limit")
    desk.controls.meet(desk.ledger, [name for name in change.approvers if not unreadable_name(name)])
    match change.action:
        case "approve":
            entry = _approve(desk, change.version, user=user, reason=reason)
        case "withdraw":
            entry = _withdraw(desk, change.version, user=user, reason=reason)
        case _:
            entry = _set(desk, change, user=user, reason=reason)
    desk.log.warning("limits", **{**asdict(entry), "value": entry.value})
    return {"entry": _shown(desk, entry), "version": desk.controls.table.version}


def _set(desk: "Desk", change: _Change, *, user: str, reason: str) -> Entry:
    book = desk.controls
    scope, value = parse_scope(change.scope), limit_from_text(change.name, change.text)
    waits = change.action == "propose" or (
        book.table.raises(scope, change.name, value) and book.needs_second_person(user)
    )
    return book.add(
        desk.ledger,
        name=change.name,
        scope=scope,
        value=list(value) if isinstance(value, tuple) else value,
        action="proposed" if waits else "set",
        by=user,
        reason=reason,
    )


def _approve(desk: "Desk", version: int, *, user: str, reason: str) -> Entry:
    found = desk.controls.table.check_approval(version, by=user)
    return desk.controls.add(
        desk.ledger,
        name=found.name,
        scope=found.scope,
        value=found.value,
        action="approved",
        proposal=version,
        by=found.by,
        approved_by=user,
        reason=f"{found.reason}; approved: {reason}",
    )


def _withdraw(desk: "Desk", version: int, *, user: str, reason: str) -> Entry:
    found = desk.controls.table.waiting_entry(version)
    return desk.controls.add(
        desk.ledger,
        name=found.name,
        scope=found.scope,
        value=found.value,
        action="withdrawn",
        proposal=version,
        by=user,
        reason=reason,
    )


def _shown(desk: "Desk", entry: Entry) -> dict[str, Any]:
    text = ""
    if entry.version not in desk.controls.table.damaged:
        with contextlib.suppress(BadInputError):
            text = limit_text(entry.name, parse_value(entry.name, entry.value))
    control = LIMITS[entry.name].control if entry.name in LIMITS else ""
    return {**asdict(entry), "control": control, "text": text, "readable": bool(text)}


def _deployment(trading: "Trading") -> dict[str, Any]:
    spec = trading.spec
    release = release_layer(trading.limits).values
    return {
        "deployment_id": spec.deployment_id,
        "account_id": spec.account.id,
        "instruments": list(spec.instruments),
        "halted": trading.halted,
        "release": {name: limit_text(name, item) for name, item in release.items()},
    }


def _parsed(kind: type[_Kind], request: OperatorRequest) -> _Kind:
    try:
        return msgspec.convert(dict(request.arguments), kind)
    except msgspec.ValidationError as error:
        raise BadInputError(f"these arguments can not be used: {error}") from None
