"""Numbers that were meant as prices, functions of NumPy and sizes of nothing are refused, or understood."""

import math
from typing import Any

import numpy as np
import pytest

from tests.strategy.made_up import columns, made_up_bars
from workbench import strategy as ws
from workbench.domain.instruments import instrument
from workbench.errors import BadInputError
from workbench.strategy.quantities import PriceRange, check_numbers, measured
from workbench.strategy.sizes import size_arguments

bar = ws.bar
EUR_USD = PriceRange(record=instrument("EUR_USD"), low=104_000, high=112_000)
USD_JPY = PriceRange(record=instrument("USD_JPY"), low=147_000, high=158_000)
SPREAD = bar.ask.close - bar.bid.close


def check(condition: Any, traded: PriceRange = EUR_USD) -> None:
    known = {"": traded, "USD_JPY": USD_JPY}
    check_numbers(ws.Rules(enter_long=condition, size=ws.Units(1)), known.get)


@pytest.mark.parametrize(
    ("condition", "way_out"),
    [
        (bar.mid.close > 1, r'write price\("1"\)'),
        (bar.mid.close > 1.05, r'write price\("1.05"\)'),
        (ws.sma(bar.bid.close, 20) < 1.5, r'write price\("1.5"\)'),
        (ws.crosses_above(bar.mid.close.lag(3), 1.1), r'write price\("1.1"\)'),
        (ws.bollinger(bar.mid.close, 20).upper < 1.08, r'write price\("1.08"\)'),
        (bar.of("USD_JPY").mid.close > 150, r'price\("150"\)'),
        (SPREAD < 0.0002, r"write pips\(2\)"),
        (ws.atr(bar, 14) > 0.001, r"write pips\(10\)"),
        (bar.mid.close > ws.sma(bar.mid.close, 5) - 0.002, r"write pips\(20\)"),
        (bar.mid.high - bar.mid.low > 0.005, r"write pips\(50\)"),
        (bar.mid.close - 1.05 > 0, r'write price\("1.05"\)'),
        (bar.of("USD_JPY").mid.close - 150 > 0, r'write price\("150"\)'),
        (-1.05 + ws.sma(bar.bid.close, 20) < 0, r'write price\("1.05"\)'),
    ],
)
def test_a_number_meant_as_a_price_is_refused_with_what_to_write(condition: Any, way_out: str) -> None:
    with pytest.raises(BadInputError, match=way_out):
        check(condition)


@pytest.mark.parametrize(
    "condition",
    [
        bar.mid.close > 105_000,
        bar.mid.close > ws.price("1.05"),
        bar.mid.close > 0,
        bar.mid.close - ws.price("1.05") > 0,
        bar.mid.close - 50 > ws.sma(bar.mid.close, 20),
        bar.mid.close - 105_000 > 0,
        SPREAD < 20,
        ws.rsi(bar.mid.close, 14) < 30,
        bar.mid.close / bar.mid.close.lag(1) > 1.001,
        bar.mid.close > ws.sma(bar.mid.close, 20) * 1.05,
        ws.log(bar.mid.close / bar.mid.open) > 0.001,
        ws.zscore(bar.mid.close, 20) > 1.5,
        SPREAD / ws.atr(bar, 14) < 0.2,
        bar.hour < 14,
    ],
)
def test_numbers_that_mean_something_pass(condition: Any) -> None:
    check(condition)


def test_what_an_expression_measures() -> None:
    assert measured(bar.mid.close.rolling(9).mean() + ws.pips(3)) == "level"
    assert measured(2 * ws.atr(bar, 14)) == "distance"
    assert measured(bar.mid.close - bar.mid.open) == "distance"
    assert measured(bar.mid.close / bar.mid.open) == ""
    assert measured(ws.rsi(bar.mid.close, 14)) == ""


def test_functions_of_numpy_are_those_of_rules() -> None:
    bars = columns(made_up_bars(40, seed=3))
    close, opened = bar.mid.close, bar.mid.open
    pairs = [
        (np.log(close), ws.log(close)),
        (np.maximum(close, opened), ws.maximum(close, opened)),
        (np.abs(close - opened), abs(close - opened)),
        (np.float64(2.0) * close, 2.0 * close),
        (np.where(close > opened, close, opened), ws.where(close > opened, close, opened)),
        (np.power(close, 2), ws.power(close, 2)),
    ]
    for found, expected in pairs:
        assert found.key == expected.key
    mid = (np.array(bars.bid_close) + np.array(bars.ask_close)) / 2
    np.testing.assert_allclose(ws.evaluate_expression(np.log(close), bars), np.log(mid), rtol=1e-15)


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda: np.mean(bar.mid.close), r"np.mean: .*x.rolling\(20\).mean\(\)"),
        (lambda: np.sin(bar.mid.close), "np.sin: .*@causal"),
        (lambda: np.add.reduce(bar.mid.close), "np.add: "),
        (lambda: np.arange(3) * bar.mid.close, r"np.multiply: .*an array of shape \(3,\)"),
        (lambda: math.log(bar.mid.close), "a value at every bar, not one number"),
    ],
)
def test_other_functions_of_numpy_are_refused(call: Any, match: str) -> None:
    with pytest.raises(BadInputError, match=match):
        call()


def test_sizes_of_less_than_a_unit_are_refused() -> None:
    record = instrument("EUR_USD")
    with pytest.raises(BadInputError, match=r'Lots\("0.000001"\): expected 1 units .* found 0.1;'):
        size_arguments(ws.Lots("0.000001"), record)
    assert size_arguments(ws.Lots("0.00001"), record)[1] == 1.0


def test_adding_to_a_side_that_is_never_entered_is_refused() -> None:
    for side, other in (("long", "short"), ("short", "long")):
        with pytest.raises(BadInputError, match=f"Rules add_{side}: expected enter_{side} with it"):
            ws.Rules(**{f"enter_{other}": bar.hour > 3, f"add_{side}": bar.hour > 5}, size=ws.Units(1))
