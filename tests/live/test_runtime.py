"""The strategy's loop, against a gateway made of a list of answers."""

import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.gateway.bench import PASSING
from tests.live.fake_gateway import EUR_USD, made_up_bars
from workbench.domain.accounts import AccountSnapshot
from workbench.domain.orders import ClientOrderId, Order
from workbench.domain.quotes import Bar
from workbench.gateway.errors import GatewayUnreachableError
from workbench.gateway.messages import (
    PROTOCOL_VERSION,
    AskExposure,
    Attach,
    Attached,
    BarClosed,
    CancelIntent,
    CancelResult,
    EventReply,
    FeedEnded,
    IntentResult,
    KernelReply,
    KernelRequest,
    NextEvent,
    Refused,
    SubmitIntent,
    Waiting,
)
from workbench.live.decided import decision_of
from workbench.live.errors import DecisionDiffersError, GatewayRefusedError
from workbench.live.log import open_log
from workbench.live.runtime import Ending, StrategyRuntime
from workbench.strategy import Decision

BARS = made_up_bars(6)
BOOKS = AccountSnapshot(
    time_ns=0,
    currency="USD",
    balance=1,
    equity=1,
    margin_used=0,
    financing=0,
    commission=0,
    positions=(),
)


class Buyer:
    """Buys at every bar."""

    def on_bars(self, bars: Sequence[Bar], account: AccountSnapshot, event_seq: int) -> Decision:
        return Decision(orders=(order(event_seq),))


def order(seq: int) -> Order:
    return Order(client_order_id=ClientOrderId(f"x-{seq}-0"), instrument=EUR_USD, units=1_000)


Hook = Callable[[KernelRequest], KernelReply | None]


