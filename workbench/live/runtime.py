"""The strategy's loop in a live kernel: ask for the next event, decide, send intents, ask again.

It runs in a thread of its own and blocks on the gateway's socket, so that nothing the kernel's main
thread does can hold it up for longer than the interpreter's switch interval.

Replayed events are decided again and compared with what was decided then. A kernel that was killed
therefore comes back with the state an uninterrupted one would have, or stops and says where it differs.
"""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Protocol

import msgspec

from workbench.domain.accounts import AccountSnapshot
from workbench.domain.orders import ClientOrderId, ExitChange, Order
from workbench.domain.quotes import Bar, Quote
from workbench.gateway.errors import GatewayUnreachableError
from workbench.gateway.messages import (
    PROTOCOL_VERSION,
    AskExposure,
    Attach,
    Attached,
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
    QuoteMoved,
    Refused,
    SubmitIntent,
    Waiting,
)
from workbench.live.decided import decision_of, shown
from workbench.live.errors import DecisionDiffersError, GatewayRefusedError
from workbench.live.judging import OrderJudge
from workbench.live.log import JsonLog
from workbench.strategy import Decision

__all__ = ["Decider", "Ending", "Gateway", "Progress", "StrategyRuntime"]


_FIRST_REST_S = 0.002


class Gateway(Protocol):
    """The gateway as a live kernel sees it."""

    def ask(self, request: KernelRequest) -> KernelReply:
        """The answer, or `GatewayUnreachableError`; every question may be asked again."""

    def close(self) -> None:
        """Give the socket back."""


class Decider(Protocol):
    """A strategy, instant by instant."""

    def on_bars(self, bars: Sequence[Bar], account: AccountSnapshot, event_seq: int) -> Decision:
        """What is decided when `bars`, all that close at one instant, have closed."""

    def on_tick(self, quote: Quote, account: AccountSnapshot, event_seq: int) -> Decision:
        """What is decided on a quote; asked only of a strategy that follows every one."""


