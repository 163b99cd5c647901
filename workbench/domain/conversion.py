"""The way from one currency to another by the pairs that are at hand."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from workbench.domain.instruments import Instrument, InstrumentId
from workbench.errors import BadInputError

__all__ = ["Leg", "conversion_legs", "dearest_rate"]

_BETWEEN = "USD"


@dataclass(frozen=True, slots=True)
class Leg:
    """One conversion: multiply by the price of an instrument in its quote currency, or divide by it."""

    instrument: InstrumentId
    digits: int  # decimals of its price
    divides: bool

    @property
    def scale(self) -> float:
        """The price of a point."""
        return 10.0**-self.digits


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
    first, second = _leg(quote, _BETWEEN, pairs), _leg(_BETWEEN, home, pairs)
    if first is None or second is None or _BETWEEN in (quote, home):
        raise BadInputError(
            f"expected a pair of {quote} and {home} among {', '.join(item.id for item in pairs)}, "
            "found none; "
            "give its bars too, so that amounts can be converted"
        )
    return (first, second)


def dearest_rate(
    legs: Iterable[Leg], prices: Mapping[InstrumentId, tuple[int, int]]
) -> tuple[int, int] | None:
    """What a unit costs in the currency that `legs` lead to, each leg on its worse side.

    At this rate a loss is converted: at the ask of a pair that is multiplied by, at the bid of
    one that is divided by.

    Parameters
    ----------
    prices
        Bid and ask in points by instrument.

    Returns
    -------
    tuple of int, or None
        Numerator and denominator; None where a price is missing.
    """
    numerator = denominator = 1
    for leg in legs:
        bid, ask = prices.get(leg.instrument, (0, 0))
        if bid <= 0 or ask <= 0:
            return None
        if leg.divides:
            numerator, denominator = numerator * 10**leg.digits, denominator * bid
        else:
            numerator, denominator = numerator * ask, denominator * 10**leg.digits
    return numerator, denominator


def _leg(source: str, target: str, pairs: Iterable[Instrument]) -> Leg | None:
    for item in pairs:
        if (item.base, item.quote) == (source, target):
            return Leg(item.id, item.digits, False)
        if (item.base, item.quote) == (target, source):
            return Leg(item.id, item.digits, True)
    return None
