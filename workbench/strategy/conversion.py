"""What one unit of a quote currency is worth in the account's, for sizes: at the last closed bars' mids.

The books convert by their own rules (`workbench.engine`); this says how much to order, which is known at the
bar's close and the same in a backtest, a replay and live.
"""

from workbench.domain.conversion import Leg, conversion_legs
from workbench.indicators import compiled

__all__ = ["Leg", "conversion_legs", "leg_rate"]


@compiled
def leg_rate(bid: int, ask: int, scale: float, divides: bool) -> float:
    """The factor of one leg at a closing quote in points."""
    mid = (float(bid) + float(ask)) * 0.5 * scale
    return 1.0 / mid if divides else mid
