"""The strategy's loop in a live kernel: ask for the next event, decide, send intents, ask again.

It runs in a thread of its own and blocks on the gateway's socket, so that nothing the kernel's main
thread does can hold it up for longer than the interpreter's switch interval.

Replayed events are decided again and compared with what was decided then. A kernel that was killed
therefore comes back with the state an uninterrupted one would have, or stops and says where it differs.
"""

import threading
from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import Any, Protocol

import msgspec

from workbench.domain.accounts import AccountSnapshot
from workbench.domain.quotes import Bar, Quote
from workbench.gateway.messages import EventReply, FeedEnded, NextEvent, QuoteMoved, Refused, Waiting
from workbench.live.board import Board
from workbench.live.decided import decision_of, shown
from workbench.live.errors import DecisionDiffersError, GatewayRefusedError
from workbench.live.gateway_line import Gateway, GatewayLine
from workbench.live.intents import send_decision
from workbench.live.log import JsonLog
from workbench.strategy import Decision

__all__ = ["Decider", "Ending", "StrategyRuntime"]


_FIRST_REST_S = 0.002


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


class StrategyRuntime:
    """One deployment's loop.

    Parameters
    ----------
    decider
        The strategy; it is asked once for all bars that close at one instant.
    pid
        The process that a person would end.
    board
        Where it is written how far the loop is, and since when the strategy decides.
    attached
        Called when the gateway has let the kernel trade.
    wait
        Told what the loop waits for, the empty text when it waits no more.
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
        board: Board | None = None,
        attached: Callable[[], None] = lambda: None,
        wait: Callable[[str], None] = lambda what: None,
        pause_s: float = 0.1,
        quotes: bool = False,
    ) -> None:
        self.board = board or Board()
        self._decider = decider
        self._log = log
        self._attached = attached
        self._wait = wait
        self._pause_s = pause_s
        self._quotes = quotes
        self._stop = threading.Event()
        self._waiting = ""
        self._line = GatewayLine(
            gateway,
            deployment_id=deployment_id,
            token=token,
            pid=pid,
            log=log,
            stop=self._stop,
            pause_s=pause_s,
            wait=self._waits,
        )

    @property
    def waiting(self) -> str:
        """What it waits for, empty for nothing unusual; safe to read from any thread."""
        return self._waiting

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
        if not self._line.attach():
            return Ending.STOPPED
        self._waits("")
        self._attached()
        after, decision, refusals, rests = 0, dict[str, Any](), 0, 0
        while True:
            stopping = self._stop.is_set()  # asked before this round: this round only says what was decided
            reply = self._line.ask(
                NextEvent(
                    deployment_id=self._line.deployment_id,
                    token=self._line.token,
                    after=after,
                    decision=decision,
                    quotes=self._quotes,
                )
            )
            match reply:
                case EventReply(event=FeedEnded() as ended):
                    self._log.info("feed ended", seq=ended.seq)
                    self._waits("")
                    return Ending.FINISHED
                case Refused(reason=reason) if refusals == 0:
                    refusals += 1
                    self._line.attach_again(reason)
                case Waiting(killed=killed) if not stopping:
                    refusals, rests = 0, rests + 1
                    self._waits("the kill switch is on" if killed else "")
                    self._stop.wait(min(self._pause_s, _FIRST_REST_S * rests))
                case EventReply() if not stopping:
                    refusals = rests = 0
                    self._waits("")
                    decided = self._decide(reply)
                    if decided is None:
                        return Ending.STOPPED
                    after, decision = reply.event.seq, decided
                case None | Waiting() | EventReply():
                    return Ending.STOPPED
                case other:
                    raise GatewayRefusedError(f"expected an event from the gateway, found {other!r}")

    def _decide(self, reply: EventReply) -> dict[str, Any] | None:
        """What was decided; None when a stop came before the gateway had taken all the intents."""
        assert not isinstance(reply.event, FeedEnded)
        event, seq = reply.event, reply.event.seq
        seen: Sequence[Bar] | Quote
        self.board.begin(seq)
        if isinstance(event, QuoteMoved):
            seen, decided = event.quote, self._decider.on_tick(event.quote, reply.account, seq)
        else:
            seen, decided = event.bars, self._decider.on_bars(event.bars, reply.account, seq)
        self.board.end()
        decision = decision_of(seen, decided, sparse=self._quotes)
        if reply.replayed:
            self._check(seq, decided=decision, recorded=reply.decision)
        elif not send_decision(self._line, decided, seq=seq, log=self._log):
            return None
        self.board.decided(seq, orders=0 if reply.replayed else len(decided.orders), replayed=reply.replayed)
        if decided.orders or decided.cancels or decided.changes or reply.fills:
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

    def _waits(self, what: str) -> None:
        self.board.round()
        if what != self._waiting:
            self._waiting = what
            self._wait(what)
