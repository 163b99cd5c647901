"""What only a named person decides of an account at a broker elsewhere: adopt its word, end UNKNOWN."""

from typing import Any

import click

from workbench.commands.answering import ROLE, answers, json_option, show
from workbench.domain.money import to_decimal
from workbench.errors import BadInputError
from workbench.settings import load_settings

__all__ = ["adopt", "resolve"]


@click.command()
@click.argument("deployment")
@click.argument("instrument")
@click.option("--reason", required=True, help="Why, for the record.")
@json_option
@answers
def adopt(deployment: str, instrument: str, reason: str, as_json: bool) -> None:
    """Take a broker's position and cash over into the books, and let INSTRUMENT trade again.

    For an instrument that is frozen because books and broker differ: look at the broker's own screen first.
    The difference is booked as an adjustment with your name and the reason.
    """
    found = _ask("adopt", deployment_id=deployment, instrument=instrument, reason=reason)
    show(
        found,
        as_json=as_json,
        text=lambda: [
            f"{deployment}: {instrument} is adopted as the broker shows it, {found['units']:+,} units and "
            f"{to_decimal(found['cash']):+,.2f} of cash against the books; it trades again"
        ],
    )


@click.command()
@click.argument("deployment")
@click.argument("order")
@click.option("--state", required=True, type=click.Choice(["ABSENT", "CANCELED"]), help="How it ended.")
@click.option("--reason", required=True, help="Why, for the record.")
@json_option
@answers
def resolve(deployment: str, order: str, state: str, reason: str, as_json: bool) -> None:
    """Say how an UNKNOWN ORDER ended: ABSENT (the broker never had it) or CANCELED.

    Look at the broker's own screen first. An execution that the broker reports later is booked all the same,
    and freezes the instrument.
    """
    found = _ask("resolve", deployment_id=deployment, client_order_id=order, state=state, reason=reason)
    show(
        found, as_json=as_json, text=lambda: [f"{deployment}: order {order} is {found['state']} by your word"]
    )


def _ask(verb: str, **arguments: str) -> dict[str, Any]:
    from workbench.gateway.client import OperatorClient

    if not arguments["reason"].strip():
        raise BadInputError("expected a reason for the record, found none; say what you saw at the broker")
    settings = load_settings()
    client = OperatorClient(settings.operator_socket, user=settings.user, role=ROLE)
    return client.ask(verb, **arguments)
