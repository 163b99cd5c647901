"""Strategies on several instruments, on ticks, and started again: what they see and what they order."""

import re
import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.strategy.made_up import (
    EUR_USD,
    FUNCTIONS,
    HOUR,
    MODEL,
    START,
    columns,
    conditions,
    made_up_bars,
    numbers,
    sizes,
)
from workbench import strategy as ws
from workbench.domain.accounts import AccountSnapshot, Position, Trade, WaitingOrder
from workbench.domain.instruments import instrument
from workbench.domain.orders import ExitChange, Order, OrderKind, TimeInForce
from workbench.domain.quotes import Quote
from workbench.domain.timeframes import Timeframe
from workbench.errors import BadInputError
from workbench.strategy import decision as d
from workbench.strategy.errors import StrategyFailedError
from workbench.strategy.needs import needs

bar = ws.bar
GBP_USD, USD_JPY, EUR_GBP = (instrument(name) for name in ("GBP_USD", "USD_JPY", "EUR_GBP"))


def books(
    *, equity: int = 10**11, currency: str = "USD", time_ns: int = 0, waiting: tuple = (), **units: int
) -> AccountSnapshot:
    held = tuple(
        Position(instrument=name, units=count, average_price=110_000, unrealized=0, stop=0, target=0)
        for name, count in units.items()
    )
    return AccountSnapshot(
        time_ns=time_ns, currency=currency, balance=equity, equity=equity, margin_used=0, financing=0,
        commission=0, positions=held, waiting=waiting,
    )  # fmt: skip


levels = numbers.filter(lambda item: item.op not in ("const", "pips"))
entries = st.one_of(
    st.just(ws.AtMarket()), levels.map(ws.LimitAt), levels.map(ws.StopAt), levels.map(ws.TouchAt)
)
distances = st.one_of(
    levels, levels.map(ws.Level), st.builds(lambda one, two: ws.BySide(long=one, short=two), levels, levels)
)
all_sizes = st.one_of(
    sizes,
    st.sampled_from(
        [ws.Lots("0.25"), ws.Cash("5000"), ws.EquityFraction(0.5), ws.VolatilityTarget(0.1, lookback=3)]
    ),
    levels.map(lambda item: ws.VolatilityTarget(0.2, volatility=item)),
)


@st.composite
def any_rules(draw: st.DrawFn) -> ws.Rules:
    """Rules that say any of what rules can say."""
    adds = draw(st.none() | conditions)
    return ws.Rules(
        enter_long=draw(conditions),
        enter_short=draw(st.none() | conditions),
        exit_long=draw(st.none() | conditions),
        entry=draw(
            st.one_of(entries, st.builds(lambda one, two: ws.BySide(long=one, short=two), entries, entries))
        ),
        expires_bars=draw(st.integers(0, 3)),
        stop=draw(distances),
        target=draw(st.none() | distances),
        trail=draw(st.none() | levels),
        max_bars=draw(st.none() | st.integers(1, 9)),
        add_long=adds,
        max_adds=draw(st.integers(1, 3)),
        add_size=draw(st.none() | all_sizes) if adds is not None else None,
        reduce=draw(
            st.none() | st.builds(ws.Reduce, conditions, st.floats(0.1, 1.0), times=st.integers(1, 2))
        ),
        rebalance=draw(st.none() | conditions),
        rebalance_band=draw(st.sampled_from([0.0, 0.25])),
        size=draw(all_sizes),
    )


relaxed = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))


@relaxed
@given(rules=any_rules())
def test_all_that_rules_say_is_read_back_from_json_and_drawn(rules):
    value = ws.rules_to_json(rules)
    again = ws.rules_from_json(value, models={MODEL.digest: MODEL}, functions=FUNCTIONS)
    assert ws.rules_to_json(again) == value
    assert repr(again) == repr(rules)
    picture = rules._repr_html_()
    assert picture.startswith("<pre>") or ElementTree.fromstring(picture).tag.endswith("svg")


