"""What `decide_bar` makes of every kind of rules, and that `decide` is its special case."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.strategy.made_up import EUR_USD
from workbench import strategy as ws
from workbench.errors import BadInputError
from workbench.strategy import decision as d
from workbench.strategy.rules import FLAGS, NUMBERS

bar = ws.bar
yes = bar.hour >= 0
NAN, INF = float("nan"), float("inf")
BID, ASK = 110_000, 110_010


class Desk:
    """One instrument's decisions, bar after bar, with the orders by name."""

    def __init__(self, rules: ws.Rules) -> None:
        self.settings = ws.RuleSettings.of(rules, EUR_USD)
        self.memory = np.zeros(d.MEMORY_SIZE, np.int64)
        self.event = 0
        self.cancels: list[int] = []

    def decide(
        self, *flags: str, position: int = 0, equity: int = 10**11, rate: float = 1.0, **numbers: float
    ) -> list[dict[str, Any]]:
        rows = self.settings.rows
        values = np.full((max(rows) + 1, 1), NAN)
        for name, value in numbers.items():
            values[rows[NUMBERS.index(name)], 0] = value
        bits = sum(d.BIT[FLAGS.index(name)] for name in flags)
        orders = np.zeros((d.ORDER_ROWS, d.ORDER_SIZE), np.int64)
        cancels = np.zeros(d.CANCEL_ROWS, np.int64)
        self.event += 1
        count, dropped = ws.decide_bar(
            bits, values, 0, rows, self.settings.settings, self.settings.amounts, BID, ASK, position, equity,
            EUR_USD.micro_per_point, rate, 1, 1, self.memory, 1_000 * self.event, orders, cancels,
        )  # fmt: skip
        self.cancels = cancels[:dropped].tolist()
        return [described(row) for row in orders[:count].tolist()]


WORDS = {
    d.O_REDUCE_ONLY: "reduce_only", d.O_PRICE: "at", d.O_STOP_DISTANCE: "loss", d.O_TARGET_DISTANCE: "target",
    d.O_TRAILING_DISTANCE: "trail", d.O_STOP_PRICE: "loss_at", d.O_TARGET_PRICE: "target_at",
}  # fmt: skip
KINDS = ("market", "limit", "stop", "touch")


def described(row: list[int]) -> dict[str, Any]:
    return {
        KINDS[row[d.O_KIND]]: row[d.O_UNITS],
        **{word: row[place] for place, word in WORDS.items() if row[place]},
    }


def simple_rules(*, stop: bool, target: bool, size: Any) -> ws.Rules:
    return ws.Rules(
        enter_long=yes,
        enter_short=yes,
        exit_long=yes,
        exit_short=yes,
        stop=bar.hour if stop else None,
        target=bar.weekday if target else None,
        size=size,
    )


distances = st.one_of(
    st.sampled_from([NAN, INF, -INF, 0.0, 0.5, 0.500001, 1.0, 1.5, 2.5, -3.0, 1e15, 9e14]),
    st.floats(0.0, 5_000.0),
)
NAMES = ("enter_long", "enter_short", "exit_long", "exit_short")


@settings(max_examples=500, deadline=None)
@given(
    flags=st.tuples(*[st.booleans()] * 4),
    stop=distances,
    target=distances,
    has_stop=st.booleans(),
    has_target=st.booleans(),
    units=st.integers(1, 10**9),
    fraction=st.none() | st.floats(0.0001, 1.0),
    position=st.sampled_from([0, 1, -1, 5_000, -70_000]),
    equity=st.integers(-(10**9), 10**14),
)
def test_on_simple_rules_it_decides_what_decide_does(
    flags, stop, target, has_stop, has_target, units, fraction, position, equity
):
    at_risk = fraction is not None and has_stop
    size = ws.RiskFraction(fraction) if at_risk else ws.Units(units)
    kind, value = (ws.SIZE_RISK_FRACTION, fraction) if at_risk else (ws.SIZE_UNITS, float(units))
    close, opened, stop_points, target_points = ws.decide(
        *flags, stop, target, has_stop, has_target, kind, value, position, equity, 10, 1, 1
    )
    numbers = {"stop_long": stop, "stop_short": stop} if has_stop else {}
    numbers |= {"target_long": target, "target_short": target} if has_target else {}
    desk = Desk(simple_rules(stop=has_stop, target=has_target, size=size))
    found = desk.decide(
        *(name for name, flag in zip(NAMES, flags, strict=True) if flag),
        position=position,
        equity=equity,
        **numbers,
    )
    expected: list[dict[str, Any]] = []
    if close:
        expected.append({"market": -position, "reduce_only": 1})
    if opened:
        brackets = {"loss": stop_points, "target": target_points}
        expected.append({"market": opened, **{name: item for name, item in brackets.items() if item}})
    assert found == expected
    assert desk.cancels == []


