"""Indicators against TA-Lib where it has them, on a made-up market of 2,000 bars in points."""

from collections.abc import Callable

import numpy as np
import pytest

from workbench import indicators as ind

talib = pytest.importorskip("talib", reason="TA-Lib is in the extra `test`")

BARS = 2_000


def market(seed: int = 11) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    close = 110_000.0 + np.cumsum(rng.integers(-40, 41, BARS))
    opened = np.concatenate(([close[0]], close[:-1])) + rng.integers(-6, 7, BARS)
    top, bottom = np.maximum(opened, close), np.minimum(opened, close)
    return {
        "o": opened,
        "h": top + rng.integers(1, 25, BARS),
        "l": bottom - rng.integers(1, 25, BARS),
        "c": close,
        "v": rng.integers(1, 500, BARS).astype(float),
        "x": 90_000.0 + np.cumsum(rng.integers(-30, 31, BARS)),
    }


M = market()
H, L, C, V, X = M["h"], M["l"], M["c"], M["v"], M["x"]
APART = C + np.arange(BARS) / 4_096  # without equal values, of which TA-Lib takes now the first, now the last
RETURN_X, RETURN_C = X[1:] / X[:-1] - 1.0, C[1:] / C[:-1] - 1.0


def ages(index: np.ndarray, n: int) -> np.ndarray:
    found = np.arange(BARS) - index.astype(float)
    found[: n - 1] = np.nan
    return found


