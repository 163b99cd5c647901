"""The invariants: what must hold after every step, and what must hold at the end of a run.

The checks at the end read only the journal and what the broker really did (`House`); they share no code with
the order path and keep no state of the gateway's.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import msgspec
import sqlalchemy as sa

from workbench.gateway.brokers.port import EXTERNAL_PREFIX
from workbench.gateway.journal import verify_journal
from workbench.gateway.simulation.market import LIMITS
from workbench.gateway.standing import Phase

if TYPE_CHECKING:
    from workbench.gateway.simulation.world import World

__all__ = ["Violation", "final_checks", "step_checks"]

_EXITS = frozenset({"STOP_LOSS", "TAKE_PROFIT", "TRAILING_STOP", "MARGIN_CLOSEOUT"})
_ENDED = frozenset({"FILLED", "CANCELED", "EXPIRED", "REJECTED", "DENIED", "ABSENT"})
_NEW_YORK = ZoneInfo("America/New_York")
_SEVEN_HOURS, _A_MOMENT = timedelta(hours=7), timedelta(seconds=1)
_MOST_ATTEMPTS = 12
_TOLD_S, _LOOKS = 8.0, 3
_MAY_FREEZE = frozenset({"E01", "E02", "F10", "F11", "F13", "F16", "F18", "F27", "F29", "F49"})
_ENDS = {f"order.{state.lower()}": state for state in _ENDED}
_OPENINGS = ("order.working", "order.adopted", "order.partial", "order.unknown")


@dataclass(frozen=True, slots=True, kw_only=True)
class Violation:
    """An invariant that did not hold."""

    rule: str
    detail: str


def step_checks(world: "World") -> list[Violation]:
    """What can be looked at after every step."""
    found: list[Violation] = []
    twice = [name for name, count in world.house.sent.items() if count > 1]
    if twice:
        found.append(Violation(rule="I1", detail=f"{', '.join(twice)} came to the broker more than once"))
    trading = world.trading()
    if trading is not None and trading.standing is not None:
        unbalanced = {key: value for key, value in trading.standing.books.trial_balance().items() if value}
        if unbalanced:
            found.append(Violation(rule="I7", detail=f"the books do not balance: {unbalanced}"))
    found += _unnoticed(world)
    found += _sessions(world)
    found += _storm(world)
    if world.limits_lost and world.house.openings > world.sent_without_limits:
        found.append(Violation(rule="F50", detail="an order left without limits"))
    reached = [name for name in world.zombies if world.house.sent[name]]
    if reached:
        found.append(Violation(rule="F42", detail=f"a gateway without the lease sent {', '.join(reached)}"))
    placed = sum(world.house.sent.values())
    if world.killed and placed > world.sent_at_kill:
        found.append(Violation(rule="I8", detail="an order left under a kill"))
    return found


def _unnoticed(world: "World") -> Iterator[Violation]:
    """R24: books that differ from the broker's for long block the account or freeze the instrument."""
    trading = world.trading()
    standing = trading.standing if trading is not None else None
    record = world.scene.records[0]
    if (
        standing is None
        or standing.phase is not Phase.READY
        or standing.frozen
        or standing.watermark != len(world.house.record)
        or standing.books.units(record.id) == world.house.units(record.id)
    ):
        world.differs_since = None
        return
    now = world.clock.seconds, standing.reconciled
    first = world.differs_since = world.differs_since or now
    if now[0] - first[0] > _TOLD_S and now[1] - first[1] >= _LOOKS:
        yield Violation(rule="R24", detail="the books differ from the broker's position, and nobody was told")


def _sessions(world: "World") -> Iterator[Violation]:
    """F47: the day that the gateway counts its loss in ends at 17:00 in New York."""
    trading = world.trading()
    if trading is None or trading.session is None or trading.ended or trading.state != "running":
        return
    # a bar that ends at 17:00 belongs to the day it ends: look just before the last instant
    moment = datetime.fromtimestamp(trading.time_ns / 1e9, _NEW_YORK)
    days = {(moment + shift + _SEVEN_HOURS).date() for shift in (timedelta(0), -_A_MOMENT)}
    days = {_business_day(day) for day in days}
    if _business_day(trading.session) not in days or trading.session not in days:
        yield Violation(rule="F47", detail=f"at {moment} the gateway counts {trading.session}")


def _business_day(day: date) -> date:
    return day + timedelta(days=max(0, 7 - day.isoweekday()) if day.isoweekday() > 5 else 0)


def _storm(world: "World") -> Iterator[Violation]:
    """F25: a broker that is away is tried later and later."""
    recent = [at for at in world.network.attempts if at > world.clock.seconds - 10.0]
    if len(recent) > _MOST_ATTEMPTS:
        yield Violation(rule="F25", detail=f"{len(recent)} attempts to connect in 10 s")


def final_checks(world: "World") -> list[Violation]:
    """What must hold when all has become quiet."""
    report = verify_journal(world.disk.engine)
    found = [Violation(rule="I9", detail=report.fault)] if report.fault else []
    found += [Violation(rule="I3", detail=text) for text in world.kernel.wrong]
    found += _quiet(world)
    found += _Reader().read(world)
    return found


