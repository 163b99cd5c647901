"""Every limit that an order is compared with: one below, at and one above it, at both places of the check."""

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.gateway.bench import BALANCE, NO_LIMITS, START, WIDE, buy
from workbench.domain.control_table import FIRM, Entry, Layer, LimitTable
from workbench.domain.controls import LIMITS, Sense, Value
from workbench.domain.instruments import instrument
from workbench.domain.limits import Limits
from workbench.domain.orders import Order, OrderKind, PositionFill
from workbench.gateway.controls import (
    ORDER_LIMITS,
    Denial,
    Elsewhere,
    Exposure,
    Others,
    Sent,
    check_order,
    worst_units,
)
from workbench.gateway.messages import Judged
from workbench.live.judging import OrderJudge

SECOND, MS = 1_000_000_000, 1_000_000
OPEN: dict[str, Value] = {
    name: () if kind.sense is Sense.FORBIDDEN else None for name, kind in LIMITS.items()
}
FLAT = Exposure(
    instrument=instrument("EUR_USD"),
    margin_rate_ppm=33_333,
    bid=118_000,
    ask=118_010,
    equity=BALANCE,
    day_start_equity=BALANCE,
    peak_equity=BALANCE,
    position=0,
    waiting=(),
    orders_last_minute=0,
    killed="",
    layers=(Layer(scope=FIRM, values=OPEN),),
    time_ns=START,  # Sunday 3 December 2017, 19:00 in New York
    currency="USD",
    median=236_010,
    median_spread=10,
    move_ppm=0,
    data_age_ns=0,
    clock_offset_ns=0,
    reconcile_age_ns=0,
)
Check = Callable[[Order, Exposure], Denial | None]


def _in_gateway(order: Order, exposure: Exposure) -> Denial | None:
    return check_order(order, limits=WIDE, exposure=exposure)


def _in_runtime(order: Order, exposure: Exposure) -> Denial | None:
    sent = msgspec.json.encode(Judged(exposures=(exposure,), limits=WIDE))
    found = msgspec.json.decode(sent, type=Judged)
    return OrderJudge(found.exposures, found.limits).check(order)


@pytest.fixture(params=[_in_gateway, _in_runtime], ids=["gateway", "runtime"])
def check(request: pytest.FixtureRequest) -> Check:
    return request.param  # type: ignore[no-any-return]


def _under(name: str, value: Value, *, scope: str = FIRM, **exposure: Any) -> Exposure:
    """An exposure under one limit of one scope."""
    layers = [Layer(scope=FIRM, values={**OPEN, name: value} if scope == FIRM else OPEN)]
    if scope != FIRM:
        layers.append(Layer(scope=scope, values={name: value}))
    return replace(FLAT, layers=tuple(layers), **exposure)


def _limit(price: int, units: int = 1_000) -> Order:
    return replace(buy(units), kind=OrderKind.LIMIT, price=price)


