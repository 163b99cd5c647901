"""Indicators of volume, for series that have one: OBV, accumulation, money flow, weighted mean."""

import math

import numpy as np

from workbench.indicators.compiled import borrowing
from workbench.indicators.declaring import Floats, Indicator, n_bars
from workbench.indicators.passes import BLOCK, all_finite

__all__ = ["accumulation", "mfi", "obv", "vwma"]


@borrowing
def _obv_kernel(state: Floats, parameters: Floats, close: Floats, volume: Floats, out: Floats) -> None:
    """On-balance volume: what was traded, added where the close rose and subtracted where it fell.

    Begins with the first bar's volume: Granville (1963); TA-Lib's OBV. A hole begins a new sum.
    """
    result = out[0]
    count, previous, total = int(state[0]), state[1], state[2]
    for i in range(close.shape[0]):
        if not math.isfinite(close[i] + volume[i]):
            count, total = 0, 0.0
            result[i] = np.nan
            continue
        if count == 0 or close[i] > previous:
            total += volume[i]
        elif close[i] < previous:
            total -= volume[i]
        count, previous = 1, close[i]
        result[i] = total
    state[0], state[1], state[2] = count, previous, total


@borrowing
def _accumulation_kernel(
    state: Floats, parameters: Floats, high: Floats, low: Floats, close: Floats, volume: Floats, out: Floats
) -> None:
    """Accumulation and distribution: sum of volume ((close - low) - (high - close)) / (high - low).

    Chaikin; TA-Lib's AD. A hole begins a new sum.
    """
    total = state[0]
    for start in range(0, close.shape[0], BLOCK):
        stop = min(close.shape[0], start + BLOCK)
        result = out[0, start:stop]
        _flows(high[start:stop], low[start:stop], close[start:stop], volume[start:stop], result)
        if all_finite(result):
            for i in range(stop - start):
                total += result[i]
                result[i] = total
            continue
        for i in range(stop - start):
            flow = result[i]
            if math.isfinite(flow):
                total += flow
                result[i] = total
            else:
                total = 0.0
                result[i] = np.nan
    state[0] = total


@borrowing
def _flows(high: Floats, low: Floats, close: Floats, volume: Floats, out: Floats) -> None:
    for i in range(out.shape[0]):
        width = high[i] - low[i]
        flow = ((close[i] - low[i]) - (high[i] - close[i])) / width * volume[i]
        hole = (high[i] + low[i] + close[i] + volume[i]) * 0.0
        out[i] = hole + (flow if width > 0.0 else 0.0)


@borrowing
def _mfi_kernel(
    state: Floats, parameters: Floats, high: Floats, low: Floats, close: Floats, volume: Floats, out: Floats
) -> None:
    """Money flow index, 0 to 100: share of tp volume, tp = (high + low + close) / 3, on bars where tp rose.

    Of n changes; 50 where there were none: Quong and Soudack (1989); TA-Lib's MFI.
    """
    n = int(parameters[0])
    result = out[0]
    count, position, previous, up, down = int(state[0]), int(state[1]), state[2], state[3], state[4]
    ring = state[5 : 5 + n]  # money, with the sign of the change
    for i in range(close.shape[0]):
        price = (high[i] + low[i] + close[i]) / 3.0
        if not math.isfinite(price + volume[i]):
            count, position, up, down = 0, 0, 0.0, 0.0
            result[i] = np.nan
            continue
        if count == 0:
            count, previous = 1, price
            result[i] = np.nan
            continue
        money = price * volume[i] if price > previous else -price * volume[i] if price < previous else 0.0
        previous = price
        if count > n:
            old = ring[position]
            up -= old if old > 0.0 else 0.0
            down += old if old < 0.0 else 0.0
        else:
            count += 1
        up += money if money > 0.0 else 0.0
        down -= money if money < 0.0 else 0.0
        ring[position] = money
        position += 1
        if position == n:
            position = 0
        both = up + down
        if count <= n:
            result[i] = np.nan
        else:
            result[i] = 100.0 * (up / both) if both > 0.0 else 50.0
    state[0], state[1], state[2], state[3], state[4] = count, position, previous, up, down


@borrowing
def _vwma_kernel(state: Floats, parameters: Floats, x: Floats, volume: Floats, out: Floats) -> None:
    """Mean of the last n values weighted by volume: sum(x volume) / sum(volume); NaN where there is none."""
    n = int(parameters[0])
    result = out[0]
    count, position, total, traded = int(state[0]), int(state[1]), state[2], state[3]
    money, volumes = state[4 : 4 + n], state[4 + n : 4 + 2 * n]
    for i in range(x.shape[0]):
        product = x[i] * volume[i]
        if not math.isfinite(product):
            count, position, total, traded = 0, 0, 0.0, 0.0
            result[i] = np.nan
            continue
        if count >= n:
            total += product - money[position]
            traded += volume[i] - volumes[position]
        else:
            count += 1
            total += product
            traded += volume[i]
        money[position], volumes[position] = product, volume[i]
        position += 1
        if position == n:
            position = 0
        result[i] = total / traded if count >= n and traded > 0.0 else np.nan
    state[0], state[1], state[2], state[3] = count, position, total, traded


obv = Indicator("obv", _obv_kernel, inputs=["close", "volume"], state=3)
accumulation = Indicator(
    "accumulation", _accumulation_kernel, inputs=["high", "low", "close", "volume"], state=1
)
mfi = Indicator(
    "mfi",
    _mfi_kernel,
    inputs=["high", "low", "close", "volume"],
    parameters=[n_bars(default=14)],
    state=lambda n: 5 + n,
    warm_up=lambda n: n,
)
vwma = Indicator(
    "vwma",
    _vwma_kernel,
    inputs=["values", "volume"],
    parameters=[n_bars()],
    state=lambda n: 4 + 2 * n,
    warm_up=lambda n: n - 1,
)