# --- waiting entries ------------------------------------------------------------------------------------


def breakout(**more: Any) -> ws.Rules:
    return ws.Rules(
        enter_long=yes,
        enter_short=yes,
        exit_long=yes,
        exit_short=yes,
        entry=ws.BySide(long=ws.StopAt(bar.mid.high), short=ws.StopAt(bar.mid.low)),
        stop=ws.BySide(long=bar.hour, short=bar.weekday),
        size=ws.Units(1_000),
        **more,
    )


LONG = {"entry_long": 110_050.4, "stop_long": 20.0}
SHORT = {"entry_short": 109_950.0, "stop_short": 30.0}
BUY = {"stop": 1_000, "at": 110_050, "loss": 20}
SELL = {"stop": -1_000, "at": 109_950, "loss": 30}


def test_an_entry_at_a_level_waits_and_is_withdrawn_when_it_expires():
    desk = Desk(breakout(expires_bars=2))
    assert desk.decide("enter_long", **LONG) == [BUY]
    assert (desk.decide(), desk.cancels) == ([], [])
    assert (desk.decide(), desk.cancels) == ([], [1_000])
    assert (desk.decide(), desk.cancels) == ([], [])


def test_an_entry_that_never_expires_waits_until_a_signal_replaces_it():
    desk = Desk(breakout(expires_bars=0))
    desk.decide("enter_long", **LONG)
    for _ in range(50):
        assert (desk.decide(), desk.cancels) == ([], [])
    assert desk.decide("enter_long", **LONG) == [BUY]
    assert desk.cancels == [1_000]


def test_both_sides_may_wait_and_the_one_that_fills_withdraws_the_other():
    desk = Desk(breakout(expires_bars=9))
    assert desk.decide("enter_long", "enter_short", **LONG, **SHORT) == [BUY, SELL]
    assert desk.decide(position=1_000) == []
    assert desk.cancels == [1_000, 1_001]  # the first has filled: withdrawing it does nothing


def test_two_market_entries_at_once_are_none_even_when_one_side_waits():
    rules = ws.Rules(
        enter_long=yes, enter_short=yes, entry=ws.BySide(long=ws.LimitAt(bar.mid.low)), size=ws.Units(1)
    )
    assert Desk(rules).decide("enter_long", "enter_short", entry_long=109_000.0) == []
    assert Desk(rules).decide("enter_long", entry_long=109_000.0) == [{"limit": 1, "at": 109_000}]
    assert Desk(rules).decide("enter_short") == [{"market": -1}]


def test_a_waiting_entry_against_the_position_closes_it_first_at_the_same_level():
    desk = Desk(breakout(expires_bars=5))
    close = {"stop": -400, "at": 109_950, "reduce_only": 1}
    assert desk.decide("enter_short", position=400, **SHORT) == [close, SELL]
    assert (desk.decide(position=400), desk.cancels) == ([], [])
    assert (desk.decide(position=0), desk.cancels) == ([], [1_001, 1_000])  # stopped out: decided anew


def test_an_exit_withdraws_a_waiting_entry_of_its_side():
    desk = Desk(breakout(expires_bars=0))
    desk.decide("enter_long", "enter_short", **LONG, **SHORT)
    assert (desk.decide("exit_long"), desk.cancels) == ([], [1_000])
    assert (desk.decide("exit_long"), desk.cancels) == ([], [])
    assert (desk.decide("exit_short"), desk.cancels) == ([], [1_001])


def test_an_entry_without_a_level_or_a_stop_is_none():
    for numbers in ({**LONG, "entry_long": NAN}, {**LONG, "entry_long": -5.0}, {**LONG, "stop_long": INF}):
        assert Desk(breakout()).decide("enter_long", **numbers) == []


# --- stops, time, adding and reducing -------------------------------------------------------------------


