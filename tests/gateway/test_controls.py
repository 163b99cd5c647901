"""Controls: each at its limit, one below and one above; each denial says which, its limit and what it saw."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.gateway.bench import BALANCE, NO_LIMITS, START, WIDE, buy
from workbench.domain.instruments import instrument
from workbench.domain.limits import Limits
from workbench.domain.orders import OrderKind
from workbench.gateway.controls import MOST_POINTS, MOST_UNITS, Denial, Exposure, check_order

FLAT = Exposure(
    instrument=instrument("EUR_USD"),
    margin_rate_ppm=33_333,
    bid=118_000,
    ask=118_013,
    equity=BALANCE,
    day_start_equity=BALANCE,
    position=0,
    waiting=(),
    orders_last_minute=0,
    killed="",
    layers=NO_LIMITS.layers(account="paper-1", deployment="d-1", instrument="EUR_USD"),
    time_ns=START,
    currency="USD",
)


def _control(order: Any, *, limits: Limits = WIDE, **exposure: Any) -> str:
    denial = check_order(order, limits=limits, exposure=replace(FLAT, **exposure))
    return denial.control if denial else ""


@pytest.mark.parametrize(("beyond", "control"), [(-1, ""), (0, ""), (1, "R04")])
def test_r04_order_units(beyond: int, control: str) -> None:
    limits = replace(WIDE, max_order_units=10_000)
    assert _control(buy(10_000 + beyond), limits=limits) == control
    assert _control(buy(-10_000 - beyond), limits=limits) == control


@pytest.mark.parametrize(("beyond", "control"), [(-1, "R03"), (0, ""), (1, "")])
def test_r03_order_value(beyond: int, control: str) -> None:
    # 10,000 euros at 1.18013 dollars to buy, at 1.18000 to sell
    assert _control(buy(10_000), limits=replace(WIDE, max_order_value=11_801_300_000 + beyond)) == control
    assert _control(buy(-10_000), limits=replace(WIDE, max_order_value=11_800_000_000 + beyond)) == control


@pytest.mark.parametrize(("beyond", "control"), [(-1, ""), (0, ""), (1, "R05")])
def test_r05_orders_a_minute(beyond: int, control: str) -> None:
    limits = replace(WIDE, max_orders_per_minute=5)
    assert _control(buy(1), limits=limits, orders_last_minute=4 + beyond) == control


@pytest.mark.parametrize(("beyond", "control"), [(-1, ""), (0, ""), (1, "R08")])
def test_r08_open_orders(beyond: int, control: str) -> None:
    limits = replace(WIDE, max_open_orders=5)
    waiting = tuple(buy(1, f"w-{n}") for n in range(4 + beyond))
    assert _control(buy(1), limits=limits, waiting=waiting) == control


@pytest.mark.parametrize(("beyond", "control"), [(-1, ""), (0, ""), (1, "R09")])
def test_r09_position_with_what_waits(beyond: int, control: str) -> None:
    limits = replace(WIDE, max_position_units=10_000)
    waiting = (buy(3_000, "w"), buy(-9_000, "v"))
    assert _control(buy(5_000 + beyond), limits=limits, position=2_000, waiting=waiting) == control
    waiting = (buy(-3_000, "w"), buy(9_000, "v"))
    assert _control(buy(-5_000 - beyond), limits=limits, position=-2_000, waiting=waiting) == control


def test_r09_lets_a_position_be_turned_round_within_its_limit() -> None:
    limits = replace(WIDE, max_position_units=10_000)
    closing = buy(-10_000, "close", reduce_only=True)
    assert _control(buy(-10_000), limits=limits, position=10_000, waiting=(closing,)) == ""
    assert _control(buy(-10_001), limits=limits, position=10_000, waiting=(closing,)) == "R09"


@pytest.mark.parametrize(("beyond", "control"), [(-1, ""), (0, ""), (1, "R11")])
def test_r11_margin_use(beyond: int, control: str) -> None:
    # 10,000 units at 1.18013 and 3.3333 %: 393.3727329 dollars of margin on 1,000 of equity
    limits = replace(WIDE, max_margin_use_ppm=393_373 - beyond)
    little = 1_000_000_000
    assert _control(buy(10_000), limits=limits, equity=little, day_start_equity=little) == control


def test_r11_denies_an_account_without_equity() -> None:
    assert _control(buy(1), equity=0, day_start_equity=0) == "R11"


@pytest.mark.parametrize(("beyond", "control"), [(-1, ""), (0, ""), (1, "R12")])
def test_r12_daily_loss(beyond: int, control: str) -> None:
    limits = replace(WIDE, max_daily_loss=500_000_000)
    assert _control(buy(1), limits=limits, equity=BALANCE - 500_000_000 - beyond) == control


def test_r18_instruments() -> None:
    assert _control(buy(1), limits=replace(WIDE, instruments=())) == "R18"
    assert _control(buy(1), limits=replace(WIDE, instruments=("GBP_USD",))) == "R18"
    assert _control(
        replace(buy(1), instrument="GBP_USD"), limits=replace(WIDE, instruments=("GBP_USD",))
    ) == ("R18")
    assert _control(buy(1), limits=replace(WIDE, instruments=("GBP_USD", "EUR_USD"))) == ""


def test_r23_kill() -> None:
    assert _control(buy(1), killed="all") == "R23"
    assert _control(buy(-1, reduce_only=True), position=1, killed="deployment:d-1") == "R23"


@pytest.mark.parametrize(
    ("order", "control"),
    [
        (buy(0), "F45"),
        (buy(1), ""),
        (buy(MOST_UNITS + 1), "F45"),
        (buy(-MOST_UNITS - 1), "F45"),
        (buy(1, stop_distance=-1), "F45"),
        (buy(1, stop_distance=0), ""),
        (buy(1, target_distance=-1), "F45"),
        (buy(1, target_distance=MOST_POINTS), ""),
        (buy(1, target_distance=MOST_POINTS + 1), "F45"),
        (buy(1, "gw-1"), "F45"),
        (buy(1, "a" * 32), ""),
        (buy(1, "a" * 33), "F45"),
        (buy(1, "a b"), "F45"),
        (buy(1, ""), "F45"),
    ],
)
def test_f45_an_order_must_make_sense(order: Any, control: str) -> None:
    assert _control(order) == control


def test_orders_come_in_steps_of_the_instrument() -> None:
    coarse = replace(instrument("EUR_USD"), unit_step=1_000, minimum_units=2_000)
    assert _control(buy(2_000), instrument=coarse) == ""
    assert _control(buy(-3_000), instrument=coarse) == ""
    assert _control(buy(2_500), instrument=coarse) == "F45"
    assert _control(buy(1_000), instrument=coarse) == "F45"
    assert _control(buy(-7, reduce_only=True), instrument=coarse, position=7) == ""


def test_an_order_that_reduces_passes_what_would_keep_somebody_in_a_position() -> None:
    none = replace(
        WIDE, max_orders_per_minute=0, max_position_units=0, max_margin_use_ppm=0, max_daily_loss=0
    )
    closing = buy(-10_000, reduce_only=True)
    assert _control(closing, limits=none, position=10_000, equity=1) == ""
    assert _control(buy(-10_000), limits=none, position=10_000, equity=1) == "R05"


@pytest.mark.parametrize(
    ("name", "control"),
    [
        ("max_order_units", "R04"),
        ("max_order_value", "R03"),
        ("max_open_orders", "R08"),
        ("max_orders_per_minute", "R05"),
        ("max_position_units", "R09"),
        ("max_margin_use_ppm", "R11"),
        ("max_daily_loss", "R12"),
    ],
)
def test_a_limit_that_is_missing_passes_nothing(name: str, control: str) -> None:
    value = {key: item for key, item in WIDE.to_json().items() if key != name}
    assert _control(buy(1), limits=Limits.from_json(value)) == control


def test_a_denial_names_control_limit_and_what_was_seen() -> None:
    denial = check_order(buy(10_001), limits=replace(WIDE, max_order_units=10_000), exposure=FLAT)
    assert denial == Denial(control="R04", reason="R04 order units: limit 10000, observed 10001")


@given(
    position=st.integers(-30_000, 30_000),
    waiting=st.lists(st.tuples(st.integers(-20_000, 20_000), st.booleans()), max_size=4),
    asked=st.tuples(st.integers(-20_000, 20_000), st.booleans()),
    executed=st.lists(st.booleans(), min_size=5, max_size=5),
)
def test_whatever_is_executed_of_what_passed_stays_within_the_position_limit(
    position: int, waiting: list[tuple[int, bool]], asked: tuple[int, bool], executed: list[bool]
) -> None:
    limits = replace(WIDE, max_position_units=30_000)
    orders = [buy(units, f"w-{n}", reduce_only=reduce) for n, (units, reduce) in enumerate(waiting)]
    order = buy(asked[0], reduce_only=asked[1])
    passed: list[Any] = []
    for item in (*orders, order):
        if _control(item, limits=limits, position=position, waiting=tuple(passed)) == "":
            passed.append(item)
    held = position
    for item, done in zip(passed, executed, strict=False):
        if done and item.reduce_only:
            held += max(item.units, -held) if held > 0 > item.units else 0
            held += min(item.units, -held) if held < 0 < item.units else 0
        elif done:
            held += item.units
    assert abs(held) <= 30_000


@pytest.mark.parametrize(
    ("fields", "control"),
    [
        ({"kind": "LIMIT", "price": 117_000}, ""),
        ({"kind": "STOP", "price": 2 * 118_013}, ""),
        ({"kind": "STOP", "price": 2 * 118_013 + 1}, "F45"),
        ({"kind": "LIMIT", "price": 11_800}, "F45"),  # a decimal place too few
        ({"kind": "LIMIT"}, "F45"),
        ({"price": 118_000}, "F45"),
        ({"trailing_distance": -1}, "F45"),
        ({"stop_price": MOST_POINTS + 1}, "F45"),
    ],
)
def test_f45_levels_make_sense_at_the_present_market(fields: dict[str, Any], control: str) -> None:
    fields = {**fields, **({"kind": OrderKind(fields["kind"])} if "kind" in fields else {})}
    assert _control(replace(buy(1_000), **fields)) == control


def test_r09_waiting_limits_count_as_if_all_of_them_filled() -> None:
    waiting = tuple(replace(buy(4_000, f"w-{n}"), kind=OrderKind.LIMIT, price=117_000 + n) for n in range(2))
    limits = replace(WIDE, max_position_units=10_000)
    assert _control(buy(2_000), limits=limits, waiting=waiting) == ""
    assert _control(buy(2_001), limits=limits, waiting=waiting) == "R09"


def test_r03_an_order_above_the_market_is_valued_at_its_level() -> None:
    stop = replace(buy(10_000), kind=OrderKind.STOP, price=120_000)
    assert _control(stop, limits=replace(WIDE, max_order_value=12_000_000_000)) == ""
    assert _control(stop, limits=replace(WIDE, max_order_value=11_999_999_999)) == "R03"
