"""Taking a broker's record into the books: each execution once, each order's end by evidence alone.

A standing is changed as a copy, in one transaction with the store, and counts when that is durable. What
contradicts what was known is applied as the truth that it is, written down, and freezes the instrument:
only orders that reduce pass until a named person has looked.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from workbench.domain.instruments import InstrumentId
from workbench.domain.orders import (
    EXIT_REASONS,
    TERMINAL_STATES,
    ClientOrderId,
    Fill,
    Order,
    OrderState,
)
from workbench.gateway.broker_records import (
    end_cancels,
    write_fill,
    write_frozen,
    write_order_state,
    write_shown,
)
from workbench.gateway.brokers.port import OrderReport, Transaction
from workbench.gateway.ledger import Change
from workbench.gateway.records import fill_of, order_of, write_intent_state
from workbench.gateway.standing import Known, Standing
from workbench.gateway.trading import Trading
from workbench.store.schema import fills, intents, orders

__all__ = ["Evidence", "Finding", "numbered", "stored_order"]

_NEVER_HAD = (OrderState.REJECTED, OrderState.DENIED, OrderState.ABSENT)
_EXITS = tuple(reason.value for reason in EXIT_REASONS)
_FILLED_UNITS = (
    sa.select(sa.func.coalesce(sa.func.sum(fills.c.units), 0))
    .where(fills.c.client_order_id == sa.bindparam("id"))
    .where(fills.c.deployment_id == sa.bindparam("deployment"))
    .where(fills.c.reason.not_in(_EXITS))
)
_STORED = (
    sa.select(intents.c.body, intents.c.state, intents.c.deployment_id, orders.c.broker_order_id)
    .outerjoin(orders, orders.c.client_order_id == intents.c.client_order_id)
    .where(intents.c.client_order_id == sa.bindparam("id"))
)
_SAME_FILL = sa.select(fills).where(
    fills.c.account_id == sa.bindparam("account"),
    fills.c.deployment_id == sa.bindparam("deployment"),
    fills.c.broker_trade_id == sa.bindparam("trade_id"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something a person must hear of."""

    event: str  # of the log
    fields: Mapping[str, Any]


