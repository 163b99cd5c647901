"""What one unit of a quote currency is worth in the account's, for sizes: at the last closed bars' mids.

The books convert by their own rules (`workbench.engine`); this says how much to order, which is known at the
bar's close and the same in a backtest, a replay and live.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from workbench.domain.instruments import Instrument, InstrumentId
from workbench.errors import BadInputError
from workbench.indicators import compiled

__all__ = ["Leg", "conversion_legs", "leg_rate"]


@dataclass(frozen=True, slots=True)
class Leg:
    """One conversion: multiply by the mid of an instrument in its quote currency, or divide by it."""

    instrument: InstrumentId
    scale: float  # price of a point
    divides: bool


def conversion_legs(quote: str, home: str, instruments: Iterable[Instrument]) -> Sequence[Leg]:
    """The way from a quote currency to the account's: none, a direct pair, or two through the dollar.

    Raises
    ------
    BadInputError
        There is no such way among the instruments.
    """
    if quote == home:
        return ()
    pairs = sorted(instruments, key=lambda item: item.id)
    direct = _leg(quote, home, pairs)
    if direct is not None:
        return (direct,)
    first, second = _leg(quote, "USD", pairs), _leg("USD", home, pairs)
    if first is None or second is None or "USD" in (quote, home):
        raise BadInputError(
            f"expected a pair of {quote} and {home} among {', '.join(item.id for item in pairs)}, "
            "found none; "
            "give its bars too, so that sizes can be converted"
        )
    return (first, second)


@compiled
def leg_rate(bid: int, ask: int, scale: float, divides: bool) -> float:
    """The factor of one leg at a closing quote in points."""
    mid = (float(bid) + float(ask)) * 0.5 * scale
    return 1.0 / mid if divides else mid


def _leg(source: str, target: str, pairs: Iterable[Instrument]) -> Leg | None:
    for item in pairs:
        if (item.base, item.quote) == (source, target):
            return Leg(item.id, 10.0**-item.digits, False)
        if (item.base, item.quote) == (target, source):
            return Leg(item.id, 10.0**-item.digits, True)
    return None
