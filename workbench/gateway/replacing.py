"""An order in the place of one that waits: whether it may be.

The broker does both or neither. While nobody knows what it did, the old order and the new one both count.
"""

import sqlalchemy as sa

from workbench.domain.orders import Order
from workbench.gateway.controls import GATEWAY_PREFIX, Denial
from workbench.gateway.desk import Desk
from workbench.gateway.trading import Trading
from workbench.store.schema import intents

__all__ = ["not_replaceable"]

_ORDER = sa.select(intents.c.deployment_id, intents.c.instrument).where(
    intents.c.client_order_id == sa.bindparam("id")
)


def not_replaceable(desk: Desk, trading: Trading, order: Order) -> Denial | None:
    """Why an order can not stand in for the one that it names; None where it can, or replaces none."""
    if order.replaces is None:
        return None
    with desk.engine.connect() as connection:
        found = connection.execute(_ORDER, {"id": order.replaces}).mappings().first()
    mine = found is not None and found["deployment_id"] == trading.spec.deployment_id
    if not mine or order.replaces.startswith(GATEWAY_PREFIX):
        wrong = f"expected an order of this deployment to replace, found {order.replaces[:40]!r}"
    elif found is not None and found["instrument"] != order.instrument:
        wrong = f"expected an order for {found['instrument']} to replace, found one for {order.instrument}"
    else:
        return None
    return Denial(control="F45", reason=f"F45 order sense: {wrong}")
