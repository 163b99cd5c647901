"""The cards: what every adapter of the broker port promises, numbered, and how it is tried.

An adapter's tests make a `Bench` (an account, a market, faults) and run `CARDS` on it::

    @pytest.mark.parametrize("card", CARDS, ids=lambda card: card.number)
    def test_a_card_is_kept(card):
        result = run_card(card, MyBench)
        assert result.outcome is not Outcome.FAILED, result.detail
"""

from workbench.gateway.brokers.conformance.bench import Ability, Bench
from workbench.gateway.brokers.conformance.card import Card, CardFailedError
from workbench.gateway.brokers.conformance.faults import STREAM_FAULTS, Fault, Verb
from workbench.gateway.brokers.conformance.proxy import FaultProxy
from workbench.gateway.brokers.conformance.running import (
    CARDS,
    CardResult,
    Outcome,
    run_card,
    run_cards,
    table,
)

__all__ = [
    "CARDS",
    "STREAM_FAULTS",
    "Ability",
    "Bench",
    "Card",
    "CardFailedError",
    "CardResult",
    "Fault",
    "FaultProxy",
    "Outcome",
    "Verb",
    "run_card",
    "run_cards",
    "table",
]
