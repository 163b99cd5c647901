"""Windows, functions, memory and functions of the user's own, against numpy and plain Python."""

import math

import numpy as np
import pytest

from tests.strategy.made_up import EUR_USD, columns, made_up_bars, middle_of, spread_out
from workbench import strategy as ws
from workbench.errors import BadInputError
from workbench.indicators import indicators
from workbench.strategy.operations import OPERATIONS
from workbench.strategy.program import BLOCK

bar = ws.bar
close = bar.mid.close
BARS = columns(made_up_bars(300, seed=7))
CLOSES = (BARS.bid_close + BARS.ask_close) / 2


def of(expr: ws.Expr) -> np.ndarray:
    return ws.evaluate_expression(expr, BARS)


def windows(n: int) -> np.ndarray:
    return np.lib.stride_tricks.sliding_window_view(CLOSES, n)


@pytest.mark.parametrize("n", [1, 2, 7, 50])
@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda x: x.mean(), lambda w: w.mean(axis=1)),
        (lambda x: x.sum(), lambda w: w.sum(axis=1)),
        (lambda x: x.min(), lambda w: w.min(axis=1)),
        (lambda x: x.max(), lambda w: w.max(axis=1)),
        (lambda x: x.quantile(0.3), lambda w: np.quantile(w, 0.3, axis=1)),
        (lambda x: x.quantile(1.0), lambda w: w.max(axis=1)),
    ],
)
def test_rolling_windows_are_numpys(n, make, expected):
    found = of(make(close.rolling(n)))
    assert np.isnan(found[: n - 1]).all()
    np.testing.assert_allclose(found[n - 1 :], expected(windows(n)), rtol=1e-12)


def test_the_rank_in_a_window_counts_ties_halfway():
    found = of(close.rolling(9).rank())[8:]
    newest = windows(9)[:, -1:]
    below, equal = (windows(9) < newest).sum(axis=1), (windows(9) == newest).sum(axis=1)
    np.testing.assert_allclose(found, (below + (equal - 1) / 2) / 8)
    np.testing.assert_allclose(of(close.rolling(9).std())[8:], windows(9).std(axis=1), rtol=1e-9)


def test_functions_of_one_value():
    change = close - close.lag(1)
    moved = np.diff(CLOSES, prepend=np.nan)
    with np.errstate(invalid="ignore", divide="ignore"):
        np.testing.assert_array_equal(of(ws.log(close)), [math.log(item) for item in CLOSES])
        np.testing.assert_allclose(of(ws.sqrt(change)), np.sqrt(moved))
        np.testing.assert_array_equal(of(ws.sign(change)), np.sign(moved))
        np.testing.assert_allclose(of(ws.exp(change / 10)), np.exp(moved / 10))
        np.testing.assert_array_equal(of(ws.floor(change / 4)), np.floor(moved / 4))
        np.testing.assert_allclose(of(ws.power(close, 0.5)), np.sqrt(CLOSES))
    assert np.isnan(of(ws.log(change))[moved <= 0]).all()
    assert of(ws.is_known(change)).tolist() == [0.0] + [1.0] * 299


def test_where_bars_since_and_value_when_remember_what_was():
    up = close > close.lag(1)
    rises = [False, *(np.diff(CLOSES) > 0)]
    since, value, before = math.nan, math.nan, math.nan
    times: list[float] = []
    for place, rose in enumerate(rises):
        if rose:
            since = 0
            times.append(CLOSES[place])
        elif times:
            since += 1
        value = times[-1] if times else math.nan
        before = times[-3] if len(times) > 2 else math.nan
        np.testing.assert_equal(of(ws.bars_since(up))[place], since)
        np.testing.assert_equal(of(ws.value_when(up, close))[place], value)
        np.testing.assert_equal(of(ws.value_when(up, close, 2))[place], before)
        if place > 60:
            break
    picked = of(ws.where(up, close, -1.0))
    assert math.isnan(picked[0])
    np.testing.assert_array_equal(picked[1:], np.where(rises, CLOSES, -1.0)[1:])
    assert of(up.rolling(5).sum())[5:].tolist() == [sum(rises[at - 4 : at + 1]) for at in range(5, 300)]


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (lambda: close.rolling(0), "rolling lookback: expected a whole number from 1"),
        (lambda: close.rolling(5).quantile(1.5), "rolling_quantile q"),
        (lambda: close.rolling(1).rank(), "rolling_rank lookback"),
        (lambda: ws.bars_since(close), "bars_since: expected a condition"),
        (lambda: ws.where(close > 1, close, close > 2), "two numbers or two conditions"),
        (lambda: ws.where(close, 1, 2), "where: expected a condition"),
        (lambda: ws.value_when(close > 1, close, -1), "value_when back: expected a whole number from 0"),
        (lambda: ws.count_true(close > 1, -3), "count_true lookback"),
        (lambda: ws.log(close > 1), "log: expected a number"),
        (lambda: (close > 1).rolling(5).mean(), "sma: expected a number"),
    ],
)
def test_an_operation_that_makes_no_sense_is_refused(write, message):
    with pytest.raises(BadInputError, match=message):
        write()


