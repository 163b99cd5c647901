"""How strategies are written, checked, stored and read back."""

import json
import math
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.strategy.made_up import FUNCTIONS, MODEL, conditions, numbers, rules
from workbench import strategy as ws
from workbench.errors import BadInputError

bar = ws.bar
relaxed = settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])


class SmaCross(ws.Strategy):
    fast = ws.Param(10, low=2, high=200)
    slow = ws.Param(50, low=5, high=400, step=5)
    risk = ws.Param(0.01, low=0.001, high=0.1)
    both = ws.Param(True)
    side = ws.Param("mid", choices=("bid", "ask", "mid"))

    def rules(self, bar: ws.BarExpr) -> ws.Rules:
        close = getattr(bar, self.side).close
        fast, slow = ws.sma(close, self.fast), ws.sma(close, self.slow)
        return ws.Rules(
            enter_long=ws.crosses_above(fast, slow),
            enter_short=ws.crosses_below(fast, slow) if self.both else None,
            stop=2.0 * ws.atr(bar, 14),
            size=ws.RiskFraction(self.risk),
        )


class Breakout(ws.Strategy):
    units = ws.Param(1_000, low=1)

    def on_bar(self, market: ws.MarketView, account: ws.AccountView) -> None:
        if market.bar.bid_close > market.bar.bid_open:
            account.buy(self.units)


# --- parameters ---------------------------------------------------------------------------------------


def test_parameters_read_as_their_values():
    strategy = SmaCross(fast=12, risk=np.float64(0.02), slow=np.int64(60))
    assert (strategy.fast, strategy.slow, strategy.risk, strategy.both) == (12, 60, 0.02, True)
    assert strategy.params == {"fast": 12, "slow": 60, "risk": 0.02, "both": True, "side": "mid"}
    assert type(strategy.slow) is int
    assert SmaCross().fast == 10
    assert strategy.fresh().params == strategy.params
    assert repr(Breakout(units=7)) == "Breakout(units=7)"


def test_a_whole_number_is_a_number():
    assert SmaCross(risk=np.float32(0.0625)).risk == 0.0625
    assert isinstance(type("S", (ws.Strategy,), {"x": ws.Param(1.5)})(x=2).x, float)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"fast": 1}, r"fast: expected a whole number from 2 to 200, found 1$"),
        ({"fast": 201}, r"fast: expected a whole number from 2 to 200, found 201"),
        ({"fast": 10.0}, r"fast: expected a whole number from 2 to 200, found 10\.0"),
        ({"fast": "10"}, r"fast: .* found '10'"),
        ({"fast": True}, r"fast: .* found True"),
        ({"fast": None}, r"fast: .* found None"),
        ({"risk": math.nan}, r"risk: expected a number from 0\.001 to 0\.1, found nan"),
        ({"risk": "0.01"}, r"risk: .* found '0\.01'"),
        ({"both": 1}, r"both: expected True or False, found 1"),
        ({"side": "last"}, r"side: expected one of 'bid', 'ask', 'mid', found 'last'"),
        ({"fats": 10}, r"SmaCross: unknown parameter 'fats'; it has fast, slow, risk, both, side"),
        ({"fast lane": 10}, r"Python identifier, found 'fast lane'"),
        ({"class": 10}, r"Python identifier, found 'class'"),
        ({"fast=1;import os": 10}, r"Python identifier"),
    ],
)
def test_a_parameter_that_can_not_be_is_refused_by_name_range_and_value(params, message):
    with pytest.raises(BadInputError, match=message):
        SmaCross(**params)


def test_a_parameter_can_not_be_changed_afterwards():
    with pytest.raises(AttributeError, match="make a new strategy with fast=3"):
        SmaCross().fast = 3


@pytest.mark.parametrize(
    "declare",
    [
        lambda: ws.Param(1, low=2),
        lambda: ws.Param([1]),
        lambda: ws.Param("a", low="a"),
        lambda: type("S", (ws.Strategy,), {"params": ws.Param(1)}),
        lambda: type("S", (ws.Strategy,), {"_hidden": ws.Param(1)}),
    ],
)
def test_a_declaration_that_can_not_be_is_refused(declare):
    with pytest.raises(BadInputError):
        declare()


