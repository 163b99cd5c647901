"""How an indicator is declared: its name, inputs, parameters, outputs, state, warm-up and kernel.

One file of `workbench.indicators.library` declares one indicator (or one family) and nothing else has to
know of it: arrays, streams, rules, their text and their JSON all follow from the declaration.

A kernel has the form ``kernel(state, parameters, *inputs, out)``: it continues the recurrence whose state
is `state` over the values of its inputs (float64 arrays of one length m), writes `m` values to each row of
`out`, and leaves the state ready for the value after. A batch is one call over all values, a stream a call
a value: the same code, the same bits. State starts as zeros. Rules that hold for all: results are NaN until
the lookback is full, and a value that is not finite gives NaN and starts the warm-up anew.
"""

from __future__ import annotations

import inspect
import math
import numbers
from collections import namedtuple
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np
import numpy.typing as npt

from workbench.errors import BadInputError
from workbench.indicators.calling import MAX_INPUTS, Kernel, address_of, run_batch, step, step_buffer
from workbench.indicators.spare import spare_column

__all__ = [
    "MAX_LOOKBACK",
    "PRICE_INPUTS",
    "Choice",
    "Floats",
    "Indicator",
    "Number",
    "Stream",
    "lookback",
    "n_bars",
]

Floats = npt.NDArray[np.float64]
MAX_LOOKBACK = 1_000_000
PRICE_INPUTS = ("open", "high", "low", "close")  # inputs of these names are prices of a bar
_KNOWN = 1_000
SESSION, VOLUME = "session", "volume"  # and these the number of the FX day, and what was traded


def lookback(value: object, *, name: str = "lookback", least: int = 1) -> int:
    """`value` as a lookback.

    Raises
    ------
    BadInputError
        It is not a whole number from `least` to `MAX_LOOKBACK`.
    """
    whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
    if not whole or not least <= int(value) <= MAX_LOOKBACK:  # type: ignore[call-overload]
        raise BadInputError(
            f"{name}: expected a whole number from {least} to {MAX_LOOKBACK:,}, found {value!r}"
        )
    return int(value)  # type: ignore[call-overload, no-any-return]


