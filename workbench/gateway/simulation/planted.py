"""Bugs to plant: mistakes that order paths have had. A suite that does not find each of them is no suite.

Each is a context manager that changes one thing of the real code, and the faults under which it bites.
`find` runs seeds until an invariant breaks.
"""

import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from workbench.domain.limits import Limits
from workbench.domain.orders import ChangeState, OrderState
from workbench.gateway import (
    cancels,
    deliveries,
    exits_elsewhere,
    killing,
    ledger,
    orders,
    reconciliation,
    recovery,
    restoring,
    sending,
    trading,
)
from workbench.gateway.books import Books
from workbench.gateway.breaker import Breaker
from workbench.gateway.broker_records import write_link
from workbench.gateway.brokers.port import AmbiguousError, RejectedError, UnavailableError
from workbench.gateway.evidence import Evidence
from workbench.gateway.kill_requests import KillRequests
from workbench.gateway.simulation import world as worlds
from workbench.gateway.simulation.adapter import SimulatedBroker
from workbench.gateway.simulation.checks import Violation
from workbench.gateway.simulation.clock import SimulatedClock
from workbench.gateway.simulation.disk import SimulatedDisk
from workbench.gateway.simulation.market import LIMITS
from workbench.gateway.simulation.world import World
from workbench.gateway.specs import DeploymentSpec
from workbench.gateway.standing import Standing

__all__ = ["PLANTED", "Planted", "find"]

_Any = Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Planted:
    """One bug."""

    name: str
    sentence: str
    faults: tuple[str, ...]
    plant: Callable[[], Any]  # a context manager


def find(bug: Planted, disk: SimulatedDisk, *, seeds: Sequence[int]) -> tuple[int, Violation] | None:
    """The first seed whose run breaks an invariant with the bug planted; None when none does.

    A run that does not give the same trace twice breaks I12.
    """
    for seed in seeds:
        with bug.plant():
            first = World(seed=seed, disk=disk, faults=bug.faults).run()
            if first.violations:
                return seed, first.violations[0]
            if bug.name == "hash order":
                again = World(seed=seed, disk=disk, faults=bug.faults).run()
                if again.trace != first.trace:
                    return seed, Violation(rule="I12", detail="the same seed gave another trace")
    return None


@contextmanager
def _patched(*changes: tuple[Any, str, Any]) -> Iterator[None]:
    before = [(owner, name, getattr(owner, name)) for owner, name, _ in changes]
    for owner, name, value in changes:
        setattr(owner, name, value)
    try:
        yield
    finally:
        for owner, name, value in before:
            setattr(owner, name, value)


def _retry_on_timeout() -> Any:
    place = SimulatedBroker.place

    def retried(self: SimulatedBroker, order: _Any) -> _Any:
        try:
            return place(self, order)
        except AmbiguousError:
            return place(self, order)

    return _patched((SimulatedBroker, "place", retried))


def _reject_after_5_s() -> Any:
    watch = reconciliation.watch

    def impatient(desk: _Any, deployment: _Any, *, now: bool = False) -> None:
        watch(desk, deployment, now=now)
        standing = deployment.standing
        if standing is None or deployment.state != "running":
            return
        old = [name for name in standing.unknown() if desk.monotonic() - standing.orders[name].sent_s > 5.0]
        if not old:
            return
        with desk.ledger.change("impatience") as change:
            evidence = _evidence(change, desk, deployment, standing)
            for name in old:
                evidence.end(name, standing.orders[name], OrderState.REJECTED, "no answer in 5 s", "")

    return _patched(
        (worlds, "watch", impatient), (deliveries, "watch", impatient), (recovery, "watch", impatient)
    )


def _drop_while_away() -> Any:
    since = SimulatedBroker.transactions_since
    connect = SimulatedBroker.connect
    fresh: set[int] = set()

    def connected(self: SimulatedBroker) -> None:
        connect(self)
        fresh.add(id(self))

    def only_new(self: SimulatedBroker, watermark: int) -> _Any:
        found = since(self, watermark)
        if id(self) in fresh:
            fresh.discard(id(self))
            return found[-1:]
        return found

    return _patched(
        (SimulatedBroker, "connect", connected), (SimulatedBroker, "transactions_since", only_new)
    )


def _normal_sync() -> Any:
    return _patched((SimulatedDisk, "pragmas", ("PRAGMA synchronous = NORMAL",)))


def _float_money() -> Any:
    move = Books._move

    def in_cents(self: Books, into: str, out_of: str, currency: str, amount: int) -> None:
        move(self, into, out_of, currency, int(round(amount / 1e6, 2) * 1e6))

    return _patched((Books, "_move", in_cents))