# each case: the limit, an order, what else is so, and what is observed, worked out by hand
CASES: list[tuple[str, Order, dict[str, Any], int]] = [
    # |2 * 117,000 - 236,010| / 236,010 = 0.0085166..: 8,517 millionths, rounded up
    ("max_price_deviation_ppm", _limit(117_000), {}, 8_517),
    ("max_price_deviation_ppm", _limit(117_000), {"reference": 240_000}, 25_000),
    ("max_price_deviation_ppm", buy(1_000), {}, 43),  # the ask: half the spread of 10 points, off 118,005
    ("max_price_drift_ppm", _limit(117_000), {"median": 240_000}, 25_000),
    ("max_order_units", buy(-1_000), {}, 1_000),
    ("max_order_value", buy(10_000), {}, 11_801_000_000),  # 10,000 euros at 1.18010 dollars
    ("max_order_value", buy(-10_000), {}, 11_800_000_000),
    ("max_order_value_ppm", buy(10_000), {}, 118_010),  # of 100,000 dollars
    ("max_messages_per_second", buy(1), {"messages_last_second": 4}, 5),
    ("max_messages_per_minute", buy(1), {"messages_last_minute": 59}, 60),
    ("max_orders_per_minute", buy(1), {"orders_last_minute": 59}, 60),
    ("max_open_orders", buy(1), {"waiting": (buy(1, "a"), buy(2, "b")), "waiting_elsewhere": 3}, 6),
    ("max_position_units", buy(5_000), {"position": 2_000, "waiting": (buy(3_000, "a"),)}, 10_000),
    ("max_position_units", buy(-5_000), {"position": 2_000}, 3_000),
    # a stop closes the longs before the order is executed: 5,000 short are left
    ("max_position_units", buy(-5_000), {"position": 2_000, "has_exits": True}, 5_000),
    # 10,000 at 1.18010 and 3.3333 %: 393.3627.. dollars of 100,000; and 1,000 dollars elsewhere
    ("max_margin_use_ppm", buy(10_000), {}, 3_934),
    ("max_margin_use_ppm", buy(10_000), {"margin_elsewhere": 1_000_000_000}, 13_934),
    # euros worth 11,801 dollars here and 8,199 in EUR_GBP: 20,000 of 100,000 dollars
    (
        "max_currency_exposure_ppm",
        buy(10_000),
        {"elsewhere": (Elsewhere(base="EUR", quote="GBP", longest=8_199_000_000, shortest=0),)},
        200_000,
    ),
    # GBP is short by what EUR_GBP is long; euros long here and short there are less
    (
        "max_currency_exposure_ppm",
        buy(10_000),
        {"elsewhere": (Elsewhere(base="GBP", quote="EUR", longest=30_000_000_000, shortest=30_000_000_000),)},
        300_000,
    ),
    ("max_daily_loss", buy(1), {"equity": BALANCE - 500_000_000}, 500_000_000),
    ("max_daily_loss_ppm", buy(1), {"equity": BALANCE - 2_000_000_000}, 20_000),
    ("max_drawdown_ppm", buy(1), {"peak_equity": 2 * BALANCE}, 500_000),
    ("max_data_age_ms", buy(1), {"data_age_ns": 2_000 * MS}, 2_000),
    ("max_data_age_ms", buy(1), {"data_age_ns": 2_000 * MS + 1}, 2_001),
    ("max_clock_offset_ms", buy(1), {"clock_offset_ns": -250 * MS}, 250),
    ("max_reconcile_age_s", buy(1), {"reconcile_age_ns": 30 * SECOND}, 30),
    ("max_move_ppm", buy(1), {"move_ppm": 10_000}, 10_000),
    ("max_spread_ratio_ppm", buy(1), {"median_spread": 4}, 2_500_000),  # 10 points against 4
]


def _case_name(case: tuple[str, Order, dict[str, Any], int]) -> str:
    return f"{LIMITS[case[0]].control}-{case[0]}-{case[3]}"


@pytest.mark.parametrize("case", CASES, ids=_case_name)
def test_what_is_observed_may_be_the_limit_and_not_one_more(
    case: tuple[str, Order, dict[str, Any], int], check: Check
) -> None:
    name, order, exposure, observed = case
    kind = LIMITS[name]
    assert check(order, _under(name, observed + 1, **exposure)) is None
    assert check(order, _under(name, observed, **exposure)) is None
    for scope in (FIRM, "account:paper-1", "deployment:d-1", "instrument:EUR_USD"):
        denial = check(order, _under(name, observed - 1, scope=scope, **exposure))
        assert denial == Denial(
            control=kind.control,
            reason=(
                f"{kind.control} {kind.words} of the {scope.replace(':', ' ')}: "
                f"limit {observed - 1}, observed {observed}"
            ),
        )


def test_every_limit_of_an_order_that_is_a_largest_number_has_a_case() -> None:
    largest = {name for name in ORDER_LIMITS if LIMITS[name].sense is Sense.MOST}
    assert {case[0] for case in CASES} == largest


@pytest.mark.parametrize(("beyond", "control"), [(-1, "R07"), (0, ""), (1, "")])
def test_r07_the_same_order_comes_again_no_sooner(beyond: int, control: str, check: Check) -> None:
    before = Sent(time_ns=START - 1_000 * MS - beyond * MS, instrument="EUR_USD", units=1_000, price=0)
    exposure = _under("min_repeat_ms", 1_000, sent=(before,))
    assert _control(check(buy(1_000), exposure)) == control
    assert check(buy(1_001), exposure) is None
    assert check(buy(-1_000), exposure) is None
    assert check(_limit(118_000), exposure) is None


@pytest.mark.parametrize(("minutes", "control"), [(4, "R17"), (5, ""), (6, "")])
@pytest.mark.parametrize("side", [-1, 1])
def test_r17_pauses_around_the_rollover(minutes: int, control: str, side: int, check: Check) -> None:
    rollover = START + 22 * 3_600 * SECOND  # Monday 17:00 in New York
    exposure = _under("rollover_pause_minutes", 5, time_ns=rollover + side * minutes * 60 * SECOND)
    assert _control(check(buy(1), exposure)) == control


