"""What is decided at a bar's close, and the orders that come of it."""

import re
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.strategy.made_up import EUR_USD, columns, made_up_bars, rules
from workbench import strategy as ws
from workbench.domain.accounts import AccountSnapshot, Position
from workbench.domain.instruments import Instrument, instrument
from workbench.domain.orders import Order, PositionFill
from workbench.domain.timeframes import Timeframe
from workbench.errors import BadInputError

NAN, INF = float("nan"), float("inf")
bar = ws.bar


@dataclass(frozen=True)
class Case:
    """Arguments of `decide` with harmless defaults."""

    enter_long: bool = False
    enter_short: bool = False
    exit_long: bool = False
    exit_short: bool = False
    stop: float = NAN
    target: float = NAN
    has_stop: bool = False
    has_target: bool = False
    size_kind: int = ws.SIZE_UNITS
    size_value: float = 1_000.0
    position: int = 0
    equity_micro: int = 10**11
    micro_per_point: int = 10
    unit_step: int = 1
    minimum_units: int = 1

    def decided(self) -> tuple[bool, int, int, int]:
        return ws.decide(*(getattr(self, name) for name in self.__dataclass_fields__))


NOTHING = (False, 0, 0, 0)


@pytest.mark.parametrize(
    ("case", "expected"),
    [
        (Case(), NOTHING),
        (Case(enter_long=True), (False, 1_000, 0, 0)),
        (Case(enter_short=True), (False, -1_000, 0, 0)),
        (Case(enter_long=True, enter_short=True), NOTHING),
        (Case(enter_long=True, enter_short=True, exit_long=True, position=5), NOTHING),
        (Case(enter_long=True, position=5), NOTHING),
        (Case(enter_long=True, exit_long=True, position=5), NOTHING),
        (Case(enter_long=True, position=-5), (True, 1_000, 0, 0)),
        (Case(enter_short=True, position=5), (True, -1_000, 0, 0)),
        (Case(exit_long=True, position=5), (True, 0, 0, 0)),
        (Case(exit_long=True, position=-5), NOTHING),
        (Case(exit_short=True, position=-5), (True, 0, 0, 0)),
        (Case(exit_short=True), NOTHING),
        # distances round half to even, and must be a point or more
        (Case(enter_long=True, has_stop=True, stop=20.5), (False, 1_000, 20, 0)),
        (Case(enter_long=True, has_stop=True, stop=21.5), (False, 1_000, 22, 0)),
        (
            Case(enter_long=True, has_stop=True, stop=20.51, has_target=True, target=0.6),
            (False, 1_000, 21, 1),
        ),
        (Case(enter_long=True, stop=20.0, target=30.0), (False, 1_000, 0, 0)),
        (Case(enter_long=True, has_stop=True, stop=NAN), NOTHING),
        (Case(enter_long=True, has_stop=True, stop=INF), NOTHING),
        (Case(enter_long=True, has_stop=True, stop=0.5), NOTHING),
        (Case(enter_long=True, has_stop=True, stop=-20.0), NOTHING),
        (Case(enter_long=True, has_target=True, target=NAN), NOTHING),
        # an entry without its stop is no entry: the exit counts
        (Case(enter_long=True, has_stop=True, stop=NAN, exit_short=True, position=-5), (True, 0, 0, 0)),
        (Case(enter_long=True, has_stop=True, stop=NAN, position=-5), NOTHING),
        # sizes are floored to the step; below the minimum the position is closed and nothing opened
        (Case(enter_long=True, size_value=2_999.0, unit_step=1_000), (False, 2_000, 0, 0)),
        (Case(enter_long=True, size_value=999.0, minimum_units=1_000), NOTHING),
        (Case(enter_long=True, size_value=999.0, minimum_units=1_000, position=-5), (True, 0, 0, 0)),
    ],
)
def test_decisions(case, expected):
    assert case.decided() == expected


@settings(max_examples=300, deadline=None)
@given(
    fraction=st.sampled_from([0.001, 0.01, 0.02, 0.25, 1.0]),
    equity=st.integers(-(10**12), 10**14),
    stop=st.integers(1, 10_000),
    micro=st.sampled_from([10, 1_000]),
    step=st.sampled_from([1, 10, 1_000]),
)
def test_a_risk_fraction_loses_no_more_than_its_share_at_the_stop(fraction, equity, stop, micro, step):
    _, units, distance, _ = Case(
        enter_long=True,
        has_stop=True,
        stop=float(stop),
        size_kind=ws.SIZE_RISK_FRACTION,
        size_value=fraction,
        equity_micro=equity,
        micro_per_point=micro,
        unit_step=step,
        minimum_units=step,
    ).decided()
    share = Fraction(fraction).limit_denominator(1_000) * max(0, equity)
    rounding = Fraction(equity if equity > 0 else 0, 2**50)
    assert units % step == 0
    assert units * stop * micro <= share + rounding
    if units:
        assert distance == stop
        assert units == 10**9 // step * step or (units + step) * stop * micro > share - rounding


