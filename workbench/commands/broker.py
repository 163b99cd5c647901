"""Brokers: try an adapter by the conformance cards."""

from typing import TYPE_CHECKING, Any

import click

from workbench.commands.answering import answers, json_option, show
from workbench.errors import BadInputError, WorkbenchError

if TYPE_CHECKING:
    from workbench.gateway.brokers.conformance import CardResult

__all__ = ["broker"]


@click.group()
def broker() -> None:
    """Adapters of brokers."""


@broker.command()
@click.argument("adapter", default="paper")
@click.option("--card", "numbers", multiple=True, metavar="C61", help="Only this card; may be given again.")
@json_option
@answers
def check(adapter: str, numbers: tuple[str, ...], as_json: bool) -> None:
    """Try an adapter by the numbered cards: logging on, orders, lost answers, coming back.

    ADAPTER is paper, paper_http, or module:Class of a bench of your own (docs/brokers.md).
    """
    from workbench.gateway.brokers.conformance import CARDS, Outcome, run_cards, table

    wanted = {number.upper() for number in numbers}
    cards = [card for card in CARDS if not wanted or card.number in wanted]
    if unknown := wanted - {card.number for card in cards}:
        raise BadInputError(f"no card {', '.join(sorted(unknown))}; the cards are C01 to {CARDS[-1].number}")
    results = run_cards(_bench(adapter), cards=cards, tell=lambda result: _tell(result, as_json=as_json))
    show([_plain(item) for item in results], as_json=as_json, text=lambda: table(results)[-1:])
    failed = [item.card.number for item in results if item.outcome is Outcome.FAILED]
    if failed:
        raise WorkbenchError(f"{adapter} does not keep {', '.join(failed)}; do not trade through it")


def _bench(adapter: str) -> Any:
    """What makes the adapter's bench."""
    import importlib

    known = {
        "paper": "workbench.gateway.brokers.paper.bench:PaperBench",
        "paper_http": "workbench.gateway.brokers.paper_http.bench:PaperHttpBench",
    }
    module, colon, name = known.get(adapter, adapter).partition(":")
    try:
        found = getattr(importlib.import_module(module), name) if colon else None
    except (ImportError, AttributeError, ValueError) as error:
        raise BadInputError(f"the bench {adapter} can not be loaded: {error}") from None
    if found is None:
        raise BadInputError(f"expected {', '.join(known)} or module:Class of a bench, found {adapter!r}")
    return found


def _tell(result: "CardResult", *, as_json: bool) -> None:
    from workbench.gateway.brokers.conformance import table

    if not as_json:
        for line in table([result])[:-1]:
            click.echo(line)


def _plain(result: "CardResult") -> dict[str, str]:
    return {
        "card": result.card.number,
        "group": result.card.group,
        "sentence": result.card.sentence,
        "adapter": result.adapter,
        "outcome": result.outcome.value,
        "detail": result.detail,
    }
