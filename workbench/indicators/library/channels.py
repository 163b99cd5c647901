"""Channels of ranges: Keltner and Donchian."""

from workbench.indicators.compiled import borrowing
from workbench.indicators.declaring import Floats, Indicator, Number, n_bars
from workbench.indicators.library.atr import atr_pass
from workbench.indicators.passes import BLOCK, extreme_pass, extreme_size, share_holes, smooth_pass

__all__ = ["donchian", "keltner"]


@borrowing
def _keltner_kernel(
    state: Floats, parameters: Floats, high: Floats, low: Floats, close: Floats, out: Floats
) -> None:
    """Lower line, middle and upper line: ema(close, n) and `width` average true ranges either side.

    In Raschke's form, the usual one: StockCharts, "Keltner Channels" (ema of 20, atr of 10, width 2).
    """
    n, bars, width = int(parameters[0]), int(parameters[1]), parameters[2]
    closes = state[5:]
    for start in range(0, close.shape[0], BLOCK):
        stop = min(close.shape[0], start + BLOCK)
        lower, middle, upper = out[0, start:stop], out[1, start:stop], out[2, start:stop]
        share_holes(high[start:stop], low[start:stop], close[start:stop], lower, upper, closes)
        smooth_pass(state[:2], n, 2.0 / (n + 1), closes[: stop - start], middle)
        atr_pass(state[2:], bars, high[start:stop], low[start:stop], close[start:stop], upper)
        for i in range(stop - start):
            reach = width * upper[i]
            lower[i] = middle[i] - reach
            upper[i] = middle[i] + reach


@borrowing
def _donchian_kernel(state: Floats, parameters: Floats, high: Floats, low: Floats, out: Floats) -> None:
    """Lowest low, middle and highest high of n bars, this one included; take ``.lag(1)`` for a breakout.

    Donchian (1960), Commodities 5; the middle is the mean of the two.
    """
    n = int(parameters[0])
    size = (state.shape[0] - 3 * BLOCK) // 2
    at = 2 * size
    highs, lows, rest = state[at : at + BLOCK], state[at + BLOCK : at + 2 * BLOCK], state[at + 2 * BLOCK :]
    for start in range(0, high.shape[0], BLOCK):
        stop = min(high.shape[0], start + BLOCK)
        lower, middle, upper = out[0, start:stop], out[1, start:stop], out[2, start:stop]
        share_holes(high[start:stop], low[start:stop], low[start:stop], highs, lows, rest)
        extreme_pass(state[:size], n, -1.0, lows[: stop - start], lower)
        extreme_pass(state[size : 2 * size], n, 1.0, highs[: stop - start], upper)
        for i in range(stop - start):
            middle[i] = 0.5 * (lower[i] + upper[i])


keltner = Indicator(
    "keltner",
    _keltner_kernel,
    inputs=["high", "low", "close"],
    parameters=[
        n_bars(default=20),
        n_bars("bars", default=10),
        Number(name="width", low=0.0, high=100.0, default=2.0),
    ],
    outputs=["lower", "middle", "upper"],
    state=5 + BLOCK,
    warm_up=lambda n, bars, width: max(n - 1, bars),
)
donchian = Indicator(
    "donchian",
    _donchian_kernel,
    inputs=["high", "low"],
    parameters=[n_bars(default=20)],
    outputs=["lower", "middle", "upper"],
    state=lambda n: 2 * extreme_size(n) + 3 * BLOCK,
    warm_up=lambda n: n - 1,
)
