"""The table of limits: show it, lower and raise them, approve what another person asked for."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import click

from workbench.commands.answering import ROLE, answers, columns, json_option, show
from workbench.domain.calendar import to_datetime
from workbench.domain.control_table import FIRM
from workbench.settings import Settings, load_settings

__all__ = ["lifted", "limits"]

_KEPT = ("max_kernel_silence_s", "max_alert_delay_ms", "max_slippage_points", "max_override_minutes")
"""They deny nothing."""


def _gateway(settings: Settings) -> Any:
    from workbench.gateway.client import OperatorClient

    return OperatorClient(settings.operator_socket, user=settings.user, role=ROLE)


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
    found = _gateway(load_settings()).controls()
    if scope:
        for name in ("in_force", "waiting"):
            found[name] = [item for item in found[name] if item["scope"] == scope]
    show(found, as_json=as_json, text=lambda: _table(found))


@limits.command("history")
@click.argument("name", required=False)
@json_option
@answers
def limits_history(name: str | None, as_json: bool) -> None:
    """Show every version of every limit, or of one, the oldest first."""
    found = _gateway(load_settings()).controls(history=True)["history"]
    rows = [item for item in found if name in (None, item["name"])]
    show(
        rows,
        as_json=as_json,
        text=lambda: columns(
            [(str(item["version"]), item["action"], *_cells(item), item["reason"]) for item in rows],
            ("version", "what", "control", "limit", "scope", "value", "by", "approved by", "when", "why"),
        ),
    )


def _change(command: Callable[..., None]) -> Callable[..., None]:
    for option in (
        click.option("--reason", required=True, help="In a few words; it is kept with the limit."),
        click.option(
            "--scope",
            default="firm",
            show_default=True,
            help="account:ID, deployment:ID, instrument:EUR_USD.",
        ),
        click.argument("value"),
        click.argument("name"),
    ):
        command = option(command)
    return command


@limits.command("set")
@_change
@json_option
@answers
def limits_set(name: str, value: str, scope: str, reason: str, as_json: bool) -> None:
    """Set a limit: 2 %, 2500.00, 100000, EUR_USD,GBP_USD, 'no limit' or none for an empty list."""
    _say("set", as_json=as_json, name=name, text=value, scope=scope, reason=reason)


@limits.command("propose")
@_change
@json_option
@answers
def limits_propose(name: str, value: str, scope: str, reason: str, as_json: bool) -> None:
    """Propose a limit; it holds when another person has approved it."""
    _say("propose", as_json=as_json, name=name, text=value, scope=scope, reason=reason)


@limits.command("approve")
@click.argument("number", type=int)
@click.option("--reason", required=True, help="In a few words; it is kept with the limit.")
@json_option
@answers
def limits_approve(number: int, reason: str, as_json: bool) -> None:
    """Approve a change that another person asked for."""
    _say("approve", as_json=as_json, version=number, reason=reason)


@limits.command("withdraw")
@click.argument("number", type=int)
@click.option("--reason", required=True, help="In a few words; it is kept with the limit.")
@json_option
@answers
def limits_withdraw(number: int, reason: str, as_json: bool) -> None:
    """Take back a change that waits."""
    _say("withdraw", as_json=as_json, version=number, reason=reason)


@limits.command("resume")
@click.argument("deployment")
@json_option
@answers
def limits_resume(deployment: str, as_json: bool) -> None:
    """Let a deployment that a control has halted trade on."""
    found = _gateway(load_settings()).resume(deployment)
    show(found, as_json=as_json, text=lambda: [f"{deployment} trades on: {found['state']}"])


@limits.group("override")
def limits_override() -> None:
    """Let one order past a soft control (R26): asked for by one person, approved by another, for minutes.

    Off as shipped: the limit max_override_minutes is 0. Hard controls, kills, halts and frozen instruments
    can not be overridden.
    """


@limits_override.command("ask")
@click.argument("deployment")
@click.argument("control")
@click.option("--instrument", required=True, help="As in EUR_USD.")
@click.option("--units", type=int, required=True, help="The most to buy; below zero, to sell.")
@click.option(
    "--minutes", type=int, default=5, show_default=True, help="How long it holds from now, up to 15."
)
@click.option("--reason", required=True, help="In a few words; it is kept.")
@json_option
@answers
def override_ask(
    deployment: str, control: str, instrument: str, units: int, minutes: int, reason: str, as_json: bool
) -> None:
    """Ask that one order may pass a soft control."""
    _override(
        "ask",
        as_json=as_json,
        deployment_id=deployment,
        control=control,
        instrument=instrument,
        units=units,
        minutes=minutes,
        reason=reason,
    )


@limits_override.command("approve")
@click.argument("number", type=int)
@click.option("--reason", required=True, help="In a few words; it is kept.")
@json_option
@answers
def override_approve(number: int, reason: str, as_json: bool) -> None:
    """Approve an override that another person asked for."""
    _override("approve", as_json=as_json, number=number, reason=reason)


@limits_override.command("withdraw")
@click.argument("number", type=int)
@click.option("--reason", required=True, help="In a few words; it is kept.")
@json_option
@answers
def override_withdraw(number: int, reason: str, as_json: bool) -> None:
    """Take an override back that was not used yet."""
    _override("withdraw", as_json=as_json, number=number, reason=reason)


def _override(action: str, *, as_json: bool, **change: Any) -> None:
    settings = load_settings()
    found = _gateway(settings).override(action, approvers=list(settings.approvers), **change)["override"]
    what = f"override {found['number']} of {found['control']} for {found['deployment_id']}"
    until = f"{to_datetime(found['expires_ns']):%H:%M:%S} UTC"
    said = {
        "waits": f"{what} waits for a second person until {until}: "
        f"workbench limits override approve {found['number']}",
        "approved": f"{what} lets one order of up to {found['units']:,} units past until {until}",
        "withdrawn": f"{what} is withdrawn",
    }.get(found["state"], f"{what}: {found['state']}")
    show(found, as_json=as_json, text=lambda: [said])


@contextmanager
def lifted(gateway: Any, *, by: str, tell: Callable[[str], None]) -> Iterator[None]:
    """Leave orders to the limits of their releases, and put the firm's shipped limits back afterwards.

    Only in a home where nobody has set a limit of the firm and nobody else could look at a raise; elsewhere
    everything stays as it is.
    """
    found = gateway.controls()
    firm = [item for item in found["in_force"] if item["scope"] == FIRM]
    if found["second_person"] or {item["by"] for item in firm} - {"workbench", by}:
        tell("the firm's limits are somebody's own and stay; what they deny is missing from the comparison")
        yield
        return
    changed = [item for item in firm if isinstance(item["value"], int) and item["name"] not in _KEPT]
    tell(f"{len(changed)} limits of the firm are lifted for the comparison, and put back after it")
    try:
        for item in changed:
            gateway.limits("set", name=item["name"], scope=FIRM, text="no limit", reason="a comparison")
        yield
    finally:
        for item in changed:
            gateway.limits("set", name=item["name"], scope=FIRM, text=item["text"], reason="as shipped")


def _say(action: str, *, as_json: bool, **change: Any) -> None:
    settings = load_settings()
    found = _gateway(settings).limits(action, approvers=list(settings.approvers), **change)
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
    headers = ("control", "limit", "scope", "value", "by", "approved by", "when (UTC)")
    lines = [
        f"version {found['version']}",
        "",
        *columns([_cells(item) for item in found["in_force"]], headers),
    ]
    if found["waiting"]:
        rows = [(str(item["version"]), *_cells(item), item["reason"]) for item in found["waiting"]]
        lines += ["", "waiting for a second person:", *columns(rows, ("number", *headers, "why"))]
    lines += _overrides(found["overrides"])
    halted = [item for item in found["deployments"] if item["halted"]]
    lines += [f"HALTED {item['deployment_id']}: {item['halted']}" for item in halted]
    return lines


def _overrides(found: list[dict[str, Any]]) -> list[str]:
    if not found:
        return []
    headers = (
        "number",
        "state",
        "control",
        "deployment",
        "instrument",
        "units",
        "by",
        "approved by",
        "until",
    )
    rows = [
        (
            str(item["number"]),
            item["state"],
            item["control"],
            item["deployment_id"],
            item["instrument"],
            f"{item['units']:,}",
            item["by"],
            item["approved_by"],
            f"{to_datetime(item['expires_ns']):%Y-%m-%d %H:%M:%S}",
        )
        for item in found
    ]
    return ["", "overrides:", *columns(rows, headers)]
