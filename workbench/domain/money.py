"""Exact money: whole micro-units (one millionth of a currency unit) inside, Decimal at the edges.

A price is a whole number of points and a quantity a whole number of units, so profit in the quote
currency is a whole number of `units * points`, which is a whole number of micro-units for every
instrument quoted with at most six decimals. Only rates (commission, financing) need rounding: once
for each booked transaction, half to even.
"""

from decimal import Decimal, DecimalException

__all__ = ["MICRO", "MICRO_DIGITS", "scaled_to_whole", "to_decimal", "to_micro"]

MICRO_DIGITS = 6
MICRO = 10**MICRO_DIGITS


def to_decimal(micro: int) -> Decimal:
    """The exact amount in currency units of a whole number of micro-units."""
    return Decimal(int(micro)).scaleb(-MICRO_DIGITS)


def to_micro(amount: Decimal | str | int) -> int:
    """Whole micro-units of an amount.

    Raises
    ------
    ValueError
        The amount has more than six decimals or is not finite.
    """
    found = scaled_to_whole(amount, digits=MICRO_DIGITS)
    if found is None:
        raise ValueError(f"expected an amount with at most {MICRO_DIGITS} decimals, found {amount}")
    return found


def scaled_to_whole(value: Decimal | str | int, *, digits: int) -> int | None:
    """`value` times ten to the `digits`, or None when that is no whole number."""
    try:
        exact = Decimal(value)
        whole = int(exact.scaleb(digits))
    except (DecimalException, ValueError, OverflowError):  # no number, not a number, infinite, too large
        return None
    # compared without rounding: `scaleb` alone would round away digits beyond the context's precision
    return whole if Decimal(whole).scaleb(-digits) == exact else None
