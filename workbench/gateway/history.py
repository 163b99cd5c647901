"""What was done to a paper account's orders, by the event after which: what computes its books again."""

from dataclasses import dataclass, field

import sqlalchemy as sa

from workbench.domain.orders import ChangeState, ClientOrderId, ExitChange, Order
from workbench.gateway.brokers.port import Broker, give
from workbench.gateway.records import change_of, order_of
from workbench.store.schema import exit_changes, intents, orders

__all__ = ["OrderHistory", "load_history"]


@dataclass(frozen=True, slots=True)
class OrderHistory:
    """Orders accepted, taken back and replaced, and exits changed, by event number."""

    accepted: dict[int, list[Order]] = field(default_factory=dict)
    canceled: dict[int, list[ClientOrderId]] = field(default_factory=dict)
    changed: dict[int, list[ExitChange]] = field(default_factory=dict)

    def apply(self, broker: Broker, seq: int) -> None:
        """Do again what was done after event `seq`."""
        for change in self.changed.get(seq, ()):
            broker.change_exits(change)
        for order in self.accepted.get(seq, ()):
            give(broker, order)
        for name in self.canceled.get(seq, ()):
            broker.cancel(name, reason="taken back before it was executed")


def load_history(connection: sa.Connection, deployment_id: str) -> OrderHistory:
    """A deployment's, in the order in which the broker had them."""
    found = OrderHistory()
    query = (
        sa.select(orders.c.accepted_seq, orders.c.canceled_seq, intents.c.body)
        .join(intents, intents.c.client_order_id == orders.c.client_order_id)
        .where(intents.c.deployment_id == deployment_id)
        .order_by(orders.c.accepted_seq, orders.c.broker_order_id)
    )
    for row in connection.execute(query).mappings():
        order = order_of(row["body"])
        found.accepted.setdefault(row["accepted_seq"], []).append(order)
        if row["canceled_seq"]:
            found.canceled.setdefault(row["canceled_seq"], []).append(order.client_order_id)
    changes = (
        sa.select(exit_changes.c.changed_seq, exit_changes.c.body)
        .where(exit_changes.c.deployment_id == deployment_id)
        .where(exit_changes.c.state == ChangeState.DONE.value)
        .order_by(exit_changes.c.event_seq, exit_changes.c.number)
    )
    for changed in connection.execute(changes):
        found.changed.setdefault(changed.changed_seq, []).append(change_of(changed.body))
    return found
