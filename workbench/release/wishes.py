"""What a strategy wished in a rehearsal: handed to the books, and written down."""

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

import msgspec

from workbench.domain.orders import ExitChange, Order
from workbench.engine import MatchingEngine
from workbench.strategy import Decision

__all__ = ["obey", "written"]


def obey(engine: MatchingEngine, decision: Decision) -> None:
    """Take back, change and hand in what was decided."""
    for canceled in decision.cancels:
        engine.cancel(canceled)
    for change in decision.changes:
        engine.change_exits(change)
    for order in decision.orders:
        engine.submit(order)


def written(decision: Decision) -> Sequence[tuple[str, list[dict[str, Any]]]]:
    """Each instrument with its changes of exits and orders as they are kept, by name."""
    wishes: list[Order | ExitChange] = [*decision.changes, *decision.orders]
    return [
        (name, [_plain(msgspec.to_builtins(wish)) for wish in group])
        for name, group in groupby(sorted(wishes, key=_traded), key=_traded)
    ]


def _traded(wish: Order | ExitChange) -> str:
    return str(wish.instrument)


def _plain(value: Mapping[str, Any]) -> dict[str, Any]:
    """A wish without what names it; an order that replaces none is written as ever."""
    plain = {name: item for name, item in value.items() if name != "client_order_id"}
    return {name: item for name, item in plain.items() if name != "replaces" or item is not None}
