"""A gateway over the real messages: replays made-up bars and fills at the next bar's open, in memory.

It outlives the live kernels under test, as the real one does, and hands a returning kernel every event
again that it had done with, together with the decision and the books of then.
"""

import hashlib
import threading
import time
from pathlib import Path
from typing import Any

import msgspec
import zmq

from tests.gateway.bench import PASSING
from workbench.domain.accounts import AccountSnapshot, Position
from workbench.domain.instruments import InstrumentId
from workbench.domain.orders import Fill, FillReason, Order
from workbench.domain.quotes import Bar
from workbench.gateway.messages import (
    PROTOCOL_VERSION,
    AskExposure,
    Attach,
    Attached,
    BarClosed,
    CancelIntent,
    CancelResult,
    ChangeIntent,
    ChangeResult,
    EventReply,
    FeedEnded,
    Heartbeat,
    IntentResult,
    KernelReply,
    KernelRequest,
    NextEvent,
    Ok,
    Refused,
    SubmitIntent,
    Waiting,
)


def tell_token(socket: Path, token: str) -> None:
    """What a supervisor tells the gateway at that socket before it starts a kernel."""
    fresh = socket.with_name("token.fresh")
    fresh.write_text(hashlib.sha256(token.encode()).hexdigest())
    fresh.replace(socket.with_name("token.sha256"))


EUR_USD = InstrumentId("EUR_USD")
HOUR_NS = 3_600_000_000_000
START_NS = 1_483_311_600_000_000_000  # 2017-01-01 23:00 UTC


def made_up_bars(count: int) -> list[Bar]:
    """Bars whose closes go up and down with a period of 13."""
    bars = []
    for number in range(count):
        mid = 105_000 + 40 * abs(number % 13 - 6) + number % 5
        bars.append(
            Bar(
                instrument=EUR_USD,
                open_ns=START_NS + number * HOUR_NS,
                close_ns=START_NS + (number + 1) * HOUR_NS,
                bid_open=mid,
                bid_high=mid + 9,
                bid_low=mid - 9,
                bid_close=mid + 3,
                ask_open=mid + 2,
                ask_high=mid + 11,
                ask_low=mid - 7,
                ask_close=mid + 5,
            )
        )
    return bars


class FakeGateway:
    """Serves one deployment in a thread.

    Parameters
    ----------
    pace_s
        Rest before each event that was not handed out before.
    endless
        After the last bar it answers `Waiting` instead of `FeedEnded`.
    """

    def __init__(self, socket: Path, *, bars: list[Bar], pace_s: float = 0.0, endless: bool = False) -> None:
        self.path = socket
        self.bars, self.pace_s, self.endless = bars, pace_s, endless
        self._token_file = socket.with_name("token.sha256")
        self.acked = 0
        self.decisions: dict[int, dict[str, Any]] = {}
        self.snapshots: dict[int, AccountSnapshot] = {}
        self.intents: dict[str, tuple[int, Order]] = {}
        self.fills: list[Fill] = []
        self.asked: list[tuple[float, str]] = []  # monotonic, kind of request
        self.attached: list[int] = []
        self.silent = threading.Event()
        self._position = 0
        self._filled: set[str] = set()
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> "FakeGateway":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join(5)

    def _serve(self) -> None:
        with zmq.Context() as context, context.socket(zmq.ROUTER) as socket:
            socket.linger = 0
            socket.bind(f"ipc://{self.path}")
            decoder: msgspec.json.Decoder[KernelRequest] = msgspec.json.Decoder(KernelRequest)
            while not self._end.is_set():
                if not socket.poll(50):
                    continue
                sender, frame = socket.recv_multipart()
                if self.silent.is_set():
                    continue
                request = decoder.decode(frame)
                self.asked.append((time.monotonic(), type(request).__name__))
                socket.send_multipart([sender, msgspec.json.encode(self._answer(request))])

    def _answer(self, request: KernelRequest) -> KernelReply:
        if hashlib.sha256(request.token.encode()).hexdigest() != self._token_file.read_text():
            return Refused(reason="wrong token")
        match request:
            case Attach():
                self.attached.append(request.pid)
                return Attached(version=PROTOCOL_VERSION, acked=self.acked, killed=False)
            case NextEvent():
                return self._next(request)
            case AskExposure():
                return PASSING
            case SubmitIntent():
                return self._take(request)
            case CancelIntent(client_order_id=name):
                return CancelResult(client_order_id=name, state="FILLED", reason="", repeated=False)
            case ChangeIntent():
                return ChangeResult(state="DONE", control="", reason="", repeated=False)
            case Heartbeat():
                return Ok()

    def _next(self, request: NextEvent) -> KernelReply:
        if request.after > self.acked:
            self.decisions[request.after] = request.decision
            self.acked = request.after
        number = request.after // 2  # of the bar: quotes have odd numbers, closed bars even ones
        if number >= len(self.bars):
            return (
                Waiting(killed=False)
                if self.endless
                else EventReply(
                    event=FeedEnded(seq=request.after + 1, time_ns=self.bars[-1].close_ns),
                    account=self._books(self.bars[-1]),
                    fills=(),
                    replayed=False,
                    decision={},
                )
            )
        bar, seq = self.bars[number], 2 * (number + 1)
        fresh: tuple[Fill, ...] = ()
        if seq not in self.snapshots:
            time.sleep(self.pace_s)
            fresh = self._fill_at(bar)
            self.snapshots[seq] = self._books(bar)
        return EventReply(
            event=BarClosed(seq=seq, bar=bar),
            account=self.snapshots[seq],
            fills=fresh,
            replayed=seq <= self.acked,
            decision=self.decisions.get(seq, {}) if seq <= self.acked else {},
        )

    def _take(self, request: SubmitIntent) -> IntentResult:
        name = request.order.client_order_id
        repeated = name in self.intents
        self.intents.setdefault(name, (request.event_seq, request.order))
        return IntentResult(client_order_id=name, state="WORKING", control="", reason="", repeated=repeated)

    def _fill_at(self, bar: Bar) -> tuple[Fill, ...]:
        fresh = []
        for name, (_, order) in self.intents.items():
            if name in self._filled:
                continue
            self._filled.add(name)
            self._position += order.units
            fresh.append(
                Fill(
                    client_order_id=order.client_order_id,
                    instrument=bar.instrument,
                    time_ns=bar.open_ns,
                    units=order.units,
                    price=bar.ask_open if order.units > 0 else bar.bid_open,
                    reason=FillReason.MARKET,
                    commission=0,
                    realized=0,
                    position=self._position,
                    balance=100_000_000_000,
                )
            )
        self.fills.extend(fresh)
        return tuple(fresh)

    def _books(self, bar: Bar) -> AccountSnapshot:
        held = Position(
            instrument=bar.instrument, units=self._position, average_price=0, unrealized=0, stop=0, target=0
        )
        return AccountSnapshot(
            time_ns=bar.close_ns,
            currency="USD",
            balance=100_000_000_000,
            equity=100_000_000_000,
            margin_used=0,
            financing=0,
            commission=0,
            positions=(held,) if self._position else (),
        )
