"""Cards C01 to C19: logging on, reports of a fresh account, quotes and the stream's signs of life."""

from workbench.domain.accounts import AccountMode
from workbench.domain.orders import OrderKind
from workbench.gateway.brokers.conformance.bench import Ability
from workbench.gateway.brokers.conformance.card import Card, CardFailedError, Stage, deck, need
from workbench.gateway.brokers.port import Beat, NotAuthorizedError, QuoteNews

__all__ = ["CARDS"]

CARDS: list[Card] = []
_card = deck("connect", CARDS)
_quotes = deck("quotes", CARDS)


@_card("C01")
def logs_on_once(stage: Stage) -> None:
    """Logging on twice is logging on once, and logging off leaves the orders as they are."""
    stage.broker.connect()
    order = stage.place(stage.waiting())
    stage.broker.disconnect()
    stage.broker.connect()
    need(
        stage.names_waiting() == [order.client_order_id],
        f"{stage.names_waiting()} wait after logging on again",
    )


@_card("C02", Ability.STRANGER)
def a_stranger_is_refused(stage: Stage) -> None:
    """A wrong credential is `NotAuthorizedError`, at logging on and at placing, and places nothing."""
    stranger = stage.bench.stranger()
    order = stage.waiting()
    for verb in (stranger.connect, lambda: stranger.place(order)):
        try:
            verb()
        except NotAuthorizedError:
            continue
        raise CardFailedError("the broker let a stranger in")
    need(stage.broker.order(order.client_order_id) is None, "the stranger's order was taken")


@_card("C03")
def shows_the_instruments(stage: Stage) -> None:
    """The instruments are shown with their whole record, that of the traded one as it is."""
    found = {item.id: item for item in stage.broker.instruments()}
    need(found.get(stage.bench.instrument.id) == stage.bench.instrument, f"found {found}")


@_card("C04")
def a_fresh_account_is_flat(stage: Stage) -> None:
    """A fresh account has a currency and a balance, and holds and waits for nothing."""
    books = stage.broker.account()
    need(len(books.currency) == 3 and books.balance > 0, f"found {books}")
    need(books.equity == books.balance and books.margin_used == 0, f"found {books}")
    need(stage.held() == 0 and not stage.broker.open_orders(), "something is held or waits")


@_card("C05")
def says_what_it_can_do(stage: Stage) -> None:
    """The capabilities name market orders, a way of holding, and client order ids of 32 characters."""
    found = stage.broker.capabilities()
    need(OrderKind.MARKET in found.kinds and isinstance(found.mode, AccountMode), f"found {found}")
    need(found.client_id_length >= 32, f"client ids of {found.client_id_length} characters are too short")
    name = "x" * 32
    stage.place(stage.waiting(client_order_id=name))
    need(stage.names_waiting() == [name], f"found {stage.names_waiting()}")


@_quotes("C10", Ability.STREAM, Ability.MARKET)
def quotes_come_in_order(stage: Stage) -> None:
    """Each move of the market comes as news, in points, bid below ask, in the order it happened."""
    asked = []
    for points in (7, -3, 11):
        stage.move(points)
        asked.append((stage.bid, stage.ask))
    found = stage.until_news(
        lambda item: isinstance(item, QuoteNews) and (item.quote.bid, item.quote.ask) == asked[-1], "a quote"
    )
    quotes = [(item.quote.bid, item.quote.ask) for item in found if isinstance(item, QuoteNews)]
    need(quotes[-3:] == asked, f"expected {asked}, found {quotes}")


@_quotes("C11", Ability.STREAM)
def a_quiet_stream_beats(stage: Stage) -> None:
    """A quiet stream says that it is alive, with the broker's clock and the end of the record."""
    found = stage.until_news(lambda item: isinstance(item, Beat), "a beat")
    beats = [item for item in found if isinstance(item, Beat)]
    need(all(item.time_ns > 0 for item in beats), f"found {beats}")
    need(stage.broker.time_ns() == beats[-1].time_ns, "the broker's clock is not the last beat's")
    order = stage.place(stage.waiting())
    stage.broker.cancel(order.client_order_id, reason="card")
    last = stage.until_ended(order).number
    stage.until_news(lambda item: isinstance(item, Beat) and item.last_transaction >= last, "a later beat")