@pytest.mark.parametrize(
    ("hour_utc", "control"), [(12, "R17"), (13, ""), (21, ""), (22, "R17")]
)  # 08:00 to 17:00 in New York's winter
def test_r17_hours_of_the_week(hour_utc: int, control: str, check: Check) -> None:
    monday = START + hour_utc * 3_600 * SECOND
    window = ("Mon-Fri 08:00-17:00",)
    assert _control(check(buy(1), _under("trading_hours", window, time_ns=monday))) == control
    sunday = monday - 24 * 3_600 * SECOND
    assert _control(check(buy(1), _under("trading_hours", window, time_ns=sunday))) == "R17"


@pytest.mark.parametrize(("second", "control"), [(-1, ""), (0, "R17"), (600, "R17"), (601, "")])
def test_r17_windows_around_news(second: int, control: str, check: Check) -> None:
    window = ("2017-12-04T13:25Z/2017-12-04T13:35Z",)
    at = START + (13 * 3_600 + 25 * 60 + second) * SECOND
    assert _control(check(buy(1), _under("closed_windows", window, time_ns=at))) == control


def test_r18_instruments_and_kinds_of_orders(check: Check) -> None:
    assert _control(check(buy(1), _under("allowed_instruments", ("GBP_USD",)))) == "R18"
    assert check(buy(1), _under("allowed_instruments", ("EUR_USD", "GBP_USD"))) is None
    assert _control(check(buy(1), _under("allowed_instruments", ()))) == "R18"
    assert _control(check(buy(1), _under("allowed_order_kinds", ("LIMIT",)))) == "R18"
    assert check(_limit(118_000), _under("allowed_order_kinds", ("LIMIT",))) is None


@pytest.mark.parametrize("name", list(ORDER_LIMITS))
def test_a_limit_that_the_firm_has_not_or_that_can_not_be_read_passes_nothing(
    name: str, check: Check
) -> None:
    kind = LIMITS[name]
    missing = Layer(scope=FIRM, values={key: value for key, value in OPEN.items() if key != name})
    lost = Layer(scope="account:paper-1", unreadable=(name,))
    for layers in ((missing,), (Layer(scope=FIRM, values=OPEN), lost)):
        denial = check(buy(1), replace(FLAT, layers=layers))
        assert denial is not None
        assert denial.control == kind.control
        assert denial.reason.endswith(": limit none that can be read, observed an order")
    assert check(buy(1), FLAT) is None


def test_without_a_table_nothing_passes(check: Check) -> None:
    assert check(buy(1), replace(FLAT, layers=())) is not None
    account = Layer(scope="account:paper-1", values=OPEN)
    assert check(buy(1), replace(FLAT, layers=(account,))) is not None


@pytest.mark.parametrize("name", [name for name in ORDER_LIMITS if LIMITS[name].sense is Sense.MOST])
def test_a_limit_of_zero_passes_nothing(name: str, check: Check) -> None:
    assert _control(check(buy(1), _under(name, 0))) == LIMITS[name].control


@pytest.mark.parametrize(
    ("name", "unknown"),
    [
        ("max_data_age_ms", {"data_age_ns": None}),
        ("max_clock_offset_ms", {"clock_offset_ns": None}),
        ("max_reconcile_age_s", {"reconcile_age_ns": None}),
        ("max_move_ppm", {"move_ppm": None}),
        ("max_price_deviation_ppm", {"bid": 0}),
        ("max_price_drift_ppm", {"median": 0}),
    ],
)
def test_what_a_limit_needs_and_nobody_knows_is_denied(
    name: str, unknown: dict[str, Any], check: Check
) -> None:
    denial = check(buy(1), _under(name, 10**6, **unknown))
    assert denial is not None
    assert denial.control == LIMITS[name].control
    assert denial.reason.endswith("limit 1000000, observed nothing")
    assert check(buy(1), replace(FLAT, **unknown)) is None  # no such limit, no need to know


@pytest.mark.parametrize(
    ("name", "others", "own"),
    [
        ("max_open_orders", {"open_orders": 3}, 1),
        ("max_messages_per_second", {"messages_last_second": 3}, 1),
        ("max_messages_per_minute", {"messages_last_minute": 3}, 1),
        ("max_orders_per_minute", {"orders_last_minute": 3}, 1),
        ("max_position_units", {"longest": 3_000, "shortest": -1_000}, 1_000),
        ("max_daily_loss", {"loss": 3_000}, 1_000),
    ],
)
def test_the_firms_and_the_accounts_limits_count_their_other_deployments(
    name: str, others: dict[str, int], own: int, check: Check
) -> None:
    in_all = own + next(iter(others.values()))
    equity = BALANCE - (own if name == "max_daily_loss" else 0)
    for scope, kind in ((FIRM, "firm"), ("account:paper-1", "account")):
        for limit, passes in ((in_all, True), (in_all - 1, False)):
            exposure = _under(name, limit, scope=scope, equity=equity, others={kind: Others(**others)})
            assert (check(buy(1_000), exposure) is None) is passes
    alone = _under(name, own, scope="deployment:d-1", equity=equity, others={"firm": Others(**others)})
    assert check(buy(1_000), alone) is None