CASES: dict[str, tuple[Callable[[], object], Callable[[], object]]] = {
    "sma": (lambda: ind.sma(C, 20), lambda: talib.SMA(C, 20)),
    "wma": (lambda: ind.wma(C, 15), lambda: talib.WMA(C, 15)),
    "ema": (lambda: ind.ema(C, 12), lambda: talib.EMA(C, 12)),
    "dema": (lambda: ind.dema(C, 9), lambda: talib.DEMA(C, 9)),
    "tema": (lambda: ind.tema(C, 9), lambda: talib.TEMA(C, 9)),
    "trima, odd": (lambda: ind.trima(C, 11), lambda: talib.TRIMA(C, 11)),
    "trima, even": (lambda: ind.trima(C, 12), lambda: talib.TRIMA(C, 12)),
    "kama": (lambda: ind.kama(C, 10), lambda: talib.KAMA(C, 10)),
    "trix": (lambda: ind.trix(C, 8), lambda: talib.TRIX(C, 8)),
    "roc": (lambda: ind.roc(C, 10), lambda: talib.ROC(C, 10)),
    "momentum": (lambda: ind.momentum(C, 10), lambda: talib.MOM(C, 10)),
    "rsi": (lambda: ind.rsi(C, 14), lambda: talib.RSI(C, 14)),
    "cmo": (lambda: ind.cmo(C, 14), lambda: talib.CMO(C, 14)),
    "stochastic": (
        lambda: ind.stochastic(H, L, C, 14, smooth=3, signal=4),
        lambda: talib.STOCH(H, L, C, 14, 3, 0, 4, 0),
    ),
    "stochastic_fast": (
        lambda: ind.stochastic_fast(H, L, C, 9, signal=3),
        lambda: talib.STOCHF(H, L, C, 9, 3, 0),
    ),
    "stochastic_rsi": (
        lambda: ind.stochastic_rsi(C, 14, bars=9, signal=3),
        lambda: talib.STOCHRSI(C, 14, 9, 3, 0),
    ),
    "williams_r": (lambda: ind.williams_r(H, L, C, 14), lambda: talib.WILLR(H, L, C, 14)),
    "cci": (lambda: ind.cci(H, L, C, 20), lambda: talib.CCI(H, L, C, 20)),
    "ultimate_oscillator": (
        lambda: ind.ultimate_oscillator(H, L, C),
        lambda: talib.ULTOSC(H, L, C, 7, 14, 28),
    ),
    "aroon": (
        lambda: ind.aroon(H, L, 14),
        lambda: (*talib.AROON(H, L, 14)[::-1], talib.AROONOSC(H, L, 14)),
    ),
    "highest_bars": (lambda: ind.highest_bars(APART, 20), lambda: ages(talib.MAXINDEX(APART, 20), 20)),
    "lowest_bars": (lambda: ind.lowest_bars(APART, 20), lambda: ages(talib.MININDEX(APART, 20), 20)),
    "adx": (
        lambda: ind.adx(H, L, C, 14),
        lambda: (talib.ADX(H, L, C, 14), talib.PLUS_DI(H, L, C, 14), talib.MINUS_DI(H, L, C, 14)),
    ),
    "parabolic_sar": (lambda: ind.parabolic_sar(H, L).stop, lambda: talib.SAR(H, L, 0.02, 0.2)),
    "atr": (lambda: ind.atr(H, L, C, 14), lambda: talib.ATR(H, L, C, 14)),
    "natr": (lambda: ind.natr(H, L, C, 14), lambda: talib.NATR(H, L, C, 14)),
    "true_range": (lambda: ind.true_range(H, L, C), lambda: talib.TRANGE(H, L, C)),
    "stdev": (lambda: ind.stdev(C, 20), lambda: talib.STDDEV(C, 20)),
    "bollinger": (
        lambda: ind.bollinger(C, 20, width=2.5),
        lambda: talib.BBANDS(C, 20, 2.5, 2.5, 0)[::-1],
    ),
    "highest": (lambda: ind.highest(C, 25), lambda: talib.MAX(C, 25)),
    "lowest": (lambda: ind.lowest(C, 25), lambda: talib.MIN(C, 25)),
    "donchian": (
        lambda: (ind.donchian(H, L, 30).lower, ind.donchian(H, L, 30).upper),
        lambda: (talib.MIN(L, 30), talib.MAX(H, 30)),
    ),
    "linear_regression": (
        lambda: [getattr(ind.linear_regression(C, 14), part) for part in ("value", "slope", "intercept")],
        lambda: (
            talib.LINEARREG(C, 14),
            talib.LINEARREG_SLOPE(C, 14),
            talib.LINEARREG_INTERCEPT(C, 14),
        ),
    ),
    "linear_regression forecast": (
        lambda: ind.linear_regression(C, 14).forecast,
        lambda: talib.TSF(C, 14),
    ),
    "correlation": (lambda: ind.correlation(X, C, 30), lambda: talib.CORREL(X, C, 30)),
    "beta": (lambda: ind.beta(RETURN_X, RETURN_C, 20), lambda: talib.BETA(X, C, 20)[1:]),
    "obv": (lambda: ind.obv(C, V), lambda: talib.OBV(C, V)),
    "accumulation": (lambda: ind.accumulation(H, L, C, V), lambda: talib.AD(H, L, C, V)),
    "mfi": (lambda: ind.mfi(H, L, C, V, 14), lambda: talib.MFI(H, L, C, V, 14)),
}
TOLERANCE = {  # TA-Lib subtracts large squares there and is itself good to no more
    "stdev": 2e-5,
    "bollinger": 5e-5,
    "correlation": 1e-5,
    "beta": 1e-6,
    "linear_regression": 1e-5,
    "linear_regression forecast": 1e-5,
}


@pytest.mark.parametrize("case", CASES)
def test_values_and_where_they_begin_are_those_of_ta_lib(case):
    ours, theirs = (compute() for compute in CASES[case])
    found = np.atleast_2d(np.array(ours, np.float64))
    expected = np.atleast_2d(np.array(theirs, np.float64))
    assert found.shape == expected.shape
    late = np.isnan(expected).any(axis=0)  # TA-Lib begins all outputs of a function together
    assert not np.isnan(found[:, ~late]).any()
    single = found.shape[0] == 1
    assert not single or (np.isnan(found) == np.isnan(expected)).all()
    np.testing.assert_allclose(found[:, ~late], expected[:, ~late], rtol=1e-9, atol=TOLERANCE.get(case, 1e-7))


