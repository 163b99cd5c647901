"""Rules over columns and bar by bar: the same bits, and what they mean."""

import math
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.strategy.made_up import (
    EUR_USD,
    MODEL,
    columns,
    made_up_bars,
    plain_conditions,
    plain_numbers,
    rules,
)
from workbench import strategy as ws
from workbench.domain.instruments import instrument
from workbench.domain.quotes import Bar
from workbench.errors import BadInputError
from workbench.indicators import bollinger
from workbench.strategy.many_signals import evaluate_many
from workbench.strategy.program import BLOCK, compile_program

bar = ws.bar
relaxed = settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
COLUMNS = ("enter_long", "enter_short", "exit_long", "exit_short", "stop", "target")


def bits(row: ws.SignalRow) -> tuple:
    numbers = np.array([row.stop, row.target])
    return row.enter_long, row.enter_short, row.exit_long, row.exit_short, numbers.tobytes()


@relaxed
@given(given_rules=rules(), seed=st.integers(0, 2**32), count=st.integers(0, 60))
def test_bar_by_bar_gives_the_same_bits_as_whole_columns(given_rules, seed, count):
    bars = made_up_bars(count, seed=seed)
    signals = ws.evaluate(given_rules, columns(bars))
    stream = ws.RulesStream(given_rules, instrument=EUR_USD)
    assert len(signals) == count
    for place, item in enumerate(bars):
        assert bits(stream.update(item)) == bits(signals.row(place))


def every_operation() -> list[ws.Expr]:
    mid, two = bar.mid.close, ws.sma(bar.bid.close, 3)
    line, smooth, rest = ws.macd(mid, fast=3, slow=7, signal=4)
    return [
        bar.ask.open, bar.hour, bar.weekday, ws.price("1.1"), ws.pips(3), mid + 1, mid - two, mid * 2,
        mid / two, -mid, abs(mid - two), ws.minimum(mid, two), ws.maximum(mid, two), mid.lag(5),
        mid < two, mid <= two,
        mid > two, mid >= two, mid == two, mid != two, (mid > two) & (bar.hour > 3),
        (mid > two) | (bar.hour > 3),
        ~(mid > two), ws.crosses_above(mid, two), ws.crosses_below(mid, two), ws.sma(mid, 9), ws.wma(mid, 9),
        ws.ema(mid, 9), ws.ema(mid, 9, seed="first"), ws.rsi(mid, 9), ws.stdev(mid, 9), ws.highest(mid, 9),
        ws.lowest(mid, 9), ws.atr(bar, 9), ws.atr(bar.bid, 9), ws.true_range(bar.ask), line, smooth, rest,
        ws.predict(MODEL, [mid.lag(1), two]),
    ]  # fmt: skip


@pytest.mark.parametrize("expr", every_operation(), ids=repr)
def test_every_operation_gives_the_same_bits_over_more_than_a_block(expr):
    bars = made_up_bars(2 * BLOCK + 77, seed=5)
    found = ws.evaluate_expression(expr, columns(bars))
    stream = ws.ExprStream([expr], instrument=EUR_USD)
    assert np.array([stream.update(item)[0] for item in bars]).tobytes() == found.tobytes()
    assert np.isfinite(found[-1])


@ws.causal(window=1)
def one_over(x):
    return 1.0 / x[-1]


def test_what_a_function_of_ones_own_can_not_give_is_unknown_and_so_no_condition_holds():
    bars = made_up_bars(30, seed=5)
    flat = one_over(bar.mid.close - bar.mid.close)
    assert np.isnan(ws.evaluate_expression(flat, columns(bars))).all()
    assert not np.nan_to_num(ws.evaluate_expression(flat > 0, columns(bars))).any()
    assert np.isfinite(ws.evaluate_expression(one_over(bar.mid.close), columns(bars))).all()


@relaxed
@given(given_rules=rules(), seed=st.integers(0, 2**32), count=st.integers(1, 60), cut=st.integers(0, 60))
def test_what_comes_later_changes_no_signal_before(given_rules, seed, count, cut):
    bars = made_up_bars(count, seed=seed)
    whole, part = ws.evaluate(given_rules, columns(bars)), ws.evaluate(given_rules, columns(bars[:cut]))
    for name in COLUMNS:
        assert getattr(whole, name)[:cut].tobytes() == getattr(part, name).tobytes()


