"""The first of the two checks of an order: in the strategy runtime, before the intent leaves.

It is the gateway's own function on what the gateway says the order is judged against. What it stops is still
told to the gateway, which writes the denial down and sends nothing.
"""

from collections.abc import Sequence

from workbench.domain.limits import Limits
from workbench.domain.orders import Order, OrderState
from workbench.gateway.controls import Denial, Exposure, Override, judge_order

__all__ = ["OrderJudge"]

_SENT = frozenset({OrderState.WORKING.value, OrderState.UNKNOWN.value, OrderState.PARTIAL.value})


class OrderJudge:
    """Judges the orders of one decision, each as if those before it were out."""

    def __init__(
        self, exposures: Sequence[Exposure], limits: Limits, overrides: Sequence[Override] = ()
    ) -> None:
        self._exposures = {str(item.instrument.id): item for item in exposures}
        self._limits = limits
        self._overrides = tuple(overrides)

    def check(self, order: Order) -> Denial | None:
        """The first control that stops `order`; None when it may leave."""
        exposure = self._exposures.get(order.instrument)
        if exposure is None:
            known = ", ".join(self._exposures) or "none"
            return Denial(
                control="R18", reason=f"R18 instruments: limit {known}, observed {order.instrument}"
            )
        denial, used = judge_order(order, limits=self._limits, exposure=exposure, overrides=self._overrides)
        self._overrides = tuple(item for item in self._overrides if item is not used)
        return denial

    def answered(self, order: Order, state: str) -> None:
        """What the gateway made of an order; one that went out counts from now on."""
        if state in _SENT:
            self._exposures = {name: item.after(order) for name, item in self._exposures.items()}