def _apply_twice() -> Any:
    apply = Evidence.transaction

    def again(self: Evidence, item: _Any) -> None:
        from dataclasses import replace

        if item.fill is not None and self._stored_fill(item.broker_trade_id) is not None:
            item = replace(item, broker_trade_id=f"{item.broker_trade_id}.{item.number}")
        apply(self, item)

    return _patched((Evidence, "transaction", again))


def _empty_is_flat() -> Any:
    compare = reconciliation._compare_positions

    def trusting(evidence: Evidence, report: _Any) -> None:
        if not report.positions:
            for record in evidence.trading.spec.records:
                units = evidence.standing.books.units(record.id)
                evidence.standing.books.adjust(record, units=-units, price=0, cost=0, cash=0)
        compare(evidence, report)

    return _patched((reconciliation, "_compare_positions", trusting))


def _ignore_overfill() -> Any:
    fill = Evidence._fill

    def capped(self: Evidence, item: _Any, found: _Any, known: _Any) -> None:
        if known is not None and abs(known.filled + found.units) > abs(known.order.units):
            return
        fill(self, item, found, known)

    return _patched((Evidence, "_fill", capped))


def _forget_unknown() -> Any:
    def waiting(self: Standing) -> _Any:
        sure = [known for known in self.orders.values() if known.state is not OrderState.UNKNOWN]
        return [known.left for known in sure if known.left is not None]

    return _patched((Standing, "waiting", waiting))


def _forget_kill() -> Any:
    def nowhere(self: KillRequests, request: _Any) -> str:
        raise OSError("not written")

    return _patched((killing, "_write", lambda *given, **named: None), (KillRequests, "add", nowhere))


def _assume_canceled() -> Any:
    def take_back(desk: _Any, deployment: _Any, name: _Any, *, reason: str) -> _Any:
        standing = deployment.standing
        known = standing.orders.get(name)
        if known is not None:
            with suppress(AmbiguousError, RejectedError, UnavailableError):
                deployment.broker.cancel(name, reason=reason)
            with desk.ledger.change("assumption") as change:
                _evidence(change, desk, deployment, standing).end(
                    name, known, OrderState.CANCELED, reason, ""
                )
        return OrderState.CANCELED, reason

    return _patched((cancels, "take_back", take_back), (orders, "take_back", take_back))


def _no_fence() -> Any:
    change = ledger.Ledger.change

    def unfenced(self: _Any, name: str) -> _Any:
        self._tail = None
        return change(self, name)

    return _patched((ledger, "check_lease", lambda *given: None), (ledger.Ledger, "change", unfenced))


def _hash_order() -> Any:
    names = orders.strategy_orders

    def unordered(deployment: _Any) -> _Any:
        found = names(deployment)
        random.SystemRandom().shuffle(found)
        return found

    return _patched((orders, "strategy_orders", unordered), (killing, "strategy_orders", unordered))


def _local_sessions() -> Any:
    def local(time_ns: int) -> date:
        return datetime.fromtimestamp(time_ns / 1e9, UTC).date()

    return _patched((trading, "session_of", local))


def _wall_for_durations() -> Any:
    return _patched((SimulatedClock, "__call__", lambda self: self.wall_ns() / 1e9))


def _no_grace() -> Any:
    from dataclasses import replace

    capabilities = SimulatedBroker.capabilities

    def hasty(self: SimulatedBroker) -> _Any:
        return replace(capabilities(self), absence_grace_ns=0)

    return _patched((SimulatedBroker, "capabilities", hasty))


def _failure_is_rejection() -> Any:
    change = SimulatedBroker._change

    def sure(self: SimulatedBroker, request: _Any) -> _Any:
        try:
            return change(self, request)
        except AmbiguousError as error:
            raise RejectedError(str(error)) from None

    return _patched((SimulatedBroker, "_change", sure))


def _send_again_at_start() -> Any:
    restore = restoring.restore

    def sent_again(desk: _Any, deployment: _Any) -> None:
        restore(desk, deployment)
        for name in deployment.standing.unknown():
            known = deployment.standing.orders[name]
            if not known.broker_order_id:
                try:
                    deployment.broker.place(known.order)
                except (AmbiguousError, RejectedError, UnavailableError):
                    continue

    return _patched((recovery, "restore", sent_again))


def _thaw_at_start() -> Any:
    restore = restoring.restore

    def thawed(desk: _Any, deployment: _Any) -> None:
        restore(desk, deployment)
        deployment.standing.frozen.clear()

    return _patched((recovery, "restore", thawed))


