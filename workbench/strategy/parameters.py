"""What can be tuned about a strategy."""

import keyword
import math
import numbers
from decimal import Decimal
from typing import Any, Generic, TypeVar, cast, overload

from workbench.errors import BadInputError

__all__ = ["Param", "check_declared", "check_name"]

T = TypeVar("T", int, float, bool, str)
_RESERVED = frozenset(
    {"name", "params", "parameters", "rules", "on_bar", "on_tick", "fresh", "form", "traced"}
)
MAX_GRID = 100_000
_KINDS: dict[type, str] = {int: "a whole number", float: "a number", bool: "True or False", str: "a text"}


def check_declared(owner: str, name: str) -> None:
    """Refuse the name of a declared parameter that a strategy needs for itself.

    Raises
    ------
    BadInputError
        It is not an identifier, has _ in front, or is taken.
    """
    if check_name(name) in _RESERVED or name.startswith("_"):
        raise BadInputError(
            f"{owner}.{name}: a parameter can not be called so; "
            f"names with _ in front and {', '.join(sorted(_RESERVED))} are taken"
        )


def check_name(name: object) -> str:
    """`name` if it can be a Python variable.

    Raises
    ------
    BadInputError
        It is not an identifier, or a keyword.
    """
    if not isinstance(name, str) or not name.isidentifier() or keyword.iskeyword(name):
        raise BadInputError(
            f"expected a parameter name that is a Python identifier, found {name!r}; "
            "use letters, digits and _ and start with a letter"
        )
    return name


class Param(Generic[T]):
    """A parameter of a strategy, declared as a class attribute; on an instance it reads as its value.

    Parameters
    ----------
    low, high
        Bounds, both included. For whole numbers and numbers only.
    step
        Values are this far apart, counted from `low`, or from the default without one; those between are
        refused.
    kind
        int, float, bool or str; the default's own unless given.
    choices
        The only values allowed.
    """

    def __init__(
        self,
        default: T,
        *,
        low: T | None = None,
        high: T | None = None,
        step: T | None = None,
        kind: type | None = None,
        choices: tuple[T, ...] | None = None,
    ) -> None:
        chosen = kind or type(default)
        if chosen not in _KINDS:
            raise BadInputError(f"Param: expected a kind of int, float, bool or str, found {chosen!r}")
        self.kind = chosen
        self.low: T | None = low
        self.high: T | None = high
        self.step: T | None = step
        self.choices: tuple[T, ...] | None = tuple(choices) if choices is not None else None
        self.name = "parameter"
        if chosen in (bool, str) and (low, high, step) != (None, None, None):
            raise BadInputError(f"Param: low, high and step are for numbers, found a default of {default!r}")
        for bound in (low, high):
            if bound is not None and _converted(bound, chosen) is None:
                raise BadInputError(f"Param: expected bounds that are {_KINDS[chosen]}, found {bound!r}")
        if step is not None and (_converted(step, chosen) is None or not cast("Any", step) > 0):
            raise BadInputError(f"Param: expected a step above 0, found {step!r}")
        if chosen is bool and choices is not None:
            raise BadInputError("Param: a parameter that is True or False has no other choices")
        if choices is not None and not self.choices:
            raise BadInputError("Param: expected one or more choices, found none")
        self._origin: Any = low if low is not None else default
        for place, item in enumerate(self.choices or ()):
            if _converted(item, chosen) is None or item in (self.choices or ())[:place]:
                raise BadInputError(
                    f"Param: expected different choices, each {_KINDS[chosen]}, found {item!r}"
                )
        self.default: T = self.check(default)

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    @overload
    def __get__(self, instance: None, owner: type) -> "Param[T]": ...

    @overload
    def __get__(self, instance: object, owner: type) -> T: ...

    def __get__(self, instance: object | None, owner: type) -> "Param[T] | T":
        if instance is None:
            return self
        values: dict[str, Any] = instance.__dict__.get("_values", {})
        return cast("T", values.get(self.name, self.default))

    def __set__(self, instance: object, value: object) -> None:
        raise AttributeError(f"{self.name} is fixed; make a new strategy with {self.name}={value!r}")

    @property
    def range(self) -> str:
        """The allowed values in words."""
        if self.choices is not None:
            return f"one of {', '.join(map(repr, self.choices))}"
        bounds = {
            (True, True): f" from {self.low} to {self.high}",
            (True, False): f" of {self.low} or more",
            (False, True): f" up to {self.high}",
        }
        text = _KINDS[self.kind] + bounds.get((self.low is not None, self.high is not None), "")
        return text if self.step is None else f"{text} in steps of {self.step}"

    def grid(self, count: int | None = None) -> list[T]:
        """The values to try in a sweep: the choices, True and False, or the steps from low to high.

        Parameters
        ----------
        count
            About so many of them at most, evenly spread, the first and the last among them.

        Raises
        ------
        BadInputError
            A number without bounds, or one with neither step nor count.
        """
        if count is not None and (isinstance(count, bool) or not isinstance(count, int) or count < 2):
            raise BadInputError(f"{self.name}.grid: expected a count of 2 or more, found {count!r}")
        if self.choices is not None or self.kind is bool:
            found: list[Any] = [False, True] if self.choices is None else list(self.choices)
        elif self.low is None or self.high is None or self.kind is str:
            raise BadInputError(f"{self.name}.grid: expected low= and high= or choices= to be declared")
        elif self.step is None and self.kind is float:
            if count is None:
                raise BadInputError(f"{self.name}.grid: expected a step= to be declared, or a count")
            low, high = Decimal(repr(self.low)), Decimal(repr(self.high))
            found = [float(low + (high - low) * place / (count - 1)) for place in range(count)]
            return found
        else:
            found = self._steps()
        if count is None or len(found) <= count:
            return found
        return [found[round(place * (len(found) - 1) / (count - 1))] for place in range(count)]

    def _steps(self) -> list[Any]:
        low, high = Decimal(repr(self.low)), Decimal(repr(self.high))
        step = Decimal(repr(self.step)) if self.step is not None else Decimal(1)
        count = int((high - low) / step) + 1
        if count > MAX_GRID:
            raise BadInputError(f"{self.name}.grid: expected at most {MAX_GRID:,} values, found {count:,}")
        return [self.kind(low + step * place) for place in range(count)]

    def _on_step(self, value: Any) -> bool:
        if self.step is None:
            return True
        if self.kind is int:
            return bool((value - self._origin) % self.step == 0)
        steps = (float(value) - self._origin) / cast("Any", self.step)
        return bool(abs(steps - round(steps)) < 1e-6)

    def check(self, value: object) -> T:
        """`value` in the parameter's own type.

        Raises
        ------
        BadInputError
            Wrong type or out of range; the message names the parameter, what it allows and what was found.
        """
        found = _converted(value, self.kind)
        if (
            found is None
            or (self.low is not None and found < self.low)
            or (self.high is not None and found > self.high)
            or (self.choices is not None and found not in self.choices)
            or not self._on_step(found)
        ):
            raise BadInputError(f"{self.name}: expected {self.range}, found {value!r}")
        return cast("T", found)


def _converted(value: object, kind: type) -> Any:
    """`value` as `kind` if it is one without loss, else None."""
    if kind is bool or kind is str:
        return value if isinstance(value, kind) else _numpy_bool(value) if kind is bool else None
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        return None
    if kind is int:
        return int(value) if isinstance(value, numbers.Integral) else None
    number = float(value)
    return number if math.isfinite(number) else None


def _numpy_bool(value: object) -> bool | None:
    return bool(value) if type(value).__name__ in ("bool", "bool_") else None
