"""The sweep's own passes, compiled for a card: the same Python source, function by function.

`on_device` takes a compiled function and all that it calls, and compiles their source again for the card.
What is written for the processor's instructions (eight numbers at once, 64 comparisons at once, the prefetch)
is replaced by a plain loop that gives the same bits. Money and prices are int64 there too, numbers float64.
Nothing that may round otherwise on a card decides anything: indicators, with their exponentials, logarithms
and powers, are computed by the processor, and a card's fused multiply-add occurs only in the look ahead at
margin and limits, which keeps more distance than rounding can bring and hands a run near it to the engine.
"""

from collections.abc import Callable, Mapping
from functools import cache
from types import FunctionType, ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt
from numba.core.dispatcher import Dispatcher

from workbench.research import ahead, words
from workbench.research.gpu.card import SIMULATED, cuda

__all__ = ["on_device"]

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


def _compared_greater(a: Floats, at_a: int, b: Floats, at_b: int) -> Any:
    word = np.int64(0)
    for i in range(64):
        word |= np.int64(a[at_a + i] > b[at_b + i]) << np.int64(i)
    return word


def _compared_less(a: Floats, at_a: int, b: Floats, at_b: int) -> Any:
    word = np.int64(0)
    for i in range(64):
        word |= np.int64(a[at_a + i] < b[at_b + i]) << np.int64(i)
    return word


def _compared_equal(a: Floats, at_a: int, b: Floats, at_b: int) -> Any:
    word = np.int64(0)
    for i in range(64):
        word |= np.int64(a[at_a + i] == b[at_b + i]) << np.int64(i)
    return word


def _first_bit(word: int) -> Any:
    if word == 0:
        return np.int64(64)
    found, left = np.int64(0), np.int64(word)
    for width in (32, 16, 8, 4, 2, 1):
        if left & ((np.int64(1) << np.int64(width)) - np.int64(1)) == 0:
            left = left >> np.int64(width)
            found += np.int64(width)
    return found


def _soon(column: Ints, at: int) -> None:
    """Nothing: a card hides the wait for memory by other threads."""


def _scaled(column: Ints, out: Ints, at: int, base: int, worth: int) -> None:
    for k in range(at, at + ahead.EIGHT):
        out[k] = base + worth * column[k]


_STAND_INS: Mapping[Any, Callable[..., Any]] = {
    words.compared_greater: _compared_greater,
    words.compared_less: _compared_less,
    words.compared_equal: _compared_equal,
    words.first_bit: _first_bit,
    ahead.soon: _soon,
    ahead.scaled: _scaled,
}


@cache
def on_device(function: Callable[..., Any]) -> Any:
    """`function`, which `compiled` or `borrowing` made, for compiled callers on the card.

    Raises
    ------
    TypeError
        It calls something that is written for the processor alone.
    """
    source = _STAND_INS.get(function) or getattr(function, "py_func", function)
    assert isinstance(source, FunctionType)
    names = dict(source.__globals__)
    for name in source.__code__.co_names:
        value = names.get(name)
        if isinstance(value, Dispatcher) or _is_stand_in(value):
            names[name] = on_device(value)
        elif type(value).__name__ == "_Intrinsic":
            raise TypeError(f"{source.__qualname__} calls {name}, which has no stand-in for a card")
        elif isinstance(value, ModuleType):
            own = source.__globals__
            called = [getattr(value, item, None) for item in source.__code__.co_names if item not in own]
            if any(isinstance(item, Dispatcher) for item in called):
                raise TypeError(f"{source.__qualname__} calls a function as attribute of {name}; import it")
    clone = FunctionType(source.__code__, names, source.__name__, source.__defaults__)
    clone.__qualname__, clone.__module__ = source.__qualname__, source.__module__
    return clone if SIMULATED else cuda.jit(device=True)(clone)


def _is_stand_in(value: Any) -> bool:
    try:
        return value in _STAND_INS
    except TypeError:  # an array or a list
        return False
