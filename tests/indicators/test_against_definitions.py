"""Indicators that TA-Lib has not, against slow definitions written from the cited formulas with pandas."""

import math

import numpy as np
import pandas as pd
import pytest

from workbench import indicators as ind

BARS = 700


def market() -> pd.DataFrame:
    rng = np.random.default_rng(23)
    close = 110_000.0 + np.cumsum(rng.integers(-40, 41, BARS))
    opened = np.concatenate(([close[0]], close[:-1])) + rng.integers(-6, 7, BARS)
    return pd.DataFrame(
        {
            "open": opened,
            "high": np.maximum(opened, close) + rng.integers(0, 25, BARS),
            "low": np.minimum(opened, close) - rng.integers(0, 25, BARS),
            "close": close,
            "volume": rng.integers(1, 500, BARS).astype(float),
            "session": 17_000.0 + np.arange(BARS) // 24,
        }
    )


M = market()
O, H, L, C, V, S = (M[name] for name in ("open", "high", "low", "close", "volume", "session"))
TP = (H + L + C) / 3


def agree(found: np.ndarray, expected: pd.Series | np.ndarray, *, rtol: float = 1e-9) -> None:
    expected = np.asarray(expected, np.float64)
    np.testing.assert_array_equal(np.isnan(found), np.isnan(expected))
    np.testing.assert_allclose(found, expected, rtol=rtol, atol=1e-9)


def weighted(x: pd.Series, n: int) -> pd.Series:
    weights = np.arange(1, n + 1)
    return x.rolling(n).apply(lambda window: window @ weights / weights.sum(), raw=True)


def true_range() -> pd.Series:
    before = C.shift(1)
    found = pd.concat([H - L, (H - before).abs(), (L - before).abs()], axis=1).max(axis=1)
    return found.where(before.notna())


def wilder(x: pd.Series, n: int) -> pd.Series:
    """Smoothed by 1 / n from the mean of the first n known values."""
    values, start = x.to_numpy(), int(np.argmax(x.notna()))
    found = np.full(len(values), np.nan)
    found[start + n - 1] = values[start : start + n].mean()
    for i in range(start + n, len(values)):
        found[i] = (found[i - 1] * (n - 1) + values[i]) / n
    return pd.Series(found)


def exponential(x: pd.Series, n: int) -> pd.Series:
    values = x.to_numpy()
    found = np.full(len(values), np.nan)
    found[n - 1] = values[:n].mean()
    for i in range(n, len(values)):
        found[i] = found[i - 1] + 2 / (n + 1) * (values[i] - found[i - 1])
    return pd.Series(found)


