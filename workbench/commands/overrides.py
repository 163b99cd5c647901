"""Overrides (R26): ask for one, approve another person's, take one back, and how they are shown."""

from collections.abc import Callable
from typing import Any

import click

from workbench.commands.answering import ROLE, answers, columns, json_option, show
from workbench.domain.calendar import to_datetime
from workbench.settings import Settings, load_settings

__all__ = ["asked_gateway", "deciding", "override", "override_lines", "reason_option", "step_lines"]

reason_option = click.option("--reason", required=True, help="In a few words; it is kept.")


def asked_gateway(settings: Settings) -> Any:
    """The gateway's client, in the name of who sits here."""
    from workbench.gateway.client import OperatorClient

    return OperatorClient(settings.operator_socket, user=settings.user, role=ROLE)


@click.group()
def override() -> None:
    """Let one order past a soft control (R26): asked for by one person, approved by another, for minutes.

    Off as shipped: the limit max_override_minutes is 0. Hard controls, kills, halts and frozen instruments
    can not be overridden.
    """


@override.command("ask")
@click.argument("deployment")
@click.argument("control")
@click.option("--instrument", required=True, help="As in EUR_USD.")
@click.option("--units", type=int, required=True, help="The most to buy; below zero, to sell.")
@click.option(
    "--minutes", type=int, default=5, show_default=True, help="How long it holds from now, up to 15."
)
@reason_option
@json_option
@answers
def override_ask(deployment: str, as_json: bool, **change: Any) -> None:
    """Ask that one order may pass a soft control."""
    _say("ask", as_json=as_json, deployment_id=deployment, **change)


def deciding(group: click.Group, action: str, what: str, *, key: str, say: Callable[..., None]) -> None:
    """Add the command that approves or withdraws what has a number.

    Parameters
    ----------
    key
        What the gateway calls the number.
    say
        Asks the gateway and prints the answer.
    """

    @group.command(action, help=what)
    @click.argument("number", type=int)
    @reason_option
    @json_option
    @answers
    def decide(number: int, reason: str, as_json: bool) -> None:
        say(action, as_json=as_json, reason=reason, **{key: number})


def _say(action: str, *, as_json: bool, **change: Any) -> None:
    settings = load_settings()
    answer = asked_gateway(settings).override(action, approvers=list(settings.approvers), **change)
    found = answer["override"]
    what = f"override {found['number']} of {found['control']} for {found['deployment_id']}"
    until = f"{to_datetime(found['expires_ns']):%H:%M:%S} UTC"
    said = {
        "waits": f"{what} waits for a second person until {until}: "
        f"workbench limits override approve {found['number']}",
        "approved": f"{what} lets one order of up to {found['units']:,} units past until {until}",
        "withdrawn": f"{what} is withdrawn",
    }.get(found["state"], f"{what}: {found['state']}")
    show(found, as_json=as_json, text=lambda: [said])


for _action, _what in (
    ("approve", "Approve an override that another person asked for."),
    ("withdraw", "Take an override back that was not used yet."),
):
    deciding(override, _action, _what, key="number", say=_say)


def override_lines(found: list[dict[str, Any]]) -> list[str]:
    """The overrides as they stand, under a heading; nothing where there are none."""
    rows = [
        (
            *_named(item, str(item["state"])),
            item["by"],
            item["approved_by"],
            f"{to_datetime(item['expires_ns']):%Y-%m-%d %H:%M:%S}",
        )
        for item in found
    ]
    return _under("overrides:", rows, (*_COLUMNS, "by", "approved by", "until"))


def step_lines(found: list[dict[str, Any]]) -> list[str]:
    """Each step of each override, under a heading; nothing where there are none."""
    rows = [
        (
            *_named(item, str(item["step"])),
            item["by"],
            f"{to_datetime(item['at_ns']):%Y-%m-%d %H:%M:%S}",
            item["reason"] or item["client_order_id"],
        )
        for item in found
    ]
    return _under("overrides:", rows, (*_COLUMNS, "by", "when (UTC)", "why or which order"))


_COLUMNS = ("number", "state", "control", "deployment", "instrument", "units")


def _named(item: dict[str, Any], state: str) -> tuple[str, ...]:
    return (
        str(item["number"]),
        state,
        item["control"],
        item["deployment_id"],
        item["instrument"],
        f"{item['units']:,}",
    )


def _under(heading: str, rows: list[tuple[str, ...]], headers: tuple[str, ...]) -> list[str]:
    return ["", heading, *columns(rows, headers)] if rows else []
