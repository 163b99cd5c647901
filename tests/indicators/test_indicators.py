"""Indicators: against other programs, against slow definitions, and batch against stream."""

import csv
import math
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench import indicators as ind
from workbench.errors import BadInputError

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "talib" / "indicators.csv"
ONE_SERIES = {
    "sma": ind.sma,
    "wma": ind.wma,
    "ema": ind.ema,
    "rsi": ind.rsi,
    "stdev": ind.stdev,
    "highest": ind.highest,
    "lowest": ind.lowest,
}

half_points = st.integers(150_000, 250_000).map(lambda doubled: doubled / 2)
series = st.lists(half_points, max_size=120)
with_holes = st.lists(st.one_of(half_points, half_points, st.just(math.nan), st.just(math.inf)), max_size=120)
lookbacks = st.integers(2, 30)


def same_bits(left: np.ndarray, right: np.ndarray) -> bool:
    return np.asarray(left, np.float64).tobytes() == np.asarray(right, np.float64).tobytes()


@pytest.fixture(scope="module")
def talib() -> pd.DataFrame:
    with GOLDEN.open() as file:
        rows = [
            {name: float(text) if text else math.nan for name, text in row.items()}
            for row in csv.DictReader(file)
        ]
    return pd.DataFrame(rows)


def test_rsi_is_the_published_table_of_stockcharts():
    closes = (
        "44.3389 44.0902 44.1497 43.6124 44.3278 44.8264 45.0955 45.4245 45.8433 46.0826 45.8931 46.0328 "
        "45.6140 46.2820 46.2820 46.0028 46.0328 46.4116 46.2222 45.6439 46.2122 46.2521 45.7137 46.4515 "
        "45.7835 45.3548 44.0288 44.1783 44.2181 44.5672 43.4205 42.6628 43.1314"
    )
    expected = (
        "70.5328 66.3186 66.5498 69.4063 66.3552 57.9749 62.9296 63.2571 56.0593 62.3771 54.7076 50.4228 "
        "39.9898 41.4605 41.8689 45.4632 37.3040 33.0795 37.7730"
    )
    found = ind.rsi.batch([float(item) for item in closes.split()], 14)
    assert np.isnan(found[:14]).all()
    assert [f"{item:.4f}" for item in found[14:]] == expected.split()


@pytest.mark.parametrize(
    ("column", "compute"),
    [
        ("SMA_20", lambda bars: ind.sma(bars["close"], 20)),
        ("WMA_15", lambda bars: ind.wma(bars["close"], 15)),
        ("EMA_12", lambda bars: ind.ema(bars["close"], 12)),
        ("EMA_26", lambda bars: ind.ema(bars["close"], 26)),
        ("RSI_14", lambda bars: ind.rsi(bars["close"], 14)),
        ("STDDEV_20", lambda bars: ind.stdev(bars["close"], 20)),
        ("MAX_25", lambda bars: ind.highest(bars["close"], 25)),
        ("MIN_25", lambda bars: ind.lowest(bars["close"], 25)),
        ("ATR_14", lambda bars: ind.atr(bars["high"], bars["low"], bars["close"], 14)),
        ("TRANGE", lambda bars: ind.atr(bars["high"], bars["low"], bars["close"], 1)),
        ("BB_LOWER_20", lambda bars: ind.bollinger(bars["close"], 20)[0]),
        ("BB_UPPER_20", lambda bars: ind.bollinger(bars["close"], 20)[2]),
    ],
)
def test_values_are_those_of_ta_lib(talib, column, compute):
    expected = talib[column].to_numpy()
    found = compute(talib)
    assert (np.isnan(found) == np.isnan(expected)).all()
    # TA-Lib's STDDEV subtracts large squares and is itself only good to about 1e-6 here
    tolerance = 2e-5 if column.startswith(("STD", "BB")) else 2e-8
    np.testing.assert_allclose(found, expected, rtol=0, atol=tolerance)


@pytest.mark.parametrize("name", ONE_SERIES)
@settings(max_examples=120, deadline=None)
@given(values=with_holes, lookback=lookbacks)
def test_value_by_value_gives_the_same_bits_as_all_at_once(name, values, lookback):
    stream = ONE_SERIES[name].stream(lookback)
    assert same_bits([stream.update(item) for item in values], ONE_SERIES[name].batch(values, lookback))


@settings(max_examples=120, deadline=None)
@given(values=st.lists(st.tuples(half_points, half_points, half_points), max_size=100), lookback=lookbacks)
def test_atr_value_by_value_gives_the_same_bits_as_all_at_once(values, lookback):
    high, low, close = (list(column) for column in zip(*values, strict=True)) if values else ([], [], [])
    stream = ind.atr.stream(lookback)
    assert same_bits([stream.update(*item) for item in values], ind.atr.batch(high, low, close, lookback))


@settings(max_examples=60, deadline=None)
@given(values=with_holes)
def test_macd_value_by_value_gives_the_same_bits_as_all_at_once(values):
    stream = ind.macd.stream(fast=3, slow=6, signal=4)
    rows = [stream.update(item) for item in values]
    for place, column in enumerate(ind.macd.batch(values, fast=3, slow=6, signal=4)):
        assert same_bits([row[place] for row in rows], column)


@pytest.mark.parametrize("name", ONE_SERIES)
@settings(max_examples=60, deadline=None)
@given(values=with_holes, lookback=lookbacks, cut=st.integers(0, 119))
def test_what_comes_later_changes_nothing_before(name, values, lookback, cut):
    indicator = ONE_SERIES[name]
    assert same_bits(indicator.batch(values, lookback)[:cut], indicator.batch(values[:cut], lookback))