@relaxed
@given(
    rules=any_rules(),
    seed=st.integers(0, 2**32),
    positions=st.lists(st.integers(-2, 2), min_size=40, max_size=40),
)
def test_columns_and_the_runner_decide_the_same_and_a_restart_decides_it_again(rules, seed, positions):
    bars = made_up_bars(40, seed=seed)
    found = ws.evaluate_panel(rules, {EUR_USD.id: columns(bars)})[EUR_USD.id]
    runners = [
        ws.StrategyRunner(ws.RulesStrategy("MadeUp", rules), EUR_USD, Timeframe.H1, "one") for _ in range(2)
    ]
    memory = np.zeros(d.MEMORY_SIZE, np.int64)
    orders, cancels = np.zeros((d.ORDER_ROWS, d.ORDER_SIZE), np.int64), np.zeros(d.CANCEL_ROWS, np.int64)
    for at, item in enumerate(bars):
        held = positions[at] * 1_000
        decided = [run.on_bars([item], books(EUR_USD=held), at + 1) for run in runners]
        assert decided[0] == decided[1]
        count, dropped = ws.decide_bar(
            int(found.bits[at]), found.numbers, at, found.settings.rows, found.settings.settings,
            found.settings.amounts, item.bid_close, item.ask_close, held, 10**11,
            EUR_USD.micro_per_point, 1.0, 1, 1, memory, 1_024 * (at + 1), orders, cancels,
        )  # fmt: skip
        assert [
            (
                order.units,
                order.price,
                list(OrderKind).index(order.kind),
                order.stop_price,
                order.trailing_distance,
            )
            for order in decided[0].orders
        ] == [
            (row[d.O_UNITS], row[d.O_PRICE], row[d.O_KIND], row[d.O_STOP_PRICE], row[d.O_TRAILING_DISTANCE])
            for row in orders[:count].tolist()
        ]
        assert list(decided[0].cancels) == [
            ws.client_order_id("one", *divmod(key, 1_024)) for key in cancels[:dropped].tolist()
        ]


# --- several instruments --------------------------------------------------------------------------------


class Strongest(ws.Strategy):
    """Long whatever rose most, short whatever fell most."""

    def rules(self, bar: ws.BarExpr) -> ws.Rules:
        place = ws.rank(ws.log(bar.mid.close / bar.mid.close.lag(5)))
        return ws.Rules(
            enter_long=place == ws.cross_count(bar.mid.close),
            enter_short=place == 1,
            size=ws.Cash("10000"),
        )


def test_all_bars_of_a_time_are_decided_together():
    traded = [GBP_USD, EUR_USD, USD_JPY]
    bars = {item.id: made_up_bars(12, seed=at, record=item) for at, item in enumerate(traded)}
    run = ws.StrategyRunner(Strongest(), traded, Timeframe.H1, "d")
    for at in range(6):
        run.warm_up_bars([items[at] for items in bars.values()])
    moved = {
        name: np.log((items[6].bid_close + items[6].ask_close) / (items[1].bid_close + items[1].ask_close))
        for name, items in bars.items()
    }
    decided = run.on_bars([items[6] for items in bars.values()], books(), 9)
    best, worst = max(moved, key=moved.get), min(moved, key=moved.get)
    assert {order.instrument: order.units > 0 for order in decided.orders} == {best: True, worst: False}
    assert [order.instrument for order in decided.orders] == sorted([best, worst])
    assert [order.client_order_id for order in decided.orders] == [
        ws.client_order_id("d", 9, 0), ws.client_order_id("d", 9, 1),
    ]  # fmt: skip
    yen = (
        next(order for order in decided.orders if order.instrument == "USD_JPY")
        if "USD_JPY" in (best, worst)
        else None
    )
    if yen is not None:  # 10,000 dollars of USD_JPY are 10,000 units, whatever the yen is worth
        assert abs(abs(yen.units) - 10_000) <= 1


