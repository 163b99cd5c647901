"""How an entry is made, where a stop lies, and what differs between long and short."""

import numbers
from dataclasses import dataclass
from typing import Generic, TypeVar

from workbench.errors import BadInputError
from workbench.strategy.expressions import TRUTH, Expr, expression

__all__ = [
    "AtMarket",
    "BySide",
    "Entry",
    "Level",
    "LimitAt",
    "Reduce",
    "StopAt",
    "TouchAt",
    "level_of",
]

T = TypeVar("T")


class AtMarket:
    """Enter at the next quote."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "AtMarket()"


class _AtLevel:
    __slots__ = ("level",)

    def __init__(self, level: Expr | float) -> None:
        self.level = _price_level(type(self).__name__, level)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.level!r})"


class LimitAt(_AtLevel):
    """Enter once the price is this level or better, in points as in ``LimitAt(bar.bid.close - pips(5))``."""

    __slots__ = ()


class StopAt(_AtLevel):
    """Enter once the price is this level or worse, as for a breakout."""

    __slots__ = ()


class TouchAt(_AtLevel):
    """Enter once the price reaches this level from where it was."""

    __slots__ = ()


class Level(_AtLevel):
    """A stop or target at a price level instead of a distance from the fill."""

    __slots__ = ()


Entry = AtMarket | LimitAt | StopAt | TouchAt


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class BySide(Generic[T]):
    """One thing for long positions, another for short ones; None for none."""

    long: T | None = None
    short: T | None = None


class Reduce:
    """Close a part of the position when a condition holds, at most `times` for each position.

    Parameters
    ----------
    fraction
        Of the units held then, above 0 and up to 1; floored to whole steps of units.
    """

    __slots__ = ("fraction", "times", "when")

    def __init__(self, when: Expr, fraction: float, *, times: int = 1) -> None:
        if not isinstance(when, Expr) or when.kind != TRUTH:
            raise BadInputError(f"Reduce: expected a condition such as a > b, found {when!r}")
        real = isinstance(fraction, numbers.Real) and not isinstance(fraction, bool)
        if not real or not 0.0 < float(fraction) <= 1.0:
            raise BadInputError(f"Reduce: expected a fraction above 0 and up to 1, found {fraction!r}")
        whole = isinstance(times, numbers.Integral) and not isinstance(times, bool)
        if not whole or times < 1:
            raise BadInputError(f"Reduce times: expected 1 or more, found {times!r}")
        self.when = when
        self.fraction = float(fraction)
        self.times = int(times)

    def __repr__(self) -> str:
        times = "" if self.times == 1 else f", times={self.times}"
        return f"Reduce({self.when!r}, {self.fraction!r}{times})"


def level_of(entry: Entry) -> Expr | None:
    """The level of a waiting entry; None at the market."""
    return None if isinstance(entry, AtMarket) else entry.level


def _price_level(what: str, value: object) -> Expr:
    item = expression(value, what=what)
    if item.kind == TRUTH:
        raise BadInputError(f"{what}: expected a price level in points, found the condition {item!r}")
    constant = dict(item.data).get("value") if item.op == "const" else None
    if constant is not None and not constant > 0:
        raise BadInputError(f"{what}: expected a price level above 0, found {item!r}")
    if constant is not None and constant != int(constant):
        raise BadInputError(
            f'{what}: expected a price level in whole points, found {item!r}; price("{item!r}") is that price'
        )
    return item
