"""Limits as people read and type them: percent, amounts of money, plain numbers, lists.

Each unit has one way of being typed, so that no number is taken for another unit's.
"""

import re
from decimal import Decimal

from workbench.domain.controls import LIMITS, Sense, Value, parse_value
from workbench.domain.money import to_decimal
from workbench.errors import BadInputError

__all__ = ["limit_from_text", "limit_text"]

_NO_LIMIT, _NONE = "no limit", "none"
_MONEY = frozenset({"max_order_value", "max_daily_loss"})
_PERCENT = re.compile(r"(\d{1,9}(?:\.\d{1,4})?) ?%")
_AMOUNT = re.compile(r"\d{1,12}(?:\.\d{1,6})?")
_WHOLE = re.compile(r"\d{1,18}")


def limit_text(name: str, value: Value) -> str:
    """A limit's value in words, as `limit_from_text` reads it back."""
    if value is None:
        return _NO_LIMIT
    if isinstance(value, tuple):
        return ", ".join(value) or _NONE
    if name.endswith("_ppm"):
        return f"{Decimal(value) / 10_000:f} %"
    return f"{to_decimal(value):,.2f}" if name in _MONEY and value % 10_000 == 0 else _plain(name, value)


def limit_from_text(name: str, text: str) -> Value:
    """The value that a person typed.

    Raises
    ------
    BadInputError
        The limit is unknown, or the text is not of its unit.
    """
    kind = LIMITS.get(name)
    if kind is None:
        raise BadInputError(f"expected one of the limits {', '.join(LIMITS)}, found {name!r}")
    typed = text.strip()
    if typed.casefold() == _NO_LIMIT:
        return parse_value(name, None)
    if kind.sense in (Sense.ALLOWED, Sense.FORBIDDEN):
        items = [] if typed.casefold() == _NONE else [item.strip() for item in typed.split(",")]
        return parse_value(name, items)
    digits = typed.replace(",", "")
    if name.endswith("_ppm"):
        if found := _PERCENT.fullmatch(digits):
            return parse_value(name, int(Decimal(found[1]) * 10_000))
        raise _not(name, "a percentage as in 2 %", text)
    if name in _MONEY:
        if _AMOUNT.fullmatch(digits):
            return parse_value(name, int(Decimal(digits) * 1_000_000))
        raise _not(name, "an amount of the account's currency as in 2500.00", text)
    if _WHOLE.fullmatch(digits):
        return parse_value(name, int(digits))
    raise _not(name, f"a whole number ({kind.unit})", text)


def _plain(name: str, value: int) -> str:
    return f"{to_decimal(value):,f}" if name in _MONEY else f"{value:,}"


def _not(name: str, wanted: str, text: str) -> BadInputError:
    return BadInputError(
        f"{LIMITS[name].control} {name}: expected {wanted}, or 'no limit', found {text[:100]!r}"
    )