def test_a_subclass_inherits_parameters_and_may_replace_them():
    class Narrow(SmaCross):
        fast = ws.Param(5, low=2, high=9)
        both = False

    assert list(Narrow.parameters) == ["fast", "slow", "risk", "side"]
    assert Narrow().traced().enter_short is None
    with pytest.raises(BadInputError, match="from 2 to 9"):
        Narrow(fast=10)


# --- what can not be written --------------------------------------------------------------------------


@pytest.mark.parametrize("bars", [0, -1, 1.0, True, None])
def test_looking_ahead_can_not_be_written(bars):
    with pytest.raises(BadInputError, match="the future can not be read"):
        bar.mid.close.lag(bars)


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (lambda: bar.mid.close > 1 and bar.mid.close < 2, "combine with & | ~"),
        (lambda: 1 < bar.mid.close < 2, "do not chain"),
        (lambda: bar.mid.close & bar.hour, "expected a condition"),
        (lambda: (bar.hour > 1) + 1, "found the condition"),
        (lambda: ~bar.hour, "expected a condition"),
        (lambda: bar.mid.close > "1.05", "expected an expression or a number"),
        (lambda: bar.mid.close + math.inf, "finite number"),
        (lambda: bar.mid.close + True, "expected an expression or a number"),
        (lambda: ws.sma(bar.mid.close, 0), "sma lookback"),
        (lambda: ws.sma("close", 5), "sma: expected an expression"),
        (lambda: ws.stdev(bar.mid.close, 1), "from 2 to"),
        (lambda: ws.ema(bar.mid.close, 5, seed="zero"), "'mean' or 'first'"),
        (lambda: ws.atr(bar.mid.close, 14), "expected bar, bar.bid, bar.ask or bar.mid"),
        (lambda: ws.price("abc"), "a price above 0"),
        (lambda: ws.price(-1), "a price above 0"),
        (lambda: ws.pips("x"), "pips"),
        (lambda: ws.pips(bar.hour), "multiply pips"),
        (lambda: ws.predict(MODEL, [bar.hour]), r"a list of 2 \(one, two\), found 1"),
        (lambda: ws.predict(MODEL, bar.hour), "a list of 2"),
        (lambda: ws.predict(object(), [bar.hour]), "feature_names, digest and predict_one"),
        (lambda: ws.Rules(size=ws.Units(1)), "enter_long or enter_short, found neither"),
        (lambda: ws.Rules(enter_long=bar.hour, size=ws.Units(1)), "enter_long: expected a condition"),
        (lambda: ws.Rules(enter_long=bar.hour > 1, size=10), "size: expected Units"),
        (lambda: ws.Rules(enter_long=bar.hour > 1, size=ws.RiskFraction(0.1)), "needs a stop"),
        (
            lambda: ws.Rules(enter_long=bar.hour > 1, stop=0, size=ws.Units(1)),
            "stop: expected a distance above",
        ),
        (
            lambda: ws.Rules(enter_long=bar.hour > 1, target=bar.hour > 1, size=ws.Units(1)),
            "target: expected a",
        ),
        (lambda: ws.Units(0), "Units: expected a whole number from 1"),
        (lambda: ws.Units(1.5), "Units"),
        (lambda: ws.RiskFraction(0), "a fraction above 0 and up to 1"),
        (lambda: ws.RiskFraction(1.01), "a fraction above 0 and up to 1"),
    ],
)
def test_a_rule_that_makes_no_sense_is_refused_where_it_is_written(write, message):
    with pytest.raises(BadInputError, match=message):
        write()


def test_a_strategy_is_written_one_way_or_the_other():
    with pytest.raises(BadInputError, match="found neither"):
        type("Empty", (ws.Strategy,), {})().form  # noqa: B018
    both = {"rules": SmaCross.rules, "on_bar": Breakout.on_bar}
    with pytest.raises(BadInputError, match="found both"):
        type("Both", (ws.Strategy,), both)().form  # noqa: B018
    with pytest.raises(BadInputError, match="has no rules"):
        Breakout().traced()
    with pytest.raises(BadInputError, match=r"expected Rules\(\.\.\.\) to be returned, found None"):
        type("Nothing", (ws.Strategy,), {"rules": lambda self, bar: None})().traced()


# --- text and JSON ------------------------------------------------------------------------------------

