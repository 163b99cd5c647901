"""What a rules strategy says: when to enter and leave, where to stop, how much."""

import math
import numbers
from collections.abc import Iterator, Mapping
from typing import Any

from workbench.errors import BadInputError
from workbench.strategy.expressions import TRUTH, Expr, expression

__all__ = ["RiskFraction", "Rules", "Units"]

MAX_ORDER_UNITS = 1_000_000_000


class Units:
    """A fixed number of units of the base currency."""

    __slots__ = ("units",)

    def __init__(self, units: int) -> None:
        whole = isinstance(units, numbers.Integral) and not isinstance(units, bool)
        if not whole or not 1 <= units <= MAX_ORDER_UNITS:
            raise BadInputError(
                f"Units: expected a whole number from 1 to {MAX_ORDER_UNITS:,}, found {units!r}"
            )
        self.units = int(units)

    def __repr__(self) -> str:
        return f"Units({self.units})"


class RiskFraction:
    """As many units as lose this fraction of the equity when the stop is hit; needs a stop."""

    __slots__ = ("fraction",)

    def __init__(self, fraction: float) -> None:
        real = isinstance(fraction, numbers.Real) and not isinstance(fraction, bool)
        if not real or not 0.0 < float(fraction) <= 1.0:
            raise BadInputError(f"RiskFraction: expected a fraction above 0 and up to 1, found {fraction!r}")
        self.fraction = float(fraction)

    def __repr__(self) -> str:
        return f"RiskFraction({self.fraction:g})"


class Rules:
    """The rules of a strategy, decided at the close of every bar.

    Parameters
    ----------
    enter_long, enter_short
        When to hold a long (short) position; at least one. Both at once means neither, and nothing is done.
    exit_long, exit_short
        When to close such a position, unless an entry says otherwise.
    stop, target
        Distances from the fill price in points, above 0.
    size
        `Units` or `RiskFraction`.

    Raises
    ------
    BadInputError
        No entry, a condition where a number belongs or the reverse, or a risk fraction without a stop.
    """

    __slots__ = ("enter_long", "enter_short", "exit_long", "exit_short", "size", "stop", "target")

    def __init__(
        self,
        *,
        size: Units | RiskFraction,
        enter_long: Expr | None = None,
        enter_short: Expr | None = None,
        exit_long: Expr | None = None,
        exit_short: Expr | None = None,
        stop: Expr | float | None = None,
        target: Expr | float | None = None,
    ) -> None:
        if enter_long is None and enter_short is None:
            raise BadInputError("Rules: expected enter_long or enter_short, found neither")
        if not isinstance(size, Units | RiskFraction):
            raise BadInputError(f"Rules size: expected Units(...) or RiskFraction(...), found {size!r}")
        if isinstance(size, RiskFraction) and stop is None:
            raise BadInputError("Rules size: RiskFraction needs a stop; give stop= or use Units(...)")
        self.enter_long = _condition("enter_long", enter_long)
        self.enter_short = _condition("enter_short", enter_short)
        self.exit_long = _condition("exit_long", exit_long)
        self.exit_short = _condition("exit_short", exit_short)
        self.stop = _distance("stop", stop)
        self.target = _distance("target", target)
        self.size = size

    def __repr__(self) -> str:
        parts = [f"{name}={item!r}" for name, item in self.expressions() if item is not None]
        return f"Rules({', '.join(parts)}, size={self.size!r})"

    def expressions(self) -> Iterator[tuple[str, Expr | None]]:
        """The conditions and distances by name, always in the same order."""
        for name in ("enter_long", "enter_short", "exit_long", "exit_short", "stop", "target"):
            yield name, getattr(self, name)


def _condition(name: str, value: object) -> Expr | None:
    if value is None:
        return None
    if not isinstance(value, Expr) or value.kind != TRUTH:
        raise BadInputError(f"Rules {name}: expected a condition such as a > b, found {value!r}")
    return value


def _distance(name: str, value: object) -> Expr | None:
    if value is None:
        return None
    item = expression(value, what=f"Rules {name}")
    if item.kind == TRUTH:
        raise BadInputError(f"Rules {name}: expected a distance in points, found the condition {item!r}")
    constant = dict(item.data).get("value") if item.op in ("const", "pips") else None
    if constant is not None and not (math.isfinite(constant) and constant > 0):
        raise BadInputError(f"Rules {name}: expected a distance above 0, found {item!r}")
    return item


def size_to_json(size: Units | RiskFraction) -> Mapping[str, Any]:
    """The size as a plain value."""
    if isinstance(size, Units):
        return {"units": size.units}
    return {"risk_fraction": size.fraction}