@pytest.mark.parametrize("n", [4, 9, 16, 20])
def test_hulls_mean_is_its_formula(n):
    raw = 2 * weighted(C, n // 2) - weighted(C, n)
    agree(ind.hma(C, n), weighted(raw, math.isqrt(n)))


def test_the_mean_by_volume_is_its_formula():
    agree(ind.vwma(C, V, 20), (C * V).rolling(20).sum() / V.rolling(20).sum())


def test_log_returns_are_logarithms():
    agree(ind.log_return(C, 3), np.log(C / C.shift(3)))


def test_percent_b_and_band_width_are_read_off_the_bands():
    middle, spread = C.rolling(20).mean(), C.rolling(20).std(ddof=0)
    agree(ind.percent_b(C, 20, width=1.5), (C - (middle - 1.5 * spread)) / (3 * spread))
    agree(ind.band_width(C, 20), 4 * spread / middle)


def test_the_keltner_channel_is_an_exponential_mean_and_average_true_ranges():
    middle, reach = exponential(C, 20), 1.5 * wilder(true_range(), 10)
    found = ind.keltner(H, L, C, 20, width=1.5)
    agree(found.middle, middle)
    agree(found.lower, middle - reach)
    agree(found.upper, middle + reach)


def test_the_donchian_channel_is_the_extremes_and_their_middle():
    found = ind.donchian(H, L, 20)
    agree(found.lower, L.rolling(20).min())
    agree(found.upper, H.rolling(20).max())
    agree(found.middle, (L.rolling(20).min() + H.rolling(20).max()) / 2)


def test_ichimoku_reads_the_cloud_that_was_drawn_before_and_nothing_ahead():
    def middle(n: int) -> pd.Series:
        return (H.rolling(n).max() + L.rolling(n).min()) / 2

    found = ind.ichimoku(H, L, C)
    agree(found.conversion, middle(9))
    agree(found.base, middle(26))
    agree(found.span_a, ((middle(9) + middle(26)) / 2).shift(26))
    agree(found.span_b, middle(52).shift(26))
    agree(found.lagging, C - C.shift(26))


def test_supertrend_follows_its_bands():
    reach = 2.0 * wilder(true_range(), 7)
    middle = (H + L) / 2
    lines, directions = np.full(BARS, np.nan), np.full(BARS, np.nan)
    upper = lower = direction = None
    for i in range(7, BARS):
        top, bottom = middle[i] + reach[i], middle[i] - reach[i]
        if upper is None:
            upper, lower, direction = top, bottom, -1
        else:
            upper = top if top < upper or C[i - 1] > upper else upper
            lower = bottom if bottom > lower or C[i - 1] < lower else lower
        if direction == 1 and C[i] < lower:
            direction = -1
        elif direction == -1 and C[i] > upper:
            direction = 1
        lines[i], directions[i] = (lower if direction == 1 else upper), direction
    found = ind.supertrend(H, L, C, 7, width=2.0)
    agree(found.line, lines)
    agree(found.direction, directions)
    assert {-1.0, 1.0} <= set(found.direction)


PIVOT_LEVELS = {
    "classic": lambda h, l, c, p: [
        *(p, 2 * p - l, p + (h - l), h + 2 * (p - l)),
        *(2 * p - h, p - (h - l), l - 2 * (h - p)),
    ],
    "fibonacci": lambda h, l, c, p: [
        *(p, p + 0.382 * (h - l), p + 0.618 * (h - l), p + (h - l)),
        *(p - 0.382 * (h - l), p - 0.618 * (h - l), p - (h - l)),
    ],
    "camarilla": lambda h, l, c, p: [
        *(p, c + (h - l) * 1.1 / 12, c + (h - l) * 1.1 / 6, c + (h - l) * 1.1 / 4),
        *(c - (h - l) * 1.1 / 12, c - (h - l) * 1.1 / 6, c - (h - l) * 1.1 / 4),
    ],
}


@pytest.mark.parametrize("kind", PIVOT_LEVELS)
def test_pivots_are_those_of_the_last_day_that_was_seen_whole(kind):
    days = M.groupby("session").agg(high=("high", "max"), low=("low", "min"), close=("close", "last"))
    days = days.iloc[1:]  # the first may have begun before
    levels = [PIVOT_LEVELS[kind](h, l, c, (h + l + c) / 3) for h, l, c in days.itertuples(index=False)]
    table = pd.DataFrame(levels, index=days.index).reindex(S - 1).to_numpy().T
    for found, expected in zip(ind.pivots(H, L, C, S, kind=kind), table, strict=True):
        agree(found, expected)


def test_the_classic_pivots_of_a_day_are_those_worked_by_hand():
    # high 1.1600, low 1.1500, close 1.1560: pivot 1.15533, r1 1.16067, s1 1.15067, r2 1.16533, s2 1.14533
    day = [(1.1560, 1.1550, 1.1555), (1.1600, 1.1500, 1.1560), (1.1570, 1.1560, 1.1565)]
    h, l, c = (np.array(column) for column in zip(*day, strict=True))
    found = ind.pivots(h, l, c, np.array([1.0, 2.0, 3.0]))
    levels = [found.pivot[2], found.r1[2], found.s1[2], found.r2[2], found.s2[2], found.r3[2], found.s3[2]]
    assert [f"{item:.5f}" for item in levels] == [
        *("1.15533", "1.16067", "1.15067", "1.16533", "1.14533", "1.17067", "1.14067")
    ]


def test_the_z_score_is_a_distance_in_deviations():
    agree(ind.zscore(C, 20), (C - C.rolling(20).mean()) / C.rolling(20).std(ddof=0), rtol=1e-8)
    assert ind.zscore(np.ones(5), 3).tolist()[2:] == [0.0, 0.0, 0.0]


def test_the_regression_explains_what_numpys_does():
    n = 14
    r2 = C.rolling(n).apply(lambda window: np.corrcoef(np.arange(n), window)[0, 1] ** 2, raw=True)
    agree(ind.linear_regression(C, n).r2, r2, rtol=1e-7)
    slope = C.rolling(n).apply(lambda window: np.polyfit(np.arange(n), window, 1)[0], raw=True)
    agree(ind.linear_regression(C, n).slope, slope, rtol=1e-6)


def test_correlation_and_beta_are_those_of_pandas():
    x = TP.round() + 3.0 * V
    agree(ind.correlation(x, C, 25), x.rolling(25).corr(C), rtol=1e-6)
    agree(ind.beta(x, C, 25), x.rolling(25).cov(C) / x.rolling(25).var(), rtol=1e-6)


def test_volatilities_are_their_formulas():
    n = 20
    returns = np.log(C / C.shift(1))
    agree(ind.close_volatility(C, n), returns.rolling(n).std(), rtol=1e-7)
    agree(ind.parkinson(H, L, n), np.sqrt((np.log(H / L) ** 2).rolling(n).mean() / (4 * math.log(2))))
    klass = 0.5 * np.log(H / L) ** 2 - (2 * math.log(2) - 1) * np.log(C / O) ** 2
    agree(ind.garman_klass(O, H, L, C, n), np.sqrt(klass.rolling(n).mean()))
    satchell = np.log(H / C) * np.log(H / O) + np.log(L / C) * np.log(L / O)
    agree(ind.rogers_satchell(O, H, L, C, n), np.sqrt(satchell.rolling(n).mean()), rtol=1e-7)
    k = 0.34 / (1.34 + (n + 1) / (n - 1))
    jumps, moves = np.log(O / C.shift(1)), np.log(C / O)
    satchell = satchell.where(jumps.notna())
    zhang = jumps.rolling(n).var() + k * moves.where(jumps.notna()).rolling(n).var()
    agree(ind.yang_zhang(O, H, L, C, n), np.sqrt(zhang + (1 - k) * satchell.rolling(n).mean()), rtol=1e-7)


def test_the_percent_rank_counts_the_values_before():
    n = 30
    expected = C.rolling(n + 1).apply(lambda window: 100 * np.mean(window[:-1] <= window[-1]), raw=True)
    agree(ind.percent_rank(C, n), expected)


def test_session_means_begin_anew_each_day():
    traded = V.groupby(S).cumsum()
    agree(ind.vwap(H, L, C, S, V), (TP * V).groupby(S).cumsum() / traded)
    agree(ind.twap(H, L, C, S), TP.groupby(S).expanding().mean().to_numpy())


def test_the_choppiness_index_is_its_formula():
    n = 14
    way = H.rolling(n).max() - L.rolling(n).min()
    agree(ind.choppiness(H, L, C, n), 100 * np.log10(true_range().rolling(n).sum() / way) / math.log10(n))


def bars(*rows: tuple[float, float, float, float]) -> list[np.ndarray]:
    """Four quiet bars of range 10 around 100 and then `rows` of open, high, low, close."""
    quiet = [(100.0, 105.0, 95.0, 101.0), (101.0, 106.0, 96.0, 100.0)] * 3
    return [np.array(column, np.float64) for column in zip(*quiet, *rows, strict=True)]


@pytest.mark.parametrize(
    ("name", "rows", "expected"),
    [
        ("tweezer_top", [(102, 120, 101, 118), (118, 120, 104, 106)], -1.0),
        ("tweezer_top", [(102, 120, 101, 118), (118, 119.5, 104, 106)], -1.0),  # equal within half a point
        ("tweezer_top", [(102, 120, 101, 118), (118, 119.3, 104, 106)], 0.0),  # not equal
        ("tweezer_top", [(118, 120, 101, 102), (118, 120, 104, 106)], 0.0),  # the first is black
        ("tweezer_top", [(102, 120, 101, 118), (106, 120, 104, 118)], 0.0),  # the second is white
        ("tweezer_top", [(99, 104, 98, 103), (103, 104, 97, 98)], 0.0),  # highs before were higher
        ("tweezer_bottom", [(98, 99, 80, 82), (82, 96, 80, 94)], 1.0),
        ("tweezer_bottom", [(98, 99, 80, 82), (82, 96, 80.7, 94)], 0.0),
        ("tweezer_bottom", [(99, 104, 97, 98), (98, 104, 97, 103)], 0.0),
    ],
)
def test_tweezers_are_as_defined(name, rows, expected):
    assert getattr(ind, name)(*bars(*rows))[-1] == expected


def test_patterns_are_unknown_before_their_means_are_and_after_a_hole():
    columns = [np.tile(column, 5) for column in bars((100, 100.1, 90, 100))]
    found = ind.doji(*columns)
    assert np.isnan(found[:10]).all()
    assert found[13] == 1.0
    columns[2][20] = math.nan
    assert np.isnan(ind.doji(*columns)[20:31]).all()
    assert not np.isnan(ind.doji(*columns)[31:]).any()