NAMES = {
    name: getattr(ws, name)
    for name in (
        *("bar", "sma", "wma", "ema", "rsi", "stdev", "highest", "lowest", "atr", "true_range", "minimum"),
        *("maximum", "crosses_above", "crosses_below", "price", "pips", "in_session", "is_known", "log"),
        *("sqrt", "sign", "where", "value_when", "bars_since", "count_true", "rolling_sum", "rolling_rank"),
        *("rolling_quantile",),
    )
} | {item.__name__: item for item in FUNCTIONS.values()}


def calculates_constants(expr: ws.Expr) -> bool:
    """Whether Python would work a part out itself, or turn ``0 < x`` round to ``x > 0``."""
    constant = [item.op == "const" for item in expr.args]
    if (constant and all(constant)) or (expr.op in ("lt", "le", "gt", "ge", "eq", "ne") and constant[0]):
        return True
    return any(calculates_constants(item) for item in expr.args)


@settings(relaxed, suppress_health_check=list(HealthCheck))
@given(expr=st.one_of(numbers, conditions).filter(lambda item: not calculates_constants(item)))
def test_the_text_of_an_expression_is_code_that_makes_it(expr):
    def predict(_, features: list) -> ws.Expr:
        return ws.predict(MODEL, features)

    text = ws.to_text(expr)
    again = eval(text, {**NAMES, "predict": predict, MODEL.digest[:12]: MODEL})
    again = ws.maximum(again, again).args[0] if isinstance(again, int | float) else again
    assert again.key == expr.key


def test_the_text_of_rules_reads_like_their_code():
    close = bar.mid.close
    rules = ws.Rules(
        enter_long=(close - ws.sma(close, 20) > 2 * ws.atr(bar, 14)) & ~(bar.hour == 16),
        stop=ws.pips(20),
        size=ws.Units(1_000),
    )
    assert repr(rules) == (
        "Rules(enter_long=(bar.mid.close - sma(bar.mid.close, 20) > 2 * atr(bar, 14)) & ~(bar.hour == 16), "
        "stop=pips(20), size=Units(1000))"
    )


@relaxed
@given(expr=st.one_of(numbers, conditions))
def test_an_expression_read_back_from_json_is_the_same(expr):
    text = json.dumps(ws.expression_to_json(expr), allow_nan=False)
    again = ws.expression_from_json(json.loads(text), models={MODEL.digest: MODEL}, functions=FUNCTIONS)
    assert again.key == expr.key
    assert again.kind == expr.kind


@relaxed
@given(given_rules=rules())
def test_rules_read_back_from_json_are_the_same(given_rules):
    value = json.loads(json.dumps(ws.rules_to_json(given_rules)))
    again = ws.rules_from_json(value, models={MODEL.digest: MODEL}, functions=FUNCTIONS)
    assert ws.rules_to_json(again) == ws.rules_to_json(given_rules)


PRICE = {"op": "price", "side": "mid", "field": "close"}


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("close", 'an object with "op"'),
        ({"op": "exec", "of": []}, "unknown operation 'exec'; known: abs, "),
        ({"op": "sma", "of": [PRICE]}, "sma: expected 1 operands and n, found 1 and no settings"),
        ({"op": "sma", "of": [PRICE], "n": 5, "m": 1}, "found 1 and m, n"),
        ({"op": "sma", "of": [PRICE], "n": -5}, "sma lookback"),
        ({"op": "lag", "of": [PRICE], "n": -1}, "the future can not be read"),
        ({"op": "add", "of": [PRICE]}, "add: expected 2 operands"),
        ({"op": "add", "of": PRICE}, 'a list in "of"'),
        ({"op": "price", "side": "last", "field": "close"}, "price side: expected one of bid, ask, mid"),
        ({"op": "price", "side": "bid", "field": "__class__"}, "price field: expected one of open"),
        ({"op": "predict", "of": [1, 2], "model": "beef", "features": ["a", "b"]}, "'beef' is not at hand"),
        ({"op": "predict", "of": [1, 2], "model": ["beef"], "features": ["a", "b"]}, "is not at hand"),
        (
            {"op": "predict", "of": [1, 2], "model": MODEL.digest, "features": ["a"]},
            "takes the features one, two",
        ),
        (
            {"op": "predict", "of": [1, 2], "model": MODEL.digest},
            "predict: expected model and features, found mod",
        ),
        ({"op": "level", "value": "-1"}, "a price above 0"),
        (True, 'an object with "op"'),
    ],
)
def test_json_that_is_no_expression_is_refused(value, message):
    with pytest.raises(BadInputError, match=message):
        ws.expression_from_json(value, models={MODEL.digest: MODEL}, functions=FUNCTIONS)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([], "expected an object"),
        ({"enter": 1, "size": {"units": 1}}, "unknown enter; known: enter_long"),
        ({"enter_long": {"op": "gt", "of": [PRICE, 1]}}, "rules size: expected"),
        ({"enter_long": {"op": "gt", "of": [PRICE, 1]}, "size": {"units": 1.5}}, "Units: expected"),
        (
            {"enter_long": {"op": "gt", "of": [PRICE, 1]}, "size": {"risk_fraction": "1"}},
            "rules size risk_fraction: expected a number",
        ),
        ({"enter_long": PRICE, "size": {"units": 1}}, "enter_long: expected a condition"),
    ],
)
def test_json_that_is_no_rules_is_refused(value, message):
    with pytest.raises(BadInputError, match=message):
        ws.rules_from_json(value)