def exact_mean(window: list[Decimal]) -> Decimal:
    return sum(window) / len(window)


def exact_weighted(window: list[Decimal]) -> Decimal:
    return sum(weight * item for weight, item in enumerate(window, 1)) / sum(range(1, len(window) + 1))


def exact_deviation(window: list[Decimal]) -> Decimal:
    middle = exact_mean(window)
    return (sum((item - middle) ** 2 for item in window) / len(window)).sqrt()


@pytest.mark.parametrize(
    ("name", "definition"),
    [
        ("sma", exact_mean),
        ("wma", exact_weighted),
        ("stdev", exact_deviation),
        ("highest", max),
        ("lowest", min),
    ],
)
@settings(max_examples=80, deadline=None)
@given(values=series, lookback=lookbacks)
def test_windows_are_their_definition(name, values, lookback, definition: Callable[[list[Decimal]], Decimal]):
    found = ONE_SERIES[name].batch(values, lookback)
    exact = [Decimal(item) for item in values]
    for end, value in enumerate(found, 1):
        if end < lookback:
            assert math.isnan(value)
        else:
            assert value == pytest.approx(float(definition(exact[end - lookback : end])), rel=1e-12, abs=1e-6)


def test_means_that_tie_are_exactly_equal():
    # the same ten prices in another order: rolling float sums of prices in decimals would differ
    values = [110_000.5 + step for step in (3, 1, 4, 1, 5, 9, 2, 6, 5, 3)]
    long = ind.sma.batch([1e5, 7e5, *values, *reversed(values)], 10)
    assert long[11] == long[-1] == ind.sma.batch(values, 10)[-1]


@settings(max_examples=80, deadline=None)
@given(values=st.lists(half_points, min_size=1, max_size=120), lookback=lookbacks)
def test_the_exponential_mean_from_the_first_value_is_that_of_pandas(values, lookback):
    expected = pd.Series(values).ewm(span=lookback, adjust=False).mean().to_numpy()
    found = ind.ema(values, lookback, seed="first")
    assert np.isnan(found[: lookback - 1]).all()
    np.testing.assert_allclose(found[lookback - 1 :], expected[lookback - 1 :], rtol=1e-12)


@settings(max_examples=80, deadline=None)
@given(values=st.lists(half_points, min_size=1, max_size=80), lookback=st.integers(2, 10))
def test_rsi_is_wilders_definition_in_fractions(values, lookback):
    changes = [Fraction(b) - Fraction(a) for a, b in pairwise(values)]
    found = ind.rsi.batch(values, lookback)
    gain = loss = Fraction(0)
    for place, value in enumerate(found):
        if place < lookback:
            assert math.isnan(value)
            continue
        if place == lookback:
            gain = sum((max(item, 0) for item in changes[:lookback]), Fraction(0)) / lookback
            loss = sum((max(-item, 0) for item in changes[:lookback]), Fraction(0)) / lookback
        else:
            change = changes[place - 1]
            gain = (gain * (lookback - 1) + max(change, 0)) / lookback
            loss = (loss * (lookback - 1) + max(-change, 0)) / lookback
        expected = 100 * gain / (gain + loss) if gain + loss else 50
        assert value == pytest.approx(float(expected), rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("name", ONE_SERIES)
def test_a_hole_starts_the_warm_up_anew(name):
    values = [float(110_000 + step * step % 37) for step in range(40)]
    found = ONE_SERIES[name].batch([*values, math.nan, *values], 5)
    assert math.isnan(found[40])
    assert same_bits(found[41:], ONE_SERIES[name].batch(values, 5))


@pytest.mark.parametrize("hole", [(math.nan, 1.0, 1.0), (2.0, math.inf, 1.0), (2.0, 1.0, math.nan)])
def test_a_hole_in_one_column_starts_the_warm_up_of_atr_anew(hole):
    bars = [(110_009.0 + step % 7, 110_001.0 - step % 5, 110_004.0) for step in range(20)]
    alone = ind.atr.batch(*zip(*bars, strict=True), 4)
    found = ind.atr.batch(*zip(*[*bars, hole, *bars], strict=True), 4)
    assert same_bits(found[:20], alone)
    assert math.isnan(found[20])
    assert same_bits(found[21:], alone)


def test_rsi_of_prices_that_stand_still_is_50():
    assert ind.rsi.batch([7.0] * 6, 3)[3:].tolist() == [50.0, 50.0, 50.0]


@pytest.mark.parametrize("wrong", [0, -1, 2.0, True, None, "14", 1_000_001])
def test_a_lookback_that_can_not_be_is_refused(wrong):
    with pytest.raises(
        BadInputError, match=r"sma lookback: expected a whole number from 1 to 1,000,000, found"
    ):
        ind.sma.batch([1.0], wrong)
    with pytest.raises(BadInputError, match="atr lookback"):
        ind.atr.stream(wrong)


def test_columns_that_do_not_fit_are_refused():
    with pytest.raises(BadInputError, match="one length, found 2, 1, 2"):
        ind.atr.batch([1, 2], [1], [1, 2], 1)
    with pytest.raises(BadInputError, match="one row of numbers"):
        ind.sma.batch([[1.0]], 1)


def test_numpys_whole_numbers_are_lookbacks_too():
    assert ind.sma.batch([1.0, 3.0], np.int64(2)).tolist()[1] == 2.0


def test_a_stream_lives_as_long_as_its_update():
    update = ind.sma.stream(2).update
    filling = [ind.sma.stream(2) for _ in range(100)]  # would take over memory that was let go
    assert [update(1.0), update(3.0)][1] == 2.0
    assert all(math.isnan(item.update(5.0)) for item in filling)