class Scripted:
    """Three bars, of which the first `acked` were done with before."""

    def __init__(
        self, *, acked: int = 0, hook: Callable[[KernelRequest], KernelReply | None] = lambda _: None
    ) -> None:
        self.acked, self.hook = acked, hook
        self.requests: list[KernelRequest] = []

    def ask(self, request: KernelRequest) -> KernelReply:
        self.requests.append(request)
        if (answer := self.hook(request)) is not None:
            return answer
        match request:
            case Attach():
                return Attached(version=PROTOCOL_VERSION, acked=self.acked, killed=False)
            case AskExposure():
                return PASSING
            case SubmitIntent():
                name = request.order.client_order_id
                return IntentResult(
                    client_order_id=name, state="WORKING", control="", reason="", repeated=False
                )
            case CancelIntent(client_order_id=name):
                return CancelResult(client_order_id=name, state="CANCELED", reason="", repeated=False)
            case NextEvent(after=after) if after < 6:
                seq, bar = after + 2, BARS[after // 2]
                replayed = seq <= self.acked
                return EventReply(
                    event=BarClosed(seq=seq, bar=bar),
                    account=BOOKS,
                    fills=(),
                    replayed=replayed,
                    decision=decision_of([bar], Decision(orders=(order(seq),))) if replayed else {},
                )
            case _:
                return EventReply(
                    event=FeedEnded(seq=7, time_ns=0), account=BOOKS, fills=(), replayed=False, decision={}
                )

    def close(self) -> None: ...

    def of(self, kind: type[Any]) -> list[Any]:
        return [item for item in self.requests if isinstance(item, kind)]


def runtime(gateway: Scripted, folder: Path, decider: Any = None) -> StrategyRuntime:
    return StrategyRuntime(
        gateway=gateway,
        decider=decider or Buyer(),
        deployment_id="d",
        token="t",
        pid=1,
        log=open_log(folder / "live.log"),
        pause_s=0.001,
    )


def test_each_bar_is_decided_and_its_decision_told_with_the_next_question(tmp_path: Path) -> None:
    gateway = Scripted()
    assert runtime(gateway, tmp_path).run() is Ending.FINISHED
    assert [item.event_seq for item in gateway.of(SubmitIntent)] == [2, 4, 6]
    told = {item.after: item.decision for item in gateway.of(NextEvent)}
    assert told[0] == {}
    assert told[4] == decision_of([BARS[1]], Decision(orders=(order(4),)))


class Withdrawing(Buyer):
    """Takes back the order of the event before, then buys."""

    def on_bars(self, bars: Sequence[Bar], account: AccountSnapshot, event_seq: int) -> Decision:
        cancels = (ClientOrderId(f"x-{event_seq - 2}-0"),) if event_seq > 2 else ()
        return Decision(orders=(order(event_seq),), cancels=cancels)


def test_orders_are_taken_back_before_new_ones_are_sent_and_the_decision_tells_of_it(tmp_path: Path) -> None:
    gateway = Scripted()
    assert runtime(gateway, tmp_path, Withdrawing()).run() is Ending.FINISHED
    sent = [
        item.client_order_id if isinstance(item, CancelIntent) else item.order.client_order_id
        for item in gateway.requests
        if isinstance(item, CancelIntent | SubmitIntent)
    ]
    assert sent == ["x-2-0", "x-2-0", "x-4-0", "x-4-0", "x-6-0"]
    assert [item.event_seq for item in gateway.of(CancelIntent)] == [4, 6]
    told = {item.after: item.decision for item in gateway.of(NextEvent)}
    assert "cancels" not in told[2]
    assert told[4]["cancels"] == ["x-2-0"]


def test_a_withdrawal_decided_otherwise_than_before_stops_the_deployment(tmp_path: Path) -> None:
    with pytest.raises(DecisionDiffersError, match="decision differs at event 4"):
        runtime(Scripted(acked=4), tmp_path, Withdrawing()).run()


def test_a_silent_gateway_is_asked_again_for_the_same_cancel(tmp_path: Path) -> None:
    silent = iter([True, True])

    def hook(request: KernelRequest) -> KernelReply | None:
        if isinstance(request, CancelIntent) and next(silent, False):
            raise GatewayUnreachableError("silence")
        return None

    gateway = Scripted(hook=hook)
    assert runtime(gateway, tmp_path, Withdrawing()).run() is Ending.FINISHED
    assert [item.event_seq for item in gateway.of(CancelIntent)] == [4, 4, 4, 6]


def test_a_replayed_event_is_decided_again_and_nothing_is_sent_for_it(tmp_path: Path) -> None:
    gateway = Scripted(acked=4)
    assert runtime(gateway, tmp_path).run() is Ending.FINISHED
    assert [item.event_seq for item in gateway.of(SubmitIntent)] == [6]


def test_a_replayed_event_decided_otherwise_stops_the_deployment_and_names_the_event(tmp_path: Path) -> None:
    class Other:
        def on_bars(self, bars: Sequence[Bar], account: AccountSnapshot, event_seq: int) -> Decision:
            return Decision()

    with pytest.raises(DecisionDiffersError, match="decision differs at event 2"):
        runtime(Scripted(acked=4), tmp_path, Other()).run()


def test_a_silent_gateway_is_asked_again_for_the_same_intent(tmp_path: Path) -> None:
    silent = iter([True, True])

    def hook(request: KernelRequest) -> KernelReply | None:
        if isinstance(request, SubmitIntent) and next(silent, False):
            raise GatewayUnreachableError("silence")
        return None

    gateway = Scripted(hook=hook)
    assert runtime(gateway, tmp_path).run() is Ending.FINISHED
    sent = [item.order.client_order_id for item in gateway.of(SubmitIntent)]
    assert sent == ["x-2-0", "x-2-0", "x-2-0", "x-4-0", "x-6-0"]


def test_a_gateway_that_forgot_the_kernel_is_attached_to_again(tmp_path: Path) -> None:
    forgotten = iter([True])

    def hook(request: KernelRequest) -> KernelReply | None:
        if isinstance(request, NextEvent) and request.after == 4 and next(forgotten, False):
            return Refused(reason="attach first")
        return None

    gateway = Scripted(hook=hook)
    assert runtime(gateway, tmp_path).run() is Ending.FINISHED
    assert len(gateway.of(Attach)) == 2
    assert [item.event_seq for item in gateway.of(SubmitIntent)] == [2, 4, 6]


def test_a_gateway_that_goes_on_refusing_ends_the_loop_with_its_reason(tmp_path: Path) -> None:
    gateway = Scripted(
        hook=lambda request: (
            Refused(reason="frozen: books differ") if isinstance(request, NextEvent) else None
        )
    )
    with pytest.raises(GatewayRefusedError, match="frozen: books differ"):
        runtime(gateway, tmp_path).run()


def test_a_refused_attach_names_the_reason(tmp_path: Path) -> None:
    gateway = Scripted(hook=lambda request: Refused(reason="wrong token"))
    with pytest.raises(GatewayRefusedError, match="refused deployment d: wrong token"):
        runtime(gateway, tmp_path).run()


def test_a_stop_in_the_middle_of_a_decision_lets_it_finish_and_tells_the_gateway(tmp_path: Path) -> None:
    deciding, go_on = threading.Event(), threading.Event()

    class Slow(Buyer):
        def on_bars(self, bars: Sequence[Bar], account: AccountSnapshot, event_seq: int) -> Decision:
            if event_seq == 4:
                deciding.set()
                assert go_on.wait(5)
            return super().on_bars(bars, account, event_seq)

    gateway = Scripted()
    loop = runtime(gateway, tmp_path, Slow())
    endings: list[Ending] = []
    thread = threading.Thread(target=lambda: endings.append(loop.run()))
    thread.start()
    assert deciding.wait(5)
    loop.request_stop()
    go_on.set()
    thread.join(5)
    assert endings == [Ending.STOPPED]
    assert [item.event_seq for item in gateway.of(SubmitIntent)] == [2, 4]
    last = gateway.of(NextEvent)[-1]
    assert (last.after, last.decision) == (4, decision_of([BARS[1]], Decision(orders=(order(4),))))


def test_a_stop_ends_the_loop_while_it_waits_and_while_the_gateway_is_silent(tmp_path: Path) -> None:
    def silent(request: KernelRequest) -> KernelReply | None:
        raise GatewayUnreachableError("silence")

    def waits(request: KernelRequest) -> KernelReply | None:
        return Waiting(killed=True) if isinstance(request, NextEvent) else None

    for hook, waiting in ((silent, "the gateway does not answer"), (waits, "the kill switch is on")):
        loop = runtime(Scripted(hook=hook), tmp_path)
        endings: list[Ending] = []
        thread = threading.Thread(target=lambda loop=loop, endings=endings: endings.append(loop.run()))  # type: ignore[misc]
        thread.start()
        deadline = time.monotonic() + 5
        while loop.waiting != waiting and time.monotonic() < deadline:
            time.sleep(0.001)
        loop.request_stop()
        thread.join(5)
        assert endings == [Ending.STOPPED]