def test_rules_nested_without_end_are_refused():
    value: object = PRICE
    for _ in range(500):
        value = {"op": "neg", "of": [value]}
    with pytest.raises(BadInputError, match="nested at most 200 deep"):
        ws.expression_from_json(value, models={MODEL.digest: MODEL}, functions=FUNCTIONS)


def test_an_expression_shared_by_doubling_stays_small_to_compute():
    expr = bar.mid.close
    for _ in range(150):
        expr = expr + expr
    rules = ws.Rules(enter_long=expr > 0.0, size=ws.Units(1))
    assert ws.warm_up_bars(rules) == 1
    assert len(repr(expr)) < 30_000


# --- what identifies a strategy -----------------------------------------------------------------------


def test_a_spec_is_plain_json_and_makes_the_strategy_again():
    one = ws.spec(SmaCross(fast=12))
    again = ws.strategy_from_spec(json.loads(json.dumps(one)))
    assert ws.spec(again) == one
    assert (again.name, again.params["fast"], again.form) == ("SmaCross", 12, "rules")
    assert ws.spec(again.fresh()) == one


def test_the_digest_changes_with_a_parameter_and_with_a_rule():
    class Other(SmaCross):
        def rules(self, bar: ws.BarExpr) -> ws.Rules:
            rules = super().rules(bar)
            return ws.Rules(enter_long=rules.enter_long, stop=rules.stop, size=rules.size)

    Other.__name__ = "SmaCross"
    digests = {ws.spec(item)["digest"] for item in (SmaCross(), SmaCross(fast=11), Other())}
    assert len(digests) == 3
    assert ws.spec(SmaCross())["digest"] == ws.spec(SmaCross(fast=10))["digest"]


def test_a_spec_that_was_changed_is_refused():
    value = ws.spec(SmaCross())
    value["params"]["fast"] = 11
    with pytest.raises(BadInputError, match="does not match its digest"):
        ws.strategy_from_spec(value)
    with pytest.raises(BadInputError, match="with rules"):
        ws.strategy_from_spec(ws.spec(Breakout()))


def test_an_on_bar_strategy_is_identified_by_its_source():
    value = ws.spec(Breakout())
    assert (value["form"], len(value["source_sha256"]), "rules" in value) == ("on_bar", 64, False)
    names: dict = {"Strategy": ws.Strategy, "__name__": "nowhere"}
    exec("class Hidden(Strategy):\n    def on_bar(self, market, account):\n        pass", names)
    with pytest.raises(BadInputError, match="Hidden: its source can not be found"):
        ws.spec(names["Hidden"]())


def test_a_model_in_the_rules_is_part_of_the_digest_and_is_needed_to_read_them():
    rules = ws.Rules(enter_long=ws.predict(MODEL, [bar.hour, 1]) > 0.5, size=ws.Units(1))
    value = ws.spec(ws.RulesStrategy("Model", rules))
    assert MODEL.digest in json.dumps(value)
    with pytest.raises(BadInputError, match="is not at hand"):
        ws.strategy_from_spec(value)
    assert ws.spec(ws.strategy_from_spec(value, models={MODEL.digest: MODEL}, functions=FUNCTIONS)) == value


def test_price_levels_keep_their_decimals():
    assert ws.price(1.1).key == ws.price("1.1").key == ws.price(Decimal("1.1")).key


