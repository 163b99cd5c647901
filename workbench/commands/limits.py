"""The table of limits: show it, lower and raise them, approve what another person asked for."""

from typing import Any

import click

from workbench.commands.answering import answers, columns, json_option, show
from workbench.commands.overrides import (
    asked_gateway,
    deciding,
    override,
    override_lines,
    reason_option,
    step_lines,
)
from workbench.domain.calendar import to_datetime
from workbench.settings import load_settings

__all__ = ["limits"]

_HEADERS = ("control", "limit", "scope", "value", "by", "approved by", "when (UTC)")


@click.group()
def limits() -> None:
    """The limits of the controls R01 to R26, by scope: firm, account, deployment, instrument.

    Lowering one holds at once. Raising one waits for a second person where more than one is known (setting
    `approvers`). A limit that is missing passes nothing.
    """


@limits.command("show")
@click.option("--scope", help="Only this scope, as in firm or account:paper-1.")
@json_option
@answers
def limits_show(scope: str | None, as_json: bool) -> None:
    """Show what is in force, what waits for a second person, and which deployments are halted."""
    found = asked_gateway(load_settings()).controls()
    if scope:
        for name in ("in_force", "waiting"):
            found[name] = [item for item in found[name] if item["scope"] == scope]
    show(found, as_json=as_json, text=lambda: _table(found))


@limits.command("history")
@click.argument("name", required=False)
@json_option
@answers
def limits_history(name: str | None, as_json: bool) -> None:
    """Show every version of every limit and every step of each override, the oldest first.

    With the NAME of a limit its versions alone.
    """
    found = asked_gateway(load_settings()).controls(history=True)
    rows = [item for item in found["history"] if name in (None, item["name"])]
    steps = [] if name else found["override_history"]
    show({"limits": rows, "overrides": steps}, as_json=as_json, text=lambda: _history(rows, steps))


def _changing(action: str, what: str) -> None:
    """Add the command that sets or proposes a limit."""

    @limits.command(action, help=what)
    @click.argument("name")
    @click.argument("value")
    @click.option(
        "--scope", default="firm", show_default=True, help="account:ID, deployment:ID, instrument:EUR_USD."
    )
    @reason_option
    @json_option
    @answers
    def change(name: str, value: str, scope: str, reason: str, as_json: bool) -> None:
        _say(action, as_json=as_json, name=name, text=value, scope=scope, reason=reason)


_changing("set", "Set a limit: 2 %, 2500.00, 100000, EUR_USD,GBP_USD, 'no limit' or none for an empty list.")
_changing("propose", "Propose a limit; it holds when another person has approved it.")
limits.add_command(override)


@limits.command("resume")
@click.argument("deployment")
@json_option
@answers
def limits_resume(deployment: str, as_json: bool) -> None:
    """Let a deployment that a control has halted trade on."""
    found = asked_gateway(load_settings()).resume(deployment)
    show(found, as_json=as_json, text=lambda: [f"{deployment} trades on: {found['state']}"])


def _say(action: str, *, as_json: bool, **change: Any) -> None:
    settings = load_settings()
    found = asked_gateway(settings).limits(action, approvers=list(settings.approvers), **change)
    entry = found["entry"]
    what = f"{entry['name']} of {entry['scope']}"
    said = {
        "set": f"{what} is {entry['text']}",
        "approved": (
            f"{what} is {entry['text']}, asked for by {entry['by']}, approved by {entry['approved_by']}"
        ),
        "withdrawn": f"{what}: change {entry['proposal']} is withdrawn",
        "proposed": (
            f"{what} to {entry['text']} waits for a second person: "
            f"workbench limits approve {entry['version']}"
        ),
    }[entry["action"]]
    show(found, as_json=as_json, text=lambda: [said])


for _action, _what in (
    ("approve", "Approve a change that another person asked for."),
    ("withdraw", "Take back a change that waits."),
):
    deciding(limits, _action, _what, key="version", say=_say)


def _cells(item: dict[str, Any]) -> tuple[str, ...]:
    return (
        item["control"],
        item["name"],
        item["scope"],
        item["text"] or "NOT READABLE: passes nothing",
        item["by"],
        item["approved_by"],
        f"{to_datetime(item['created_ns']):%Y-%m-%d %H:%M}",
    )


def _table(found: dict[str, Any]) -> list[str]:
    lines = [
        f"version {found['version']}",
        "",
        *columns([_cells(item) for item in found["in_force"]], _HEADERS),
    ]
    if found["waiting"]:
        rows = [(str(item["version"]), *_cells(item), item["reason"]) for item in found["waiting"]]
        lines += ["", "waiting for a second person:", *columns(rows, ("number", *_HEADERS, "why"))]
    lines += override_lines(found["overrides"])
    halted = [item for item in found["deployments"] if item["halted"]]
    lines += [f"HALTED {item['deployment_id']}: {item['halted']}" for item in halted]
    return lines


def _history(rows: list[dict[str, Any]], steps: list[dict[str, Any]]) -> list[str]:
    cells = [(str(item["version"]), item["action"], *_cells(item), item["reason"]) for item in rows]
    return [*columns(cells, ("version", "what", *_HEADERS, "why")), *step_lines(steps)]
