"""Stochastic oscillators: fast, slow, of the RSI, and Williams' %R."""

from workbench.indicators.compiled import borrowing
from workbench.indicators.declaring import Floats, Indicator, n_bars
from workbench.indicators.library.rsi import rsi_pass
from workbench.indicators.passes import BLOCK, extreme_pass, extreme_size, mean_pass, mean_size, share_holes

__all__ = ["stochastic", "stochastic_fast", "stochastic_rsi", "williams_r"]


@borrowing
def _place_pass(
    state: Floats, n: int, scale: float, shift: float, high: Floats, low: Floats, x: Floats, out: Floats
) -> None:
    """Where x lies between the lowest and the highest of n bars, 0 to 1, scaled and shifted.

    In the middle where they are equal. State: those of two extremes and four blocks.
    """
    size = (state.shape[0] - 4 * BLOCK) // 2
    m = x.shape[0]
    at = 2 * size
    top, highs = state[at : at + m], state[at + BLOCK : at + BLOCK + m]
    lows, values = state[at + 2 * BLOCK : at + 2 * BLOCK + m], state[at + 3 * BLOCK : at + 3 * BLOCK + m]
    share_holes(high, low, x, highs, lows, values)
    extreme_pass(state[:size], n, 1.0, highs, top)
    extreme_pass(state[size : 2 * size], n, -1.0, lows, out)
    for i in range(m):
        bottom = out[i]
        width = top[i] - bottom
        place = (values[i] - bottom) / width
        known = scale * place + shift
        out[i] = scale * 0.5 + shift if width == 0.0 else known


def _place_size(n: int) -> int:
    return 2 * extreme_size(n) + 4 * BLOCK


@borrowing
def _stochastic_kernel(
    state: Floats, parameters: Floats, high: Floats, low: Floats, close: Floats, out: Floats
) -> None:
    """Slow stochastic, 0 to 100: k is the fast one's mean of `smooth` bars, d the mean of k of `signal` bars.

    Fast: 100 (close - lowest low) / (highest high - lowest low) of n bars; 50 where the market stood still
    (TA-Lib's STOCH says 0): Lane (1984), Technical Analysis of Stocks & Commodities 2(3).
    """
    n, smooth, signal = int(parameters[0]), int(parameters[1]), int(parameters[2])
    first, second = 3 + smooth, 3 + smooth + 3 + signal
    raw = state[second : second + BLOCK]
    places = state[second + BLOCK :]
    for start in range(0, close.shape[0], BLOCK):
        stop = min(close.shape[0], start + BLOCK)
        m = stop - start
        _place_pass(places, n, 100.0, 0.0, high[start:stop], low[start:stop], close[start:stop], raw[:m])
        mean_pass(state[:first], smooth, raw[:m], out[0, start:stop])
        mean_pass(state[first:second], signal, out[0, start:stop], out[1, start:stop])


@borrowing
def _stochastic_fast_kernel(
    state: Floats, parameters: Floats, high: Floats, low: Floats, close: Floats, out: Floats
) -> None:
    """Fast stochastic, 0 to 100: k = 100 (close - lowest low) / (highest high - lowest low), d its mean.

    50 where the market stood still (TA-Lib's STOCHF says 0): Lane (1984), Technical Analysis of Stocks &
    Commodities 2(3).
    """
    n, signal = int(parameters[0]), int(parameters[1])
    first = 3 + signal
    for start in range(0, close.shape[0], BLOCK):
        stop = min(close.shape[0], start + BLOCK)
        k = out[0, start:stop]
        _place_pass(state[first:], n, 100.0, 0.0, high[start:stop], low[start:stop], close[start:stop], k)
        mean_pass(state[:first], signal, k, out[1, start:stop])


@borrowing
def _stochastic_rsi_kernel(state: Floats, parameters: Floats, x: Floats, out: Floats) -> None:
    """Fast stochastic of the RSI, 0 to 100: k and its mean d.

    Chande and Kroll (1994), The New Technical Trader; TA-Lib's STOCHRSI.
    """
    n, bars, signal = int(parameters[0]), int(parameters[1]), int(parameters[2])
    first = 4 + 3 + signal
    strength = state[first : first + BLOCK]
    for start in range(0, x.shape[0], BLOCK):
        stop = min(x.shape[0], start + BLOCK)
        part, k = strength[: stop - start], out[0, start:stop]
        rsi_pass(state[:4], n, x[start:stop], part)
        _place_pass(state[first + BLOCK :], bars, 100.0, 0.0, part, part, part, k)
        mean_pass(state[4:first], signal, k, out[1, start:stop])


@borrowing
def _williams_kernel(
    state: Floats, parameters: Floats, high: Floats, low: Floats, close: Floats, out: Floats
) -> None:
    """Williams' %R, -100 to 0: -100 (highest high - close) / (highest high - lowest low) of n bars.

    -50 where the market stood still: Williams (1973), How I Made One Million Dollars; TA-Lib's WILLR.
    """
    n = int(parameters[0])
    for start in range(0, close.shape[0], BLOCK):
        stop = min(close.shape[0], start + BLOCK)
        _place_pass(
            state, n, 100.0, -100.0, high[start:stop], low[start:stop], close[start:stop], out[0, start:stop]
        )


_BARS = ["high", "low", "close"]
stochastic = Indicator(
    "stochastic",
    _stochastic_kernel,
    inputs=_BARS,
    parameters=[n_bars(default=14), n_bars("smooth", default=3), n_bars("signal", default=3)],
    outputs=["k", "d"],
    state=lambda n, smooth, signal: mean_size(smooth) + mean_size(signal) + BLOCK + _place_size(n),
    warm_up=lambda n, smooth, signal: n + smooth + signal - 3,
)
stochastic_fast = Indicator(
    "stochastic_fast",
    _stochastic_fast_kernel,
    inputs=_BARS,
    parameters=[n_bars(default=14), n_bars("signal", default=3)],
    outputs=["k", "d"],
    state=lambda n, signal: mean_size(signal) + _place_size(n),
    warm_up=lambda n, signal: n + signal - 2,
)
stochastic_rsi = Indicator(
    "stochastic_rsi",
    _stochastic_rsi_kernel,
    parameters=[n_bars(default=14), n_bars("bars", default=14), n_bars("signal", default=3)],
    outputs=["k", "d"],
    state=lambda n, bars, signal: 4 + mean_size(signal) + BLOCK + _place_size(bars),
    warm_up=lambda n, bars, signal: n + bars + signal - 2,
)
williams_r = Indicator(
    "williams_r",
    _williams_kernel,
    inputs=_BARS,
    parameters=[n_bars(default=14)],
    state=_place_size,
    warm_up=lambda n: n - 1,
)
