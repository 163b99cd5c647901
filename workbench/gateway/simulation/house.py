"""The broker's side: the paper broker's own matching, and every way in which a broker misbehaves.

It keeps what really happened (`log`, `sent`, the matching itself), which only the checks read; what it shows
is what its faults make of that.
"""

import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import msgspec

from workbench.domain.instruments import Instrument
from workbench.domain.orders import EXIT_REASONS, ClientOrderId, ExitChange, Fill, Order, OrderState
from workbench.gateway.brokers.paper import PaperBroker
from workbench.gateway.brokers.port import EXTERNAL_PREFIX, RejectedError, Transaction
from workbench.gateway.messages import FeedEvent, QuoteMoved
from workbench.gateway.simulation.troubles import Troubles
from workbench.gateway.simulation.wire import Page, Reply, Request, Word

__all__ = ["House"]


@dataclass(slots=True)
class House:
    """An account at the broker."""

    paper: PaperBroker
    feed: Callable[[int], FeedEvent | None]
    rng: random.Random
    clock: Callable[[], float]
    troubles: Troubles = field(default_factory=Troubles)
    record: list[Transaction] = field(default_factory=list)
    sent: Counter[str] = field(default_factory=Counter)  # how often each client id came to be placed
    log: list[str] = field(default_factory=list)
    hits: Counter[str] = field(default_factory=Counter)
    exits: list[ExitChange] = field(default_factory=list)  # that were done
    stood: set[tuple[str, int, int]] = field(default_factory=set)  # stops and targets when it was asked
    lied: set[str] = field(default_factory=set)  # faults after which the account is not what was said of it
    others: set[str] = field(default_factory=set)  # client ids of orders that somebody else placed
    dropped: set[str] = field(default_factory=set)  # client ids of orders that were accepted and never taken
    seq: int = 0
    cancels: int = 0
    openings: int = 0  # orders that may open a position
    _taken: int = 0  # of the matching's transactions
    _hidden: dict[str, float] = field(default_factory=dict)  # client id, until when it is not shown
    _ghosts: set[str] = field(default_factory=set)  # said to be canceled, and live
    _double: dict[str, str] = field(default_factory=dict)  # of an overfill: whose it is shown as
    _had: set[str] = field(default_factory=set)

    def move_to(self, seq: int) -> None:
        """Let the market move up to event `seq`."""
        while self.seq < seq:
            event = self.feed(self.seq + 1)
            if event is None:
                return
            self.seq += 1
            if self.troubles.thin_market and isinstance(event, QuoteMoved):
                quote, size = event.quote, self.rng.randint(400, 1_500)
                thin = replace(quote, bids=((quote.bid, size),), asks=((quote.ask, size),))
                event = QuoteMoved(seq=event.seq, quote=thin)
                self.hits["F14"] += 1
            self.paper.take_event(event)
            self._collect()

    def answer(self, request: Request) -> Reply:
        """A reply as the broker gives it, before the network has it."""
        match request.verb:
            case "place":
                return self._place(_order(request))
            case "cancel":
                return self._cancel(ClientOrderId(request.name))
            case "replace":
                return self._replace(ClientOrderId(request.name), _order(request))
            case "exits":
                return self._exits(request)
        return _page(self._report(request))

    def units(self, instrument: str) -> int:
        """What is really held."""
        return next((item.units for item in self.paper.positions() if item.instrument == instrument), 0)

    def live(self) -> list[Order]:
        """What really waits."""
        return [item.order for item in self.paper.open_orders()]

    def ghosts(self) -> frozenset[str]:
        """Orders that live although their end was reported."""
        return frozenset(self._ghosts)

    def really_had(self) -> frozenset[str]:
        """Every order that the matching ever took."""
        return frozenset(self._had)

    def _place(self, order: Order) -> Reply:
        name = order.client_order_id
        self.sent[name] += 1
        self.openings += not order.reduce_only
        self.log.append(f"place {name} {order.units}")
        if self.troubles.drop_order:
            self.hits["F30"] += 1
            self.dropped.add(name)
            return _word(Word(id=f"D{len(self.log):09d}"))
        try:
            accepted = self.paper.place(order)
        except RejectedError as error:
            return _word(Word(done=False, reason=str(error), proof=True), status=400)
        self._had.add(name)
        if self.troubles.late_list_s:
            self._hidden[name] = self.clock() + self.troubles.late_list_s
            self.hits["F28"] += 1
        if self.troubles.overfill and not order.reduce_only and order.price == 0:
            extra = ClientOrderId(f"over-{len(self._double)}")
            self._double[extra] = name
            self.paper.place(
                Order(
                    client_order_id=extra,
                    instrument=order.instrument,
                    units=order.units // abs(order.units) * max(1, abs(order.units) // 4),
                )
            )
            self.lied.add("F16")
        if self.troubles.fill_at_once:
            self.hits["F12"] += 1
            self.move_to(self.seq + 1)
        if self.troubles.reject_and_fill:
            self.hits["F29"] += 1
            self.lied.add("F29")
            return _word(Word(done=False, reason="off quotes", proof=True), status=400)
        return _word(Word(id=accepted.broker_order_id))

    def _cancel(self, name: ClientOrderId) -> Reply:
        self.cancels += 1
        self.log.append(f"cancel {name}")
        waits = name in {order.client_order_id for order in self.live()} and name not in self._ghosts
        if waits and self.troubles.deny_cancel:
            self.hits["F17"] += 1
            return _word(Word(done=False, reason="unknown order"))
        if waits and self.troubles.half_cancels and self.cancels % 2:
            self.hits["F20"] += 1
            return Reply(status=503, body=b"")
        if waits and self.troubles.ghost_cancel:
            self.hits["F13"] += 1
            self.lied.add("F13")
            self._ghosts.add(name)
            self._append(_ended(name, seq=self.seq, reason="canceled"))
            return _word(Word(id=name))
        done = waits and self.paper.cancel(name, reason="canceled")
        self._collect()
        return _word(Word(id=name, done=done))

    def _replace(self, name: ClientOrderId, order: Order) -> Reply:
        self.sent[order.client_order_id] += 1
        self.log.append(f"replace {name} {order.client_order_id} {order.units}")
        try:
            if self.troubles.keep_replaced and name in {item.client_order_id for item in self.live()}:
                self.hits["F18"] += 1
                self.lied.add("F18")
                accepted = self.paper.place(order)
            else:
                accepted = self.paper.replace(name, order)
        except RejectedError as error:
            return _word(Word(done=False, reason=str(error), proof=True), status=400)
        self._collect()
        return _word(Word(id=accepted.broker_order_id))

    def _exits(self, request: Request) -> Reply:
        if request.change is None:
            return Reply(status=500, body=b"")
        self.log.append(f"exits {request.change.instrument}")
        try:
            done = self.paper.change_exits(request.change)
        except RejectedError as error:
            return _word(Word(done=False, reason=str(error), proof=True), status=400)
        if done:
            self.exits.append(request.change)
        return _word(Word(done=done))

    def _report(self, request: Request) -> Page:
        shown = self._shown()
        last = shown[-1].number if shown else 0
        match request.verb:
            case "transactions":
                page = [item for item in shown if item.number > request.since]
                count = len(page)
                if self.troubles.shuffle and count > 1:
                    self.hits["F21"] += 1
                    self.rng.shuffle(page)
                if self.troubles.gap and count > 1:
                    self.hits["F22"] += 1
                    del page[self.rng.randrange(count)]
                return Page(count=count, last=last, transactions=tuple(page))
            case "account":
                return Page(count=1, last=last, account=self.paper.account())
            case "positions":
                found = self.paper.positions()
                self.stood |= {(item.instrument, item.stop, item.target) for item in found}
                if self.troubles.empty_positions and found:
                    self.hits["F27"] += 1
                    found = ()
                return Page(count=len(found), last=last, positions=found)
            case "open_orders":
                waiting = tuple(
                    item
                    for item in self.paper.open_orders()
                    if not self._is_hidden(item.order.client_order_id)
                    and item.order.client_order_id not in self._ghosts
                    and item.order.client_order_id not in self._double
                )
                return Page(count=len(waiting), last=last, open_orders=waiting)
            case "order":
                name = ClientOrderId(request.name)
                found_order = None if self._is_hidden(name) else self.paper.order(name)
                if name in self._ghosts and found_order is not None:
                    found_order = replace(
                        found_order, state=OrderState.CANCELED, remaining=0, reason="canceled"
                    )
                return Page(count=1, last=last, order=found_order)
            case "instruments":
                return Page(count=1, last=last, instruments=self._instruments())
        return Page(count=1, last=last)

    def _instruments(self) -> tuple[Instrument, ...]:
        found = self.paper.instruments()
        if not self.troubles.other_minimum:
            return found
        self.hits["F49"] += 1
        return tuple(replace(item, minimum_units=5_000, unit_step=1_000) for item in found)

    def outsider_trades(self, instrument: Instrument) -> None:
        """Somebody else buys on the account."""
        self._trade_beside("E01", f"{EXTERNAL_PREFIX}{len(self.log)}", instrument, units=700)

    def other_gateway_trades(self, instrument: Instrument) -> None:
        """A gateway of another home sells on the account."""
        self._trade_beside("E02", f"{len(self.log):012x}-{self.seq}-0", instrument, units=-900)

    def _trade_beside(self, fault: str, name: str, instrument: Instrument, *, units: int) -> None:
        self.hits[fault] += 1
        self.log.append(f"{fault} {name}")
        self.others.add(name)
        self.paper.place(Order(client_order_id=ClientOrderId(name), instrument=instrument.id, units=units))

    def _is_hidden(self, name: str) -> bool:
        return self._hidden.get(name, 0.0) > self.clock()

    def _shown(self) -> Sequence[Transaction]:
        """The record as far as it is shown: nothing after a line of an order that is still hidden."""
        for index, item in enumerate(self.record):
            if self._is_hidden(item.client_order_id):
                return self.record[:index]
        return self.record

    def _collect(self) -> None:
        """Take the matching's transactions into the record, with what the broker makes of them."""
        found = self.paper.transactions_since(self._taken)
        self._taken += len(found)
        for item in found:
            owner = self._double.get(item.client_order_id)
            if owner is not None:
                if item.fill is None:
                    continue
                self.hits["F16"] += 1
                fill = replace(item.fill, client_order_id=ClientOrderId(owner), remaining=0)
                item = replace(item, client_order_id=ClientOrderId(owner), fill=fill)
            self._append(item)
            if item.fill is None or item.fill.reason in EXIT_REASONS:
                continue
            self._misreport(item, item.fill)

    def _misreport(self, item: Transaction, fill: Fill) -> None:
        if self.troubles.repeat_fill:
            self.hits["F09"] += 1
            self._append(item)
        if self.troubles.alter_fill:
            self.hits["F10"] += 1
            self._append(replace(item, fill=replace(fill, price=fill.price + 7)))
        if self.troubles.rename_fill:
            self.hits["F11"] += 1
            self.lied.add("F11")
            self._append(replace(item, broker_trade_id=f"{item.broker_trade_id}-again"))

    def _append(self, item: Transaction) -> None:
        self.record.append(replace(item, number=len(self.record) + 1, event_seq=0))


def _ended(name: ClientOrderId, *, seq: int, reason: str) -> Transaction:
    return Transaction(
        number=0,
        event_seq=seq,
        client_order_id=name,
        state=OrderState.CANCELED,
        fill=None,
        broker_trade_id="",
        reason=reason,
    )


def _order(request: Request) -> Order:
    if request.order is None:
        raise ValueError("expected an order")
    return request.order


def _word(word: Word, *, status: int = 200) -> Reply:
    return Reply(status=status, body=msgspec.json.encode(word))


def _page(page: Page) -> Reply:
    return Reply(status=200, body=msgspec.json.encode(page))
