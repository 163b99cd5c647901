"""Running the cards against an adapter, and the table of what was found."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from workbench.gateway.brokers.conformance import changing, connecting, doubting, ordering, reconnecting
from workbench.gateway.brokers.conformance.bench import Ability, Bench
from workbench.gateway.brokers.conformance.card import Card, CardFailedError, Stage
from workbench.gateway.brokers.port import AmbiguousError, QuoteNews, RejectedError, UnavailableError

__all__ = ["CARDS", "CardResult", "Outcome", "run_card", "run_cards", "table"]

CARDS: tuple[Card, ...] = tuple(
    sorted(
        (*connecting.CARDS, *ordering.CARDS, *changing.CARDS, *doubting.CARDS, *reconnecting.CARDS),
        key=lambda card: card.number,
    )
)
"""All cards, by number."""


class Outcome(StrEnum):
    """What a card came to."""

    PASSED = "passed"
    FAILED = "FAILED"
    NOT_OFFERED = "not offered"  # by the broker, or the bench can not try it


@dataclass(frozen=True, slots=True, kw_only=True)
class CardResult:
    """One card tried on one adapter."""

    card: Card
    adapter: str
    outcome: Outcome
    detail: str  # why it failed or was not tried, empty when it passed


def run_cards(
    open_bench: Callable[[], Bench],
    *,
    cards: Iterable[Card] = CARDS,
    tell: Callable[[CardResult], None] = lambda result: None,
) -> tuple[CardResult, ...]:
    """Try cards, each on a bench of its own, and `tell` each result at once."""
    found = []
    for card in cards:
        result = run_card(card, open_bench)
        tell(result)
        found.append(result)
    return tuple(found)


def run_card(card: Card, open_bench: Callable[[], Bench]) -> CardResult:
    """Try one card on a new bench."""
    bench = open_bench()
    try:
        outcome, detail = _tried(card, bench)
        return CardResult(card=card, adapter=bench.name, outcome=outcome, detail=detail)
    finally:
        bench.close()


def table(results: Sequence[CardResult]) -> list[str]:
    """Lines for people: number, group, what is promised, what came of it, and the counts."""
    wide = max(len(card.group) for card in CARDS)
    lines = []
    for item in results:
        lines.append(
            f"{item.card.number}  {item.card.group:<{wide}}  {item.outcome.value:<11}  {item.card.sentence}"
        )
        if item.detail:
            lines.append(f"{'':<{wide + 7}}{item.detail}")
    counts = {kind: sum(item.outcome is kind for item in results) for kind in Outcome}
    adapter = results[0].adapter if results else "no adapter"
    return [*lines, f"{adapter}: " + ", ".join(f"{number} {kind.value}" for kind, number in counts.items())]


def _tried(card: Card, bench: Bench) -> tuple[Outcome, str]:
    missing = sorted(item.value for item in card.abilities - bench.abilities)
    if card.fault is not None and card.fault not in bench.faults:
        missing.append(f"causes {card.fault}")
    if missing:
        return Outcome.NOT_OFFERED, f"the bench is none that {', '.join(missing)}"
    try:
        middle = 100_000 if Ability.MARKET in bench.abilities else 0
        stage = Stage(bench, bid=middle, ask=middle + 13) if middle else Stage(bench, *_market(bench))
        if not card.offered(stage.broker.capabilities()):
            return Outcome.NOT_OFFERED, "the broker does not offer it"
        card.run(stage)
        stage.broker.disconnect()
    except CardFailedError as error:
        return Outcome.FAILED, str(error)
    except (AmbiguousError, RejectedError, UnavailableError) as error:
        return Outcome.FAILED, f"unexpected {type(error).__name__}: {error}"
    return Outcome.PASSED, ""


def _market(bench: Bench) -> tuple[int, int]:
    """Bid and ask of a market that the bench does not move."""
    stage = Stage(bench, 0, 0)
    found = stage.until_news(lambda item: isinstance(item, QuoteNews), "a quote")
    quote = next(item.quote for item in reversed(found) if isinstance(item, QuoteNews))
    stage.broker.disconnect()
    return quote.bid, quote.ask
