"""What a strategy decided on an event, as plain values that are kept, compared and shown."""

from collections.abc import Sequence
from typing import Any

import msgspec

from workbench.domain.orders import Order
from workbench.domain.quotes import Bar, Quote
from workbench.strategy import Decision

__all__ = ["decision_of", "shown"]


def decision_of(seen: Sequence[Bar] | Quote, decided: Decision, *, sparse: bool = False) -> dict[str, Any]:
    """What was decided on an event, as plain JSON values, so that it can be compared and shown.

    Of a strategy that follows every quote (`sparse`) nothing is said where it did nothing.
    """
    orders, cancels, changes = decided.orders, decided.cancels, decided.changes
    if sparse and not (orders or cancels or changes):
        return {}
    if isinstance(seen, Quote):
        event = {"instrument": str(seen.instrument), "quote_ns": seen.time_ns}
    else:
        names = ", ".join(str(bar.instrument) for bar in seen)
        event = {"instrument": names, "bar_close_ns": seen[0].close_ns}
    return {
        **event,
        "orders": [_plain(order) for order in orders],
        **({"cancels": [str(name) for name in cancels]} if cancels else {}),
        **({"changes": [msgspec.to_builtins(change) for change in changes]} if changes else {}),
    }


def shown(decision: dict[str, Any]) -> str:
    """The same in a sentence."""
    cancels, changes = decision.get("cancels"), decision.get("changes")
    without = f" without {cancels}" if cancels else ""
    return f"{decision.get('orders')}{without}{f' and exits {changes}' if changes else ''}"


def _plain(order: Order) -> dict[str, Any]:
    """An order; one that replaces none is written as it was before orders could."""
    found: dict[str, Any] = msgspec.to_builtins(order)
    if order.replaces is None:
        del found["replaces"]
    return found
