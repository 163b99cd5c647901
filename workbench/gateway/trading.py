"""One deployment's live state: its broker, how far its feed is, and what its orders are judged against."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum

from workbench.domain.accounts import AccountSnapshot
from workbench.domain.calendar import session_of
from workbench.domain.instruments import Instrument, InstrumentId, instrument
from workbench.domain.limits import Limits
from workbench.domain.orders import Fill, Order
from workbench.gateway.brokers.port import Broker
from workbench.gateway.controls import DeskView, Exposure, RiskHistory, exposure_of
from workbench.gateway.feeds import Feed
from workbench.gateway.market_data.memory import QuoteMemory
from workbench.gateway.messages import BarClosed, FeedEnded, FeedEvent, QuoteMoved
from workbench.gateway.specs import DeploymentSpec
from workbench.gateway.standing import Phase, Standing

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
    margin_rates_ppm: Mapping[InstrumentId, int]
    feed: Feed
    broker: Broker
    state: State = State.RUNNING
    detail: str = ""
    seq: int = 0  # the last event taken
    decision_seq: int = 0  # the last event handed to the strategy
    acked: bool = True  # whether the strategy has done with it
    ended: bool = False  # the feed has
    time_ns: int = 0
    prices: dict[InstrumentId, tuple[int, int]] = field(default_factory=dict)  # bid and ask
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
    standing: Standing | None = None  # what is known of a broker outside this process; None for one in it
    memory: QuoteMemory | None = None  # of a strategy that follows every quote
    kernel_pid: int = 0
    kernel_seen_ns: int = 0
    history: RiskHistory = field(default_factory=RiskHistory)
    halted: str = ""  # the control and why only orders that reduce are sent; empty for no reason
    forgiven: tuple[int, ...] = ()  # events after which a person let it trade on
    desk_view: DeskView | None = None  # the table of limits over it, and its peers; None passes nothing

    def take(self, event: FeedEvent) -> None:
        """Let the broker and the clock of this deployment see an event."""
        self.broker.take_event(event)
        self.seq = event.seq
        match event:
            case QuoteMoved(quote=quote):
                self.prices[quote.instrument] = quote.bid, quote.ask
                self.history.quote(quote.instrument, quote.time_ns, quote.bid, quote.ask)
                self._mark(quote.time_ns, session=session_of(quote.time_ns))
            case BarClosed(bars=bars):
                # a bar that ends at 17:00 belongs to the day it ends
                self.prices.update({bar.instrument: (bar.bid_close, bar.ask_close) for bar in bars})
                for bar in bars:
                    self.history.quote(bar.instrument, bar.close_ns, bar.bid_close, bar.ask_close)
                self._mark(bars[0].close_ns, session=session_of(bars[0].close_ns - 1))
            case FeedEnded():
                self.ended = True
        if event.seq in self.forgiven:
            self.history.forgive(self.equity)

    @property
    def books(self) -> AccountSnapshot:
        """The books to show."""
        if self.archived is not None:
            return self.archived
        if self.standing is None:
            return self.broker.account()
        return self.standing.snapshot(
            self.spec.records,
            prices=self.prices,
            margin_rates_ppm=self.margin_rates_ppm,
            time_ns=self.time_ns,
        )

    def record_of(self, name: InstrumentId) -> Instrument:
        """The record of an instrument that it trades or that its account holds."""
        return next((item for item in self.spec.records if item.id == name), None) or instrument(name)

    @property
    def working(self) -> list[Order]:
        """Its own orders that have not ended, with what is left of each."""
        if self.standing is None:
            return [item.order for item in self.broker.open_orders()]
        found = (known.left for known in self.standing.orders.values())
        return [order for order in found if order is not None]

    def waiting(self) -> list[Order]:
        """What may still be executed, with what is left of it: UNKNOWN orders and others' count too."""
        if self.standing is not None:
            return self.standing.waiting()
        return [*(item.order for item in self.broker.open_orders()), *self.unknown.values()]

    def obstacle(self, name: InstrumentId) -> str:
        """Why only orders that reduce may be sent for an instrument now, or none at all; empty for no reason.

        An account whose broker does not answer, or whose record is being taken in, takes no order at all.
        """
        standing = self.standing
        if standing is None:
            return ""
        if standing.phase is not Phase.READY:
            return f"the account is {standing.phase.value}: {standing.detail}"
        return standing.frozen.get(name, "")

    @property
    def reachable(self) -> bool:
        """Whether orders may be sent at all: the broker's record and the books are brought together."""
        return self.standing is None or self.standing.phase is Phase.READY

    def exposure(self, name: InstrumentId, *, killed: str) -> Exposure:
        """What an order for an instrument is judged against now; one not traded is judged as the first is."""
        return exposure_of(self, name, killed=killed)

    def _mark(self, time_ns: int, *, session: date) -> None:
        before = self.equity
        self.time_ns = time_ns
        if self.standing is not None and not self.standing.opened:
            return  # nothing is known of the account yet, least of all that it is empty
        self.equity = self.books.equity
        self.history.peak_equity = max(self.history.peak_equity, before, self.equity)
        if session != self.session:
            self.session = session
            self.day_start_equity = before
