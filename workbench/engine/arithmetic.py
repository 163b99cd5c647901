"""Exact division and proportions of whole numbers, rounded half to even once."""

from typing import Any

import numpy as np

from workbench.indicators.compiled import borrowing, stays_apart

__all__ = ["divide_half_even", "ratio_half_even", "scale_half_even"]

_LOW = np.uint64(0xFFFFFFFF)
_HALF = np.uint64(32)
_ZERO = np.uint64(0)
_FITS = 4.0e18  # well below 2**62, whatever a float estimate is off


@borrowing
def divide_half_even(numerator: int, denominator: int) -> int:
    """`numerator / denominator` rounded half to even; the denominator is positive."""
    quotient = numerator // denominator
    twice = 2 * (numerator - quotient * denominator)
    if twice > denominator or (twice == denominator and quotient % 2 != 0):
        quotient += 1
    return quotient


@borrowing
def scale_half_even(amount: int, factor: int, denominator: int) -> int:
    """`amount * factor / denominator` rounded half to even once, without overflow in the product.

    Amount, factor and denominator are 0 or more, denominator * factor below 2**63.
    """
    whole = amount // denominator
    numerator = (amount - whole * denominator) * factor
    part = numerator // denominator
    result = whole * factor + part
    twice = 2 * (numerator - part * denominator)
    if twice > denominator or (twice == denominator and result % 2 != 0):
        result += 1
    return result


@borrowing
def ratio_half_even(
    amount: int, n_1: int, n_2: int, n_3: int, n_4: int, d_1: int, d_2: int, d_3: int, d_4: int
) -> int:
    """`amount * n_1 * n_2 * n_3 * n_4 / (d_1 * d_2 * d_3 * d_4)`, rounded half to even once.

    The amount lies in 0 to 2**62, each factor and divisor in 1 to 2**32 - 1 (factors may be 0), however large
    their products. A result of 2**62 or more is given as -1.
    """
    stays_apart()
    factor = float(n_1) * float(n_2) * float(n_3) * float(n_4)
    divisor = float(d_1) * float(d_2) * float(d_3) * float(d_4)
    if float(amount) * factor > _FITS * divisor:
        return -1
    if divisor < _FITS:
        if float(amount) * factor < _FITS:
            return divide_half_even(amount * n_1 * n_2 * n_3 * n_4, d_1 * d_2 * d_3 * d_4)
        if factor < _FITS and factor * divisor < _FITS:
            return scale_half_even(amount, n_1 * n_2 * n_3 * n_4, d_1 * d_2 * d_3 * d_4)
    wide = np.uint64(2) * np.uint64(amount)  # twice the product: its last bit tells whether half is reached
    limbs = (wide & _LOW, wide >> _HALF, _ZERO, _ZERO, _ZERO, _ZERO)
    limbs = _times(_times(_times(_times(limbs, n_1), n_2), n_3), n_4)
    rest = _ZERO
    for divisor_part in (d_1, d_2, d_3, d_4):
        limbs, left = _over(limbs, divisor_part)
        rest = rest | left
    twice = np.int64(limbs[0] | (limbs[1] << _HALF))
    quotient = twice >> 1
    if twice & 1 and (rest != _ZERO or quotient & 1):
        quotient += 1
    return int(quotient)


@borrowing
def _times(limbs: Any, factor: int) -> Any:
    """A number of six limbs of 32 bits, the lowest first, times a factor of 32 bits."""
    f = np.uint64(factor)
    a = limbs[0] * f
    b = limbs[1] * f + (a >> _HALF)
    c = limbs[2] * f + (b >> _HALF)
    d = limbs[3] * f + (c >> _HALF)
    e = limbs[4] * f + (d >> _HALF)
    g = limbs[5] * f + (e >> _HALF)
    return (a & _LOW, b & _LOW, c & _LOW, d & _LOW, e & _LOW, g & _LOW)


@borrowing
def _over(limbs: Any, divisor: int) -> Any:
    """Six limbs over a divisor of 32 bits, and what is left over."""
    d = np.uint64(divisor)
    a = limbs[5]
    b = ((a % d) << _HALF) | limbs[4]
    c = ((b % d) << _HALF) | limbs[3]
    e = ((c % d) << _HALF) | limbs[2]
    f = ((e % d) << _HALF) | limbs[1]
    g = ((f % d) << _HALF) | limbs[0]
    return (g // d, f // d, e // d, c // d, b // d, a // d), g % d