def test_a_stop_at_a_level_must_lie_on_its_own_side():
    rules = ws.Rules(
        enter_long=yes,
        enter_short=yes,
        stop=ws.Level(bar.mid.low),
        target=ws.Level(bar.mid.high),
        trail=bar.hour,
        size=ws.RiskFraction(0.01),
    )
    numbers = {"stop_long": 109_910.0, "target_long": 110_500.0, "trail_long": 15.0}
    (order,) = Desk(rules).decide("enter_long", **numbers)  # 100 points below the ask: 1 % of 100,000 / 0.001
    assert order == {"market": 1_000_000, "loss_at": 109_910, "target_at": 110_500, "trail": 15}
    assert Desk(rules).decide("enter_long", **{**numbers, "stop_long": 110_010.0}) == []
    assert Desk(rules).decide("enter_long", **{**numbers, "target_long": 110_010.0}) == []
    short = {"stop_short": 110_100.0, "target_short": 109_000.0, "trail_short": 15.0}
    (order,) = Desk(rules).decide("enter_short", **short)  # from the bid
    assert order == {"market": -1_000_000, "loss_at": 110_100, "target_at": 109_000, "trail": 15}


def test_long_and_short_may_have_stops_of_their_own():
    rules = ws.Rules(
        enter_long=yes, enter_short=yes, stop=ws.BySide(long=bar.hour, short=None), size=ws.Units(5)
    )
    assert Desk(rules).decide("enter_long", stop_long=10.0) == [{"market": 5, "loss": 10}]
    assert Desk(rules).decide("enter_short") == [{"market": -5}]


def test_a_position_is_closed_after_so_many_bars_whatever_else_says():
    desk = Desk(ws.Rules(enter_long=yes, max_bars=3, size=ws.Units(100)))
    assert desk.decide("enter_long") == [{"market": 100}]
    assert desk.decide("enter_long", position=100) == []
    assert desk.decide(position=100) == []
    assert desk.decide("enter_long", position=100) == [{"market": -100, "reduce_only": 1}]
    assert desk.decide("enter_long", position=0) == [{"market": 100}]
    assert desk.decide(position=100) == []  # counted anew


def test_adding_is_limited_and_counts_anew_for_the_next_position():
    rules = ws.Rules(
        enter_long=yes, add_long=yes, max_adds=2, add_size=ws.Lots("0.01"), stop=bar.hour, size=ws.Units(100)
    )
    desk, stop = Desk(rules), {"stop_long": 10.0}
    assert desk.decide("add_long", **stop) == []
    assert desk.decide("enter_long", **stop) == [{"market": 100, "loss": 10}]
    assert desk.decide("enter_long", "add_long", position=100, **stop) == [{"market": 1_000, "loss": 10}]
    assert desk.decide("add_long", position=1_100, stop_long=NAN) == []
    assert desk.decide("add_long", position=1_100, **stop) == [{"market": 1_000, "loss": 10}]
    assert desk.decide("add_long", position=2_100, **stop) == []
    assert desk.decide(position=0) == []
    assert desk.decide("add_long", position=100, **stop) == [{"market": 1_000, "loss": 10}]


def test_a_part_of_the_position_is_closed_once_and_an_exit_goes_before():
    rules = ws.Rules(enter_long=yes, exit_long=yes, reduce=(yes, 0.5), size=ws.Units(7))
    desk = Desk(rules)
    assert desk.decide("reduce_long", position=7) == [{"market": -3, "reduce_only": 1}]
    assert desk.decide("reduce_long", position=4) == []
    assert desk.decide("reduce_short", position=4) == []
    assert Desk(rules).decide("reduce_long", "exit_long", position=7) == [{"market": -7, "reduce_only": 1}]
    assert Desk(rules).decide("reduce_short", position=-7) == [{"market": 3, "reduce_only": 1}]


def test_rebalancing_brings_the_position_to_the_size_of_an_entry():
    rules = ws.Rules(
        enter_long=yes, rebalance=yes, rebalance_band=0.1, size=ws.EquityFraction(0.5)
    )  # half of 100,000 at 1.10005
    wanted = 45_452
    assert Desk(rules).decide("rebalance") == []
    assert Desk(rules).decide("rebalance", position=40_000) == [{"market": wanted - 40_000}]
    assert Desk(rules).decide("rebalance", position=45_000) == []
    assert Desk(rules).decide("rebalance", position=60_000) == [{"market": wanted - 60_000, "reduce_only": 1}]
    assert Desk(rules).decide("rebalance", position=-60_000) == [
        {"market": 60_000 - wanted, "reduce_only": 1}
    ]


