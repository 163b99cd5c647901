"""People's verbs on overrides (R26): ask for one, approve another person's, withdraw one."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from workbench.domain.people import same_person, unreadable_name
from workbench.errors import BadInputError
from workbench.gateway.controls.overriding import (
    MOST_MINUTES,
    OVERRIDE_LIMIT,
    SOFT,
    Override,
    override_steps,
)
from workbench.gateway.controls.sense import MOST_UNITS
from workbench.gateway.messages import OperatorRequest

if TYPE_CHECKING:
    from workbench.gateway.desk import Desk
    from workbench.gateway.trading import Trading

__all__ = ["change_override", "override_history", "shown_overrides"]

_MOST_REASON = 1_000
_NAMED = ("number", "deployment_id", "control", "instrument", "units", "minutes", "client_order_id")
_STEPS = {"waits": "asked"}


class _Change(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    action: Literal["ask", "approve", "withdraw"]
    deployment_id: str = ""
    instrument: str = ""
    control: str = ""
    units: int = 0
    minutes: int = MOST_MINUTES
    number: int = 0
    reason: str = ""
    approvers: list[str] = []  # others with the role, as far as the caller knows


def shown_overrides(desk: "Desk") -> list[dict[str, Any]]:
    """Every override, the oldest first, with when it ends and whether that is over."""
    now_ns = desk.ledger.now_ns()
    return [_shown(item, now_ns) for item in desk.controls.overrides.all]


def override_history(desk: "Desk") -> list[dict[str, Any]]:
    """Every step of every override, the oldest first: who did what, when and why."""
    return [
        {
            **{name: getattr(step.override, name) for name in _NAMED},
            "step": _STEPS.get(step.override.state, step.override.state),
            "by": step.by,
            "reason": step.reason,
            "at_ns": step.at_ns,
        }
        for step in override_steps(desk.engine)
    ]


def change_override(desk: "Desk", request: OperatorRequest) -> dict[str, Any]:
    """Ask for, approve or withdraw an override; what it came to.

    Raises
    ------
    BadInputError
        The control is hard, overrides are off, nobody else is known, it is one's own, it is over.
    UnknownDeploymentError
        No such deployment is open.
    LedgerWriteError
        The store did not take it; nothing changed.
    """
    try:
        change = msgspec.convert(dict(request.arguments), _Change)
    except msgspec.ValidationError as error:
        raise BadInputError(f"these arguments can not be used: {error}") from None
    user, reason = request.user.strip(), change.reason.strip()
    if problem := unreadable_name(user):
        raise BadInputError(f"expected a name that people can read, found {request.user!r}: {problem}")
    if not reason or len(reason) > _MOST_REASON:
        raise BadInputError("expected a reason in a few words, found none; it is kept with the override")
    desk.controls.meet(desk.ledger, [name for name in change.approvers if not unreadable_name(name)])
    match change.action:
        case "ask":
            kind, body = "override.asked", _asked(desk, change, user=user, reason=reason)
        case "approve":
            found = _waiting(desk, change.number)
            _check_second(desk, found, user=user)
            kind = "override.approved"
            body = {"number": found.number, "approved_by": user, "reason": reason}
        case "withdraw":
            found = desk.controls.overrides.find(change.number)
            if found.state not in ("waits", "approved"):
                raise BadInputError(f"expected an override that holds, found {found.number}: {found.state}")
            kind, body = "override.withdrawn", {"number": found.number, "by": user, "reason": reason}
    with desk.ledger.change("override") as written:
        written.record(kind, **body)
    entry = desk.controls.overrides.take(kind, body)
    desk.log.warning("override", action=change.action, user=user, **asdict(entry))
    return {"override": _shown(entry, desk.ledger.now_ns())}


def _asked(desk: "Desk", change: _Change, *, user: str, reason: str) -> dict[str, Any]:
    trading = desk.find(change.deployment_id)
    if change.control not in SOFT:
        raise BadInputError(
            f"R26 override: expected a control that may be overridden ({', '.join(SOFT)}), "
            f"found {change.control!r}; every other one is hard"
        )
    if change.instrument not in trading.spec.instruments:
        raise BadInputError(
            f"R26 override: expected an instrument of {change.deployment_id} "
            f"({', '.join(trading.spec.instruments)}), found {change.instrument!r}"
        )
    if not 0 < abs(change.units) <= MOST_UNITS:
        raise BadInputError(
            f"R26 override: expected the most units to buy, below zero to sell, up to {MOST_UNITS}, "
            f"found {change.units}"
        )
    _check_minutes(trading, change.minutes)
    if not desk.controls.needs_second_person(user):
        raise BadInputError(
            "R26 override: expected a second person who may approve it, found nobody but "
            f"{user}; name others in the setting approvers"
        )
    return desk.controls.overrides.asked(
        Override(
            number=desk.controls.overrides.next_number(),
            deployment_id=change.deployment_id,
            instrument=change.instrument,
            control=change.control,
            units=change.units,
            minutes=change.minutes,
            asked_ns=desk.ledger.now_ns(),
            by=user,
            reason=reason,
        )
    )


def _check_minutes(trading: "Trading", minutes: int) -> None:
    limit = 0 if trading.desk_view is None else trading.desk_view.number(OVERRIDE_LIMIT)
    most = MOST_MINUTES if limit is None else min(limit, MOST_MINUTES)
    if most == 0:
        raise BadInputError(
            f"R26 override: limit {OVERRIDE_LIMIT} 0, observed {minutes}; overrides are off, and raising the "
            "limit lets people ask for them"
        )
    if not 1 <= minutes <= most:
        raise BadInputError(f"R26 override: expected 1 to {most} minutes, found {minutes}")


def _waiting(desk: "Desk", number: int) -> Override:
    found = desk.controls.overrides.find(number)
    if found.state != "waits":
        raise BadInputError(f"expected an override that waits for approval, found {number}: {found.state}")
    return found


def _check_second(desk: "Desk", found: Override, *, user: str) -> None:
    if same_person(found.by, user):
        raise BadInputError(
            f"override {found.number} was asked for by {found.by}; another person has to approve it"
        )
    if not found.open_at(desk.ledger.now_ns()):
        raise BadInputError(f"override {found.number} has expired; ask for another")
    _check_minutes(desk.find(found.deployment_id), found.minutes)


def _shown(item: Override, now_ns: int) -> dict[str, Any]:
    live = item.state in ("waits", "approved")
    state = "expired" if live and not item.open_at(now_ns) else item.state
    return {**asdict(item), "state": state, "expires_ns": item.expires_ns}
