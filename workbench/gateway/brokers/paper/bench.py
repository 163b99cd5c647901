"""The paper broker on the cards' bench: in this process, with requests and answers that get lost."""

import itertools
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from typing import TypeVar

from workbench.domain.cost_book import CostBook, retail_costs
from workbench.domain.instruments import Instrument, instrument
from workbench.domain.orders import ClientOrderId, ExitChange, Order
from workbench.domain.quotes import Quote
from workbench.gateway.brokers.conformance import Ability, Fault, Verb
from workbench.gateway.brokers.paper.client import PaperBroker
from workbench.gateway.brokers.paper.config import PaperConfig
from workbench.gateway.brokers.port import EXTERNAL_PREFIX, Accepted, AmbiguousError, Broker
from workbench.gateway.messages import QuoteMoved

__all__ = ["PaperBench", "bench_config", "bench_quotes"]

_T = TypeVar("_T")
_NOON = 1_512_388_800_000_000_000  # Monday 4 December 2017, 12:00 UTC


def bench_config() -> PaperConfig:
    """A dollar account of 100,000 that trades EUR_USD at retail costs."""
    record = instrument("EUR_USD")
    book = CostBook(broker="bench", valid_from=date(2017, 1, 1), costs={record.id: retail_costs(record.id)})
    return PaperConfig(instruments=(record,), cost_book=book, currency="USD", balance=100_000_000_000)


def bench_quotes(take: Callable[[QuoteMoved], None], record: Instrument) -> Callable[[int, int, int], None]:
    """What feeds quotes, a second apart, as numbered events."""
    count = itertools.count(1)

    def quote(bid: int, ask: int, size: int) -> None:
        seq = next(count)
        ladder = {"bids": ((bid, size),), "asks": ((ask, size),)} if size else {}
        moved = Quote(instrument=record.id, time_ns=_NOON + seq * 1_000_000_000, bid=bid, ask=ask, **ladder)
        take(QuoteMoved(seq=seq, quote=moved))

    return quote


class _Disturbed(PaperBroker):
    """Loses requests, or their answers, on the way."""

    def __init__(self, config: PaperConfig) -> None:
        super().__init__(config)
        self.faults: dict[Verb, Fault] = {}
        self.received: Counter[str] = Counter()

    def place(self, order: Order) -> Accepted:
        return self._way(Verb.PLACE, lambda: self._placed_once(order))

    def cancel(self, client_order_id: ClientOrderId, *, reason: str) -> bool:
        return self._way(Verb.CANCEL, lambda: PaperBroker.cancel(self, client_order_id, reason=reason))

    def replace(self, client_order_id: ClientOrderId, order: Order) -> Accepted:
        return self._way(Verb.REPLACE, lambda: PaperBroker.replace(self, client_order_id, order))

    def change_exits(self, change: ExitChange) -> bool:
        return self._way(Verb.CHANGE_EXITS, lambda: PaperBroker.change_exits(self, change))

    def _placed_once(self, order: Order) -> Accepted:
        self.received[order.client_order_id] += 1
        return super().place(order)

    def _way(self, verb: Verb, do: Callable[[], _T]) -> _T:
        fault = self.faults.pop(verb, None)
        if fault is Fault.REQUEST_LOST:
            raise AmbiguousError("the request was lost, or its answer")
        done = do()
        if fault is Fault.REPLY_LOST:
            raise AmbiguousError("the request was lost, or its answer")
        return done


class PaperBench:
    """See `Bench`."""

    name = "paper"
    abilities = frozenset({Ability.MARKET, Ability.LADDER, Ability.FAULTS, Ability.OTHERS, Ability.RECORD})
    faults = frozenset({Fault.REQUEST_LOST, Fault.REPLY_LOST})
    patience_s = 1.0

    def __init__(self) -> None:
        config = bench_config()
        self.instrument = config.instruments[0]
        self._broker = _Disturbed(config)
        self._quote = bench_quotes(self._broker.take_event, self.instrument)

    def broker(self) -> Broker:
        """See `Bench`: the same one, it is the account."""
        return self._broker

    def stranger(self) -> Broker:
        """See `Bench`: nobody else is in this process."""
        raise NotImplementedError

    def quote(self, bid: int, ask: int, *, size: int = 0) -> None:
        """See `Bench`."""
        self._quote(bid, ask, size)

    def cause(self, fault: Fault, verb: Verb) -> None:
        """See `Bench`."""
        self._broker.faults[verb] = fault

    def heal(self) -> None:
        """See `Bench`."""
        self._broker.faults.clear()

    def received(self, client_order_id: str) -> int:
        """See `Bench`."""
        return self._broker.received[client_order_id]

    def other(self, order: Order) -> None:
        """See `Bench`."""
        PaperBroker.place(self._broker, replace(order, client_order_id=ClientOrderId(f"{EXTERNAL_PREFIX}1")))

    def close(self) -> None:
        """See `Bench`."""