def test_no_operation_is_called_like_an_indicator():
    assert not set(OPERATIONS) & set(indicators())


# --- functions of the user's ----------------------------------------------------------------------------

SCALE = 2.0


def halved(value):
    return value / SCALE


@ws.causal(window=5)
def stretched(values):
    return halved(values[-1] - values[0])


@ws.causal(window=2)
def greedy(values):
    values[:] = 0.0  # what it is shown is a copy
    return values.size + (0.0 if values.base is None else 1.0)


def test_a_users_function_sees_its_window_and_is_compiled_when_it_can_be():
    assert (spread_out.is_compiled, middle_of.is_compiled, stretched.is_compiled) == (True, False, False)
    expected = [math.nan] * 3 + [0.5 * (item.max() - item.min()) + item[0] / 3.0 for item in windows(4)]
    np.testing.assert_allclose(of(spread_out(close, scale=0.5)), expected)
    np.testing.assert_allclose(of(stretched(close))[4:], (windows(5)[:, -1] - windows(5)[:, 0]) / 2)
    assert ws.warm_up_bars(ws.Rules(enter_long=spread_out(close.lag(2)) > 0, size=ws.Units(1))) == 6


def test_what_a_users_function_is_shown_is_a_copy_that_leads_nowhere():
    assert of(greedy(close))[1:].tolist() == [2.0] * 299
    assert of(close).tolist() == CLOSES.tolist()


def test_a_users_function_gives_the_same_bits_bar_by_bar_over_more_than_a_block():
    bars = made_up_bars(9 * BLOCK, seed=5)
    exprs = [spread_out(close), middle_of(close, bar.bid.low)]
    stream = ws.ExprStream(exprs, instrument=EUR_USD)
    found = np.array([stream.update(item) for item in bars]).T
    for expr, values in zip(exprs, found, strict=True):
        assert ws.evaluate_expression(expr, columns(bars)).tobytes() == values.tobytes()


def test_the_digest_follows_the_source_the_window_and_what_is_read_from_outside(monkeypatch):
    def same(window):
        @ws.causal(window=window)
        def made(values):
            return halved(values[0])

        return made.digest

    before = same(5)
    assert len({before, same(6), stretched.digest}) == 3
    assert same(5) == before
    monkeypatch.setitem(globals(), "SCALE", 3.0)
    assert same(5) != before


def test_a_function_that_reads_what_may_change_is_refused():
    memory: list[float] = []

    @ws.causal(window=3)
    def remembering(values):
        memory.append(values[0])
        return memory[0]

    with pytest.raises(BadInputError, match="reads memory, a list that may change"):
        remembering(close)


@pytest.mark.parametrize(
    ("declare", "message"),
    [
        (lambda: ws.causal(window=0), "causal window"),
        (lambda: ws.causal(window=5)(max), "a function written with def"),
        (lambda: ws.causal(window=5)(lambda: 1.0), "1 to 5 inputs"),
        (lambda: ws.causal(window=5)(lambda *values: 1.0), "no \\* and no"),
        (lambda: ws.causal(window=5)(lambda value, scale="x": 1.0), "scale: expected a finite number"),
        (lambda: spread_out(close, close), "spread_out: expected values and by name scale"),
        (lambda: spread_out(close, power=2), "spread_out: expected values and by name scale"),
        (lambda: spread_out(close > 1), "spread_out values: expected a number"),
    ],
)
def test_a_function_that_can_not_be_used_is_refused(declare, message):
    with pytest.raises(BadInputError, match=message):
        declare()


def test_a_function_that_fails_says_so():
    @ws.causal(window=3)
    def beyond(values):
        return values[5]

    with pytest.raises(BadInputError, match=r"beyond: IndexError: .*; it must give a number"):
        of(beyond(close))


def test_a_function_is_named_in_json_and_has_to_be_given_to_read_it():
    expr = spread_out(close, scale=3)
    value = ws.expression_to_json(expr)
    assert (value["function"], value["window"], value["settings"]) == ("spread_out", 4, {"scale": 3.0})
    again = ws.expression_from_json(value, functions={spread_out.digest: spread_out})
    assert again.key == expr.key
    with pytest.raises(BadInputError, match=r"the function 'spread_out' .* is not at hand"):
        ws.expression_from_json(value)
    with pytest.raises(BadInputError, match="is not the function 'spread_out' that was stored"):
        ws.expression_from_json(value, functions={spread_out.digest: middle_of})
