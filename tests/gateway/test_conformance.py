"""Every adapter keeps the cards, and an adapter that does not is caught by the card that is meant for it."""

import re
from collections.abc import Callable
from itertools import pairwise

import pytest

from workbench.domain.accounts import Position
from workbench.domain.orders import ClientOrderId, Order
from workbench.gateway.brokers.conformance import (
    CARDS,
    STREAM_FAULTS,
    Bench,
    Card,
    Fault,
    Outcome,
    run_card,
    table,
)
from workbench.gateway.brokers.paper.bench import PaperBench
from workbench.gateway.brokers.paper_http.bench import PaperHttpBench
from workbench.gateway.brokers.paper_http.client import PaperHttpBroker
from workbench.gateway.brokers.port import (
    Accepted,
    AmbiguousError,
    BrokerNews,
    Lost,
    OpenOrder,
    OrderReport,
    RejectedError,
    Transaction,
    UnavailableError,
)

BY_NUMBER = {card.number: card for card in CARDS}
ANYWHERE = {card.number for card in CARDS if not card.fault} - {"C02", "C10", "C11", "C93"}
"""Cards that ask neither for a stream nor for a fault."""


def test_cards_are_numbered_in_rising_order_and_each_says_what_it_proves() -> None:
    assert all(earlier.number < later.number for earlier, later in pairwise(CARDS))
    for card in CARDS:
        assert re.fullmatch(r"C\d\d", card.number)
        assert card.sentence.endswith(".")


def test_every_fault_is_on_some_card() -> None:
    assert {card.fault for card in CARDS} >= set(Fault)
    assert set(Fault) > STREAM_FAULTS


@pytest.mark.parametrize("card", CARDS, ids=lambda card: card.number)
def test_the_paper_broker_keeps_its_cards(card: Card, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PaperBench, "patience_s", 60.0)
    result = run_card(card, PaperBench)
    assert result.outcome is not Outcome.FAILED, result.detail
    if card.number in ANYWHERE:
        assert result.outcome is Outcome.PASSED, result.detail


@pytest.mark.parametrize("card", CARDS, ids=lambda card: card.number)
def test_the_paper_broker_behind_http_keeps_every_card(card: Card, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PaperHttpBench, "patience_s", 60.0)  # a busy machine is no fault of the adapter
    result = run_card(card, PaperHttpBench)
    assert result.outcome is Outcome.PASSED, result.detail


# --- adapters that get something wrong -----------------------------------------------------------------


class Resends(PaperHttpBroker):
    """Sends an order again when no answer came."""

    def place(self, order: Order) -> Accepted:
        try:
            return super().place(order)
        except AmbiguousError:
            return super().place(order)


class TakesDoubtForRefusal(PaperHttpBroker):
    """Says "rejected" of what it does not know."""

    def place(self, order: Order) -> Accepted:
        try:
            return super().place(order)
        except AmbiguousError as error:
            raise RejectedError(str(error)) from None


class AssumesCanceled(PaperHttpBroker):
    """Believes that a cancel without an answer was done."""

    def cancel(self, client_order_id: ClientOrderId, *, reason: str) -> bool:
        try:
            return super().cancel(client_order_id, reason=reason)
        except AmbiguousError:
            return True


class TakesFailureForFlat(PaperHttpBroker):
    """Shows nothing when it could not find out."""

    def positions(self) -> tuple[Position, ...]:
        try:
            return super().positions()
        except UnavailableError:
            return ()


class ShowsNoOrders(PaperHttpBroker):
    """The same with orders."""

    def open_orders(self) -> tuple[OpenOrder, ...]:
        try:
            return super().open_orders()
        except UnavailableError:
            return ()


class ReadsOnePage(PaperHttpBroker):
    """Takes the first page of the record for all of it."""

    def transactions_since(self, watermark: int) -> tuple[Transaction, ...]:
        return super().transactions_since(watermark)[:2]


class HearsNoEnd(PaperHttpBroker):
    """Does not say that the stream is gone."""

    def news(self) -> tuple[BrokerNews, ...]:
        return tuple(item for item in super().news() if not isinstance(item, Lost))


class ReplacesByTwo(PaperHttpBroker):
    """Places the new order and leaves the old one."""

    def replace(self, client_order_id: ClientOrderId, order: Order) -> Accepted:
        return self.place(order)


class ReplacesInTwoSteps(PaperHttpBroker):
    """Takes the old order back, then places: nothing is left when the new one is refused."""

    def replace(self, client_order_id: ClientOrderId, order: Order) -> Accepted:
        self.cancel(client_order_id, reason="replaced")
        return self.place(order)


class ForgetsEndedOrders(PaperHttpBroker):
    """Finds only orders that wait."""

    def order(self, client_order_id: ClientOrderId) -> OrderReport | None:
        found = super().order(client_order_id)
        return found if found is not None and found.remaining else None


class LosesTheRest(PaperHttpBroker):
    """Shows a partly filled order with all its units."""

    def open_orders(self) -> tuple[OpenOrder, ...]:
        whole = {item.client_order_id: item.fill for item in self.transactions_since(0)}
        return tuple(item for item in super().open_orders() if item.order.client_order_id not in whole)


def bench_of(kind: type[PaperHttpBroker], monkeypatch: pytest.MonkeyPatch) -> Callable[[], Bench]:
    """A bench whose clients are of another kind."""
    monkeypatch.setattr("workbench.gateway.brokers.paper_http.bench.PaperHttpBroker", kind)
    return PaperHttpBench


@pytest.mark.parametrize(
    ("wrong", "numbers"),
    [
        (Resends, ["C60"]),
        (TakesDoubtForRefusal, ["C60", "C61", "C62", "C64"]),
        (AssumesCanceled, ["C75", "C76", "C77"]),
        (TakesFailureForFlat, ["C86", "C87", "C88"]),
        (ShowsNoOrders, ["C86"]),
        (ReadsOnePage, ["C50", "C51"]),
        (HearsNoEnd, ["C90", "C91"]),
        (ReplacesByTwo, ["C45", "C46"]),
        (ReplacesInTwoSteps, ["C46", "C47"]),
        (ForgetsEndedOrders, ["C52"]),
        (LosesTheRest, ["C35"]),
    ],
    ids=lambda item: item.__name__ if isinstance(item, type) else "",
)
def test_an_adapter_that_gets_it_wrong_is_caught(
    wrong: type[PaperHttpBroker], numbers: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = bench_of(wrong, monkeypatch)
    monkeypatch.setattr(PaperHttpBench, "patience_s", 1.5)
    for number in numbers:
        result = run_card(BY_NUMBER[number], bench)
        assert result.outcome is Outcome.FAILED, f"{wrong.__name__} passes {number}"
        assert result.detail


def test_the_table_names_card_outcome_and_counts() -> None:
    lines = table([run_card(BY_NUMBER[number], PaperBench) for number in ("C20", "C91")])
    assert lines[0].startswith("C20  orders")
    assert "passed" in lines[0]
    assert any("not offered" in line for line in lines)
    assert lines[-1] == "paper: 1 passed, 0 FAILED, 1 not offered"
