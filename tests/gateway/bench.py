"""What the tests of the gateway share: bars, a home, a desk without sockets, and a kernel that checks."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import sqlalchemy as sa
import structlog

from tests.gateway.strategies import EUR_USD, HOUR, busy, decided
from workbench.domain.control_table import FIRM, Entry, LimitTable
from workbench.domain.controls import LIMITS, Sense
from workbench.domain.cost_book import CostBook, retail_costs
from workbench.domain.instruments import Instrument, instrument
from workbench.domain.limits import Limits
from workbench.domain.orders import ClientOrderId, ExitChange, Fill, Order
from workbench.domain.quotes import Quote
from workbench.domain.timeframes import Timeframe
from workbench.engine import MatchingEngine
from workbench.gateway.checkpoints import CheckpointFile, signing_key
from workbench.gateway.controls import Exposure
from workbench.gateway.desk import Desk
from workbench.gateway.kernels import answer
from workbench.gateway.kill_requests import KillRequests
from workbench.gateway.ledger import Ledger
from workbench.gateway.messages import (
    PROTOCOL_VERSION,
    Attach,
    BarClosed,
    CancelIntent,
    CancelResult,
    ChangeIntent,
    ChangeResult,
    EventReply,
    FeedEnded,
    IntentResult,
    Judged,
    KernelReply,
    KernelRequest,
    NextEvent,
    OperatorRequest,
    Refused,
    SubmitIntent,
    Waiting,
)
from workbench.gateway.operators import act, check_request
from workbench.gateway.recovery import load_desk
from workbench.gateway.specs import DeploymentSpec
from workbench.market import Bars, make_bars
from workbench.market.ticks import Ticks
from workbench.store import open_store
from workbench.strategy import Decision

START = 1_512_345_600_000_000_000  # Monday 4 December 2017, 00:00 UTC
TOKEN = "a session secret"
BALANCE = 100_000_000_000  # 100,000 dollars
COSTS = CostBook(broker="paper", valid_from=date(2017, 1, 1), costs={EUR_USD: retail_costs("EUR_USD")})
WIDE = Limits(
    instruments=("EUR_USD",),
    max_order_units=1_000_000,
    max_order_value=10**13,
    max_position_units=2_000_000,
    max_open_orders=100,
    max_orders_per_minute=100,
    max_margin_use_ppm=1_000_000,
    max_daily_loss=10**12,
)

NO_LIMITS = LimitTable(  # of the table: those of the release alone bind
    Entry(
        version=number,
        name=kind.name,
        scope=FIRM,
        value=[] if kind.sense is Sense.FORBIDDEN else None,
        action="set",
        by="test",
        created_ns=0,
    )
    for number, kind in enumerate(LIMITS.values(), start=1)
)

PASSING = Judged(  # what lets any order of sense in EUR_USD pass
    exposures=(
        Exposure(
            instrument=instrument("EUR_USD"),
            margin_rate_ppm=33_333,
            bid=118_000,
            ask=118_013,
            equity=BALANCE,
            day_start_equity=BALANCE,
            position=0,
            waiting=(),
            orders_last_minute=0,
            killed="",
            layers=NO_LIMITS.layers(account="paper-1", deployment="d-1", instrument="EUR_USD"),
            time_ns=START,
            currency="USD",
        ),
    ),
    limits=WIDE,
)


def made_up_bars(count: int, *, seed: int = 7, name: str = "EUR_USD") -> Bars:
    """A random walk around 1.18, hourly, with a spread of 13 points."""
    rng = np.random.default_rng(seed)
    closes = 118_000 + np.cumsum(rng.integers(-120, 121, count))
    opens = np.concatenate(([118_000], closes[:-1])) + rng.integers(-15, 16, count)
    highs = np.maximum(opens, closes) + rng.integers(0, 80, count)
    lows = np.minimum(opens, closes) - rng.integers(0, 80, count)
    bid = {"bid_open": opens, "bid_high": highs, "bid_low": lows, "bid_close": closes}
    ask = {name.replace("bid", "ask"): column + 13 for name, column in bid.items()}
    return make_bars(
        instrument(name),
        timeframe=Timeframe.H1,
        open_ns=START + HOUR * np.arange(count, dtype=np.int64),
        prices={**bid, **ask},
    )


def opening(deployment_id: str, bars: Bars, **changes: Any) -> dict[str, Any]:
    """What a deployment over all of `bars` is opened with."""
    spec: dict[str, Any] = {
        "deployment_id": deployment_id,
        "account": {"id": "paper-1", "broker": "paper", "currency": "USD", "balance": BALANCE},
        "instruments": ["EUR_USD"],
        "timeframe": "H1",
        "feed": {
            "kind": "replay",
            "fingerprint": bars.fingerprint,
            "start_ns": int(bars.open_ns[0]),
            "end_ns": int(bars.close_ns[-1]),
            "bars_per_second": 0,
        },
        "cost_book": COSTS.to_json(),
        "limits": WIDE.to_json(),
        "token_sha256": hashlib.sha256(TOKEN.encode()).hexdigest(),
    }
    for name, value in changes.items():
        spec[name] = {**spec[name], **value} if isinstance(value, dict) else value
    return spec


def expected_fills(bars: Bars, *, decide: Callable[..., Decision | list[Order]] = busy) -> list[Fill]:
    """What the engine alone makes of a strategy that is never interrupted."""
    engine = MatchingEngine(
        instruments=(instrument("EUR_USD"),), cost_book=COSTS, currency="USD", balance=BALANCE
    )
    fills: list[Fill] = []
    for index, bar in enumerate(bars):
        fills += engine.on_quote(
            Quote(instrument=EUR_USD, time_ns=bar.open_ns, bid=bar.bid_open, ask=bar.ask_open)
        )
        fills += engine.on_bar(bar)
        found = decided(decide(bar, engine.account(), 2 * index + 2))
        for name in found.cancels:
            engine.cancel(name)
        for change in found.changes:
            engine.change_exits(change)
        for order in found.orders:
            engine.submit(order)
    return fills


@dataclass
class Kernel:
    """A live kernel as the gateway sees it: decides each event, checks that it decides alike again."""

    ask: Callable[[KernelRequest], KernelReply]
    deployment_id: str = "d-1"
    token: str = TOKEN
    decide: Callable[..., Decision | list[Order]] = busy
    across: bool = False  # whether it is given all bars of an instant
    after: int = 0
    decision: dict[str, Any] = field(default_factory=dict)
    fills: list[Fill] = field(default_factory=list)
    results: list[IntentResult] = field(default_factory=list)
    withdrawn: list[CancelResult] = field(default_factory=list)
    changed: list[ChangeResult] = field(default_factory=list)
    replayed: int = 0
    ended: bool = False

    def attach(self, *, version: int = PROTOCOL_VERSION) -> KernelReply:
        """Say who asks."""
        return self.ask(Attach(version=version, deployment_id=self.deployment_id, token=self.token, pid=1))

    def next(self) -> KernelReply:
        """Ask for the next event, without deciding on it."""
        return self.ask(
            NextEvent(
                deployment_id=self.deployment_id, token=self.token, after=self.after, decision=self.decision
            )
        )

    def submit(self, order: Order, *, event_seq: int | None = None) -> KernelReply:
        """Send an order, decided on the last event unless told otherwise."""
        return self.ask(
            SubmitIntent(
                deployment_id=self.deployment_id,
                token=self.token,
                event_seq=self.after if event_seq is None else event_seq,
                order=order,
            )
        )

    def cancel(self, name: str, *, event_seq: int | None = None) -> KernelReply:
        """Take an order back, decided on the last event unless told otherwise."""
        return self.ask(
            CancelIntent(
                deployment_id=self.deployment_id,
                token=self.token,
                event_seq=self.after if event_seq is None else event_seq,
                client_order_id=ClientOrderId(name),
            )
        )

    def change(self, change: ExitChange, number: int = 0, *, event_seq: int | None = None) -> KernelReply:
        """Change exits, decided on the last event unless told otherwise."""
        return self.ask(
            ChangeIntent(
                deployment_id=self.deployment_id,
                token=self.token,
                event_seq=self.after if event_seq is None else event_seq,
                number=number,
                change=change,
            )
        )

    def take(self) -> EventReply:
        """The next event, without deciding on it; it counts as done with at the next question."""
        reply = self.next()
        assert isinstance(reply, EventReply), reply
        self.after, self.decision = reply.event.seq, {"orders": []}
        self.fills += reply.fills
        return reply

    def step(self) -> KernelReply:
        """One event: decide, send, and remember what to say of it."""
        reply = self.next()
        if not isinstance(reply, EventReply):
            return reply
        self.fills += reply.fills
        self.after = reply.event.seq
        if isinstance(reply.event, FeedEnded):
            self.ended = True
            return reply
        assert isinstance(reply.event, BarClosed)
        seen = reply.event.bars if self.across else reply.event.bar
        found = decided(self.decide(seen, reply.account, reply.event.seq))
        self.decision = {"orders": [msgspec.to_builtins(order) for order in found.orders]}
        if found.cancels:
            self.decision["cancels"] = list(found.cancels)
        if found.changes:
            self.decision["changes"] = [msgspec.to_builtins(change) for change in found.changes]
        if reply.replayed:
            self.replayed += 1
            assert self.decision == reply.decision, f"decided otherwise at {self.after}"
            return reply
        for name in found.cancels:
            gone = self.cancel(name)
            if isinstance(gone, Refused):
                return gone
            assert isinstance(gone, CancelResult), gone
            self.withdrawn.append(gone)
        for number, change in enumerate(found.changes):
            changed = self.change(change, number)
            if isinstance(changed, Refused):
                return changed
            assert isinstance(changed, ChangeResult), changed
            self.changed.append(changed)
        for order in found.orders:
            result = self.submit(order)
            if isinstance(result, Refused):
                return result
            assert isinstance(result, IntentResult), result
            self.results.append(result)
        return reply

    def run(self, *, most: int = 1_000_000) -> KernelReply:
        """Step until the feed ends, something is refused or there is nothing yet."""
        reply = self.step()
        for _ in range(most - 1):
            if self.ended or isinstance(reply, Refused | Waiting):
                break
            reply = self.step()
        return reply


class FakeClock:
    """Seconds that pass when told."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Room:
    """A desk over a store, with neither process nor sockets."""

    url: str
    home: Path
    bars: Bars
    more: Sequence[Bars] = ()  # of further instruments
    ticks: Ticks | None = None
    clock: FakeClock = field(default_factory=FakeClock)
    shipped_limits: bool = False  # whether the table of limits is as it is shipped, or lets all pass
    at_boundary: Callable[[str], None] = lambda name: None
    engine: sa.Engine = field(init=False)
    desk: Desk = field(init=False)

    def __post_init__(self) -> None:
        self.home.mkdir(exist_ok=True)
        self.engine = open_store(self.url)
        if self.engine.dialect.name == "sqlite":

            @sa.event.listens_for(self.engine, "connect")
            def hurry(connection: Any, record: Any) -> None:
                connection.execute("PRAGMA synchronous = OFF")  # no test here cuts the power

        self.engine.dispose()
        self.start()

    def start(self) -> None:
        """A new process would do this: everything from the store."""
        log = structlog.wrap_logger(structlog.testing.CapturingLogger())
        self.desk = Desk(
            engine=self.engine,
            ledger=Ledger(
                self.engine,
                checkpoints=CheckpointFile(self.checkpoints, signing_key(self.home)),
                log=log,
                monotonic=self.clock,
                at_boundary=self._past_first_limits,
            ),
            load_bars=self._load_bars,
            load_ticks=self._load_ticks,
            monotonic=self.clock,
            log=log,
            at_boundary=self.at_boundary,
            kill_requests=KillRequests(self.home / "kills"),
        )
        load_desk(self.desk)
        if not self.shipped_limits:
            self.desk.controls.table = NO_LIMITS

    def _past_first_limits(self, name: str) -> None:
        """The boundaries that come after a new table of limits was begun."""
        if not name.endswith(" limits"):
            self.at_boundary(name)

    def _load_bars(self, spec: DeploymentSpec, record: Instrument) -> Bars:
        found = next(bars for bars in (self.bars, *self.more) if bars.instrument.id == record.id)
        return found.between(spec.feed.start_ns, spec.feed.end_ns)

    def _load_ticks(self, spec: DeploymentSpec, record: Instrument) -> Ticks:
        assert self.ticks is not None
        return self.ticks.between(spec.feed.start_ns, spec.feed.end_ns)

    @property
    def checkpoints(self) -> Path:
        """The file of signed heads."""
        return self.home / "gateway.checkpoints"

    def ask(self, request: KernelRequest) -> KernelReply:
        """A live kernel's question."""
        return answer(self.desk, request)

    def act(self, verb: str, *, role: str = "admin", **arguments: Any) -> dict[str, Any]:
        """A person's verb."""
        request = OperatorRequest(
            version=PROTOCOL_VERSION, verb=verb, user="david", role=role, arguments=arguments
        )
        check_request(request)
        return act(self.desk, request)

    def open(self, deployment_id: str = "d-1", *, decide: Any = busy, **changes: Any) -> Kernel:
        """Open a deployment; its kernel."""
        self.act("open", **opening(deployment_id, self.bars, **changes))
        return Kernel(self.ask, deployment_id=deployment_id, decide=decide)

    def shown(self, deployment_id: str = "d-1") -> dict[str, Any]:
        """A deployment's line of the status."""
        return next(
            item for item in self.act("status")["deployments"] if item["deployment_id"] == deployment_id
        )

    def rows(self, table: sa.Table) -> Sequence[sa.RowMapping]:
        """A table's rows."""
        with self.engine.connect() as connection:
            return connection.execute(sa.select(table)).mappings().all()


def buy(units: int, name: str = "one", **changes: Any) -> Order:
    """An order for euros; negative sells."""
    return Order(client_order_id=ClientOrderId(name), instrument=EUR_USD, units=units, **changes)