class Ending(StrEnum):
    """Why the loop came to its end without a failure."""

    FINISHED = "finished"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far the loop is."""

    attached: bool = False
    event_seq: int = 0
    decisions: int = 0
    replayed: int = 0
    orders: int = 0
    waiting: str = ""
    at_ns: int = 0  # monotonic clock: when the loop last went round


class StrategyRuntime:
    """One deployment's loop.

    Parameters
    ----------
    decider
        The strategy; it is asked once for all bars that close at one instant.
    pause_s
        Longest rest before the gateway is asked again after it was silent or had nothing yet; the first
        rests after an event are shorter, so that a fast replay is not held up.
    quotes
        Whether the strategy decides on every quote; on one without orders nothing is written down then.
    """

    def __init__(
        self,
        *,
        gateway: Gateway,
        decider: Decider,
        deployment_id: str,
        token: str,
        pid: int,
        log: JsonLog,
        tell: Callable[[Progress], None] = lambda progress: None,
        pause_s: float = 0.1,
        quotes: bool = False,
    ) -> None:
        self._gateway = gateway
        self._decider = decider
        self._deployment_id = deployment_id
        self._token = token
        self._pid = pid
        self._log = log
        self._tell = tell
        self._pause_s = pause_s
        self._quotes = quotes
        self._stop = threading.Event()
        self._progress = Progress(at_ns=time.monotonic_ns())

    @property
    def progress(self) -> Progress:
        """How far the loop is; safe to read from any thread."""
        return self._progress

    def request_stop(self) -> None:
        """Finish the decision at hand, tell the gateway, then leave the loop."""
        self._stop.set()

    def run(self) -> Ending:
        """Trade until the feed ends or a stop is asked for.

        Raises
        ------
        GatewayRefusedError
            The gateway does not let this kernel trade.
        DecisionDiffersError
            A replayed event was decided otherwise than before.
        """
        if not self._attach():
            return Ending.STOPPED
        after, decision, refusals, rests = 0, dict[str, Any](), 0, 0
        while True:
            stopping = self._stop.is_set()  # asked before this round: this round only says what was decided
            reply = self._ask(
                NextEvent(
                    deployment_id=self._deployment_id,
                    token=self._token,
                    after=after,
                    decision=decision,
                    quotes=self._quotes,
                )
            )
            match reply:
                case EventReply(event=FeedEnded() as ended):
                    self._log.info("feed ended", seq=ended.seq)
                    self._note(event_seq=ended.seq, waiting="")
                    return Ending.FINISHED
                case Refused(reason=reason) if refusals == 0:
                    refusals += 1
                    self._attach_again(reason)
                case Waiting(killed=killed) if not stopping:
                    refusals, rests = 0, rests + 1
                    self._note(waiting="the kill switch is on" if killed else "")
                    self._stop.wait(min(self._pause_s, _FIRST_REST_S * rests))
                case EventReply() if not stopping:
                    refusals = rests = 0
                    decided = self._decide(reply)
                    if decided is None:
                        return Ending.STOPPED
                    after, decision = reply.event.seq, decided
                case None | Waiting() | EventReply():
                    return Ending.STOPPED
                case other:
                    raise GatewayRefusedError(f"expected an event from the gateway, found {other!r}")

    def _attach(self) -> bool:
        request = Attach(
            version=PROTOCOL_VERSION, deployment_id=self._deployment_id, token=self._token, pid=self._pid
        )
        reply = self._ask(request)
        match reply:
            case None:
                return False
            case Attached(version=version, acked=acked, killed=killed):
                if version != PROTOCOL_VERSION:
                    raise GatewayRefusedError(
                        f"the gateway speaks version {version}, this kernel {PROTOCOL_VERSION}; restart both"
                    )
                self._log.info("attached", acked=acked, killed=killed)
                self._note(attached=True, waiting="")
                return True
            case Refused(reason=reason):
                raise GatewayRefusedError(f"the gateway refused deployment {self._deployment_id}: {reason}")
            case other:
                raise GatewayRefusedError(f"expected the gateway's welcome, found {other!r}")

    def _attach_again(self, reason: str) -> None:
        """A gateway that was restarted does not know this kernel yet; one that refuses it says so here."""
        self._log.warning("the gateway asks to attach again", reason=reason)
        self._attach()

    def _decide(self, reply: EventReply) -> dict[str, Any] | None:
        """What was decided; None when a stop came before the gateway had taken all the intents."""
        assert not isinstance(reply.event, FeedEnded)
        event, seq = reply.event, reply.event.seq
        seen: Sequence[Bar] | Quote
        if isinstance(event, QuoteMoved):
            seen, decided = event.quote, self._decider.on_tick(event.quote, reply.account, seq)
        else:
            seen, decided = event.bars, self._decider.on_bars(event.bars, reply.account, seq)
        orders, cancels, changes = decided.orders, decided.cancels, decided.changes
        decision = decision_of(seen, decided, sparse=self._quotes)
        if reply.replayed:
            self._check(seq, decided=decision, recorded=reply.decision)
        elif not (self._withdraw(seq, cancels) and self._change(seq, changes) and self._send(seq, orders)):
            return None
        progress = self._progress
        self._note(
            event_seq=seq,
            decisions=progress.decisions + 1,
            replayed=progress.replayed + reply.replayed,
            orders=progress.orders + (0 if reply.replayed else len(orders)),
            waiting="",
        )
        if orders or cancels or changes or reply.fills:
            self._log.info(
                "decided",
                seq=seq,
                replayed=reply.replayed,
                decision=decision,
                fills=[msgspec.to_builtins(fill) for fill in reply.fills],
                equity=reply.account.equity,
            )
        return decision

    def _check(self, seq: int, *, decided: dict[str, Any], recorded: dict[str, Any]) -> None:
        if decided != recorded:
            self._log.error("decision differs", seq=seq, decided=decided, recorded=recorded)
            raise DecisionDiffersError(
                f"decision differs at event {seq}: recorded {shown(recorded)}, "
                f"decided again {shown(decided)}; "
                "the strategy depends on something that is not in the release"
            )

    def _withdraw(self, seq: int, cancels: Sequence[ClientOrderId]) -> bool:
        """Take orders back, before new ones of the same decision are sent."""
        for name in cancels:
            request = CancelIntent(
                deployment_id=self._deployment_id, token=self._token, event_seq=seq, client_order_id=name
            )
            result = self._answered(request)
            if result is None:
                return False
            if not isinstance(result, CancelResult):
                raise GatewayRefusedError(f"expected what became of a cancel, found {result!r}")
            self._log.info(
                "cancel",
                seq=seq,
                client_order_id=result.client_order_id,
                state=result.state,
                reason=result.reason,
                repeated=result.repeated,
            )
        return True

    def _change(self, seq: int, changes: Sequence[ExitChange]) -> bool:
        """Change exits, before new orders of the same decision are sent."""
        for number, change in enumerate(changes):
            request = ChangeIntent(
                deployment_id=self._deployment_id,
                token=self._token,
                event_seq=seq,
                number=number,
                change=change,
            )
            result = self._answered(request)
            if result is None:
                return False
            if not isinstance(result, ChangeResult):
                raise GatewayRefusedError(f"expected what became of a change of exits, found {result!r}")
            self._log.info(
                "exit change",
                seq=seq,
                instrument=change.instrument,
                trade=change.trade,
                state=result.state,
                control=result.control,
                reason=result.reason,
                repeated=result.repeated,
            )
        return True

    def _send(self, seq: int, orders: Sequence[Order]) -> bool:
        judge = self._judge() if orders else None
        for order in orders:
            if judge is None:
                return False
            denial = judge.check(order)
            request = SubmitIntent(
                deployment_id=self._deployment_id,
                token=self._token,
                event_seq=seq,
                order=order,
                control=denial.control if denial else "",
                reason=denial.reason if denial else "",
            )
            began = time.monotonic()
            result = self._answered(request)
            if result is None:
                return False
            if not isinstance(result, IntentResult):
                raise GatewayRefusedError(f"expected what became of an intent, found {result!r}")
            judge.answered(order, result.state)
            self._log.info(
                "intent",
                seq=seq,
                client_order_id=result.client_order_id,
                state=result.state,
                control=result.control,
                reason=result.reason,
                repeated=result.repeated,
                seconds=round(time.monotonic() - began, 6),
            )
        return True

    def _judge(self) -> OrderJudge | None:
        """What judges the orders of this decision; None when a stop came first."""
        found = self._answered(AskExposure(deployment_id=self._deployment_id, token=self._token))
        if found is None:
            return None
        if not isinstance(found, Judged):
            raise GatewayRefusedError(f"expected what orders are judged against, found {found!r}")
        return OrderJudge(found.exposures, found.limits, found.overrides)

    def _answered(
        self, request: SubmitIntent | CancelIntent | ChangeIntent | AskExposure
    ) -> KernelReply | None:
        """The answer to an intent; asked again after a refusal: it carries its id, so that is one intent."""
        result = self._ask(request)
        if isinstance(result, Refused):
            self._attach_again(result.reason)
            result = self._ask(request)
        return result

    def _ask(self, request: KernelRequest) -> KernelReply | None:
        """The gateway's answer; None when it is silent and a stop was asked for.

        A question is asked until it is answered. That sends no order twice: an intent carries the client
        id that was derived from its event, and the gateway repeats its first answer to it.
        """
        while True:
            try:
                return self._gateway.ask(request)
            except GatewayUnreachableError as silence:
                if not self._progress.waiting:
                    self._log.warning("the gateway is silent", detail=str(silence))
                self._note(waiting="the gateway does not answer")
                if self._stop.wait(self._pause_s):
                    return None

    def _note(self, **changes: Any) -> None:
        self._progress = replace(self._progress, at_ns=time.monotonic_ns(), **changes)
        self._tell(self._progress)
