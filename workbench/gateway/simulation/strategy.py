"""A strategy that trades much and decides from nothing but the event's number: a live kernel, simulated."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import msgspec

from workbench.domain.instruments import InstrumentId
from workbench.domain.orders import ClientOrderId, ExitChange, Order, OrderKind
from workbench.gateway.messages import (
    Attach,
    BarClosed,
    CancelIntent,
    CancelResult,
    ChangeIntent,
    ChangeResult,
    EventReply,
    FeedEnded,
    IntentResult,
    KernelReply,
    KernelRequest,
    NextEvent,
    Refused,
    SubmitIntent,
)

__all__ = ["SimulatedKernel"]

_Decide = Callable[[EventReply], tuple[list[ClientOrderId], list[Order]]]


@dataclass(slots=True)
class SimulatedKernel:
    """Asks for events, decides, and asks again what was not answered, as a live kernel does."""

    deployment_id: str
    token: str
    seed: int
    instrument: InstrumentId
    decide: _Decide | None = None
    after: int = 0
    decision: dict[str, Any] = field(default_factory=dict)
    queue: list[SubmitIntent | CancelIntent | ChangeIntent] = field(default_factory=list)
    decided: dict[int, dict[str, Any]] = field(default_factory=dict)
    answers: dict[str, str] = field(default_factory=dict)  # client id: the first state it was told
    wrong: list[str] = field(default_factory=list)
    ended: bool = False
    patient: int = 0  # above 0: orders that wait, and are taken back or replaced two events later
    burst: int = 0  # so many orders at the next event: F44
    absurd: bool = False  # orders without sense at the next event: F45

    def restart(self) -> None:
        """The kernel's process ended: it begins again, and is shown what it decided."""
        self.after, self.decision, self.queue, self.ended = 0, {}, [], False

    def step(self, ask: Callable[[KernelRequest], KernelReply]) -> bool:
        """Ask what waits to be asked, or the next event; whether anything moved."""
        while self.queue:
            request = self.queue[0]
            reply = ask(request)
            if isinstance(reply, Refused):
                return False
            self.queue.pop(0)
            if isinstance(request, SubmitIntent) and isinstance(reply, IntentResult):
                self._answered(reply)
            elif not isinstance(reply, CancelResult | ChangeResult):
                self.wrong.append(f"unexpected answer {type(reply).__name__}")
        if self.ended:
            return False
        reply = ask(
            NextEvent(
                deployment_id=self.deployment_id, token=self.token, after=self.after, decision=self.decision
            )
        )
        if not isinstance(reply, EventReply):
            return False
        self._take(reply)
        return True

    def attach(self, ask: Callable[[KernelRequest], KernelReply]) -> None:
        """Say who asks."""
        ask(Attach(version=1, deployment_id=self.deployment_id, token=self.token, pid=1))

    def _answered(self, reply: IntentResult) -> None:
        first = self.answers.setdefault(reply.client_order_id, reply.state)
        if first == "DENIED" and reply.state != "DENIED":
            self.wrong.append(f"{reply.client_order_id} was denied and is {reply.state} now")

    def _take(self, reply: EventReply) -> None:
        seq = reply.event.seq
        self.after = seq
        if isinstance(reply.event, FeedEnded):
            self.ended = True
            self.decision = {}
            return
        if reply.replayed:
            self.decision = reply.decision
            if self.decided.get(seq, reply.decision) != reply.decision:
                self.wrong.append(f"the decision on event {seq} came back as another")
            return
        if seq in self.decided:  # it was cut off while it decided: the same again
            self.decision = self.decided[seq]
            orders = [msgspec.convert(item, Order) for item in self.decision["orders"]]
            cancels = [ClientOrderId(item) for item in self.decision["cancels"]]
        else:
            cancels, orders = (self.decide or self._rolled)(reply)
            self.decision = {
                "changes": self._exits(reply),
                "orders": [msgspec.to_builtins(item) for item in orders],
                "cancels": list(cancels),
            }
            self.decided[seq] = self.decision
        self.queue += [
            CancelIntent(
                deployment_id=self.deployment_id, token=self.token, event_seq=seq, client_order_id=name
            )
            for name in cancels
        ]
        self.queue += [
            ChangeIntent(
                deployment_id=self.deployment_id,
                token=self.token,
                event_seq=seq,
                number=number,
                change=msgspec.convert(item, ExitChange),
            )
            for number, item in enumerate(self.decision.get("changes", ()))
        ]
        self.queue += [
            SubmitIntent(deployment_id=self.deployment_id, token=self.token, event_seq=seq, order=order)
            for order in orders
        ]

    def _rolled(self, reply: EventReply) -> tuple[list[ClientOrderId], list[Order]]:
        """A decision by the dice of the seed, the event and what is held."""
        if not isinstance(reply.event, BarClosed):
            return [], []
        seq, bar = reply.event.seq, reply.event.bar
        dice = hashlib.sha256(f"{self.seed}|{seq}".encode()).digest()
        side = 1 if dice[1] < 128 else -1
        held = reply.account.units(self.instrument)
        orders: list[Order] = []
        units = side * (1_000 + 20 * dice[2])
        old = ClientOrderId(f"s-{seq - (4 if self.patient else 6)}-0")
        if self.patient:
            away = 45 + dice[5] // 2
            level = bar.ask_close - away if side > 0 else bar.bid_close + away
            new = seq > 4 and dice[8] < 110
            orders.append(
                self._order(
                    seq,
                    0,
                    side * (1_000 + 5 * dice[2]),
                    kind=OrderKind.LIMIT,
                    price=level,
                    replaces=old if new else None,
                )
            )
            if dice[9] < 120:
                orders.append(self._order(seq, 1, 1_000, kind=OrderKind.LIMIT, price=bar.bid_close - 90))
            return ([] if new or dice[7] > 190 else [old]), orders
        if dice[0] < 110:
            orders.append(self._order(seq, 0, units, stop_distance=80 + dice[3] if dice[4] < 90 else 0))
        elif dice[0] < 190:
            away = 5 + dice[5] // 3
            level = bar.ask_close - away if side > 0 else bar.bid_close + away
            orders.append(self._order(seq, 0, units, kind=OrderKind.LIMIT, price=level))
        if held and dice[6] < 70:
            orders.append(self._order(seq, 1, -held, reduce_only=True))
        for n in range(self.burst):
            orders.append(self._order(seq, 10 + n, 2_500 + 10 * n))
        if self.absurd:
            orders += [
                self._order(seq, 90, 0),
                self._order(seq, 91, 10**15),
                self._order(seq, 92, 1_000, kind=OrderKind.LIMIT, price=-5),
                self._order(seq, 93, 1_000, stop_distance=-1),
                self._order(seq, 94, 1_000, kind=OrderKind.LIMIT, price=bar.ask_close * 50),
            ]
        self.burst, self.absurd = 0, False
        return ([old] if dice[7] < 120 and seq > 6 else []), orders

    def _exits(self, reply: EventReply) -> list[dict[str, Any]]:
        """Stops drawn after the price, at some events."""
        event = reply.event
        held = reply.account.units(self.instrument)
        if not isinstance(event, BarClosed) or not held or self.decide is not None:
            return []
        if hashlib.sha256(f"exit {self.seed}|{event.seq}".encode()).digest()[0] > (
            150 if self.patient else 40
        ):
            return []
        level = event.bar.bid_close - 150 if held > 0 else event.bar.ask_close + 150
        return [msgspec.to_builtins(ExitChange(instrument=self.instrument, stop=level))]

    def _order(self, seq: int, number: int, units: int, **more: Any) -> Order:
        return Order(
            client_order_id=ClientOrderId(f"s-{seq}-{number}"),
            instrument=self.instrument,
            units=units,
            **more,
        )