def _quiet(world: "World") -> Iterator[Violation]:
    trading = world.trading()
    standing = trading.standing if trading is not None else None
    if trading is None or standing is None:
        yield Violation(rule="I2", detail="the deployment is gone")
        return
    if standing.phase is not Phase.READY:
        yield Violation(
            rule="I2", detail=f"the account is {standing.phase.value} although all works: {standing.detail}"
        )
        return
    for record in world.scene.records:
        ours, theirs = standing.books.units(record.id), world.house.units(record.id)
        if ours != theirs:
            yield Violation(
                rule="I2", detail=f"{record.id}: the books hold {ours}, the broker holds {theirs}"
            )
    if standing.books.cash != world.house.paper.account().balance:
        yield Violation(
            rule="I7",
            detail=f"the books hold {standing.books.cash}, the broker {world.house.paper.account().balance}",
        )
    if standing.unknown():
        yield Violation(rule="I11", detail=f"still UNKNOWN: {', '.join(standing.unknown())}")
    known_live = sorted(
        (order.client_order_id, order.units)
        for order in (known.left for known in standing.orders.values())
        if order is not None
    )
    really_live = sorted(
        (order.client_order_id, order.units)
        for order in world.house.live()
        if not order.client_order_id.startswith("over-") and order.client_order_id not in world.house.others
    )
    ghosts = world.house.ghosts()
    if known_live != [item for item in really_live if item[0] not in ghosts]:
        yield Violation(
            rule="I4", detail=f"the gateway knows {known_live} as live, the broker has {really_live}"
        )


@dataclass(slots=True)
class _Life:
    """An order as the journal tells it."""

    units: int
    reduces: bool
    state: str = "INTENT"
    filled: int = 0