def test_the_strictest_of_all_layers_wins(check: Check) -> None:
    values = (5_000, 4_000, 3_000, 2_000)
    scopes = (FIRM, "account:paper-1", "deployment:d-1", "instrument:EUR_USD")
    for strict in range(4):
        found = (*values[: strict + 1], *(9_000 for _ in values[strict + 1 :]))
        layers = [
            Layer(scope=scope, values={**(OPEN if scope == FIRM else {}), "max_order_units": value})
            for scope, value in zip(scopes, found, strict=True)
        ]
        exposure = replace(FLAT, layers=tuple(layers))
        assert check(buy(values[strict]), exposure) is None
        denial = check(buy(values[strict] + 1), exposure)
        assert denial is not None
        assert scopes[strict].replace(":", " ") in denial.reason


def test_the_releases_own_limits_bind_whatever_the_table_says(check: Check) -> None:
    denial = check(buy(WIDE.max_order_units + 1), FLAT)
    assert denial is not None
    assert denial.reason == "R04 order units: limit 1000000, observed 1000001"


def test_an_order_that_only_reduces_is_never_kept_from_it(check: Check) -> None:
    nothing = Layer(scope=FIRM)  # not one limit
    for exposure in (
        replace(FLAT, layers=(nothing,), position=10_000, data_age_ns=None, equity=1),
        replace(FLAT, position=10_000, halted="R13 drawdown"),
        replace(FLAT, position=10_000, frozen="the broker has other positions"),
    ):
        closing = buy(-10_000, reduce_only=True)
        assert check(closing, exposure) is None
        assert (
            check(replace(closing, reduce_only=False, position_fill=PositionFill.REDUCE_ONLY), exposure)
            is None
        )
        assert check(buy(-10_000), exposure) is not None
        killed = check(closing, replace(exposure, killed="all"))
        assert killed is not None
        assert killed.control == "R23"


def test_orders_that_reduce_and_wait_are_counted(check: Check) -> None:
    exposure = _under("max_open_orders", 1, position=10_000, waiting=(buy(1, "a"),))
    assert check(buy(-10_000, reduce_only=True), exposure) is None
    resting = replace(_limit(118_000, -10_000), reduce_only=True)
    assert _control(check(resting, exposure)) == "R08"


def test_a_halt_and_a_frozen_instrument_say_why(check: Check) -> None:
    denial = check(buy(1), replace(FLAT, halted="R06 re-entries in ten minutes: limit 20, observed 21"))
    assert denial is not None
    assert (denial.control, "observed re-entries in ten minutes" in denial.reason) == ("R06", True)
    assert _control(check(buy(1), replace(FLAT, frozen="mismatch"))) == "R24"


def test_the_orders_of_one_decision_count_one_after_the_other() -> None:
    judge = OrderJudge((_under("max_position_units", 2_500),), WIDE)
    for number, control in ((1, ""), (2, ""), (3, "R09")):
        order = buy(1_000, f"o-{number}")
        assert _control(judge.check(order)) == control
        judge.answered(order, "WORKING")
    judge = OrderJudge((_under("max_position_units", 1_500),), WIDE)
    judge.answered(buy(1_000), "REJECTED")
    assert judge.check(buy(1_000)) is None
    assert _control(judge.check(replace(buy(1), instrument="GBP_USD"))) == "R18"


# --- whatever comes, nothing gets by -------------------------------------------------------------------

_ORDERS = st.builds(
    lambda units, kind, price, reduce: replace(
        buy(units, reduce_only=reduce), kind=kind, price=0 if kind is OrderKind.MARKET else price
    ),
    st.integers(-150_000, 150_000),
    st.sampled_from(list(OrderKind)),
    st.integers(110_000, 126_000),
    st.booleans(),
)
_NUMBERS = st.one_of(st.none(), st.integers(0, 200_000))