@pytest.mark.parametrize(
    ("record", "others", "currency", "expected"),
    [
        (USD_JPY, [], "USD", 10_000),  # one unit is a dollar
        (EUR_GBP, [GBP_USD], "USD", 10_000 / (1.2 * 1.25)),
        (EUR_USD, [GBP_USD], "GBP", 10_000 * 1.25 / 1.2),
        (EUR_GBP, [GBP_USD, USD_JPY], "JPY", 10_000 / (1.2 * 1.25 * 100.0)),
    ],
)
def test_sizes_are_converted_at_the_last_closed_mids(record, others, currency, expected):
    prices = {"USD_JPY": 100_000, "GBP_USD": 125_000, "EUR_GBP": 120_000, "EUR_USD": 120_000}

    def flat(of: Any) -> Any:
        made, level = made_up_bars(1, seed=1, record=of)[0], prices[of.id]
        fields = {name: level for name in made.__dataclass_fields__ if name.startswith(("bid_", "ask_"))}
        return type(made)(instrument=of.id, open_ns=made.open_ns, close_ns=made.close_ns, **fields)

    rules = ws.Rules(enter_long=bar.hour >= 0, size=ws.Cash("10000"))
    run = ws.StrategyRunner(ws.RulesStrategy("Cash", rules), record, Timeframe.H1, "d", others=others)
    decided = run.on_bars([flat(item) for item in (record, *others)], books(currency=currency), 1)
    assert abs(decided.orders[0].units - expected) <= 1


def test_a_size_that_can_not_be_converted_says_which_pair_is_missing():
    rules = ws.Rules(enter_long=bar.hour >= 0, size=ws.Cash("10000"))
    run = ws.StrategyRunner(ws.RulesStrategy("Cash", rules), EUR_GBP, Timeframe.H1, "d")
    with pytest.raises(BadInputError, match="expected a pair of GBP and USD among EUR_GBP, found none"):
        run.on_bar(made_up_bars(1, seed=1, record=EUR_GBP)[0], books(), 1)
    waiting = ws.StrategyRunner(ws.RulesStrategy("Cash", rules), EUR_GBP, Timeframe.H1, "d", others=[GBP_USD])
    assert waiting.on_bar(made_up_bars(1, seed=1, record=EUR_GBP)[0], books(), 1) == []  # not known yet


class Pair(ws.Strategy):
    """Every kind of order, on two instruments."""

    def on_bar(self, market: ws.MarketView, account: ws.AccountView) -> None:
        assert market.instruments == ("EUR_USD", "GBP_USD")
        if len(market) == 1:
            assert market.closed == ("EUR_USD",)
            with pytest.raises(BadInputError, match="no bar has closed yet"):
                market["GBP_USD"].bar  # noqa: B018
            self.first = account.buy_limit(1_000, price="1.08500", stop=50, time_in_force="GFD")
            self.second = account.sell_stop(
                "GBP_USD", 2_000, price=109_000, target_price="1.08000", trailing=30
            )
            account.buy_if_touched(5, price=1, expires_ns=market.time_ns + HOUR)
            account.buy("GBP_USD", 7, price_bound="1.30000")
        elif len(market) == 2:
            assert [order.client_order_id for order in account.waiting][:2] == [self.first, self.second]
            account.cancel(self.second)
            account.close("GBP_USD", units=3)
            account.close()
        else:
            assert [order.client_order_id for order in account.waiting] == [self.first]
            account.cancel_all()
            assert account.waiting == ()


