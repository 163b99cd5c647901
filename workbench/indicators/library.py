"""The indicators by name: each over an array at once, or one value at a time, with the same bits."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from workbench.errors import BadInputError
from workbench.indicators import kernels

__all__ = [
    "MAX_LOOKBACK",
    "BarIndicator",
    "BarStream",
    "Indicator",
    "Macd",
    "Stream",
    "atr",
    "bollinger",
    "ema",
    "ema_first",
    "highest",
    "lookback",
    "lowest",
    "macd",
    "rsi",
    "sma",
    "stdev",
    "wma",
]

Floats = npt.NDArray[np.float64]
MAX_LOOKBACK = 1_000_000


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


def _floats(values: npt.ArrayLike, name: str = "values") -> Floats:
    array = np.ascontiguousarray(values, dtype=np.float64)
    if array.ndim != 1:
        raise BadInputError(f"{name}: expected one row of numbers, found an array of shape {array.shape}")
    return array


class Stream:
    """One indicator, one value at a time."""

    __slots__ = ("_kernel", "_lookback", "_out", "_state", "_value")

    def __init__(self, kernel: Callable[..., None], *, lookback: int, state_size: int) -> None:
        self._kernel = kernel
        self._lookback = lookback
        self._state = np.zeros(state_size)
        self._value = np.empty(1)
        self._out = np.empty(1)

    def update(self, value: float) -> float:
        """The indicator after `value`; NaN while warming up."""
        self._value[0] = value
        self._kernel(self._state, 0, self._lookback, self._value, self._out)
        return float(self._out[0])


class Indicator:
    """A recurrence over one series."""

    def __init__(
        self, name: str, kernel: Callable[..., None], state_size: Callable[[int], int], *, least: int = 1
    ) -> None:
        self.name = name
        self.kernel = kernel
        self.state_size = state_size
        self.least = least
        self.__doc__ = kernel.__doc__

    def __repr__(self) -> str:
        return f"<indicator {self.name}>"

    def batch(self, values: npt.ArrayLike, lookback_bars: int) -> Floats:
        """The indicator at every value, NaN while warming up."""
        n = lookback(lookback_bars, name=f"{self.name} lookback", least=self.least)
        array = _floats(values)
        out = np.empty(len(array))
        self.kernel(np.zeros(self.state_size(n)), 0, n, array, out)
        return out

    __call__ = batch

    def stream(self, lookback_bars: int) -> Stream:
        """A fresh stream of the indicator."""
        n = lookback(lookback_bars, name=f"{self.name} lookback", least=self.least)
        return Stream(self.kernel, lookback=n, state_size=self.state_size(n))


class BarStream:
    """One indicator of bars, one bar at a time."""

    __slots__ = ("_close", "_high", "_kernel", "_lookback", "_low", "_out", "_state")

    def __init__(self, kernel: Callable[..., None], *, lookback: int, state_size: int) -> None:
        self._kernel = kernel
        self._lookback = lookback
        self._state = np.zeros(state_size)
        self._high, self._low, self._close = np.empty(1), np.empty(1), np.empty(1)
        self._out = np.empty(1)

    def update(self, high: float, low: float, close: float) -> float:
        """The indicator after a bar; NaN while warming up."""
        self._high[0], self._low[0], self._close[0] = high, low, close
        self._kernel(self._state, 0, self._lookback, self._high, self._low, self._close, self._out)
        return float(self._out[0])


class BarIndicator:
    """A recurrence over high, low and close."""

    def __init__(self, name: str, kernel: Callable[..., None], state_size: int) -> None:
        self.name = name
        self.kernel = kernel
        self.state_size = state_size
        self.__doc__ = kernel.__doc__

    def __repr__(self) -> str:
        return f"<indicator {self.name}>"

    def batch(
        self, high: npt.ArrayLike, low: npt.ArrayLike, close: npt.ArrayLike, lookback_bars: int
    ) -> Floats:
        """The indicator at every bar, NaN while warming up."""
        n = lookback(lookback_bars, name=f"{self.name} lookback")
        columns = [_floats(high, "high"), _floats(low, "low"), _floats(close, "close")]
        if len({len(column) for column in columns}) != 1:
            raise BadInputError(
                "expected high, low and close of one length, found "
                + ", ".join(str(len(column)) for column in columns)
            )
        out = np.empty(len(columns[0]))
        self.kernel(np.zeros(self.state_size), 0, n, *columns, out)
        return out

    __call__ = batch

    def stream(self, lookback_bars: int) -> BarStream:
        """A fresh stream of the indicator."""
        n = lookback(lookback_bars, name=f"{self.name} lookback")
        return BarStream(self.kernel, lookback=n, state_size=self.state_size)


sma = Indicator("sma", kernels.sma_kernel, lambda n: 3 + n)
wma = Indicator("wma", kernels.wma_kernel, lambda n: 4 + n)
ema = Indicator("ema", kernels.ema_kernel, lambda n: 2)
ema_first = Indicator("ema_first", kernels.ema_first_kernel, lambda n: 2)
rsi = Indicator("rsi", kernels.rsi_kernel, lambda n: 4)
stdev = Indicator("stdev", kernels.stdev_kernel, lambda n: 5 + n, least=2)
highest = Indicator("highest", kernels.highest_kernel, lambda n: 3 + 2 * n)
lowest = Indicator("lowest", kernels.lowest_kernel, lambda n: 3 + 2 * n)
atr = BarIndicator("atr", kernels.atr_kernel, 3)


def bollinger(
    values: npt.ArrayLike, lookback_bars: int, *, width: float = 2.0
) -> tuple[Floats, Floats, Floats]:
    """Lower band, middle and upper band: the mean and `width` population deviations on either side."""
    n = lookback(lookback_bars, name="bollinger lookback", least=stdev.least)
    array = _floats(values)
    lower, middle, upper = np.empty(len(array)), np.empty(len(array)), np.empty(len(array))
    state = np.zeros(sma.state_size(n) + stdev.state_size(n))
    kernels.bollinger_kernel(state, n, float(width), array, lower, middle, upper)
    return lower, middle, upper


class Macd:
    """Streaming MACD: the difference of two exponential means, its own exponential mean, and the rest."""

    __slots__ = ("_fast", "_signal", "_slow")

    def __init__(self, *, fast: int = 12, slow: int = 26, signal: int = 9) -> None:
        self._fast, self._slow = ema.stream(fast), ema.stream(slow)
        self._signal = ema.stream(signal)

    def update(self, value: float) -> tuple[float, float, float]:
        """Line, signal and histogram after `value`; NaN while warming up."""
        line = self._fast.update(value) - self._slow.update(value)
        signal = self._signal.update(line)
        return line, signal, line - signal


class _MacdIndicator:
    """MACD: difference of two exponential means, each seeded with its own mean."""

    name = "macd"

    def batch(
        self, values: npt.ArrayLike, *, fast: int = 12, slow: int = 26, signal: int = 9
    ) -> tuple[Floats, Floats, Floats]:
        """Line, signal and histogram at every value, NaN while warming up."""
        line = ema.batch(values, fast) - ema.batch(values, slow)
        smooth = ema.batch(line, signal)
        return line, smooth, line - smooth

    __call__ = batch

    def stream(self, *, fast: int = 12, slow: int = 26, signal: int = 9) -> Macd:
        """A fresh stream of the indicator."""
        return Macd(fast=fast, slow=slow, signal=signal)


macd: Any = _MacdIndicator()
