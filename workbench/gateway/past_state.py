"""A deployment as it was at a past moment, folded from the journal.

A moment is a record of the journal: the state is that right after it was written. Orders, executions,
limits, kills and the deployment's own state come from the records alone, each checked against the chain;
the books as of the last event and the decision on it come from the store's own rows, each checked against
the digest that the journal keeps of it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec
import sqlalchemy as sa

from workbench.domain.accounts import AccountSnapshot
from workbench.domain.control_table import Entry, LimitTable
from workbench.domain.limits import Limits
from workbench.domain.orders import EXIT_REASONS, TERMINAL_STATES, Fill, Order, OrderState
from workbench.errors import BadInputError
from workbench.gateway.errors import DamagedStoreError, UnknownDeploymentError
from workbench.gateway.journal import digest, read_records
from workbench.gateway.specs import DeploymentSpec
from workbench.store.schema import deliveries, journal

__all__ = ["ExitsAsked", "PastOrder", "PastState", "past_state", "record_at", "record_at_market_time"]

_LIFE = {
    "deployment.opened": "running",
    "deployment.resumed": "running",
    "deployment.stopped": "stopped",
    "deployment.closed": "closed",
    "deployment.frozen": "frozen",
}
_ENDED = {str(state) for state in TERMINAL_STATES} | {"ABSENT"}


@dataclass(frozen=True, slots=True, kw_only=True)
class PastOrder:
    """An order as it stood."""

    order: Order  # as it was asked
    event_seq: int  # the event it was decided on
    state: str  # OrderState
    remaining: int  # units that might still be filled, signed; 0 once it had ended
    broker_order_id: str
    control: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ExitsAsked:
    """A wish for other exits, as it stood."""

    event_seq: int
    number: int
    body: Mapping[str, Any]  # ExitChange
    state: str
    reason: str


@dataclass(slots=True, kw_only=True)
class PastState:
    """What was known of one deployment; money in micro-units, prices in points, times in nanoseconds UTC."""

    deployment_id: str
    record: int = 0  # of the journal, the last one that counts
    written_ns: int = 0  # wall clock of that record
    spec: DeploymentSpec | None = None
    state: str = ""
    detail: str = ""
    halted: str = ""  # the control, and why only orders that reduce were sent
    kills: dict[str, str] = field(default_factory=dict)  # scope to reason, of those over this deployment
    frozen: dict[str, str] = field(default_factory=dict)  # instruments that only reduced
    table: LimitTable = field(default_factory=LimitTable)
    event_seq: int = 0  # the last event handed to the strategy
    market_ns: int = 0  # its time
    event: Mapping[str, Any] = field(default_factory=dict)
    books: AccountSnapshot | None = None  # as of that event; None before the first
    balance: int = 0  # with what happened since that event
    units: dict[str, int] = field(default_factory=dict)  # held of each instrument, with what happened since
    orders: dict[str, PastOrder] = field(default_factory=dict)
    exits: dict[tuple[int, int], ExitsAsked] = field(default_factory=dict)
    fills: list[Fill] = field(default_factory=list)
    adjustments: list[Mapping[str, Any]] = field(default_factory=list)
    decision: Mapping[str, Any] = field(default_factory=dict)  # the last one that was reported
    decided_seq: int = 0  # the event it was of, 0 for none

    @property
    def limits(self) -> Limits | None:
        """Those of its release."""
        return None if self.spec is None else self.spec.parsed_limits()

    @property
    def waiting(self) -> list[PastOrder]:
        """Orders that might still be filled, the unknown ones with them, the oldest first."""
        return [item for item in self.orders.values() if item.state not in _ENDED]


def record_at(engine: sa.Engine, at_ns: int) -> int:
    """The last record written up to a moment of the wall clock.

    Raises
    ------
    BadInputError
        The journal begins later.
    """
    with engine.connect() as connection:
        found = connection.scalar(sa.select(sa.func.max(journal.c.seq)).where(journal.c.created_ns <= at_ns))
        first = connection.scalar(sa.select(sa.func.min(journal.c.created_ns)))
    if found is None:
        raise BadInputError(
            "expected a moment at which the journal had begun, found one before its first record"
            + (f" (nanosecond {first})" if first else ": it is empty")
        )
    return int(found)


def record_at_market_time(engine: sa.Engine, deployment_id: str, at_ns: int) -> int:
    """The last record before a deployment was handed an event later than a moment of its market.

    Raises
    ------
    BadInputError
        It was handed no event up to then.
    """
    last, seen = 0, False
    for record in read_records(engine):
        if record.kind == "event":
            body = msgspec.json.decode(record.body)
            if body["deployment_id"] == deployment_id:
                if body["time_ns"] > at_ns:
                    break
                seen = True
        last = record.seq
    if not seen:
        raise BadInputError(f"deployment {deployment_id} had been handed no event by that time of its market")
    return last


def past_state(engine: sa.Engine, deployment_id: str, *, record: int) -> PastState:
    """The deployment right after a record of the journal was written.

    Raises
    ------
    UnknownDeploymentError
        It was not open then.
    DamagedStoreError
        A record is not what was written, or a row is not what its digest says.
    """
    found = PastState(deployment_id=deployment_id)
    entries: list[Entry] = []
    kills: dict[str, str] = {}
    digests: dict[str, Mapping[str, Any]] = {}
    for item in read_records(engine, until=record):
        body = msgspec.json.decode(item.body)
        found.record, found.written_ns = item.seq, item.created_ns
        if item.kind == "kill":
            kills[body["scope"]] = body.get("reason", "")
        elif item.kind == "unkill":
            kills.pop(body["scope"], None)
        elif item.kind == "limits.shipped":
            entries += [Entry(**entry) for entry in body["entries"]]
        elif item.kind == "limits.changed":
            entries.append(Entry(**body))
        elif body.get("deployment_id", deployment_id) == deployment_id:
            _take(found, item.kind, body, digests)
    if found.spec is None:
        raise UnknownDeploymentError(
            f"deployment {deployment_id} was not open when record {record} was written; "
            "take a later moment, or another name"
        )
    found.table = LimitTable(entries)
    scopes = {"all", f"account:{found.spec.account.id}", f"deployment:{deployment_id}"}
    found.kills = {scope: reason for scope, reason in kills.items() if scope in scopes}
    _add_rows(engine, found, digests)
    return found


def _take(found: PastState, kind: str, body: dict[str, Any], digests: dict[str, Mapping[str, Any]]) -> None:
    """One record of the deployment, or of one of its orders."""
    group, _, what = kind.partition(".")
    if kind in _LIFE:
        found.state = body.get("state", _LIFE[kind])
        found.detail = body.get("detail", body.get("reason", ""))
        if kind == "deployment.opened":
            found.spec = msgspec.convert(body["spec"], DeploymentSpec)
            found.balance = found.balance or found.spec.account.balance
    elif kind == "deployment.halted":
        found.halted = f"{body['control']} {body['reason']}"
    elif kind == "deployment.forgiven":
        found.halted = ""
    elif kind == "instrument.frozen":
        found.frozen[body["instrument"]] = body["reason"]
    elif kind == "instrument.released":
        found.frozen.pop(body["instrument"], None)
    elif kind == "event":
        found.event_seq, found.market_ns = body["event_seq"], body["time_ns"]
        digests["event"] = body
    elif kind == "decided":
        found.decided_seq = body["event_seq"]
        digests["decided"] = body
    elif kind == "fill":
        _fill(found, body)
    elif kind == "adjustment":
        found.adjustments.append(body)
        found.balance += body["cash"]
        if body["instrument"]:
            found.units[body["instrument"]] = found.units.get(body["instrument"], 0) + body["units"]
    elif group == "order":
        _order(found, what, body)
    elif group == "exits":
        _exits(found, what, body)


def _order(found: PastState, what: str, body: dict[str, Any]) -> None:
    name = body.get("client_order_id", "")
    if "body" in body:  # a new one
        order = msgspec.convert(body["body"], Order)
        found.orders[name] = PastOrder(
            order=order,
            event_seq=body["event_seq"],
            state=body["state"],
            remaining=0 if body["state"] in _ENDED else order.units,
            broker_order_id="",
            control=body["control"],
            reason=body["reason"],
        )
        return
    known = found.orders.get(name)
    if known is None:
        return  # of another deployment
    state = body.get("state", what.upper())
    if state not in _ENDED and state not in OrderState.__members__:
        return  # a remark, not a state
    found.orders[name] = replace(
        known,
        state=state,
        remaining=0 if state in _ENDED else known.remaining,
        broker_order_id=body.get("broker_order_id", known.broker_order_id),
        control=body.get("control", known.control),
        reason=body.get("reason", known.reason),
    )


def _exits(found: PastState, what: str, body: dict[str, Any]) -> None:
    key = body["event_seq"], body["number"]
    known = found.exits.get(key)
    found.exits[key] = ExitsAsked(
        event_seq=body["event_seq"],
        number=body["number"],
        body=body["body"] if known is None else known.body,
        state=body.get("state", what.upper()),
        reason=body["reason"],
    )


def _fill(found: PastState, body: dict[str, Any]) -> None:
    fill = msgspec.convert({**body, "trade": body["trade"] or None}, Fill)
    found.fills.append(fill)
    found.balance = fill.balance
    found.units[fill.instrument] = found.units.get(fill.instrument, 0) + fill.units
    known = found.orders.get(fill.client_order_id)
    if known is None or fill.reason in EXIT_REASONS:
        return
    state = OrderState.PARTIAL if fill.remaining else OrderState.FILLED
    found.orders[fill.client_order_id] = replace(known, state=state.value, remaining=fill.remaining)


def _add_rows(engine: sa.Engine, found: PastState, digests: Mapping[str, Mapping[str, Any]]) -> None:
    """The last event, the books as of it and the last decision, as far as their digests vouch for them."""
    if "event" in digests:
        row = _row(engine, found.deployment_id, found.event_seq)
        for name, column in (("event", "event"), ("books", "snapshot")):
            _check(row[column], digests["event"][name], f"the {name} of event {found.event_seq}")
        found.event = row["event"]
        found.books = msgspec.convert(row["snapshot"], AccountSnapshot)
        if not any(fill.time_ns > found.market_ns for fill in found.fills):
            found.balance = found.books.balance  # with what was paid or charged without an execution
    if "decided" in digests:
        row = _row(engine, found.deployment_id, found.decided_seq)
        _check(row["decision"], digests["decided"]["decision"], f"the decision on event {found.decided_seq}")
        found.decision = row["decision"]


def _row(engine: sa.Engine, deployment_id: str, event_seq: int) -> sa.RowMapping:
    query = sa.select(deliveries).where(
        deliveries.c.deployment_id == deployment_id, deliveries.c.event_seq == event_seq
    )
    with engine.connect() as connection:
        row = connection.execute(query).mappings().first()
    if row is None:
        raise DamagedStoreError(f"expected the row of event {event_seq} of {deployment_id}, found none")
    return row


def _check(value: object, expected: str, what: str) -> None:
    if digest(value) != expected:
        raise DamagedStoreError(
            f"{what} is not what was written: its digest differs from the journal's; restore a copy"
        )