def test_every_kind_of_order_can_be_placed_and_withdrawn_on_every_instrument():
    euro, pound = made_up_bars(3, seed=1), made_up_bars(3, seed=2, record=GBP_USD)
    run = ws.StrategyRunner(Pair(), [EUR_USD, GBP_USD], Timeframe.H1, "d")
    now = euro[0].close_ns
    first = run.on_bars([euro[0]], books(time_ns=now), 1)
    name = [ws.client_order_id("d", 1, n) for n in range(4)]
    assert first.orders == (
        Order(client_order_id=name[0], instrument="EUR_USD", units=1_000, kind=OrderKind.LIMIT, price=108_500,
              stop_distance=50, time_in_force=TimeInForce.GFD),
        Order(client_order_id=name[1], instrument="GBP_USD", units=-2_000, kind=OrderKind.STOP, price=109_000,
              target_price=108_000, trailing_distance=30),
        Order(client_order_id=name[2], instrument="EUR_USD", units=5, kind=OrderKind.MARKET_IF_TOUCHED,
              price=1, time_in_force=TimeInForce.GTD, expires_ns=now + HOUR),
        Order(client_order_id=name[3], instrument="GBP_USD", units=7, price_bound=130_000),
    )  # fmt: skip
    waiting = [WaitingOrder(client_order_id=item.client_order_id, units=item.units) for item in first.orders]
    held = books(time_ns=now + HOUR, waiting=tuple(waiting[:3]), GBP_USD=-10, EUR_USD=4)
    second = run.on_bars([euro[1], pound[1]], held, 2)
    assert second.cancels == (name[1],)
    assert [(item.instrument, item.units, item.reduce_only) for item in second.orders] == [
        ("GBP_USD", 3, True), ("EUR_USD", -4, True),
    ]  # fmt: skip
    left = WaitingOrder(client_order_id=name[0], units=1_000)
    assert run.on_bars([euro[2]], books(time_ns=now + 2 * HOUR, waiting=(left,)), 3).cancels == (name[0],)


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (lambda account: account.buy("EUR_JPY", 5), "expected an instrument traded, one of EUR_USD, GBP_USD"),
        (lambda account: account.buy(5, 6), "expected an instrument and units"),
        (lambda account: account.buy_limit(5), "buy_limit: expected price="),
        (lambda account: account.buy_limit(5, price=0), "price: expected whole points above 0"),
        (lambda account: account.buy_limit(5, price="1.0850001"), "at most 5 decimals"),
        (lambda account: account.buy_limit(5, price=1, price_bound=1), "found price, price_bound"),
        (lambda account: account.sell_stop(5, price=1, time_in_force="GTD"), "expected one of GTC, GFD"),
        (lambda account: account.sell_stop(5, price=1, expires_ns=5), "an instant after now"),
        (
            lambda account: account.sell_stop(5, price=1, stop=5, stop_price=4),
            "by distance or by price, found both",
        ),
        (lambda account: account.cancel(7), "the id that placing it gave"),
        (lambda account: account.cancel(account.buy_limit(5, price=1)), "was placed just now"),
        (lambda account: account.close_trade("x"), "no open trade of order 'x'"),
        (lambda account: account.close(units=0) or account.buy(0), "expected 1 to"),
        (lambda account: account.buy(5, time_in_force="GFD"), "expected one of GTC, FOK, IOC"),
        (lambda account: account.buy(5, price=1), "buy: expected .*stop_price.*, found price"),
        (lambda account: account.buy(5, expires_ns=99), "found expires_ns"),
        (lambda account: account.buy(5, stop_price="1.20000"), "stop below the market at 1.10010"),
        (lambda account: account.sell(5, target_price="1.20000"), "target below the market at 1.10000"),
        (lambda account: account.buy_limit(5, price="1.1", stop_price="1.2"), "stop below its price 1.1"),
        (lambda account: account.sell_stop(5, price="1.1", stop_price="1.05"), "stop above its price 1.1"),
        (lambda account: account.buy_stop(5, price="1.1", target_price="1.1"), "target above its price"),
        (lambda account: account.buy_limit(5, price=100, stop=100), "stop below its price 0.00100"),
        (
            lambda account: account.buy_stop(5, price="1.2", price_bound="1.1"),
            "could never fill",
        ),
        (lambda account: account.buy_limit(5, price=1, trigger="LAST"), "one of DEFAULT, INVERSE, BID"),
        (lambda account: account.buy(5, position_fill="CLOSE"), "one of DEFAULT, OPEN_ONLY"),
        (lambda account: account.cancel("typo"), "found 'typo'; waiting now: none"),
        (lambda account: account.cancel(ws.client_order_id("d", 1, 0)), "given on an earlier event"),
        (lambda account: account.cancel(ws.client_order_id("e", 0, 0)), "given on an earlier event"),
        (lambda account: account.replace("typo", units=5), "replace: expected an id that this strategy"),
        (lambda account: account.change_exits(), "expected one or more of stop or stop_price"),
        (lambda account: account.change_exits(stop=5, stop_price=5), "found stop, stop_price"),
        (
            lambda account: account.change_exits(stop=-5),
            "change_exits stop: expected a distance of 0 or more",
        ),
        (lambda account: account.change_exits(trailing=0.5), "trailing: expected a distance"),
        (lambda account: account.change_exits(target_price="no"), "expected a price of EUR_USD"),
    ],
)
def test_an_order_that_can_not_be_is_refused(act, message):
    records = {item.id: item for item in (EUR_USD, GBP_USD)}
    account = ws.AccountView(
        books(time_ns=10, EUR_USD=1), instrument=EUR_USD, instruments=records,
        next_id=lambda n: ws.client_order_id("d", 1, n), quotes=lambda name: (110_000, 110_010),
    )  # fmt: skip
    with pytest.raises(BadInputError, match=message):
        act(account)
    assert not account._cancels
    assert not account._changes


