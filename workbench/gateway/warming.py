"""What is compiled when it is first used, used once before the gateway says that it is ready.

A strategy's first event and first order then take as long as any other: without it the first event of a new
deployment waited 0.3 to 1 s for compiled code and libraries to be loaded.
"""

from datetime import date

import numpy as np

from workbench.domain.cost_book import CostBook, retail_costs
from workbench.domain.instruments import instrument
from workbench.domain.orders import ClientOrderId, ExitChange, Order, OrderKind
from workbench.domain.quotes import Bar, Quote
from workbench.domain.timeframes import Timeframe
from workbench.gateway.brokers.paper import PaperBroker, PaperConfig
from workbench.gateway.messages import BarClosed, FeedEnded, QuoteMoved
from workbench.market import BarBuilder

__all__ = ["warm_up"]

_MINUTE_NS = 60_000_000_000
_START_NS = 1_512_345_600_000_000_000  # Monday 4 December 2017, 00:00 UTC
_BID, _ASK = 118_000, 118_010


def warm_up() -> None:
    """Trade a little on a paper account that nobody sees, and make a bar of quotes."""
    import pyarrow.dataset
    import pyarrow.parquet  # noqa: F401

    _trade()
    _fold()


def _trade() -> None:
    record = instrument("EUR_USD")
    costs = {record.id: retail_costs(record.id)}
    book = CostBook(broker="paper", valid_from=date(2017, 1, 1), costs=costs)
    broker = PaperBroker(PaperConfig(instruments=(record,), cost_book=book, currency="USD", balance=10**12))

    def quote(seq: int, shift: int) -> None:
        moved = Quote(
            instrument=record.id, time_ns=_START_NS + seq * 10**9, bid=_BID + shift, ask=_ASK + shift
        )
        broker.take_event(QuoteMoved(seq=seq, quote=moved))

    def place(name: str, units: int, **more: int | OrderKind) -> None:
        broker.place(
            Order(client_order_id=ClientOrderId(name), instrument=record.id, units=units, **more)  # type: ignore[arg-type]
        )

    quote(1, 0)
    place("w-1", 1_000, stop_distance=100, target_distance=100)
    place("w-2", 1_000, kind=OrderKind.LIMIT, price=_BID - 500)
    place("w-3", 1_000, kind=OrderKind.STOP, price=_ASK + 500, trailing_distance=50)
    quote(2, 1)
    broker.change_exits(ExitChange(instrument=record.id, stop=_BID - 200))
    broker.cancel(ClientOrderId("w-2"), reason="warm-up")
    sides = {"bid": _BID, "ask": _ASK}
    prices = {f"{side}_{part}": at for side, at in sides.items() for part in ("open", "high", "low", "close")}
    bar = Bar(instrument=record.id, open_ns=_START_NS, close_ns=_START_NS + _MINUTE_NS, **prices)
    broker.take_event(BarClosed(seq=3, bar=bar))
    place("w-4", -1_000)
    broker.take_event(
        QuoteMoved(
            seq=4,
            quote=Quote(instrument=record.id, time_ns=_START_NS + _MINUTE_NS, bid=_BID, ask=_ASK, **_LADDER),
        )
    )
    broker.take_event(FeedEnded(seq=5, time_ns=_START_NS + 2 * _MINUTE_NS))
    broker.account()


def _fold() -> None:
    builder = BarBuilder(instrument("EUR_USD"), Timeframe("M1"))
    times = _START_NS + np.array([1, 2, _MINUTE_NS + 1], np.int64)
    builder.add_columns(times, np.full(3, _BID), np.full(3, _ASK))
    builder.advance(_START_NS + 5 * _MINUTE_NS)


_LADDER = {"bids": ((_BID, 10_000),), "asks": ((_ASK, 10_000),)}