@dataclass(slots=True, kw_only=True)
class Evidence:
    """One transaction in which evidence is taken in."""

    change: Change
    trading: Trading
    standing: Standing  # a copy
    now_ns: int
    now_s: float  # monotonic
    event_seq: int  # of what is found now
    found: list[Fill] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    def transaction(self, item: Transaction) -> None:
        """One line of the broker's record."""
        known = self._known(item.client_order_id)
        if item.fill is not None:
            self._fill(item, item.fill, known)
        elif known is None:
            self.change.record(
                "external.end", order=item.client_order_id, state=item.state.value, number=item.number
            )
        elif known.state not in (item.state, OrderState.FILLED):
            self.end(item.client_order_id, known, item.state, item.reason, f"transaction {item.number}")
        self.standing.watermark = max(self.standing.watermark, item.number)

    def is_ours(self, name: ClientOrderId) -> bool:
        """Whether an order is of this deployment."""
        return name in self.standing.orders or self._known(name) is not None

    def shown(self, name: ClientOrderId, broker_order_id: str, *, evidence: str) -> None:
        """The broker shows one of our orders as live."""
        known = self._known(name)
        if known is None:
            return
        if known.broker_order_id and known.broker_order_id != broker_order_id:
            self.freeze(
                known.order.instrument,
                f"order {name} is {known.broker_order_id} and {broker_order_id} at the broker: "
                "it was placed twice",
            )
            return
        known.doubted_s = 0.0
        self._supersede(known)
        live = (OrderState.WORKING, OrderState.PARTIAL)
        if known.broker_order_id and known.state in live:
            return
        if known.state in (OrderState.FILLED, OrderState.CANCELED, OrderState.EXPIRED):
            return  # its list is behind its record
        late = known.state in _NEVER_HAD
        known.state = OrderState.PARTIAL if known.filled else OrderState.WORKING
        self._accept(name, known, broker_order_id, evidence=evidence)
        self.standing.orders[name] = known
        if late:
            self._contradiction(known.order, f"order {name} lives at the broker although it was said not to")

    def report(self, report: OrderReport) -> None:
        """What the broker says of one order that it was asked for."""
        known = self._known(report.client_order_id)
        if known is None:
            return
        if report.state not in TERMINAL_STATES:
            self.shown(report.client_order_id, report.broker_order_id, evidence="order report")
            return
        if not known.broker_order_id and report.broker_order_id:
            known.state = OrderState.UNKNOWN
            self._accept(report.client_order_id, known, report.broker_order_id, evidence="order report")
        if report.state is OrderState.FILLED and known.filled == 0:
            return  # its executions are to come: they are never made up
        self.end(report.client_order_id, known, report.state, report.reason, "order report")

    def missing(self, name: ClientOrderId, *, reason: str) -> None:
        """The broker does not show an order that it had: nobody knows what became of it."""
        known = self.standing.orders[name]
        if known.state is OrderState.UNKNOWN:
            known.doubted_s = known.doubted_s or self.now_s
            return
        known.state, known.doubted_s = OrderState.UNKNOWN, self.now_s
        write_intent_state(self.change, name, state=OrderState.UNKNOWN, reason=reason)

    def end(
        self,
        name: ClientOrderId,
        known: Known,
        state: OrderState,
        reason: str,
        evidence: str,
        control: str = "",
    ) -> None:
        """An order has ended."""
        write_intent_state(self.change, name, state=state, reason=reason, evidence=evidence, control=control)
        write_order_state(
            self.change, name, state=state, remaining=known.order.units - known.filled, now_ns=self.now_ns
        )
        end_cancels(self.change, name, state=state, reason=reason)
        known.state = state
        self.standing.orders.pop(name, None)
        self.standing.cancels.discard(name)

    def freeze(self, instrument: InstrumentId, reason: str, *, event: str = "mismatch") -> None:
        """Only orders that reduce, for this instrument, until a named person decides."""
        if instrument in self.standing.frozen:
            return
        self.standing.frozen[instrument] = reason
        write_frozen(
            self.change,
            self.trading.spec.deployment_id,
            instrument,
            reason=reason,
            now_ns=self.now_ns,
        )
        self.findings.append(Finding(event=event, fields={"instrument": instrument, "detail": reason}))

    def _fill(self, item: Transaction, fill: Fill, known: Known | None) -> None:
        stored = self._stored_fill(item.broker_trade_id)
        if stored is not None:
            if _execution(stored) != _execution(fill):
                self.change.record(
                    "fill.conflict",
                    broker_trade_id=item.broker_trade_id,
                    kept=_execution(stored),
                    found=_execution(fill),
                )
                self.freeze(
                    fill.instrument,
                    f"execution {item.broker_trade_id} was reported as {_execution(stored)} and again as "
                    f"{_execution(fill)}; the first is kept",
                    event="contradiction",
                )
            return
        if known is None:
            self.change.record(
                "external.fill",
                broker_trade_id=item.broker_trade_id,
                instrument=fill.instrument,
                units=fill.units,
                price=fill.price,
            )
            return
        own = fill.reason not in EXIT_REASONS
        write_fill(self.change, self.trading, item, event_seq=self.event_seq)
        self.standing.books.fill(self.trading.record_of(fill.instrument), fill)
        self.trading.history.fill(fill)
        self.found.append(fill)
        if own:
            self._executed(item, fill, known)

    def _executed(self, item: Transaction, fill: Fill, known: Known) -> None:
        name, before = item.client_order_id, known.state
        self._supersede(known)
        known.filled += fill.units
        known.doubted_s = 0.0
        evidence = f"transaction {item.number}"
        if before in _NEVER_HAD:
            self._contradiction(known.order, f"order {name} was executed although it was {before.value}")
        elif before in (OrderState.CANCELED, OrderState.EXPIRED):
            self.findings.append(
                Finding(
                    event="late fill", fields={"client_order_id": name, "detail": f"it was {before.value}"}
                )
            )
        if abs(known.filled) > abs(known.order.units):
            self.change.record(
                "order.overfilled", client_order_id=name, asked=known.order.units, filled=known.filled
            )
            self.freeze(
                fill.instrument,
                f"order {name} over {known.order.units} units was executed for {known.filled}",
                event="contradiction",
            )
        over = fill.remaining == 0 or abs(known.filled) >= abs(known.order.units)
        if over:
            self.end(name, known, OrderState.FILLED, "", evidence)
        elif before not in TERMINAL_STATES or before in _NEVER_HAD:
            known.state = OrderState.PARTIAL
            write_intent_state(self.change, name, state=OrderState.PARTIAL, evidence=evidence)
            write_order_state(
                self.change,
                name,
                state=OrderState.PARTIAL,
                remaining=known.order.units - known.filled,
                now_ns=self.now_ns,
            )
            self.standing.orders[name] = known

    def _accept(self, name: ClientOrderId, known: Known, broker_order_id: str, *, evidence: str) -> None:
        write_shown(
            self.change,
            name,
            broker_order_id,
            state=known.state,
            remaining=known.order.units - known.filled,
            accepted_seq=self.trading.seq,
            now_ns=self.now_ns,
            evidence=evidence,
            known=bool(known.broker_order_id),
        )
        known.broker_order_id = broker_order_id

    def _supersede(self, known: Known) -> None:
        """The order that this one stands in for is not to wait beside it."""
        old = known.order.replaces
        if old is not None and old in self.standing.orders:
            self.standing.cancels.add(old)

    def _contradiction(self, order: Order, what: str) -> None:
        self.change.record("contradiction", client_order_id=order.client_order_id, detail=what)
        self.freeze(order.instrument, what, event="contradiction")

    def _known(self, name: ClientOrderId) -> Known | None:
        """One of our orders, ended or not; None for others'."""
        known = self.standing.orders.get(name)
        return known or stored_order(
            self.change.execute, name, deployment_id=self.trading.spec.deployment_id, now_s=self.now_s
        )

    def _stored_fill(self, trade_id: str) -> Fill | None:
        spec = self.trading.spec
        row = (
            self.change.execute(
                _SAME_FILL,
                {"account": spec.account.id, "deployment": spec.deployment_id, "trade_id": trade_id},
            )
            .mappings()
            .first()
        )
        return fill_of(row) if row is not None else None


def stored_order(
    execute: Callable[[sa.Executable, Any], "sa.CursorResult[Any]"],
    name: str,
    *,
    deployment_id: str,
    now_s: float,
) -> Known | None:
    """One of a deployment's orders as the store has it; None for an order that is not its."""
    row = execute(_STORED, {"id": name}).mappings().first()
    if row is None or row["deployment_id"] != deployment_id:
        return None
    filled = execute(_FILLED_UNITS, {"id": name, "deployment": deployment_id}).scalar_one()
    return Known(
        order=order_of(row["body"]),
        state=OrderState(row["state"]),
        broker_order_id=row["broker_order_id"] or "",
        filled=int(filled),
        sent_s=now_s,
    )


def _execution(fill: Fill) -> tuple[str, str, int, int]:
    """What makes an execution the one it is."""
    return (fill.client_order_id, fill.instrument, fill.units, fill.price)


def numbered(found: Iterable[Transaction]) -> list[Transaction]:
    """A record's lines in its order, each number once."""
    return [item for _, item in sorted({item.number: item for item in found}.items())]
