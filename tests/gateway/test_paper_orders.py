"""The paper broker places every kind of order, cancels it and reports what became of it."""

from dataclasses import replace
from datetime import date

import pytest

from tests.engine.accounts import NOON, free_of_cost
from workbench.domain.cost_book import CostBook
from workbench.domain.instruments import instrument
from workbench.domain.orders import Order, OrderState
from workbench.domain.quotes import Quote
from workbench.gateway.brokers.paper import PaperBroker, PaperConfig
from workbench.gateway.brokers.port import RejectedError
from workbench.gateway.messages import FeedEnded, QuoteMoved

ORDER = Order(client_order_id="limit", instrument="EUR_USD", units=100, kind="LIMIT", price=1_000)


@pytest.fixture
def broker():
    record = instrument("EUR_USD")
    book = CostBook(broker="made up", valid_from=date(2026, 1, 1), costs={record.id: free_of_cost()})
    return PaperBroker(PaperConfig(instruments=(record,), cost_book=book, currency="USD", balance=10**11))


def quote(broker, seq, bid, **fields):
    moved = Quote(instrument="EUR_USD", time_ns=NOON + seq, bid=bid, ask=bid + 1, **fields)
    broker.take_event(QuoteMoved(seq=seq, quote=moved))


def states(broker):
    return [(item.client_order_id, item.state, item.reason) for item in broker.transactions_since(0)]


def test_a_limit_waits_fills_in_parts_and_is_taken_back(broker):
    broker.place(ORDER)
    quote(broker, 1, 1_005)
    assert [item.order for item in broker.open_orders()] == [ORDER]
    quote(broker, 2, 999, asks=((1_000, 30), (1_001, 500)))
    assert [item.order.units for item in broker.open_orders()] == [70]
    assert broker.cancel("limit", reason="enough")
    assert not broker.cancel("limit", reason="again")
    assert broker.open_orders() == ()
    assert states(broker) == [("limit", OrderState.PARTIAL, ""), ("limit", OrderState.CANCELED, "enough")]


def test_an_exit_is_no_fill_of_an_order_that_waits(broker):
    broker.place(replace(ORDER, client_order_id="entry", stop_distance=50))
    quote(broker, 1, 999)
    broker.place(replace(ORDER, price=900))
    quote(broker, 2, 940)
    assert [item.order.client_order_id for item in broker.open_orders()] == ["limit"]
    assert [state for _, state, _ in states(broker)] == [OrderState.FILLED, OrderState.FILLED]


def test_an_expired_order_is_reported_as_such_and_the_end_of_the_feed_drops_the_others(broker):
    broker.place(replace(ORDER, client_order_id="dated", time_in_force="GTD", expires_ns=NOON + 2))
    broker.place(ORDER)
    quote(broker, 1, 1_100)
    quote(broker, 2, 1_100)
    broker.take_event(FeedEnded(seq=3, time_ns=NOON + 3))
    assert states(broker) == [
        ("dated", OrderState.EXPIRED, "expired"),
        ("limit", OrderState.CANCELED, "the feed has ended"),
    ]
    assert broker.open_orders() == ()


def test_an_order_that_makes_no_sense_is_rejected_at_once(broker):
    with pytest.raises(RejectedError, match="a level of 1 to"):
        broker.place(replace(ORDER, price=0))
    broker.place(ORDER)
    with pytest.raises(RejectedError, match="waiting already"):
        broker.place(ORDER)