# --- sizes ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("size", "numbers", "rate", "units"),
    [
        (ws.Units(1_234), {}, 1.0, 1_234),
        (ws.Lots("0.015"), {}, 1.0, 1_500),
        (ws.Cash("11000.50"), {}, 1.0, 10_000),  # at 1.10005
        (
            ws.Cash("11000.50"),
            {},
            0.5,
            20_000,
        ),  # a unit of the quote currency is half a unit of the account's
        (ws.EquityFraction(2.0), {}, 1.0, 181_809),
        (ws.RiskFraction(0.01), {"stop_long": 100.0}, 1.0, 1_000_000),
        (ws.RiskFraction(0.01), {"stop_long": 100.0}, 2.0, 500_000),
        (ws.VolatilityTarget(0.1, volatility=bar.hour), {"volatility": 0.08}, 1.0, 113_631),
        (ws.VolatilityTarget(0.1, volatility=bar.hour), {"volatility": 0.0}, 1.0, 0),
        (ws.VolatilityTarget(0.1, volatility=bar.hour), {"volatility": NAN}, 1.0, 0),
        (ws.EquityFraction(2.0), {}, NAN, 0),  # the conversion is not known yet
        (ws.Units(1_234), {}, NAN, 1_234),
    ],
)
def test_sizes(size, numbers, rate, units):
    stop = bar.hour if numbers.get("stop_long") else None
    found = Desk(ws.Rules(enter_long=yes, stop=stop, size=size)).decide("enter_long", rate=rate, **numbers)
    assert sum(order["market"] for order in found) == units


def test_a_volatility_target_measures_daily_returns_by_itself():
    rules = ws.Rules(enter_long=yes, size=ws.VolatilityTarget(0.1, lookback=20))
    assert repr(rules.columns()["volatility"]) == (
        'stdev(log(bar.timeframe("D1").mid.close / bar.timeframe("D1").mid.close.lag(1)), 20) * '
        "16.1245154965971"
    )  # the square root of 260 days


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (lambda: ws.Lots(0), "Lots: expected an amount above 0"),
        (lambda: ws.Cash("much"), "Cash: expected an amount above 0"),
        (lambda: ws.EquityFraction(-1), "EquityFraction: expected a fraction above 0"),
        (lambda: ws.VolatilityTarget(0.1), "either lookback= or volatility="),
        (lambda: ws.VolatilityTarget(0.1, lookback=1), "2 bars or more"),
        (lambda: ws.VolatilityTarget(0.1, volatility=yes), "an expression of a fraction a year"),
        (lambda: ws.LimitAt(yes), "LimitAt: expected a price level"),
        (lambda: ws.StopAt(-1), "StopAt: expected a price level above 0"),
        (lambda: ws.Reduce(yes, 1.5), "Reduce: expected a fraction"),
        (lambda: ws.Reduce(bar.hour, 0.5), "Reduce: expected a condition"),
        (lambda: ws.Rules(enter_long=yes, size=ws.Units(1), max_bars=0), "max_bars: expected a whole number"),
        (lambda: ws.Rules(enter_long=yes, size=ws.Units(1), entry=5), "entry: expected AtMarket"),
        (lambda: ws.Rules(enter_long=yes, size=ws.Units(1), trail=ws.Level(5)), "trail"),
        (
            lambda: ws.Rules(enter_long=yes, size=ws.Units(1), add_size=ws.Units(1)),
            "add_size: expected add_long",
        ),
        (lambda: ws.Rules(enter_long=yes, size=ws.Units(1), reduce=(yes,)), "condition, fraction"),
        (lambda: ws.Rules(enter_long=yes, size=ws.Units(1), rebalance_band=-1), "rebalance_band"),
        (
            lambda: ws.Rules(enter_long=yes, stop=ws.BySide(short=5.0), size=ws.RiskFraction(0.1)),
            "RiskFraction needs a stop",
        ),
    ],
)
def test_rules_that_make_no_sense_are_refused(write, message):
    with pytest.raises(BadInputError, match=message):
        write()