def test_a_market_order_takes_levels_a_time_in_force_a_bound_and_what_it_may_do():
    account = ws.AccountView(
        books(time_ns=10), instrument=EUR_USD, next_id=lambda n: ws.client_order_id("d", 1, n),
        quotes=lambda name: (110_000, 110_010),
    )  # fmt: skip
    account.sell(
        5, stop_price="1.11", target_price="1.05", price_bound="1.0999", time_in_force="FOK",
        position_fill="OPEN_ONLY",
    )  # fmt: skip
    account.buy_limit(5, price="1.09", trigger="MID", position_fill="REDUCE_ONLY")
    market, limit = account._orders
    assert (market.stop_price, market.target_price, market.price_bound) == (111_000, 105_000, 109_990)
    assert (market.time_in_force, market.position_fill) == ("FOK", "OPEN_ONLY")
    assert (limit.trigger, limit.position_fill) == ("MID", "REDUCE_ONLY")
    assert account.waiting == (limit,)


def test_a_replacement_keeps_what_is_not_given_and_takes_the_units_that_are_left():
    run = ws.StrategyRunner(Replacing(), EUR_USD, Timeframe.H1, "d")
    bars = made_up_bars(3, seed=1)
    now = bars[0].close_ns
    (first,) = run.on_bars([bars[0]], books(time_ns=now), 1).orders
    left = WaitingOrder(client_order_id=first.client_order_id, units=-600)  # 400 were filled
    (second,) = run.on_bars([bars[1]], books(time_ns=now + HOUR, waiting=(left,), EUR_USD=-400), 2).orders
    assert second == replace(
        first, client_order_id=ws.client_order_id("d", 2, 0), units=-600, price=112_000, stop_distance=0,
        stop_price=113_000, replaces=first.client_order_id,
    )  # fmt: skip
    assert not run.on_bars([bars[2]], books(time_ns=now + 2 * HOUR, EUR_USD=-400), 3).orders