@dataclass(frozen=True, slots=True, kw_only=True)
class Number:
    """A parameter that is a number from `low` to `high`; without a default it must be given."""

    name: str
    low: float
    high: float
    default: float | None = None
    whole: bool = False
    label: str = ""  # in messages; the name if empty

    def checked(self, value: object, *, indicator: str) -> float:
        """`value` as int or float.

        Raises
        ------
        BadInputError
            Not such a number.
        """
        name = f"{indicator} {self.label or self.name}"
        if self.whole:
            if self.high == MAX_LOOKBACK:
                return lookback(value, name=name, least=int(self.low))
            whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
            if whole and self.low <= int(value) <= self.high:  # type: ignore[call-overload]
                return int(value)  # type: ignore[call-overload, no-any-return]
        elif isinstance(value, numbers.Real) and not isinstance(value, bool):
            number = float(value)
            if math.isfinite(number) and self.low <= number <= self.high:
                return number + 0.0
        kind = "a whole number" if self.whole else "a number"
        raise BadInputError(f"{name}: expected {kind} from {self.low:g} to {self.high:g}, found {value!r}")

    def encoded(self, value: Any) -> float:
        """The value as the kernel takes it."""
        return float(value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """A parameter that is one of some words; the kernel gets its place in `choices`."""

    name: str
    choices: tuple[str, ...]
    default: str | None = None

    def checked(self, value: object, *, indicator: str) -> str:
        """`value` as one of the choices.

        Raises
        ------
        BadInputError
            None of them.
        """
        if not isinstance(value, str) or value not in self.choices:
            *most, last = (repr(item) for item in self.choices)
            raise BadInputError(
                f"{indicator} {self.name}: expected {', '.join(most)} or {last}, found {value!r}"
            )
        return value

    def encoded(self, value: Any) -> float:
        """The value as the kernel takes it."""
        return float(self.choices.index(value))


Parameter = Number | Choice


def n_bars(name: str = "n", *, default: int | None = None, least: int = 1) -> Number:
    """A parameter that is a lookback; the name `n` reads "lookback" in messages."""
    label = "lookback" if name == "n" else name
    return Number(name=name, low=least, high=MAX_LOOKBACK, default=default, whole=True, label=label)


Sizes = int | Callable[..., int]


class Indicator:
    """A recurrence over one or several series, with what is known about it.

    Parameters
    ----------
    kernel
        The recurrence, made with `borrowing`; see the module's docstring. `parameters` arrive as float64 in
        the order of `parameters`, then `constants`.
    inputs
        Names. ``open``, ``high``, ``low``, ``close`` are prices of the bar, ``session`` is a number that
        changes with the FX day, ``volume`` what was traded; any other name is a series of its own.
    outputs
        Names of the rows of `out`; several outputs come as a named tuple.
    state, warm_up
        Values of state, and bars before the first one that has every output: numbers, or functions of the
        parameters.
    constants
        Values that the kernel gets after the parameters: members of a family share one kernel.
    """

    def __init__(
        self,
        name: str,
        kernel: Kernel,
        *,
        inputs: Sequence[str] = ("values",),
        parameters: Sequence[Parameter] = (),
        outputs: Sequence[str] = ("value",),
        state: Sizes = 0,
        warm_up: Sizes = 0,
        constants: Sequence[float] = (),
        doc: str | None = None,
    ) -> None:
        if not 1 <= len(inputs) <= MAX_INPUTS:
            raise ValueError(f"{name}: expected 1 to {MAX_INPUTS} inputs, found {len(inputs)}")
        self.name = name
        self.kernel = kernel
        self.inputs = tuple(inputs)
        self.parameters = tuple(parameters)
        self.outputs = tuple(outputs)
        self._state = state
        self._warm_up = warm_up
        self.constants = tuple(float(item) for item in constants)
        self._known: dict[tuple[Any, ...], tuple[Any, ...]] = {}  # settings that were checked before
        self.__doc__ = doc or kernel.__doc__

    def __repr__(self) -> str:
        return f"<indicator {self.name}>"

    @property
    def prices(self) -> tuple[str, ...]:
        """The inputs that are prices of a bar."""
        return tuple(item for item in self.inputs if item in PRICE_INPUTS)

    @property
    def series(self) -> tuple[str, ...]:
        """The inputs that are series of their own."""
        return tuple(item for item in self.inputs if item not in (*PRICE_INPUTS, SESSION, VOLUME))

    @cached_property
    def several(self) -> Any:
        """The named tuple of several outputs; None for a single one."""
        if len(self.outputs) == 1:
            return None
        words = self.name.split("_")
        return namedtuple("".join(word.title() for word in words), self.outputs)  # made here

    @cached_property
    def __signature__(self) -> inspect.Signature:
        return inspect.Signature([*_slots(self.inputs), *self.parameter_slots()])

    def parameter_slots(self) -> list[inspect.Parameter]:
        """The parameters as those of a Python function."""
        kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
        return [
            inspect.Parameter(
                item.name, kind, default=inspect.Parameter.empty if item.default is None else item.default
            )
            for item in self.parameters
        ]

    def settings(self, *given: object, **named: object) -> tuple[Any, ...]:
        """The values of the parameters, checked, in their order.

        Raises
        ------
        BadInputError
            One is out of its range; the message names it.
        TypeError
            One is missing or unknown.
        """
        key = (*((type(item), item) for item in given), *((k, type(v), v) for k, v in named.items()))
        try:
            known = self._known.get(key)
        except TypeError:  # something that has no hash, and is no setting either
            known = None
        if known is None:
            known = self._checked(given, named)
            if len(self._known) < _KNOWN:
                self._known[key] = known
        return known

    def _checked(self, given: tuple[object, ...], named: dict[str, object]) -> tuple[Any, ...]:
        try:
            bound = inspect.Signature(self.parameter_slots()).bind(*given, **named)
        except TypeError as wrong:
            raise TypeError(f"{self.name}: {wrong}") from None
        bound.apply_defaults()
        return tuple(
            item.checked(bound.arguments[item.name], indicator=self.name) for item in self.parameters
        )

    def encoded(self, settings: Sequence[Any]) -> list[float]:
        """Settings as the kernel takes them."""
        return [
            *(item.encoded(value) for item, value in zip(self.parameters, settings, strict=True)),
            *self.constants,
        ]

    def state_size(self, settings: Sequence[Any]) -> int:
        """Values of state for these settings."""
        return self._state if isinstance(self._state, int) else int(self._state(*settings))

    def warm_up(self, settings: Sequence[Any]) -> int:
        """Bars before the first that can have every output."""
        return self._warm_up if isinstance(self._warm_up, int) else int(self._warm_up(*settings))

    def address(self) -> int:
        """Where the compiled kernel lies in this process."""
        return address_of(self.kernel, len(self.inputs))

    def batch(self, *given: Any, **named: Any) -> Any:
        """The indicator at every bar: an array, or a named tuple of them; NaN while warming up.

        Takes the inputs in their order, then the parameters.
        """
        arrays, settings = self._bound(given, named)
        if len({len(array) for array in arrays}) != 1:
            *most, last = self.inputs
            raise BadInputError(
                f"{self.name}: expected {', '.join(most)} and {last} of one length, found "
                + ", ".join(str(len(array)) for array in arrays)
            )
        out = spare_column(len(self.outputs) * len(arrays[0])).view(np.float64)
        out = out.reshape(len(self.outputs), -1) if len(out) else np.empty((len(self.outputs), 0))
        parameters = np.array(self.encoded(settings), np.float64)
        run_batch(self.address(), np.zeros(self.state_size(settings)), parameters, tuple(arrays), out)
        return out[0] if self.several is None else self.several(*out)

    __call__ = batch

    def stream(self, *given: Any, **named: Any) -> Stream:
        """A fresh stream of the indicator, for these parameters."""
        settings = self.settings(*given, **named)
        return Stream(self, settings)

    def _bound(self, given: tuple[Any, ...], named: dict[str, Any]) -> tuple[list[Floats], tuple[Any, ...]]:
        count = len(self.inputs)
        arrays = list(given[:count])
        for name in self.inputs[len(arrays) :]:
            if name == VOLUME and named.get(VOLUME) is None:
                raise BadInputError(no_volume(self.name))
            if name not in named:
                raise TypeError(f"{self.name}: missing {name}; it takes {self.__signature__}")
            arrays.append(named.pop(name))
        for name, array in zip(self.inputs, arrays, strict=True):
            if array is None and name == VOLUME:
                raise BadInputError(no_volume(self.name))
        found = [_floats(array, name) for name, array in zip(self.inputs, arrays, strict=True)]
        return found, self.settings(*given[count:], **named)


def no_volume(name: str) -> str:
    """What to say where volume is missing."""
    return (
        f"{name} needs the volume of every bar, and bars of quotes carry none; give volume= a series of your "
        "own (a tick count, a futures volume), or take an indicator of prices alone"
    )


class Stream:
    """One indicator, one bar at a time: bit for bit what the batch gives."""

    __slots__ = ("_buffer", "_out", "_step", "indicator", "update")

    def __init__(self, indicator: Indicator, settings: Sequence[Any]) -> None:
        self.indicator = indicator
        self._buffer, self._out = step_buffer(
            indicator.address(),
            np.array(indicator.encoded(settings), np.float64),
            state_size=indicator.state_size(settings),
            outputs=len(indicator.outputs),
        )
        # no Python between the caller and the compiled step; what holds the step holds its memory too
        bound: Any = partial(step(len(indicator.inputs)), int(self._buffer.ctypes.data))
        bound.memory = self._buffer
        self._step = bound
        # update(*values): the indicator after the values of one bar; a tuple where it has several outputs
        self.update: Callable[..., Any] = self._step if len(indicator.outputs) == 1 else self._many

    def _many(self, *values: float) -> tuple[float, ...]:
        self._step(*values)
        return tuple(self._out.tolist())


def _slots(names: Sequence[str]) -> list[inspect.Parameter]:
    return [inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD) for name in names]


def _floats(values: npt.ArrayLike, name: str) -> Floats:
    array = np.ascontiguousarray(values, dtype=np.float64)
    if array.ndim != 1:
        raise BadInputError(f"{name}: expected one row of numbers, found an array of shape {array.shape}")
    return array
