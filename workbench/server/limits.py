"""The table of limits for the lab: what the gateway says of it, and what a person does with it."""

from collections.abc import Iterable
from typing import Any

from workbench.server.bodies import LimitsBody
from workbench.server.errors import NotAllowedError
from workbench.server.ports import GatewayVerbs
from workbench.server.rendering import millis
from workbench.server.roles import Person

__all__ = ["change_limits", "limits_json"]


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
    if body.person and body.person != person.user and not person.sole_user:
        raise NotAllowedError(
            f"expected the change of {person.user}, who is signed in, found one of {body.person}"
        )
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


def _entry(item: dict[str, Any]) -> dict[str, Any]:
    names = ("version", "name", "control", "scope", "text", "readable", "by", "approved_by", "reason")
    return {**{name: item[name] for name in names}, "at": millis(item["created_ns"])}
