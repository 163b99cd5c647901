"""Estimators of volatility: the standard deviation of a bar's logarithmic return, not annualized."""

import math

import numpy as np

from workbench.indicators.compiled import borrowing
from workbench.indicators.declaring import Floats, Indicator, n_bars
from workbench.indicators.passes import BLOCK, deviation_pass, deviation_size, mean_pass, mean_size

__all__ = [
    "close_volatility",
    "garman_klass",
    "parkinson",
    "rogers_satchell",
    "yang_zhang",
]


@borrowing
def _close_kernel(state: Floats, parameters: Floats, x: Floats, out: Floats) -> None:
    """Close-to-close volatility: the sample deviation of the last n logarithmic returns.

    Multiply by the root of the bars in a year to annualize.
    """
    n = int(parameters[0])
    scale = math.sqrt(n / (n - 1.0))
    previous = state[0]
    known = state[1]
    returns, mean = state[2 : 2 + BLOCK], state[2 + BLOCK : 2 + 2 * BLOCK]
    for start in range(0, x.shape[0], BLOCK):
        stop = min(x.shape[0], start + BLOCK)
        m = stop - start
        result = out[0, start:stop]
        for i in range(m):
            new = x[start + i]
            found = math.log(new / previous) if known == 1.0 else np.nan
            returns[i] = found
            previous = new
            known = 1.0 if math.isfinite(new) else 0.0
        deviation_pass(state[2 + 2 * BLOCK :], n, returns[:m], mean, result)
        for i in range(m):
            result[i] = scale * result[i]
    state[0], state[1] = previous, known


@borrowing
def _parkinson_kernel(state: Floats, parameters: Floats, high: Floats, low: Floats, out: Floats) -> None:
    """Parkinson's volatility: sqrt(mean(log(high / low)^2) / (4 log 2)) of n bars.

    Parkinson (1980), Journal of Business 53(1).
    """
    n = int(parameters[0])
    scale = 1.0 / (4.0 * math.log(2.0))
    terms = state[3 + n :]
    for start in range(0, high.shape[0], BLOCK):
        stop = min(high.shape[0], start + BLOCK)
        m = stop - start
        for i in range(m):
            wide = math.log(high[start + i] / low[start + i])
            terms[i] = scale * wide * wide
        _root_of_mean(state, n, terms[:m], out[0, start:stop])


@borrowing
def _garman_klass_kernel(
    state: Floats, parameters: Floats, opens: Floats, high: Floats, low: Floats, close: Floats, out: Floats
) -> None:
    """Garman and Klass's volatility: sqrt(mean(0.5 log(h / l)^2 - (2 log 2 - 1) log(c / o)^2)) of n bars.

    Garman and Klass (1980), Journal of Business 53(1), the practical form.
    """
    n = int(parameters[0])
    share = 2.0 * math.log(2.0) - 1.0
    terms = state[3 + n :]
    for start in range(0, high.shape[0], BLOCK):
        stop = min(high.shape[0], start + BLOCK)
        m = stop - start
        for i in range(m):
            wide = math.log(high[start + i] / low[start + i])
            moved = math.log(close[start + i] / opens[start + i])
            terms[i] = 0.5 * wide * wide - share * moved * moved
        _root_of_mean(state, n, terms[:m], out[0, start:stop])


@borrowing
def _rogers_satchell_kernel(
    state: Floats, parameters: Floats, opens: Floats, high: Floats, low: Floats, close: Floats, out: Floats
) -> None:
    """Rogers and Satchell's volatility, free of drift: sqrt(mean(hc ho + lc lo)), logs of n bars.

    hc = log(high / close) and so on: Rogers and Satchell (1991), Annals of Applied Probability 1(4).
    """
    n = int(parameters[0])
    terms = state[3 + n :]
    for start in range(0, high.shape[0], BLOCK):
        stop = min(high.shape[0], start + BLOCK)
        m = stop - start
        for i in range(m):
            o, h, l, c = opens[start + i], high[start + i], low[start + i], close[start + i]
            terms[i] = math.log(h / c) * math.log(h / o) + math.log(l / c) * math.log(l / o)
        _root_of_mean(state, n, terms[:m], out[0, start:stop])