@dataclass(slots=True)
class _Reader:
    """An independent reading of the journal, line by line."""

    orders: dict[str, _Life] = field(default_factory=dict)
    position: int = 0
    trades: dict[str, tuple[str, int, int]] = field(default_factory=dict)
    killed: bool = False
    frozen: bool = False
    freezes: list[str] = field(default_factory=list)
    strangers: set[str] = field(default_factory=set)  # said to be of another gateway
    revived: set[str] = field(default_factory=set)  # proved absent, and acknowledged by an answer after that
    found: list[Violation] = field(default_factory=list)
    wishes: dict[tuple[int, int], dict[str, Any]] = field(default_factory=dict)  # for other exits
    exits: dict[tuple[int, int], str] = field(default_factory=dict)  # what became of them

    def read(self, world: "World") -> list[Violation]:
        """All violations."""
        with world.disk.engine.connect() as connection:
            rows = connection.execute(sa.text("SELECT kind, body FROM journal ORDER BY seq")).all()
        for row in rows:
            self._line(row.kind, msgspec.json.decode(row.body))
        self._against(world)
        return self.found

    def _state(self, name: str) -> str:
        return self.orders[name].state if name in self.orders else ""

    def _wrong(self, rule: str, detail: str) -> None:
        self.found.append(Violation(rule=rule, detail=detail))

    def _line(self, kind: str, body: dict[str, Any]) -> None:
        match kind:
            case "kill":
                self.killed = True
            case "unkill":
                self.killed = False
            case "order.intent":
                self._intent(body)
            case "exits.intent":
                self.wishes[body["event_seq"], body["number"]] = body["body"]
            case "exits.done" | "exits.rejected" | "exits.unknown":
                self.exits[body["event_seq"], body["number"]] = kind.removeprefix("exits.")
            case "fill":
                self._fill(body)
            case "instrument.frozen":
                self.frozen = True
                self.freezes.append(body["reason"])
            case "instrument.released":
                self.frozen = False
            case "adjustment":
                self.position += body["units"]
            case "account.shared":
                self.strangers.add(body["client_order_id"])
            case "answer.late" if self._state(body["client_order_id"]) == "ABSENT":
                self.revived.add(body["client_order_id"])
            case _ if kind in _ENDS:
                self._end(body, _ENDS[kind])
            case _ if kind in _OPENINGS:
                self._live(kind, body)

    def _intent(self, body: dict[str, Any]) -> None:
        name, order = body["client_order_id"], body["body"]
        if name in self.orders:
            self._wrong("I1", f"{name} was intended twice")
        reduces = order.get("reduce_only", False)
        if self.killed:
            self._wrong("I8", f"{name} was intended under a kill")
        if self.frozen and not reduces:
            self._wrong("F10", f"{name} may increase risk while the instrument is frozen")
        if not reduces:
            self._worst(name, order["units"])
        self.orders[name] = _Life(units=order["units"], reduces=reduces)

    def _worst(self, name: str, units: int) -> None:
        """I6, at the moment of sending, from what the journal knew by then."""
        left = [
            life.units - life.filled
            for life in self.orders.values()
            if life.state not in _ENDED and not life.reduces and (life.units - life.filled) * life.units > 0
        ]
        longest = self.position + sum(item for item in (*left, units) if item > 0)
        shortest = self.position + sum(item for item in (*left, units) if item < 0)
        worst = max(abs(longest) if units > 0 else 0, abs(shortest) if units < 0 else 0)
        if worst > LIMITS.max_position_units:
            self._wrong(
                "I6", f"{name} over {units} could lead to {worst} of {LIMITS.max_position_units} units"
            )

    def _fill(self, body: dict[str, Any]) -> None:
        trade, name = body["broker_trade_id"], body["client_order_id"]
        if trade in self.trades:
            self._wrong("I4", f"execution {trade} was booked twice")
        self.trades[trade] = (name, body["units"], body["price"])
        self.position += body["units"]
        life = self.orders.get(name)
        if life is None:
            self._wrong("I3", f"execution {trade} is of {name}, which was never intended")
        elif body["reason"] not in _EXITS:
            life.filled += body["units"]

    def _end(self, body: dict[str, Any], state: str) -> None:
        name = body["client_order_id"]
        life = self.orders.get(name)
        if life is None:
            if state != "DENIED":
                self._wrong("I10", f"{name} ended as {state} and was never intended")
            return
        proof = body.get("evidence", "")
        never_sent = state == "DENIED" and body.get("control") in ("R23", "F39")
        if life.state == "UNKNOWN" and not proof:
            self._wrong("I11", f"{name} went from UNKNOWN to {state} without evidence")
        elif not proof and not never_sent:
            self._wrong("I10", f"{name} went from {life.state} to {state} without evidence")
        life.state = state

    def _live(self, kind: str, body: dict[str, Any]) -> None:
        name = body["client_order_id"]
        life = self.orders.get(name)
        if life is None:
            self._wrong("I3", f"{name} is at the broker and was never intended")
            return
        state = {"order.unknown": "UNKNOWN", "order.partial": "PARTIAL"}.get(
            kind, body.get("state", "WORKING")
        )
        if life.state in _ENDED and not body.get("evidence"):
            self._wrong("I10", f"{name} left {life.state} for {state} without evidence")
        life.state = state

    def _exits(self, world: "World") -> None:
        """I10, I11: a wish for other exits ends by what the broker did."""
        done = [msgspec.to_builtins(item) for item in world.house.exits]
        for key, wish in self.wishes.items():
            state = self.exits.get(key, "intent")
            if state in ("intent", "unknown"):
                self._wrong("I11", f"the exits wished for on event {key[0]} are {state.upper()} for ever")
            elif state == "done" and wish not in done and not _stood(wish, world.house.stood):
                self._wrong("I10", f"the exits wished for on event {key[0]} are DONE, and were never changed")

    def _against(self, world: "World") -> None:
        """I3, I4, I5, I13: the journal and what the broker really did."""
        self._exits(world)
        house = world.house
        # it acknowledged an order that it had dropped, and was heard only after its record had denied it
        untrue = house.dropped & self.revived
        unasked = [item for item in self.freezes if not any(f"order {name} " in item for name in untrue)]
        if unasked and not any(house.hits[fault] for fault in _MAY_FREEZE):
            self._wrong("I2", f"frozen although the broker told the truth: {unasked[0]}")
        theirs = {name for name in house.others if not name.startswith(EXTERNAL_PREFIX)}
        if theirs != self.strangers:
            self._wrong("E02", f"another gateway placed {sorted(theirs)}, told was {sorted(self.strangers)}")
        for name in house.sent:
            if name not in self.orders:
                self._wrong("I3", f"the broker got {name}, which was never intended")
        real = {item.broker_trade_id: item for item in house.record if item.fill is not None}
        for trade, item in real.items():
            fill = item.fill
            if fill is None or item.client_order_id in house.others:
                continue
            if trade not in self.trades:
                self._wrong("I4", f"execution {trade} of {item.client_order_id} was dropped")
        for trade, (name, units, price) in self.trades.items():
            first = next((item for item in house.record if item.broker_trade_id == trade), None)
            if first is None or first.fill is None:
                self._wrong("I4", f"execution {trade} was made up")
            elif (first.client_order_id, first.fill.units, first.fill.price) != (name, units, price):
                self._wrong("I4", f"execution {trade} was booked as another")
        for name, life in sorted(self.orders.items()):
            if abs(life.filled) > abs(life.units) and "F16" not in house.lied and "F11" not in house.lied:
                self._wrong("I5", f"{name} over {life.units} was executed for {life.filled}")
        for name, life in sorted(self.orders.items()):
            if life.state == "ABSENT" and _is_real(name, house.really_had()):
                self._wrong("I11", f"{name} was called ABSENT, and the broker had it")


def _stood(wish: dict[str, Any], shown: Iterable[tuple[str, int, int]]) -> bool:
    """Whether the levels wished for lay there at a report: an order's own stop may lie on the same point."""
    return wish["trailing"] is None and any(
        instrument == wish["instrument"] and wish["stop"] in (None, stop) and wish["target"] in (None, target)
        for instrument, stop, target in shown
    )


def _is_real(name: str, had: Iterable[str]) -> bool:
    return name in had