class Replacing(ws.Strategy):
    """Places one order, moves it, and asks for it when it has gone."""

    def on_bar(self, market: ws.MarketView, account: ws.AccountView) -> None:
        if len(market) == 1:
            self.order = account.sell_limit(1_000, price=111_000, stop=50, target=90, trigger="BID")
        elif len(market) == 2:
            self.order = account.replace(self.order, price=112_000, stop_price=113_000)
            with pytest.raises(BadInputError, match="placed just now"):
                account.replace(self.order, units=1)
        else:
            assert account.waiting == ()
            assert account.replace(self.order, price=5) is None
            account.cancel(self.order)


def test_exits_change_by_level_by_distance_from_the_closing_side_and_only_where_they_differ():
    held = replace(
        books(time_ns=10),
        positions=(
            Position(
                instrument="EUR_USD", units=-7, average_price=110_000, unrealized=0, stop=111_000, target=0
            ),
        ),
    )
    account = ws.AccountView(
        held, instrument=EUR_USD, instruments={item.id: item for item in (EUR_USD, GBP_USD)},
        next_id=lambda n: ws.client_order_id("d", 1, n), quotes=lambda name: (110_000, 110_010),
    )  # fmt: skip
    assert account.position().stop == 111_000
    assert account.change_exits(stop_price="1.11000")  # as it is
    assert account.change_exits(stop=20, target=30, trailing=0)
    assert account.change_exits(stop_price="1.11000", target_price=0)  # back again
    assert not account.change_exits("GBP_USD", stop=5)
    with pytest.raises(BadInputError, match="expected no trade= in an account that nets its positions"):
        account.change_exits(trade=ws.client_order_id("d", 0, 0), stop=5)
    assert account._changes == [
        ExitChange(instrument="EUR_USD", stop=110_030, target=109_980, trailing=0),
        ExitChange(instrument="EUR_USD", stop=111_000, target=0),
    ]


def test_the_exits_of_one_trade_change_where_trades_are_kept_apart():
    trade = Trade(
        client_order_id=ws.client_order_id("d", 0, 0), instrument="EUR_USD", opened_ns=5, units=7,
        average_price=110_000, unrealized=0, stop=0, target=0,
    )  # fmt: skip
    account = ws.AccountView(
        replace(books(time_ns=10, EUR_USD=7), trades=(trade,)), instrument=EUR_USD,
        next_id=lambda n: ws.client_order_id("d", 1, n), quotes=lambda name: (110_000, 110_010),
    )  # fmt: skip
    assert account.trades == (trade,)
    assert account.change_exits(trade=trade.client_order_id, stop=20)
    assert not account.change_exits(trade=ws.client_order_id("d", 0, 1), stop=20)
    with pytest.raises(BadInputError, match="expected trade=, as this account keeps trades apart"):
        account.change_exits(stop=20)
    (change,) = account._changes
    assert (change.trade, change.stop) == (trade.client_order_id, 109_980)


class Failing(ws.Strategy):
    def on_bar(self, market: ws.MarketView, account: ws.AccountView) -> None:
        if len(market) == 2:
            self.divide(0)

    def divide(self, by: int) -> float:
        return 1 / by


def test_an_error_in_a_strategy_says_which_when_and_where_in_its_own_file():
    run = ws.StrategyRunner(Failing(), EUR_USD, Timeframe.H1, "d")
    bars = made_up_bars(2, seed=1)
    run.on_bars([bars[0]], books(), 1)
    with pytest.raises(StrategyFailedError) as caught:
        run.on_bars([bars[1]], books(), 2)
    assert re.fullmatch(
        r"Failing.on_bar failed on EUR_USD at 2026-03-02 02:00:00\+00:00, test_running.py, line \d+, "
        r"`return 1 / by`: ZeroDivisionError: division by zero",
        str(caught.value),
    )
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