@relaxed
@given(variants=st.lists(rules(), min_size=1, max_size=4), seed=st.integers(0, 2**32))
def test_many_variants_at_once_give_the_same_bits_as_each_alone(variants, seed):
    bars = columns(made_up_bars(40, seed=seed))
    for one, found in zip(variants, evaluate_many(variants, bars), strict=True):
        alone = ws.evaluate(one, bars)
        for name in COLUMNS:
            assert getattr(found, name).tobytes() == getattr(alone, name).tobytes()
        assert (found.has_stop, found.has_target) == (alone.has_stop, alone.has_target)
        assert (found.size_kind, found.size_value) == (alone.size_kind, alone.size_value)


class Slow:
    """Expressions without indicators, worked out bar by bar in plain Python; None is unknown."""

    def __init__(self, bars: list[Bar]) -> None:
        self.bars = bars

    def __call__(self, expr: ws.Expr, at: int) -> float | None:
        if at < 0:
            return None
        data, item = dict(expr.data), self.bars[at]
        if expr.op == "price":
            if data["side"] == "mid":
                return (getattr(item, f"bid_{data['field']}") + getattr(item, f"ask_{data['field']}")) / 2
            return float(getattr(item, f"{data['side']}_{data['field']}"))
        if expr.op in ("hour", "weekday"):
            moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=item.open_ns // 10**9)
            local = moment.astimezone(ZoneInfo("America/New_York"))
            return float(local.hour if expr.op == "hour" else local.weekday())
        if expr.op == "lag":
            return self(expr.args[0], at - data["n"])
        now = [self(argument, at) for argument in expr.args]
        if expr.op == "and":
            return 0.0 if 0.0 in now else None if None in now else 1.0
        if expr.op == "or":
            return 1.0 if 1.0 in now else None if None in now else 0.0
        if expr.op.startswith("crosses"):
            before = [self(argument, at - 1) for argument in expr.args]
            if None in (*now, *before):
                return None
            if expr.op == "crosses_above":
                return float(now[0] > now[1] and not before[0] > before[1])
            return float(now[0] < now[1] and not before[0] < before[1])
        if None in now:
            return None
        return float(PLAIN[expr.op](data, *now))


PLAIN = {
    "const": lambda data: data["value"],
    "level": lambda data: round(float(data["value"]) * 10**5),
    "pips": lambda data: data["value"] * 10,
    "add": lambda _, a, b: a + b,
    "sub": lambda _, a, b: a - b,
    "mul": lambda _, a, b: a * b,
    "neg": lambda _, a: -a,
    "abs": lambda _, a: abs(a),
    "min": lambda _, a, b: min(a, b),
    "max": lambda _, a, b: max(a, b),
    "lt": lambda _, a, b: a < b,
    "le": lambda _, a, b: a <= b,
    "gt": lambda _, a, b: a > b,
    "ge": lambda _, a, b: a >= b,
    "eq": lambda _, a, b: a == b,
    "ne": lambda _, a, b: a != b,
    "not": lambda _, a: not a,
}


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(expr=st.one_of(plain_numbers, plain_conditions), seed=st.integers(0, 2**32))
def test_expressions_mean_what_plain_python_makes_of_them(expr, seed):
    bars = made_up_bars(25, seed=seed)
    slow = Slow(bars)
    expected = [slow(expr, at) for at in range(len(bars))]
    found = ws.evaluate_expression(expr, columns(bars)).tolist()
    assert [None if math.isnan(item) else item for item in found] == expected


def test_prices_are_points_and_distances_follow_the_instrument():
    yen = instrument("USD_JPY")
    bars = columns(made_up_bars(3, seed=1, record=yen), yen)
    assert ws.evaluate_expression(ws.price("110.5"), bars).tolist() == [110_500.0] * 3
    assert ws.evaluate_expression(ws.pips(20), bars).tolist() == [200.0] * 3
    assert ws.evaluate_expression(ws.price(1.05), columns(made_up_bars(1, seed=1))).tolist() == [105_000.0]
    assert ws.evaluate_expression(bar.mid.close, bars)[0] == (bars.bid_close[0] + bars.ask_close[0]) / 2