@pytest.mark.parametrize("fast_slow_signal", [(12, 26, 9), (5, 30, 4)])
def test_macd_is_that_of_ta_lib_once_the_seeds_have_died_out(fast_slow_signal):
    fast, slow, signal = fast_slow_signal
    found = np.array(ind.macd(C, fast=fast, slow=slow, signal=signal))
    expected = np.array(talib.MACD(C, fast, slow, signal))
    assert (np.isnan(found[1]) == np.isnan(expected[1])).all()
    np.testing.assert_allclose(found[:, 500:], expected[:, 500:], rtol=0, atol=1e-7)


def test_ppo_is_that_of_ta_lib_once_the_seeds_have_died_out():
    expected = talib.PPO(C, 12, 26, 1)  # of exponential means
    np.testing.assert_allclose(ind.ppo(C).line[500:], expected[500:], rtol=0, atol=1e-10)


def test_smma_is_wilders_mean_in_ta_libs_average_true_range():
    ranges = ind.true_range(H, L, C)
    np.testing.assert_allclose(ind.smma(ranges, 14), talib.ATR(H, L, C, 14), rtol=1e-9)


PATTERNS = {
    "doji": "CDLDOJI",
    "dragonfly_doji": "CDLDRAGONFLYDOJI",
    "gravestone_doji": "CDLGRAVESTONEDOJI",
    "long_legged_doji": "CDLLONGLEGGEDDOJI",
    "marubozu": "CDLMARUBOZU",
    "spinning_top": "CDLSPINNINGTOP",
    "hammer": "CDLHAMMER",
    "hanging_man": "CDLHANGINGMAN",
    "inverted_hammer": "CDLINVERTEDHAMMER",
    "shooting_star": "CDLSHOOTINGSTAR",
    "engulfing": "CDLENGULFING",
    "harami": "CDLHARAMI",
    "harami_cross": "CDLHARAMICROSS",
    "piercing": "CDLPIERCING",
    "dark_cloud": "CDLDARKCLOUDCOVER",
    "morning_star": "CDLMORNINGSTAR",
    "evening_star": "CDLEVENINGSTAR",
    "three_white_soldiers": "CDL3WHITESOLDIERS",
    "three_black_crows": "CDL3BLACKCROWS",
    "three_inside": "CDL3INSIDE",
    "three_outside": "CDL3OUTSIDE",
}


def candles(seed: int, count: int = 40_000) -> tuple[np.ndarray, ...]:
    """Bars of every shape: bodies and shadows that are often nothing or equal, gaps, runs of one colour."""
    rng = np.random.default_rng(seed)
    body = rng.choice([0, 0, 1, 2, 5, 10, 20, 40], count) * np.where(
        np.repeat(rng.random(count // 4 + 1) < 0.5, 4)[:count] ^ (rng.random(count) < 0.2), 1, -1
    )
    gap = rng.choice([0, 0, 0, 1, -1, 3, -3, 8, -8, 25, -25], count)
    close = 200_000.0 + np.cumsum(body + gap)
    opened = close - body
    shadows = np.array([0, 0, 1, 2, 5, 12, 30])
    high = np.maximum(opened, close) + rng.choice(shadows, count)
    low = np.minimum(opened, close) - rng.choice(shadows, count)
    return opened, high, low, close


@pytest.mark.parametrize(("name", "function"), PATTERNS.items())
def test_candlestick_patterns_are_those_of_ta_lib(name, function):
    seen = 0
    for seed in (1, 2):
        bars = candles(seed)
        found = getattr(ind, name)(*bars)
        expected = np.sign(getattr(talib, function)(*bars)).astype(float)
        known = ~np.isnan(found)
        assert not expected[~known].any()
        np.testing.assert_array_equal(found[known], expected[known])
        seen += int(np.abs(found[known]).sum())
    assert seen >= 10, "a pattern that is never there proves nothing"
