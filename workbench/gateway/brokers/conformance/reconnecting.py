"""Cards C90 to C99: streams that end or fall silent, coming back, and finding out what happened meanwhile."""

import contextlib

from workbench.domain.orders import OrderState
from workbench.gateway.brokers.conformance.bench import Ability
from workbench.gateway.brokers.conformance.card import Card, Stage, deck, need
from workbench.gateway.brokers.conformance.faults import Fault, Verb
from workbench.gateway.brokers.port import AmbiguousError, Lost, QuoteNews, TransactionNews

__all__ = ["CARDS"]

CARDS: list[Card] = []
_reconnect = deck("reconnect", CARDS)
_reconcile = deck("reconcile", CARDS)


@_reconnect("C90", Ability.STREAM, fault=Fault.STREAM_CUT)
def a_cut_stream_is_said_to_be_lost(stage: Stage) -> None:
    """A stream that is cut ends with `Lost`, once; after logging on again quotes come again."""
    stage.bench.cause(Fault.STREAM_CUT, Verb.REPORT)
    found = stage.until_news(lambda item: isinstance(item, Lost), "the stream's end")
    need(isinstance(found[-1], Lost), f"news after the end: {found}")
    stage.bench.heal()
    stage.broker.connect()
    stage.move(9)
    stage.until_news(
        lambda item: isinstance(item, QuoteNews) and item.quote.bid == stage.bid, "a quote after the cut"
    )


@_reconnect("C91", Ability.STREAM, fault=Fault.STREAM_SILENT)
def a_silent_stream_is_said_to_be_lost(stage: Stage) -> None:
    """A stream that stays open and brings nothing, not even beats, is `Lost` in bounded time."""
    stage.bench.cause(Fault.STREAM_SILENT, Verb.REPORT)
    stage.until_news(lambda item: isinstance(item, Lost), "the end of a silent stream")
    stage.bench.heal()
    stage.broker.connect()
    stage.move(9)
    stage.until_news(
        lambda item: isinstance(item, QuoteNews) and item.quote.bid == stage.bid, "a quote after the silence"
    )


@_reconnect("C92", Ability.STREAM, Ability.MARKET, fault=Fault.STREAM_CUT)
def what_happened_meanwhile_is_in_the_record(stage: Stage) -> None:
    """Executions while the stream was gone are all in the record since the last one known, once each."""
    stage.hold(1_000)
    watermark = stage.record()[-1].number
    order = stage.place(stage.waiting(2_000, away=100))
    stage.bench.cause(Fault.STREAM_CUT, Verb.REPORT)
    stage.until_news(lambda item: isinstance(item, Lost), "the stream's end")
    stage.move(-150)
    stage.bench.heal()
    stage.broker.connect()
    stage.until_ended(order)
    found = [item for item in stage.record(since=watermark) if item.fill is not None]
    need([item.client_order_id for item in found] == [order.client_order_id], f"found {found}")
    need(stage.held() == 3_000, f"{stage.held()} are held")


@_reconnect("C93", Ability.STREAM, Ability.MARKET)
def news_and_record_say_the_same(stage: Stage) -> None:
    """What the stream tells of executions is what the record holds, under the same numbers."""
    for units in (1_000, -2_000, 700):
        stage.hold(units)
    last = stage.record()[-1]
    found = stage.until_news(
        lambda item: isinstance(item, TransactionNews) and item.transaction.number == last.number, "the last"
    )
    told = [item.transaction for item in found if isinstance(item, TransactionNews)]
    need(told == stage.record(), f"expected {stage.record()}, found {told}")


@_reconcile("C95", Ability.MARKET)
def a_new_connection_finds_everything(stage: Stage) -> None:
    """After a crash a new connection finds by client id all that waits, was filled and was taken back."""
    held, waits = stage.hold(1_000), stage.place(stage.waiting())
    gone = stage.place(stage.waiting(away=700))
    stage.broker.cancel(gone.client_order_id, reason="card")
    stage.until_ended(gone)
    stage.broker = stage.bench.broker()  # the former connection is forgotten, not closed
    stage.broker.connect()
    need(stage.names_waiting() == [waits.client_order_id], f"found {stage.names_waiting()}")
    ends = {item.client_order_id: item.state for item in stage.record()}
    wanted = {held.client_order_id: OrderState.FILLED, gone.client_order_id: OrderState.CANCELED}
    need(ends == wanted, f"found {ends}")


@_reconcile("C96", Ability.MARKET)
def positions_are_the_sum_of_executions(stage: Stage) -> None:
    """For each instrument the executions of the whole record add up to the position, in units, exactly."""
    for units in (1_000, 2_345, -4_000, 55):
        stage.hold(units)
    sums: dict[str, int] = {}
    for item in stage.record():
        if item.fill is not None:
            sums[item.fill.instrument] = sums.get(item.fill.instrument, 0) + item.fill.units
    held = {item.instrument: item.units for item in stage.broker.positions()}
    need({name: units for name, units in sums.items() if units} == held, f"executions {sums}, held {held}")
    books = stage.broker.account()
    need({item.instrument: item.units for item in books.positions} == held, f"found {books}")


@_reconcile("C97", Ability.FAULTS, Ability.MARKET, fault=Fault.REPLY_LOST)
def a_crash_behind_a_lost_answer_is_cleared_up(stage: Stage) -> None:
    """An order sent right before a crash, its answer lost, is found by a new connection, once."""
    order = stage.order(1_000)
    stage.bench.cause(Fault.REPLY_LOST, Verb.PLACE)
    with contextlib.suppress(AmbiguousError):
        stage.broker.place(order)
    stage.bench.heal()
    stage.broker = stage.bench.broker()
    stage.broker.connect()
    stage.move(0)
    stage.until_ended(order)
    need(len(stage.record(order)) == 1 and stage.held() == 1_000, f"{stage.held()} are held")
