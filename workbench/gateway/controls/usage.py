"""How much of each limit a deployment uses now: what is observed without a further order, and the limit."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from workbench.domain.control_text import limit_text
from workbench.domain.controls import LIMITS
from workbench.gateway.controls.checks import no_order, observed, release_layer
from workbench.gateway.controls.judging import exposures_of

if TYPE_CHECKING:
    from workbench.gateway.trading import Trading

__all__ = ["USED_LIMITS", "LimitUse", "limit_use", "shown_use"]

_COUNTS_THE_ORDER = frozenset(
    {"max_open_orders", "max_orders_per_minute", "max_messages_per_second", "max_messages_per_minute"}
)
USED_LIMITS = (
    *("max_position_units", "max_currency_exposure_ppm", "max_margin_use_ppm"),
    *("max_daily_loss", "max_daily_loss_ppm", "max_drawdown_ppm"),
    *("max_open_orders", "max_orders_per_minute", "max_messages_per_second", "max_messages_per_minute"),
)
"""The limits that fill up: of positions, losses, orders and messages."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitUse:
    """One limit that holds for a deployment."""

    name: str
    scope: str  # of the layer that is nearest to its limit; `release` for the release's own
    used: int  # in the limit's unit, 0 at the least
    limit: int

    @property
    def ratio(self) -> float:
        """The share that is used; of a limit of zero 1 when anything is, else 0."""
        if self.limit == 0:
            return 1.0 if self.used else 0.0
        return self.used / self.limit


def limit_use(trading: "Trading") -> tuple[LimitUse, ...]:
    """The limits that hold for a deployment, each as its fullest layer and instrument has it.

    A limit that is missing, or that nobody has set, is not among them.
    """
    if trading.standing is not None and not trading.standing.opened:
        return ()  # nothing is known of the account yet
    found: dict[str, LimitUse] = {}
    for exposure in exposures_of(trading, killed=""):
        nothing = no_order(exposure)
        for layer in (release_layer(trading.limits), *exposure.layers):
            for name in USED_LIMITS:
                limit = layer.values.get(name)
                if not isinstance(limit, int):
                    continue
                seen = observed(name, nothing, exposure, layer.scope)
                if seen is None:
                    continue
                used = max(seen - (name in _COUNTS_THE_ORDER), 0)
                use = LimitUse(name=name, scope=layer.scope, used=used, limit=limit)
                found[name] = _fuller(use, found.get(name))
    return tuple(_in_order(found.values()))


def shown_use(trading: "Trading") -> list[dict[str, Any]]:
    """The same as people read it; nothing of a deployment that is over."""
    if trading.archived is not None or trading.desk_view is None:
        return []
    return [
        {
            "control": LIMITS[item.name].control,
            "name": item.name,
            "scope": item.scope,
            "used": limit_text(item.name, item.used),
            "limit": limit_text(item.name, item.limit),
            "ratio": item.ratio,
        }
        for item in limit_use(trading)
    ]


def _fuller(one: LimitUse, other: LimitUse | None) -> LimitUse:
    """The one nearer to its limit; of two alike the stricter."""
    if other is None or (one.ratio, -one.limit) > (other.ratio, -other.limit):
        return one
    return other


def _in_order(found: Iterable[LimitUse]) -> list[LimitUse]:
    return sorted(found, key=lambda item: USED_LIMITS.index(item.name))