def _watermark_first() -> Any:
    reconcile = reconciliation.reconcile

    def hasty(desk: _Any, deployment: _Any) -> bool:
        standing = deployment.standing
        if standing is not None and standing.opened:
            try:
                found = deployment.broker.transactions_since(standing.watermark)
            except (RejectedError, UnavailableError):
                found = ()
            if found:
                ahead = standing.copy()
                ahead.watermark = found[-1].number
                with desk.ledger.change("watermark") as change:
                    write_link(change, deployment, ahead, now_ns=desk.ledger.now_ns())
        return reconcile(desk, deployment)

    return _patched((reconciliation, "reconcile", hasty), (sending, "reconcile", hasty))


def _no_limits_is_no_limit() -> Any:
    parse = DeploymentSpec.parsed_limits

    def generous(self: DeploymentSpec) -> Limits:
        return parse(self) if self.limits else LIMITS

    return _patched((DeploymentSpec, "parsed_limits", generous))


def _no_backoff() -> Any:
    return _patched((Breaker, "allows", lambda self: True))


def _compare_nothing() -> Any:
    return _patched(
        (reconciliation, "_compare_positions", lambda evidence, report: None),
        (reconciliation, "_compare_cash", lambda evidence, account: None),
    )


def _exits_assumed() -> Any:
    done = exits_elsewhere._Found(ChangeState.DONE, "assumed")
    return _patched((exits_elsewhere, "_found", lambda *_, **__: done))


def _evidence(change: _Any, desk: _Any, deployment: _Any, standing: Standing) -> Evidence:
    return Evidence(
        change=change,
        trading=deployment,
        standing=standing,
        now_ns=desk.ledger.now_ns(),
        now_s=desk.monotonic(),
        event_seq=deployment.seq + 1,
    )


def _bug(name: str, sentence: str, plant: Callable[[], Any], *faults: str) -> Planted:
    return Planted(name=name, sentence=sentence, faults=faults, plant=plant)


PLANTED = (
    _bug("retry on timeout", "an order without an answer is placed again", _retry_on_timeout, "F02"),
    _bug("rejected after 5 s", "a timer turns UNKNOWN into REJECTED", _reject_after_5_s, "F02", "F24"),
    _bug("fills while away", "executions during a disconnect are dropped", _drop_while_away, "F15", "F26"),
    _bug("synchronous NORMAL", "a commit is not on the disk when it returns", _normal_sync, "F36"),
    _bug("float money", "money is kept as floats of two decimals", _float_money, "F12"),
    _bug("fill twice", "an execution that comes twice is booked twice", _apply_twice, "F09"),
    _bug("empty is flat", "an empty list of positions is believed", _empty_is_flat, "F27"),
    _bug("overfill ignored", "what is executed beyond the order is dropped", _ignore_overfill, "F16"),
    _bug("UNKNOWN forgotten", "UNKNOWN orders reserve no exposure", _forget_unknown, "F02", "F44"),
    _bug(
        "kill forgotten",
        "the kill switch does not outlast the process",
        _forget_kill,
        "F35",
        "F36",
        "F41",
        "F42",
    ),
    _bug("cancel assumed", "a cancel that was sent counts as done", _assume_canceled, "F17", "F20"),
    _bug("no fence", "a gateway that lost its lease goes on", _no_fence, "F42"),
    _bug("hash order", "orders are taken in the order of a hash table", _hash_order, "F20", "F52"),
    _bug("local sessions", "days end at midnight UTC", _local_sessions, "F47"),
    _bug("wall clock", "durations are measured on the wall clock", _wall_for_durations, "F46", "F28"),
    _bug("no grace", "an order that is not listed at once is called absent", _no_grace, "F28", "F02"),
    _bug("failure is rejection", "a server's failure counts as a rejection", _failure_is_rejection, "F04"),
    _bug(
        "sent again at start",
        "intents without an answer are sent at the next start",
        _send_again_at_start,
        "F33",
    ),
    _bug("thawed at start", "a restart lets a frozen instrument trade", _thaw_at_start, "F10", "F33"),
    _bug("watermark first", "the watermark is durable before the executions", _watermark_first, "F34", "F14"),
    _bug("no limits", "missing limits limit nothing", _no_limits_is_no_limit, "F50"),
    _bug("no backoff", "a broker that is away is asked without a pause", _no_backoff, "F26", "F24"),
    _bug("exits assumed", "exits whose change nobody answered count as changed", _exits_assumed, "F19"),
    _bug("report unchecked", "the broker's positions and cash are not compared", _compare_nothing, "E01"),
)
"""Twenty and a few more."""