@borrowing
def _yang_zhang_kernel(
    state: Floats, parameters: Floats, opens: Floats, high: Floats, low: Floats, close: Floats, out: Floats
) -> None:
    """Yang and Zhang's volatility, for bars that open away from the close before.

    sqrt(v_o + k v_c + (1 - k) v_rs): sample variances of log(open / close before) and log(close / open) and
    Rogers and Satchell's, k = 0.34 / (1.34 + (n + 1) / (n - 1)): Yang and Zhang (2000), Journal of Business
    73(3).
    """
    n = int(parameters[0])
    share = 0.34 / (1.34 + (n + 1.0) / (n - 1.0))
    sample = n / (n - 1.0)
    previous, known = state[0], state[1]
    at = 2
    jumps, moves, terms = state[at : at + BLOCK], state[at + BLOCK : at + 2 * BLOCK], state[at + 2 * BLOCK :]
    at += 3 * BLOCK
    mean, jump = state[at : at + BLOCK], state[at + BLOCK : at + 2 * BLOCK]
    at += 2 * BLOCK
    size = 6 + n
    for start in range(0, close.shape[0], BLOCK):
        stop = min(close.shape[0], start + BLOCK)
        m = stop - start
        result = out[0, start:stop]
        for i in range(m):
            o, h, l, c = opens[start + i], high[start + i], low[start + i], close[start + i]
            good = math.isfinite(o + h + l + c) and known == 1.0
            jumps[i] = math.log(o / previous) if good else np.nan
            moves[i] = math.log(c / o) if good else np.nan
            found = math.log(h / c) * math.log(h / o) + math.log(l / c) * math.log(l / o)
            terms[i] = found if good else np.nan
            previous = c
            known = 1.0 if math.isfinite(o + h + l + c) else 0.0
        deviation_pass(state[at : at + size], n, jumps[:m], mean, jump)
        deviation_pass(state[at + size : at + 2 * size], n, moves[:m], mean, result)
        mean_pass(state[at + 2 * size :], n, terms[:m], mean)
        for i in range(m):
            spread = sample * (jump[i] * jump[i] + share * (result[i] * result[i])) + (1.0 - share) * mean[i]
            result[i] = math.sqrt(0.0 if spread < 0.0 else spread)
    state[0], state[1] = previous, known


@borrowing
def _root_of_mean(state: Floats, n: int, terms: Floats, out: Floats) -> None:
    mean_pass(state, n, terms, out)
    for i in range(out.shape[0]):
        out[i] = math.sqrt(0.0 if out[i] < 0.0 else out[i])


_ALL = ["open", "high", "low", "close"]
_PARAMETERS = [n_bars(least=2)]


close_volatility = Indicator(
    "close_volatility",
    _close_kernel,
    parameters=_PARAMETERS,
    state=lambda n: 2 + 2 * BLOCK + deviation_size(n),
    warm_up=lambda n: n,
)
parkinson = Indicator(
    "parkinson",
    _parkinson_kernel,
    inputs=["high", "low"],
    parameters=_PARAMETERS,
    state=lambda n: mean_size(n) + BLOCK,
    warm_up=lambda n: n - 1,
)
garman_klass = Indicator(
    "garman_klass",
    _garman_klass_kernel,
    inputs=_ALL,
    parameters=_PARAMETERS,
    state=lambda n: mean_size(n) + BLOCK,
    warm_up=lambda n: n - 1,
)
rogers_satchell = Indicator(
    "rogers_satchell",
    _rogers_satchell_kernel,
    inputs=_ALL,
    parameters=_PARAMETERS,
    state=lambda n: mean_size(n) + BLOCK,
    warm_up=lambda n: n - 1,
)
yang_zhang = Indicator(
    "yang_zhang",
    _yang_zhang_kernel,
    inputs=_ALL,
    parameters=_PARAMETERS,
    state=lambda n: 2 + 5 * BLOCK + 2 * deviation_size(n) + mean_size(n),
    warm_up=lambda n: n,
)
