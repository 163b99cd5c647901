"""Limits and overrides for the lab: what the gateway says of them, and what a person does with them."""

from collections.abc import Iterable
from typing import Any

from workbench.server.bodies import LimitsBody, OverrideBody
from workbench.server.errors import NotAllowedError
from workbench.server.ports import GatewayVerbs
from workbench.server.rendering import millis
from workbench.server.roles import Person

__all__ = ["change_limits", "change_override", "history_json", "limits_json"]


def limits_json(gateway: GatewayVerbs) -> dict[str, Any]:
    """The table as the extension gets it."""
    found = gateway.controls()
    return {
        "version": found["version"],
        "second_person": found["second_person"],
        "controls": found["controls"],
        "limits": [
            {name: item[name] for name in ("name", "control", "words", "unit", "default")}
            for item in found["limits"]
        ],
        "in_force": [_entry(item) for item in found["in_force"]],
        "waiting": [_entry(item) for item in found["waiting"]],
        "deployments": found["deployments"],
        "overridable": found["overridable"],
        "override_minutes": found["override_minutes"],
        "overrides": [_override(item) for item in found["overrides"]],
    }


def history_json(gateway: GatewayVerbs) -> dict[str, Any]:
    """Every version of every limit and every step of each override, the oldest first."""
    found = gateway.controls(history=True)
    return {
        "limits": [{**_entry(item), "action": item["action"]} for item in found["history"]],
        "overrides": [_step(item) for item in found["override_history"]],
    }


def change_limits(
    gateway: GatewayVerbs, person: Person, body: LimitsBody, *, approvers: Iterable[str]
) -> dict[str, Any]:
    """Set, propose, approve or withdraw, and what it came to in one sentence.

    Parameters
    ----------
    gateway
        Asked in the name of `body.person` where one login serves everybody, else of who is signed in.
    approvers
        Everybody this server knows who may change limits.

    Raises
    ------
    NotAllowedError
        It is asked for in somebody else's name.
    """
    _check_name(person, body)
    change = body.model_dump(exclude={"action", "person"}, exclude_none=True)
    entry = gateway.limits(body.action, approvers=sorted(approvers), **change)["entry"]
    what = f"{entry['name']} of {entry['scope']}"
    said = {
        "set": f"{what} is {entry['text']}.",
        "approved": f"{what} is {entry['text']}, approved by {entry['approved_by']}.",
        "withdrawn": f"The change of {what} is withdrawn.",
        "proposed": f"{what} to {entry['text']} waits for a second person.",
    }
    return {"said": said[entry["action"]]}


def change_override(
    gateway: GatewayVerbs, person: Person, body: OverrideBody, *, approvers: Iterable[str]
) -> dict[str, Any]:
    """Ask for, approve or withdraw an override; what it came to in one sentence. See `change_limits`."""
    _check_name(person, body)
    change = body.model_dump(exclude={"action", "person"}, exclude_none=True)
    found = gateway.override(body.action, approvers=sorted(approvers), **change)["override"]
    what = f"Override {found['number']} of {found['control']} for {found['deployment_id']}"
    said = {
        "waits": f"{what} waits for a second person.",
        "approved": f"{what} lets one order of up to {found['units']:,} units past.",
        "withdrawn": f"{what} is withdrawn.",
    }
    return {"said": said.get(found["state"], f"{what}: {found['state']}.")}


def _check_name(person: Person, body: LimitsBody | OverrideBody) -> None:
    if body.person and body.person != person.user and not person.sole_user:
        raise NotAllowedError(
            f"expected the change of {person.user}, who is signed in, found one of {body.person}"
        )


_NAMED = ("number", "deployment_id", "control", "instrument", "units", "minutes", "client_order_id")


def _override(item: dict[str, Any]) -> dict[str, Any]:
    names = (*_NAMED, "state", "by", "approved_by", "reason")
    times = {"at": millis(item["asked_ns"]), "until": millis(item["expires_ns"])}
    return {**{name: item[name] for name in names}, **times}


def _step(item: dict[str, Any]) -> dict[str, Any]:
    names = (*_NAMED, "step", "by", "reason")
    return {**{name: item[name] for name in names}, "at": millis(item["at_ns"])}


def _entry(item: dict[str, Any]) -> dict[str, Any]:
    names = ("version", "name", "control", "scope", "text", "readable", "by", "approved_by", "reason")
    return {**{name: item[name] for name in names}, "at": millis(item["created_ns"])}