def test_hours_follow_new_york_through_both_changes_of_the_clock():
    zone = ZoneInfo("America/New_York")
    for day in ("2026-03-07", "2026-10-31", "1999-04-03", "2026-12-31"):
        start = int(datetime.fromisoformat(f"{day}T00:00+00:00").timestamp()) * 10**9
        bars = columns(made_up_bars(72, seed=1, start=start))
        moments = [datetime.fromtimestamp(int(item) // 10**9, zone) for item in bars.open_ns]
        assert ws.evaluate_expression(bar.hour, bars).tolist() == [item.hour for item in moments]
        assert ws.evaluate_expression(bar.weekday, bars).tolist() == [item.weekday() for item in moments]


def test_an_unknown_condition_is_false_and_so_is_its_opposite():
    above = ws.sma(bar.mid.close, 5) > 0.0
    signals = ws.evaluate(
        ws.Rules(enter_long=above, enter_short=~above, exit_long=above | (bar.hour >= 0), size=ws.Units(1)),
        columns(made_up_bars(6, seed=1)),
    )
    assert signals.enter_long.tolist() == [False] * 4 + [True] * 2
    assert signals.enter_short.tolist() == [False] * 6
    assert signals.exit_long.tolist() == [True] * 6  # one side is known to be true


def test_bollinger_bands_in_rules_are_those_of_the_indicator():
    bars = columns(made_up_bars(60, seed=8))
    closes = ws.evaluate_expression(bar.mid.close, bars)
    for expr, expected in zip(ws.bollinger(bar.mid.close, 20), bollinger(closes, 20), strict=True):
        assert ws.evaluate_expression(expr, bars).tobytes() == expected.tobytes()


def test_equal_expressions_are_computed_once():
    def fast() -> ws.Expr:
        return ws.sma(bar.mid.close, 10)

    program = compile_program([fast() > fast().lag(1), fast() < fast().lag(1)], instrument=EUR_USD)
    assert program.nodes == 5  # the price, its mean, the lag and two comparisons


def test_warm_up_is_the_number_of_bars_until_all_is_known():
    cases = [
        (bar.mid.close, 1),
        (ws.sma(bar.mid.close, 10), 10),
        (ws.sma(bar.mid.close, 10).lag(3), 13),
        (ws.rsi(bar.mid.close, 14), 15),
        (ws.atr(bar, 14), 15),
        (ws.crosses_above(ws.ema(bar.mid.close, 5), bar.mid.close), 6),
        (ws.highest(ws.true_range(bar), 4), 5),
        (ws.predict(MODEL, [ws.stdev(bar.mid.close, 7), 1.0]), 7),
    ]
    bars = columns(made_up_bars(30, seed=3))
    for expr, expected in cases:
        entry = expr if expr.kind == "truth" else expr > 0.0
        assert ws.warm_up_bars(ws.Rules(enter_long=entry, size=ws.Units(1))) == expected
        assert int(np.isnan(ws.evaluate_expression(expr, bars)).sum()) == expected - 1


def test_a_model_is_not_asked_about_what_is_unknown():
    asked = []

    class Noting:
        feature_names = ("mean",)
        digest = "0" * 64

        def predict_one(self, row: np.ndarray) -> float:
            asked.append(row[0])
            return 2 * row[0]

    expr = ws.predict(Noting(), [ws.sma(bar.mid.close, 3)]) + 1.0
    bars = columns(made_up_bars(5, seed=1))
    found = ws.evaluate_expression(expr, bars)
    means = ws.evaluate_expression(ws.sma(bar.mid.close, 3), bars)
    assert asked == means[2:].tolist()
    assert found.tobytes() == (2 * means + 1).tobytes()


def test_a_bar_of_another_instrument_is_refused():
    stream = ws.ExprStream([bar.mid.close], instrument=EUR_USD)
    with pytest.raises(BadInputError, match="expected a bar of EUR_USD, found one of GBP_USD"):
        stream.update(made_up_bars(1, seed=1, record=instrument("GBP_USD"))[0])


def test_columns_of_different_length_are_refused():
    bars = columns(made_up_bars(3, seed=1))
    values = {name: getattr(bars, name) for name in bars.__dataclass_fields__}
    wrong = ws.BarArrays(**{**values, "ask_low": bars.ask_low[:2]})
    with pytest.raises(BadInputError, match="3 bars"):
        ws.evaluate_expression(bar.mid.close, wrong)