# --- the runner -----------------------------------------------------------------------------------------


def books(units: int = 0, *, equity: int = 10**11) -> AccountSnapshot:
    held = Position(instrument=EUR_USD.id, units=units, average_price=110_000, unrealized=0, stop=0, target=0)
    return AccountSnapshot(
        time_ns=0,
        currency="USD",
        balance=equity,
        equity=equity,
        margin_used=0,
        financing=0,
        commission=0,
        positions=(held,) if units else (),
    )


class Eager(ws.Strategy):
    """Long above the close before, short below."""

    def rules(self, bar: ws.BarExpr) -> ws.Rules:
        close, before = bar.bid.close, bar.bid.close.lag(1)
        return ws.Rules(
            enter_long=close > before,
            enter_short=close < before,
            stop=ws.pips(2),
            target=ws.pips(3),
            size=ws.Units(500),
        )


class Counting(ws.Strategy):
    """Buys on every third bar it decides on, and remembers how many those were."""

    every = ws.Param(3, low=1)

    def __init__(self, **params: object) -> None:
        super().__init__(**params)
        self.seen: list[int] = []

    def on_bar(self, market: ws.MarketView, account: ws.AccountView) -> None:
        self.seen.append(len(market))
        if len(self.seen) % self.every == 0:
            account.close()
            account.buy(100, stop=20, target=30)


def runner(
    strategy: ws.Strategy, deployment: str = "deployment-1", record: Instrument = EUR_USD
) -> ws.StrategyRunner:
    return ws.StrategyRunner(strategy, record, Timeframe.H1, deployment)


def test_a_turn_is_a_reduce_only_close_and_an_opening_order():
    bars = made_up_bars(40, seed=4)
    run = runner(Eager())
    assert run.on_bar(bars[0], books(), 1) == []
    place = next(i for i in range(1, 40) if bars[i].bid_close > bars[i - 1].bid_close)
    for item in bars[1:place]:
        run.warm_up(item)
    orders = run.on_bar(bars[place], books(-700), 8)
    assert orders == [
        Order(
            client_order_id=ws.client_order_id("deployment-1", 8, 0),
            instrument=EUR_USD.id,
            units=700,
            reduce_only=True,
        ),
        Order(
            client_order_id=ws.client_order_id("deployment-1", 8, 1),
            instrument=EUR_USD.id,
            units=500,
            position_fill=PositionFill.REDUCE_FIRST,
            stop_distance=20,
            target_distance=30,
        ),
    ]
    assert run.signals is not None
    assert run.signals.enter_long


@settings(max_examples=60, deadline=None)
@given(given_rules=rules(), seed=st.integers(0, 2**32), warm=st.integers(0, 30))
def test_a_warm_start_decides_what_an_uninterrupted_run_decides(given_rules, seed, warm):
    bars = made_up_bars(40, seed=seed)
    strategy = ws.RulesStrategy("MadeUp", given_rules)
    through, later = runner(strategy), runner(strategy)
    signals = ws.evaluate(given_rules, columns(bars))
    for seq, item in enumerate(bars):
        expected = through.on_bar(item, books(), seq)
        if seq < warm:
            later.warm_up(item)
        else:
            assert later.on_bar(item, books(), seq) == expected
            found = np.array([later.signals.stop, later.signals.target])
            assert found.tobytes() == np.array([signals.stop[seq], signals.target[seq]]).tobytes()


def test_a_strategy_in_python_sees_the_bars_of_the_warm_up_and_is_not_asked_then():
    bars = made_up_bars(9, seed=1)
    given_strategy = Counting(every=2)
    run = runner(given_strategy)
    for item in bars[:4]:
        run.warm_up(item)
    decided = [run.on_bar(item, books(), seq) for seq, item in enumerate(bars[4:], 5)]
    assert [len(orders) for orders in decided] == [0, 1, 0, 1, 0]
    assert decided[1][0] == Order(
        client_order_id=ws.client_order_id("deployment-1", 6, 0),
        instrument=EUR_USD.id,
        units=100,
        stop_distance=20,
        target_distance=30,
    )
    assert run.strategy.seen == [5, 6, 7, 8, 9]
    assert given_strategy.seen == []  # two runs never share what a strategy remembers


