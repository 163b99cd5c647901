"""Functions of the user's own in rules: declared causal, with the window of values that they may see.

    @causal(window=50)
    def efficiency(close, scale=1.0):
        return scale * abs(close[-1] - close[0]) / np.abs(np.diff(close)).sum()

In a rule ``efficiency(bar.mid.close)`` calls it at every bar with the last fifty values, oldest first, as
float64 arrays that are copies: it can see no more, and change nothing. Parameters with a default are numbers
that are given by name. It is compiled where numba can, once for all processes (`causal_cache`); otherwise it
runs as Python.
"""

import ast
import hashlib
import inspect
import linecache
import numbers
import textwrap
import types
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit
from numba.core.errors import NumbaError

from workbench.errors import BadInputError
from workbench.indicators import lookback
from workbench.strategy.causal_cache import compiled_how, keep_on_disk, may_be_kept
from workbench.strategy.expressions import Expr, number_expression

__all__ = ["CausalFunction", "causal", "source_of"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
MAX_INPUTS = 5
_PLAIN = (bool, int, float, str, type(None))
_OPTIONS: Mapping[str, Any] = {"nogil": True, "error_model": "numpy"}


def causal(*, window: int) -> Callable[[Callable[..., float]], "CausalFunction"]:
    """Declare that a function needs the last `window` values of its inputs and nothing else.

    It is not asked where one of them is unknown. What it gives is unknown where it is not finite, as where
    it divides by 0.
    """
    size = lookback(window, name="causal window")

    def declare(function: Callable[..., float]) -> CausalFunction:
        return CausalFunction(function, window=size)

    return declare


class CausalFunction:
    """A function of the last values of expressions; call it with expressions to use it in a rule.

    Raises
    ------
    BadInputError
        Not a plain function of one to five inputs, or it reads something that its source does not settle.
    """

    def __init__(self, function: Callable[..., float], *, window: int) -> None:
        if not isinstance(function, types.FunctionType):
            raise BadInputError(f"causal: expected a function written with def, found {function!r}")
        slots = inspect.signature(function).parameters.values()
        if any(item.kind is not item.POSITIONAL_OR_KEYWORD for item in slots):
            raise BadInputError(f"{function.__name__}: expected plain parameters, no * and no **")
        self.inputs = tuple(item.name for item in slots if item.default is item.empty)
        self.defaults = {
            item.name: _setting(function.__name__, item.name, item.default)
            for item in slots
            if item.default is not item.empty
        }
        if not 1 <= len(self.inputs) <= MAX_INPUTS:
            raise BadInputError(
                f"{function.__name__}: expected 1 to {MAX_INPUTS} inputs without a default, "
                f"found {len(self.inputs)}"
            )
        self.function = function
        self.window = window
        self.__doc__ = function.__doc__
        self.__name__ = function.__name__

    def __repr__(self) -> str:
        return f"<causal {self.__name__} of {self.window} bars>"

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the source, and of the constants and functions that it names."""
        return _digest(self.function, self.window)

    def __call__(self, *values: Expr | float, **settings: float) -> Expr:
        """The function's value at every bar."""
        if len(values) != len(self.inputs) or set(settings) - set(self.defaults):
            raise BadInputError(
                f"{self.__name__}: expected {', '.join(self.inputs)}"
                f"{' and by name ' + ', '.join(self.defaults) if self.defaults else ''}, "
                f"found {len(values)} and {', '.join(settings) or 'no settings'}"
            )
        given = {name: _setting(self.__name__, name, item) for name, item in settings.items()}
        args = tuple(
            number_expression(item, f"{self.__name__} {name}")
            for name, item in zip(self.inputs, values, strict=True)
        )
        data: tuple[tuple[str, Any], ...] = (
            ("function", self.__name__),
            ("settings", {**self.defaults, **given}),
            ("source_sha256", self.digest),
            ("window", self.window),
        )
        return Expr("causal", args, data=data, model=self)

    @cached_property
    def is_compiled(self) -> bool:
        """Whether numba compiles it."""
        return bool(self._driver[1])

    def start(self, settings: Mapping[str, float]) -> Callable[[Floats], Floats]:
        """A fresh run: takes the inputs of the next bars, float64[m, inputs], and gives their values."""
        driver = self._driver[0]
        count, kept, shown = self._memory()
        chosen = tuple(float(settings[name]) for name in self.defaults)

        def run(rows: Floats) -> Floats:
            out = np.empty(len(rows))
            try:
                driver(count, kept, shown, rows, out, chosen)
            except Exception as wrong:
                raise BadInputError(
                    f"{self.__name__}: {type(wrong).__name__}: {wrong}; "
                    "it must give a number for every window"
                ) from wrong
            return out

        return run

    def _memory(self) -> tuple[Ints, Floats, tuple[Floats, ...]]:
        """How many values are known, the last ones of each input, and what the function is shown."""
        inputs = len(self.inputs)
        shown = tuple(np.zeros(self.window) for _ in range(inputs))
        return np.zeros(2, np.int64), np.zeros((inputs, 2 * self.window)), shown

    @cached_property
    def _driver(self) -> tuple[Callable[..., None], bool]:
        """The loop over bars, and whether it is compiled."""
        reads = _reads(self.function, {})
        if _digest_of(reads, self.window) != self.digest:
            raise BadInputError(
                f"{self.__name__} reads something that was changed after it was used in a rule; run the cell "
                "that defines it again"
            )
        function = njit(**_OPTIONS, boundscheck=True)(self.function)
        driver = njit(**_OPTIONS)(_driving(function))
        if may_be_kept(self.function):
            options = f"{_OPTIONS}|{compiled_how(self.function)}|{inspect.getsource(_drive)}"
            keep_on_disk(driver, name=self.__name__, digest=self.digest, options=options)
        settings = tuple(1.0 for _ in self.defaults)
        nothing = np.empty((0, len(self.inputs)))
        try:
            driver(*self._memory(), nothing, np.empty(0), settings)
        except (NumbaError, TypeError, NotImplementedError, AttributeError):
            return _driving(self.function), False
        return driver, True


def _users_function(*_values: Any) -> float:
    """Stands for the user's function in the source of `_drive`."""
    raise NotImplementedError


def _driving(function: Callable[..., float]) -> Callable[..., None]:
    """`_drive` with this function."""
    own = {**_drive.__globals__, "_users_function": function}
    return types.FunctionType(_drive.__code__, own, f"drive_{function.__name__}")


def _drive(count: Ints, kept: Floats, shown: Any, rows: Floats, out: Floats, settings: Any) -> None:
    """Ask the user's function at every row; it is shown copies, which are all it ever gets.

    Every value is kept twice, n places apart, so that the last n always stand in a row. `count` has how many
    are known and the place of the next.
    """
    inputs, n = kept.shape[0], kept.shape[1] // 2
    for i in range(rows.shape[0]):
        known = True
        for j in range(inputs):
            if not np.isfinite(rows[i, j]):
                known = False
        if not known:
            count[0] = 0
            out[i] = np.nan
            continue
        place = count[1]
        for j in range(inputs):
            kept[j, place] = rows[i, j]
            kept[j, place + n] = rows[i, j]
        place = place + 1 if place + 1 < n else 0
        count[1] = place
        if count[0] < n:
            count[0] += 1
        if count[0] < n:
            out[i] = np.nan
            continue
        for j in range(inputs):
            shown[j][:] = kept[j, place : place + n]
        arguments = shown + settings
        value = _users_function(*arguments)
        out[i] = value if np.isfinite(value) else np.nan


def source_of(item: Any) -> str:
    """The source of a function or a class, from its file or its notebook cell, without indentation.

    Raises
    ------
    BadInputError
        It can not be found.
    """
    try:
        return textwrap.dedent(inspect.getsource(item))
    except (OSError, TypeError):  # a notebook's classes have no file; their methods know their cell
        pass
    functions = [item] if inspect.isfunction(item) else list(filter(inspect.isfunction, vars(item).values()))
    for function in functions:
        cell = "".join(linecache.getlines(function.__code__.co_filename))
        for node in ast.walk(ast.parse(cell)):
            if (
                isinstance(node, ast.ClassDef | ast.FunctionDef)
                and node.name == item.__name__
                and node.lineno <= function.__code__.co_firstlineno <= (node.end_lineno or 0)
            ):
                return textwrap.dedent(ast.get_source_segment(cell, node) or "")
    raise BadInputError(
        f"{item.__name__}: its source can not be found; define it in a notebook cell or a file"
    )


def _setting(function: str, name: str, value: object) -> float:
    real = isinstance(value, numbers.Real) and not isinstance(value, bool)
    if not real or not np.isfinite(float(value)):  # type: ignore[arg-type]  # a real number
        raise BadInputError(f"{function} {name}: expected a finite number, found {value!r}")
    return float(value)  # type: ignore[arg-type]  # a real number


def _digest(function: types.FunctionType, window: int) -> str:
    return _digest_of(_reads(function, {}), window)


def _digest_of(reads: Mapping[str, str], window: int) -> str:
    content = hashlib.sha256(f"causal 1|{window}|".encode())
    for name, text in sorted(reads.items()):
        content.update(f"{name}={text}|".encode())
    return content.hexdigest()


def _reads(function: types.FunctionType, found: dict[str, str]) -> dict[str, str]:
    """The source of `function`, and what it reads from outside by name, functions included."""
    where = f"{function.__module__}.{function.__qualname__}" if found else "itself"
    if where in found:
        return found
    found[where] = source_of(function)
    names = _names(function.__code__)
    cells = inspect.getclosurevars(function).nonlocals
    for name in sorted(names | set(cells)):
        value = cells[name] if name in cells else function.__globals__.get(name, _PLAIN)
        if value is _PLAIN or isinstance(value, types.ModuleType):
            continue  # an attribute, a builtin, or a library, which the environment's lock settles
        if isinstance(value, types.FunctionType):
            _reads(value, found)
        elif inspect.isfunction(getattr(value, "py_func", None)):
            _reads(value.py_func, found)
        elif isinstance(value, _PLAIN) or (
            isinstance(value, tuple) and all(isinstance(x, _PLAIN) for x in value)
        ):
            found[f"{where}:{name}"] = repr(value)
        elif not isinstance(value, types.BuiltinFunctionType | type):
            raise BadInputError(
                f"{function.__name__} reads {name}, a {type(value).__name__} that may change; "
                "make it a number, a text or a tuple, or a parameter"
            )
    return found


def _names(code: types.CodeType) -> set[str]:
    inner = [item for item in code.co_consts if isinstance(item, types.CodeType)]
    return set(code.co_names).union(*(_names(item) for item in inner))