def test_the_market_answers_for_every_instrument_and_only_what_is_known():
    seen: list[tuple[float, ...]] = []

    class Looking(ws.Strategy):
        def on_bar(self, market: ws.MarketView, account: ws.AccountView) -> None:
            spread = market.value(bar.mid.close - bar.of("GBP_USD").mid.close)
            longer = market["GBP_USD"].value(bar.timeframe("H4").bid.close)
            seen.append((spread, longer, market["GBP_USD"].value(ws.rank(bar.mid.close))))
            with pytest.raises(BadInputError, match="expected one of EUR_USD, GBP_USD"):
                market["USD_JPY"]

    euro, pound = made_up_bars(9, seed=1), made_up_bars(9, seed=2, record=GBP_USD)
    run = ws.StrategyRunner(Looking(), [EUR_USD, GBP_USD], Timeframe.H1, "d")
    for seq in range(9):
        run.on_bars([euro[seq], pound[seq]], books(), seq)
    spread = ws.evaluate_expression(
        bar.mid.close - bar.of("GBP_USD").mid.close,
        columns(euro),
        others={GBP_USD.id: columns(pound, GBP_USD)},
    )
    assert [item[0] for item in seen] == spread.tolist()
    assert seen[3][1] == pound[3].bid_close
    assert {item[2] for item in seen} <= {1.0, 1.5, 2.0}


# --- ticks ----------------------------------------------------------------------------------------------


class Scalper(ws.Strategy):
    """Buys when the spread is narrow; at each bar's close it closes."""

    def on_tick(self, market: ws.MarketView, account: ws.AccountView) -> None:
        if market.quote.ask - market.quote.bid < 5 and account.units == 0:
            account.buy(100, stop=20)

    def on_bar(self, market: ws.MarketView, account: ws.AccountView) -> None:
        account.close()


def test_a_tick_strategy_is_asked_at_every_quote_and_beside_it_at_every_bar():
    assert Scalper().form == "on_tick"
    run = ws.StrategyRunner(Scalper(), EUR_USD, Timeframe.H1, "d")
    wide, narrow = (
        Quote(instrument=EUR_USD.id, time_ns=START + at, bid=110_000, ask=110_000 + spread)
        for at, spread in enumerate((20, 3))
    )
    assert run.on_tick(wide, books(), 1) == ws.Decision()
    (order,) = run.on_tick(narrow, books(), 2).orders
    assert order == Order(
        client_order_id=ws.client_order_id("d", 2, 0), instrument=EUR_USD.id, units=100, stop_distance=20
    )
    assert [item.units for item in run.on_bar(made_up_bars(1, seed=1)[0], books(EUR_USD=100), 3)] == [-100]
    assert len(ws.spec(Scalper())["source_sha256"]) == 64


def test_a_bar_strategy_is_not_asked_at_ticks():
    rules = ws.Rules(enter_long=bar.hour >= 0, size=ws.Units(1))
    run = ws.StrategyRunner(ws.RulesStrategy("Simple", rules), EUR_USD, Timeframe.H1, "d")
    assert run.on_tick(Quote(instrument=EUR_USD.id, time_ns=1, bid=1, ask=2), books(), 1) == ws.Decision()


def test_what_a_strategy_needs_is_said_in_words():
    def of(*traded: str, **more: Any) -> tuple[str, ...]:
        rules = ws.Rules(**{"enter_long": bar.hour > 1, "size": ws.Units(1)} | more)
        return needs(ws.RulesStrategy("Some", rules), instruments=["EUR_USD", *traded])

    assert of() == of(stop=ws.atr(bar.timeframe("H4"), 3), max_bars=5) == ()
    assert needs(Pair(), instruments=["EUR_USD", "GBP_USD"]) == ()
    assert of(entry=ws.BySide(short=ws.StopAt(5))) == of(exit_long=ws.rank(bar.hour) > 1) == ()
    assert of(stop=bar.of("GBP_USD").mid.high) == ("the bars of GBP_USD, which it does not trade",)
    assert of("GBP_USD", stop=bar.of("GBP_USD").mid.high) == ()
    assert needs(Scalper(), instruments=["EUR_USD"]) == ("every quote (on_tick)",)
