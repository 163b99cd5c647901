"""One deployment's live state: its broker, how far its feed is, and what its orders are judged against."""

from collections import deque
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum

from workbench.domain.accounts import AccountSnapshot
from workbench.domain.calendar import session_of
from workbench.domain.limits import Limits
from workbench.domain.orders import Fill, Order
from workbench.domain.timeframes import NS_PER_MINUTE
from workbench.gateway.brokers.port import Broker
from workbench.gateway.controls import Exposure
from workbench.gateway.feeds import Feed
from workbench.gateway.messages import BarClosed, FeedEnded, FeedEvent, QuoteMoved
from workbench.gateway.specs import DeploymentSpec

__all__ = ["State", "Trading"]


class State(StrEnum):
    """Whether a deployment may trade."""

    RUNNING = "running"
    STOPPED = "stopped"  # by a person; resume
    CLOSED = "closed"  # over; open again
    FROZEN = "frozen"  # something is wrong; resume after it was put right


@dataclass(slots=True, kw_only=True)
class Trading:
    """What the gateway knows of one deployment; everything in it can be computed again from the store."""

    spec: DeploymentSpec
    limits: Limits
    margin_rate_ppm: int
    feed: Feed
    broker: Broker
    state: State = State.RUNNING
    detail: str = ""
    seq: int = 0  # the last event taken
    decision_seq: int = 0  # the last event handed to the strategy
    acked: bool = True  # whether the strategy has done with it
    ended: bool = False  # the feed has
    time_ns: int = 0
    bid: int = 0
    ask: int = 0
    equity: int = 0
    session: date | None = None
    day_start_equity: int = 0
    watermark: int = 0  # the last transaction written down
    order_times: deque[int] = field(default_factory=deque)  # feed times of the orders sent
    unknown: dict[str, Order] = field(default_factory=dict)
    undelivered: list[Fill] = field(default_factory=list)  # executed since the last event handed over
    orders: int = 0
    denials: int = 0
    fills: int = 0
    archived: AccountSnapshot | None = None  # the stored books, where they were not computed again
    kernel_pid: int = 0
    kernel_seen_ns: int = 0

    def take(self, event: FeedEvent) -> None:
        """Let the broker and the clock of this deployment see an event."""
        self.broker.take_event(event)
        self.seq = event.seq
        match event:
            case QuoteMoved(quote=quote):
                self.bid, self.ask = quote.bid, quote.ask
                self._mark(quote.time_ns, session=session_of(quote.time_ns))
            case BarClosed(bar=bar):
                # a bar that ends at 17:00 belongs to the day it ends
                self.bid, self.ask = bar.bid_close, bar.ask_close
                self._mark(bar.close_ns, session=session_of(bar.close_ns - 1))
            case FeedEnded():
                self.ended = True

    @property
    def books(self) -> AccountSnapshot:
        """The books to show."""
        return self.archived or self.broker.account()

    def exposure(self, *, killed: str) -> Exposure:
        """What an order is judged against now."""
        while self.order_times and self.order_times[0] <= self.time_ns - NS_PER_MINUTE:
            self.order_times.popleft()
        record = self.spec.record
        waiting = tuple(item.order for item in self.broker.open_orders())
        return Exposure(
            instrument=record,
            margin_rate_ppm=self.margin_rate_ppm,
            bid=self.bid,
            ask=self.ask,
            equity=self.equity,
            day_start_equity=self.day_start_equity,
            position=self.broker.account().units(record.id),
            waiting=(*waiting, *self.unknown.values()),
            orders_last_minute=len(self.order_times),
            killed=killed,
        )

    def _mark(self, time_ns: int, *, session: date) -> None:
        before = self.equity
        self.time_ns = time_ns
        self.equity = self.broker.account().equity
        if session != self.session:
            self.session = session
            self.day_start_equity = before
