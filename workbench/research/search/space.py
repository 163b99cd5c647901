"""The space of a search: which values each parameter, the instrument and the timeframe may take."""

import math
import numbers
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import numpy as np

from workbench.errors import BadInputError
from workbench.research.markets import INSTRUMENT, TIMEFRAME
from workbench.strategy import Param, Strategy

__all__ = ["Axis", "Point", "Space", "Where", "space_of"]

Point = tuple[Any, ...]  # a value an axis
Where = Callable[..., bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """One dimension: a list of values, or every number from `low` to `high`."""

    name: str
    values: tuple[Any, ...] = ()  # in order; empty for a continuous range
    low: float = math.nan
    high: float = math.nan

    @property
    def continuous(self) -> bool:
        """Whether every number of a range may be taken."""
        return not self.values

    @property
    def ordered(self) -> bool:
        """Whether its values are numbers, so that near ones are alike."""
        return self.continuous or all(
            isinstance(item, numbers.Real) and not isinstance(item, bool) for item in self.values
        )

    def at(self, unit: float) -> Any:
        """The value at a place from 0 to 1."""
        if self.continuous:
            return self.low + (self.high - self.low) * min(max(unit, 0.0), 1.0)
        return self.values[min(max(int(unit * len(self.values)), 0), len(self.values) - 1)]

    def to_json(self) -> dict[str, Any]:
        """For the description of a search."""
        if self.continuous:
            return {"name": self.name, "low": self.low, "high": self.high}
        return {"name": self.name, "values": list(self.values)}


@dataclass(frozen=True, kw_only=True, eq=False)
class Space:
    """All axes, parameters first, and the predicate that points have to pass."""

    axes: tuple[Axis, ...]
    where: Where | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """Of the axes."""
        return tuple(item.name for item in self.axes)

    @property
    def size(self) -> int | None:
        """How many points there are before `where` looks at them; None with a continuous axis."""
        if any(item.continuous for item in self.axes):
            return None
        return math.prod(len(item.values) for item in self.axes)

    def point(self, index: int) -> Point:
        """The `index`-th point of a space without continuous axes, the last axis changing fastest."""
        found: list[Any] = []
        for axis in reversed(self.axes):
            index, at = divmod(index, len(axis.values))
            found.append(axis.values[at])
        return tuple(reversed(found))

    def parameters(self, point: Point) -> dict[str, Any]:
        """The strategy's parameters of a point."""
        return {
            axis.name: value
            for axis, value in zip(self.axes, point, strict=True)
            if axis.name not in (INSTRUMENT, TIMEFRAME)
        }

    def accepts(self, point: Point) -> bool:
        """Whether `where` lets a point be tried."""
        return self.where is None or bool(self.where(**self.parameters(point)))


def space_of(
    strategy_class: type[Strategy],
    wanted: Mapping[str, Any] | Sequence[str],
    *,
    instruments: Sequence[str] = (),
    timeframes: Sequence[str] = (),
    where: Where | None = None,
) -> Space:
    """The space of a strategy's parameters.

    Parameters
    ----------
    wanted
        Names of parameters, for every value their declaration allows; or a mapping from the name to the
        values to try, to ``None`` for those declared, or to a `range`.
    instruments, timeframes
        Values of the two other axes; none for no such axis.

    Raises
    ------
    BadInputError
        An unknown parameter, one without declared bounds and without values, a value that it does not take
        or that is given twice, or nothing to search.
    """
    given = dict(wanted) if isinstance(wanted, Mapping) else dict.fromkeys(wanted)
    known = strategy_class.parameters
    axes = []
    for name, values in given.items():
        if name not in known:
            raise BadInputError(
                f"{strategy_class.__name__}: unknown parameter {name!r}; it has {', '.join(known) or 'none'}"
            )
        axes.append(_declared(known[name]) if values is None else _listed(known[name], name, values))
    for name, texts in ((INSTRUMENT, instruments), (TIMEFRAME, timeframes)):
        if not texts:
            continue
        if name in known:
            raise BadInputError(
                f"{strategy_class.__name__}.{name}: the search has an axis of that name; rename the parameter"
            )
        axes.append(Axis(name=name, values=_different(name, [str(item) for item in texts])))
    if not axes:
        raise BadInputError("space: expected one or more parameters, instruments or timeframes, found none")
    return Space(axes=tuple(axes), where=where)


def _declared(param: Param[Any]) -> Axis:
    if param.choices is None and param.kind is float and param.step is None:
        if param.low is None or param.high is None:
            raise BadInputError(
                f"{param.name}: expected low= and high= to be declared, or values in the space, found neither"
            )
        return Axis(name=param.name, low=float(param.low), high=float(param.high))
    return Axis(name=param.name, values=tuple(param.grid()))


def _listed(param: Param[Any], name: str, values: Any) -> Axis:
    if isinstance(values, str) or not isinstance(values, Iterable):
        raise BadInputError(
            f"space {name}: expected values to try or None for all declared, found {values!r}"
        )
    return Axis(name=name, values=_different(name, [param.check(item) for item in values]))


def _different(name: str, values: list[Any]) -> tuple[Any, ...]:
    if not values or len(set(values)) != len(values):
        raise BadInputError(f"space {name}: expected one or more different values, found {values}")
    return tuple(values)


def evenly(axis: Axis, count: int) -> Axis:
    """An axis of `count` values in place of a continuous one."""
    if not axis.continuous:
        return axis
    low, high = Decimal(repr(axis.low)), Decimal(repr(axis.high))
    values = tuple(float(low + (high - low) * place / (count - 1)) for place in range(count))
    return Axis(name=axis.name, values=values)


def random_point(space: Space, rng: np.random.Generator) -> Point:
    """A point anywhere, each axis by itself."""
    return tuple(
        axis.at(float(unit)) for axis, unit in zip(space.axes, rng.random(len(space.axes)), strict=True)
    )
