"""NumPy's functions on expressions: ``np.log(x)`` is `log(x)`; what has no like is refused with a way out."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from workbench.errors import BadInputError
from workbench.strategy import operations as o
from workbench.strategy.expressions import Expr, maximum, minimum

__all__ = ["apply_function", "apply_ufunc"]

_UFUNCS: Mapping[str, Callable[..., Any]] = {
    "log": o.log, "exp": o.exp, "sqrt": o.sqrt, "sign": o.sign, "floor": o.floor, "power": o.power,
    "float_power": o.power, "absolute": abs, "fabs": abs, "maximum": maximum, "minimum": minimum,
    "negative": lambda a: -a, "positive": lambda a: a, "square": lambda a: a * a,
    "add": lambda a, b: a + b, "subtract": lambda a, b: a - b, "multiply": lambda a, b: a * b,
    "divide": lambda a, b: a / b, "less": lambda a, b: a < b, "less_equal": lambda a, b: a <= b,
    "greater": lambda a, b: a > b, "greater_equal": lambda a, b: a >= b, "equal": lambda a, b: a == b,
    "not_equal": lambda a, b: a != b, "logical_and": lambda a, b: a & b, "logical_or": lambda a, b: a | b,
    "logical_not": lambda a: ~a, "bitwise_and": lambda a, b: a & b, "bitwise_or": lambda a, b: a | b,
    "invert": lambda a: ~a,
}  # fmt: skip
_ROLLING = {
    "mean": "mean", "average": "mean", "std": "std", "sum": "sum", "amin": "min", "amax": "max", "min": "min",
    "max": "max", "quantile": "quantile",
}  # fmt: skip


def apply_ufunc(ufunc: np.ufunc, method: str, inputs: tuple[Any, ...], options: Mapping[str, Any]) -> Expr:
    """A function of numbers, at every bar.

    Raises
    ------
    BadInputError
        There is no like of it, or it was called with options or on an array.
    """
    name = ufunc.__name__
    found = _UFUNCS.get(name)
    if found is None or method != "__call__" or options:
        raise BadInputError(_refusal(name))
    return found(*(_plain(item, name) for item in inputs))  # type: ignore[no-any-return]  # of expressions


def apply_function(function: Callable[..., Any], args: tuple[Any, ...], options: Mapping[str, Any]) -> Expr:
    """`numpy.where` of expressions; any other function is refused, a mean over bars with what to write.

    Raises
    ------
    BadInputError
        It is not `numpy.where` of a condition and two values.
    """
    name = function.__name__
    if name == "where" and len(args) == 3 and not options:
        return o.where(*(_plain(item, name) for item in args))
    raise BadInputError(_refusal(name))


def _plain(value: Any, name: str) -> Any:
    """NumPy's numbers as Python's."""
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        if value.ndim == 0:
            return value.item()
        raise BadInputError(
            f"np.{name}: expected an expression or a number, found an array of shape {value.shape}; "
            "an expression has one value at a bar"
        )
    return value


def _refusal(name: str) -> str:
    known = f"x.rolling(20).{_ROLLING[name]}()" if name in _ROLLING else ""
    way = (
        f"write {known} for that of the last bars" if known else "write it as a @causal(window=...) function"
    )
    return (
        f"np.{name}: expected an array of numbers, found an expression, whose values come bar by bar; {way}"
    )
