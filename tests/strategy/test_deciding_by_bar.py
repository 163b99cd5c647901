"""What `decide_bar` makes of every kind of rules, and that `decide` is its special case."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.strategy.made_up import EUR_USD
from workbench import strategy as ws
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
    d.O_REDUCE_ONLY: "reduce_only", d.O_PRICE: "price", d.O_STOP_DISTANCE: "stop", d.O_TARGET_DISTANCE: "target",
    d.O_TRAILING_DISTANCE: "trail", d.O_STOP_PRICE: "stop_price", d.O_TARGET_PRICE: "target_price",
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
        target=bar.hour if target else None,
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
        brackets = {"stop": stop_points, "target": target_points}
        expected.append({"market": opened, **{name: item for name, item in brackets.items() if item}})
    assert found == expected
    assert desk.cancels == []