class Bands(ws.Strategy):
    def rules(self, bar: ws.BarExpr) -> ws.Rules:
        close = bar.bid.close
        return ws.Rules(
            enter_long=(close < ws.lowest(bar.bid.low, 20).lag(1)) & (bar.hour >= 8),
            exit_long=ws.rsi(close, 14) > 70,
            stop=ws.pips(20),
            target=ws.pips(40),
            size=ws.Units(1000),
        )


def test_rules_of_the_first_format_keep_their_digest():
    """Digests that an earlier version of the workbench wrote; releases name them."""
    assert ws.spec(SmaCross())["format"] == 1
    assert ws.spec(SmaCross())["digest"] == "ba0774df87c2a23a1427ca0d986fedf8eab33d5e241ae91363d4d1ede58841a2"
    assert ws.spec(Bands())["digest"] == "4d0b0822c01a180ba71ef05e4aeaced3d6b1c12eee18177f9aa3759621d94538"


def test_rules_that_say_more_are_of_the_second_format_and_come_back():
    class Late(Bands):
        def rules(self, bar: ws.BarExpr) -> ws.Rules:
            return ws.Rules(
                enter_long=bar.timeframe("D1").mid.close > bar.mid.close, max_bars=5, size=ws.Lots("0.1")
            )

    value = ws.spec(Late())
    again = ws.strategy_from_spec(json.loads(json.dumps(value)))
    assert (value["format"], ws.spec(again)) == (2, value)
    with pytest.raises(BadInputError, match="of format 1 or 2 with rules"):
        ws.strategy_from_spec({**value, "format": 3})


# --- grids ----------------------------------------------------------------------------------------------


class Tuned(ws.Strategy):
    fast = ws.Param(10, low=2, high=20, step=4)
    slow = ws.Param(50, low=10, high=400)
    width = ws.Param(0.3, low=0.1, high=0.5, step=0.1)
    share = ws.Param(0.5, low=0.0, high=1.0)
    both = ws.Param(True)
    side = ws.Param("mid", choices=("bid", "ask", "mid"))
    free = ws.Param(1.0)


def test_a_grid_is_what_a_sweep_tries():
    grid = {name: item.grid for name, item in Tuned.parameters.items()}
    assert grid["fast"]() == [2, 6, 10, 14, 18]
    assert grid["fast"](3) == [2, 10, 18]
    assert grid["width"]() == [0.1, 0.2, 0.3, 0.4, 0.5]
    assert grid["slow"](5) == [10, 108, 205, 302, 400]
    assert grid["share"](5) == [0.0, 0.25, 0.5, 0.75, 1.0]
    assert (grid["both"](), grid["side"]()) == ([False, True], ["bid", "ask", "mid"])
    assert all(Tuned(**{name: value}) for name in ("fast", "slow", "width") for value in grid[name](4))


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (lambda: Tuned(fast=11), r"fast: expected a whole number from 2 to 20 in steps of 4, found 11"),
        (
            lambda: Tuned(width=0.25),
            r"width: expected a number from 0\.1 to 0\.5 in steps of 0\.1, found 0\.25",
        ),
        (
            lambda: Tuned.parameters["share"].grid(),
            r"share\.grid: expected a step= to be declared, or a count",
        ),
        (lambda: Tuned.parameters["free"].grid(3), r"free\.grid: expected low= and high= or choices="),
        (lambda: Tuned.parameters["fast"].grid(1), r"fast\.grid: expected a count of 2 or more"),
        (lambda: ws.Param(1, step=0), "a step above 0"),
        (lambda: ws.Param(1, low=0.5), "bounds that are a whole number"),
        (lambda: ws.Param(True, choices=(True,)), "no other choices"),
        (lambda: ws.Param("a", choices=()), "one or more choices"),
        (lambda: ws.Param("a", choices=("a", "a")), "different choices"),
        (lambda: ws.Param(1, low=0, high=10**9).grid(), "at most 100,000 values"),
    ],
)
def test_a_value_off_the_grid_and_a_grid_without_end_are_refused(act, message):
    with pytest.raises(BadInputError, match=message):
        act()


def test_rules_are_shown_as_text_as_their_expressions_are() -> None:
    rules = ws.Rules(enter_long=ws.bar.mid.close > 1, size=ws.Units(5))
    assert ws.to_text(rules) == repr(rules) == "Rules(enter_long=bar.mid.close > 1, size=Units(5))"