@given(
    orders=st.lists(_ORDERS, min_size=1, max_size=30),
    firm=st.fixed_dictionaries(
        {"max_order_units": _NUMBERS, "max_position_units": _NUMBERS, "max_open_orders": st.integers(0, 8)}
    ),
    account=st.dictionaries(st.sampled_from(["max_position_units", "max_order_units"]), _NUMBERS),
    position=st.integers(-100_000, 100_000),
    exits=st.booleans(),
    fate=st.randoms(use_true_random=False),
)
def test_no_row_of_orders_comes_to_more_than_the_strictest_limit(
    orders: list[Order],
    firm: dict[str, int | None],
    account: dict[str, int | None],
    position: int,
    exits: bool,
    fate: Any,
) -> None:
    layers = (
        Layer(scope=FIRM, values={**OPEN, **firm}),
        Layer(scope="account:paper-1", values=account),
    )
    exposure = replace(FLAT, layers=layers, position=position, has_exits=exits)
    passed: list[Order] = []
    for number, item in enumerate(orders):
        order = replace(item, client_order_id=f"o-{number}")
        denial = check_order(order, limits=WIDE, exposure=exposure)
        if denial is None:
            passed.append(order)
            exposure = exposure.after(order)
            continue
        assert denial.reason.startswith(denial.control)
        assert denial.control == "F45" or ("limit" in denial.reason and "observed" in denial.reason)
    known = [firm["max_order_units"], account.get("max_order_units"), WIDE.max_order_units]
    opening = [order for order in passed if not order.reduce_only]
    assert all(abs(order.units) <= min(x for x in known if x is not None) for order in opening)
    resting = [order for order in passed if order.kind is not OrderKind.MARKET]
    assert not resting or len(passed) <= 8 + sum(order.reduce_only for order in passed)
    # any part of them, in any order, with the stop in between: never beyond the limit unless it was before
    most = min(
        x
        for x in (firm["max_position_units"], account.get("max_position_units"), WIDE.max_position_units)
        if x is not None
    )
    held = position
    events: list[Order | None] = [order for order in passed if fate.random() < 0.7]
    if exits:
        events.append(None)
    fate.shuffle(events)
    for event in events:
        before = held
        if event is None:
            held = 0
        elif event.reduce_only:
            move = 0 if event.units * held >= 0 else min(abs(event.units), abs(held))
            held += move if event.units > 0 else -move
        else:
            held += event.units
        assert abs(held) <= max(most, abs(before)), (position, events)


@given(
    waiting=st.lists(st.tuples(st.integers(-9, 9), st.booleans()), max_size=6),
    held=st.integers(-9, 9),
    exits=st.booleans(),
    fate=st.permutations(range(7)),
)
def test_the_worst_position_is_never_exceeded_and_can_be_reached_by_what_opens(
    waiting: list[tuple[int, bool]], held: int, exits: bool, fate: list[int]
) -> None:
    orders = [buy(units, f"w-{n}", reduce_only=reduce) for n, (units, reduce) in enumerate(waiting)]
    longest, shortest = worst_units(orders, held, has_exits=exits)
    now = held
    for index in fate:
        if index == 6:
            now = 0 if exits else now
        elif index < len(orders):
            order = orders[index]
            if order.reduce_only:
                move = 0 if order.units * now >= 0 else min(abs(order.units), abs(now))
                now += move if order.units > 0 else -move
            else:
                now += order.units
        assert shortest <= now <= longest
    buys = sum(order.units for order in orders if not order.reduce_only and order.units > 0)
    assert longest >= held + buys


@given(rows=st.lists(st.tuples(st.sampled_from(["firm", "account:a"]), st.integers(0, 10)), max_size=12))
def test_in_force_is_the_last_word_of_each_scope(rows: list[tuple[str, int]]) -> None:
    entries = [
        Entry(
            version=number,
            name="max_open_orders",
            scope=scope,
            value=value,
            action="set",
            by="david",
            created_ns=number,
        )
        for number, (scope, value) in enumerate(rows, start=1)
    ]
    table = LimitTable(entries)
    layers = {item.scope: item.values for item in table.layers(account="a", deployment="d", instrument="X")}
    for scope in ("firm", "account:a"):
        last = [value for name, value in rows if name == scope][-1:]
        assert list(layers.get(scope, {}).values()) == last
    assert all(later.version > earlier.version for earlier, later in pairwise(table.entries))


def _control(denial: Denial | None) -> str:
    return denial.control if denial else ""


def test_the_table_without_limits_has_a_row_for_each() -> None:
    layer = NO_LIMITS.layers(account="a", deployment="d", instrument="EUR_USD")[0]
    assert set(layer.values) == set(LIMITS)
    assert Limits.from_json(WIDE.to_json()) == WIDE