def test_closing_in_python_is_reduce_only():
    bars = made_up_bars(2, seed=1)
    run = runner(Counting(every=1))
    orders = run.on_bar(bars[0], books(-300), 1)
    assert [(item.units, item.reduce_only) for item in orders] == [(300, True), (100, False)]
    assert [item.client_order_id[-3:] for item in orders] == ["1-0", "1-1"]


def test_expressions_can_be_asked_for_at_any_time_and_equal_those_of_rules():
    bars = made_up_bars(30, seed=2)
    expr = ws.sma(bar.mid.close, 4) - ws.atr(bar, 5)
    found: list[float] = []

    class Asking(ws.Strategy):
        def on_bar(self, market: ws.MarketView, account: ws.AccountView) -> None:
            if len(market) > 12:
                found.append(market.value(expr))
                assert market.value(expr) == found[-1]
                assert market.time_ns == market.bar.close_ns

    run = runner(Asking())
    for seq, item in enumerate(bars):
        run.on_bar(item, books(), seq)
    expected = ws.evaluate_expression(expr, columns(bars))[12:]
    assert np.array(found).tobytes() == expected.tobytes()


def test_the_market_view_shows_what_has_closed_and_no_more():
    bars = made_up_bars(6, seed=2)
    market = ws.MarketView(EUR_USD, Timeframe.H1)
    for item in bars[:5]:
        market._add(item)
    assert (len(market), market.bar, market.bars(2)) == (5, bars[4], bars[3:5])
    assert market.column("ask_high", 3).tolist() == [item.ask_high for item in bars[2:5]]
    for wrong in (0, -1, 1.5, True):
        with pytest.raises(BadInputError, match="a count of 1 or more"):
            market.bars(wrong)
    with pytest.raises(BadInputError, match="expected one of bid_open"):
        market.column("close")
    with pytest.raises(BadInputError, match="expected an expression"):
        market.value(3)
    with pytest.raises(BadInputError, match="expected a bar of EUR_USD"):
        market._add(made_up_bars(1, seed=1, record=instrument("GBP_USD"))[0])


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (lambda account: account.buy(0), "buy: expected 1 to 1,000,000,000 units in steps of 1, found 0"),
        (lambda account: account.buy(-5), "buy: expected"),
        (lambda account: account.sell(1.5), "sell: expected"),
        (lambda account: account.sell(True), "sell: expected"),
        (
            lambda account: account.buy(5, stop=-1),
            "stop: expected a distance of 0 or more whole points, found -1",
        ),
        (lambda account: account.buy(5, target=2.5), "target: expected"),
    ],
)
def test_an_order_that_can_not_be_is_refused_where_it_is_placed(act, message):
    account = ws.AccountView(books(), instrument=EUR_USD, next_id=lambda n: ws.client_order_id("d", 1, n))
    with pytest.raises(BadInputError, match=message):
        act(account)


def test_the_account_view_reads_in_currency_units():
    account = ws.AccountView(
        books(-40, equity=1_234_500_000), instrument=EUR_USD, next_id=lambda n: ws.client_order_id("d", 1, n)
    )
    assert (account.units, str(account.equity), str(account.balance)) == (-40, "1234.500000", "1234.500000")
    assert ws.AccountView(books(), instrument=EUR_USD, next_id=lambda n: "x").close() is None


# --- order ids ------------------------------------------------------------------------------------------


@given(deployment=st.text(), seq=st.integers(0, 10**15), n=st.integers(0, 99))
def test_an_order_id_is_short_plain_and_the_same_every_time(deployment, seq, n):
    name = ws.client_order_id(deployment, seq, n)
    assert re.fullmatch(r"[A-Za-z0-9-]{1,32}", name)
    assert name == ws.client_order_id(deployment, seq, n)
    assert name != ws.client_order_id(deployment, seq + 1, n)
    assert name != ws.client_order_id(deployment + "x", seq, n)


@pytest.mark.parametrize(("seq", "n"), [(-1, 0), (0, -1), (10**30, 0)])
def test_an_order_id_of_an_impossible_event_is_refused(seq, n):
    with pytest.raises(BadInputError, match="event number"):
        ws.client_order_id("deployment", seq, n)
