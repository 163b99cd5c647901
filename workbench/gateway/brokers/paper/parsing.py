"""From the engine's words to the port's."""

from collections.abc import Iterable, Sequence

from workbench.domain.orders import EXIT_REASONS, ClientOrderId, Fill, OrderState
from workbench.engine import EXPIRED
from workbench.gateway.brokers.port import OpenOrder, OrderReport, Transaction

__all__ = ["cancellation", "order_report", "transactions"]


def transactions(
    fills: Sequence[Fill],
    canceled: Iterable[tuple[ClientOrderId, str]],
    *,
    event_seq: int,
    last_number: int,
    last_trade: int,
) -> list[Transaction]:
    """The executions of one event, then the orders dropped on it, numbered on from the last of each."""
    found = [
        Transaction(
            number=last_number + index,
            event_seq=event_seq,
            client_order_id=fill.client_order_id,
            state=OrderState.PARTIAL if _waits_on(fill) else OrderState.FILLED,
            fill=fill,
            broker_trade_id=f"T{last_trade + index:09d}",
            reason="",
        )
        for index, fill in enumerate(fills, start=1)
    ]
    for client_order_id, reason in canceled:
        found.append(
            cancellation(client_order_id, reason, event_seq=event_seq, number=last_number + len(found) + 1)
        )
    return found


def order_report(
    client_order_id: ClientOrderId,
    broker_order_id: str,
    *,
    waiting: OpenOrder | None,
    happened: Sequence[Transaction],
) -> OrderReport:
    """What became of an order that was accepted: what waits of it, and the last thing that happened to it."""
    own = (
        item
        for item in reversed(happened)
        if item.client_order_id == client_order_id
        and (item.fill is None or item.fill.reason not in EXIT_REASONS)
    )
    last = next(own, None)
    return OrderReport(
        client_order_id=client_order_id,
        broker_order_id=broker_order_id,
        state=last.state if last is not None else OrderState.WORKING,
        remaining=waiting.order.units if waiting is not None else 0,
        reason=last.reason if last is not None else "",
    )


def cancellation(client_order_id: ClientOrderId, reason: str, *, event_seq: int, number: int) -> Transaction:
    """An order's end without an execution."""
    return Transaction(
        number=number,
        event_seq=event_seq,
        client_order_id=client_order_id,
        state=OrderState.EXPIRED if reason == EXPIRED else OrderState.CANCELED,
        fill=None,
        broker_trade_id="",
        reason=reason,
    )


def _waits_on(fill: Fill) -> bool:
    """Whether a part of the order is still to be filled."""
    return fill.remaining != 0 and fill.reason not in EXIT_REASONS
