"""Strategies in Python: the fast run skips events in which nothing happens, and gives the replay's bits."""

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.research.markets_for_tests import book_for, finer_walk, ticks_of
from tests.research.strategies_for_tests import CrossByBar, walk
from tests.research.test_paths_agree import assert_same
from workbench.errors import BadInputError
from workbench.research import replay_backtest, run_backtest
from workbench.strategy import AccountView, MarketView, Param, Strategy, atr, bar, client_order_id, sma


class ByHand(Strategy):
    """Every order there is, placed by the bar's number and prices."""

    trailing = Param(0, low=0, high=1_000)
    stop = Param(0, low=0, high=1_000)
    target = Param(0, low=0, high=1_000)
    size = Param(10_000, low=1, high=10_000_000)
    on_levels = Param(False)
    by_hand = Param(False)

    def decide(self, market: MarketView, account: AccountView, number: int) -> None:
        if not len(market):
            return
        mean = market.value(sma(bar.mid.close, 5))
        reach = max(1, int(market.value(atr(bar, 3)))) if len(market) > 4 else 20
        price = market.quote.bid
        step = number % 11
        if step == 0 and account.units == 0 and price > mean:
            account.buy(self.size, stop=self.stop, target=self.target, trailing=self.trailing)
        elif step == 3 and self.on_levels:
            account.sell_limit(self.size, price=price + reach, stop=self.stop, trailing=self.trailing)
        elif step == 5 and self.on_levels:
            account.buy_stop(self.size, price=price + 2 * reach, time_in_force="GFD")
        elif step == 7 and account.equity > account.balance:
            account.close()
        elif step == 8 and account.waiting:
            account.cancel(account.waiting[0].client_order_id)
        elif step == 9 and account.snapshot.margin_used and account.snapshot.positions[0].units > 0:
            account.sell(2 * self.size)
        elif step == 10 and self.on_levels:
            account.buy_if_touched(
                self.size, price=price - reach, expires_ns=market.time_ns + 7_200_000_000_000
            )
        if self.by_hand and step in (2, 4, 6):
            self.change(market, account, step, reach)

    def change(self, market: MarketView, account: AccountView, step: int, reach: int) -> None:
        """Trail the stop by hand, now and then a new target or trailing stop, and move the oldest order."""
        held = account.position()
        if held is not None:
            long = held.units > 0
            level = market.quote.bid - reach if long else market.quote.ask + reach
            if step == 2:
                account.change_exits(stop_price=level, target=3 * reach)
            elif step == 4 and (held.stop == 0 or (level > held.stop) == long):
                account.change_exits(stop_price=level, trailing=2 * reach, target_price=0)
            elif step == 6:
                account.change_exits(stop=0, trailing=0 if held.trailing else reach)
        if account.waiting:
            oldest = account.waiting[0]
            away = reach if oldest.price > market.quote.bid else -reach
            moved = oldest.price + away // 2
            if step == 2:
                account.replace(oldest.client_order_id, price=max(1, moved), stop=0, stop_price=0)
            else:
                account.replace(oldest.client_order_id, units=self.size // 2, time_in_force="GTC")
        assert account.replace(client_order_id("backtest", 1, 0), units=1) is None


class ByBar(ByHand):
    def on_bar(self, market: MarketView, account: AccountView) -> None:
        self.decide(market, account, len(market))


class ByTick(ByHand):
    def __init__(self, **params: object) -> None:
        super().__init__(**params)
        self._ticks = 0

    def on_tick(self, market: MarketView, account: AccountView) -> None:
        self._ticks += 1
        self.decide(market, account, self._ticks)


parameters = st.fixed_dictionaries(
    {
        "trailing": st.sampled_from((0, 20, 90)),
        "stop": st.sampled_from((0, 30, 200)),
        "target": st.sampled_from((0, 40, 200)),
        "size": st.sampled_from((1_000, 10_000, 900_000)),
        "on_levels": st.booleans(),
        "by_hand": st.booleans(),
    }
)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(chosen=parameters, seed=st.integers(0, 9_999), latency=st.sampled_from((0, 5_000_000_000)))
def test_on_bar_runs_to_the_bits_of_the_replay(chosen: dict[str, int], seed: int, latency: int) -> None:
    bars = walk(120, seed=seed)
    options = {
        "cost_book": book_for("EUR_USD"),
        "balance": Decimal(60_000),
        "latency_ns": latency,
        "trade_from_ns": int(bars.close_ns[9]),
    }
    fast = run_backtest(ByBar(**chosen), bars, **options)
    assert fast.path == "callback"
    assert_same(fast, replay_backtest(ByBar(**chosen), bars, **options))


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(chosen=parameters, seed=st.integers(0, 9_999))
def test_on_tick_runs_to_the_bits_of_the_replay(chosen: dict[str, int], seed: int) -> None:
    _, fine = finer_walk(3, seed=seed)
    ticks = ticks_of(fine, seed=seed)
    options = {"cost_book": book_for("EUR_USD"), "timeframe": "M5"}
    fast = run_backtest(ByTick(**chosen), ticks, **options)
    assert fast.path == "callback"
    assert_same(fast, replay_backtest(ByTick(**chosen), ticks, **options))


class Curious(Strategy):
    """Looks at everything."""

    def on_bar(self, market: MarketView, account: AccountView) -> None:
        seen = self.__dict__.setdefault("seen", [])
        last = market.bars(3)
        seen.append((len(market), market.time_ns, market.bar == last[-1], market.closed, account.units))
        assert market["EUR_USD"].bar == market.bar
        assert market.column("bid_close", 2).tolist() == [item.bid_close for item in market.bars(2)]
        with pytest.raises(BadInputError):
            market["GBP_USD"]
        with pytest.raises(BadInputError):
            market.bars(0)


def test_both_show_the_same_market() -> None:
    bars = walk(20, seed=1)
    for run in (run_backtest, replay_backtest):
        result = run(Curious(), bars, cost_book=book_for("EUR_USD"))
        assert not result.fills
    several = run_backtest(CrossByBar(), bars, finer=replace(bars), cost_book=book_for("EUR_USD"))
    assert several.path == "replay"


class Many(Strategy):
    """`count` orders at every third bar, and what closes them."""

    count = Param(80, low=1, high=5_000)

    def on_bar(self, market: MarketView, account: AccountView) -> None:
        if len(market) % 3 == 0:
            for number in range(self.count):
                account.buy(1 + number, trailing=25, stop=30) if number % 2 else account.sell(2)
        elif len(market) % 3 == 1:
            account.close(units=5)
            account.close()


def test_more_orders_and_fills_than_there_was_room_for_at_first() -> None:
    bars, costs = walk(120, seed=3), book_for("EUR_USD")
    fast = run_backtest(Many(), bars, cost_book=costs)
    assert fast.path == "callback"
    assert len(fast.fills) > 2_000
    assert_same(fast, replay_backtest(Many(), bars, cost_book=costs))
    for run in (run_backtest, replay_backtest):
        with pytest.raises(BadInputError, match="at most 1,024 orders on one event, found 1,025"):
            run(Many(count=1_025), bars, cost_book=costs)


class Asks(Strategy):
    """One order with terms that it is made with."""

    def __init__(self, of: object, terms: dict[str, object]) -> None:
        super().__init__()
        self.of, self.terms = of, terms

    def fresh(self) -> "Asks":
        return Asks(self.of, self.terms)

    def on_bar(self, market: MarketView, account: AccountView) -> None:
        if len(market) == 5:
            account.buy(self.of, **self.terms)
        elif len(market) == 9:
            account.sell(3, **self.terms)


@pytest.mark.parametrize(
    ("of", "terms"),
    [
        (0, {}),
        (-5, {}),
        (True, {}),
        (1.5, {}),
        ("5", {}),
        (1_000_000_001, {}),
        (5, {"stop": -1}),
        (5, {"stop": True}),
        (5, {"target": 1_000_000_001}),
        (5, {"stop": 500_000}),
        (5, {"trailing": 2.5}),
        (5, {"stop": 10, "price": 100}),
        (5, {"stop": 10, "size": 100}),
        (5, {"stop": 10, "stop_price": "1.05"}),
        (5, {"units": 5}),
        (5, {"position_fill": "NEVER"}),
        (5, {"stop": 40, "target": 0, "trailing": 20}),
        (5, {"target": 999_999}),
        (5, {"position_fill": "OPEN_ONLY", "target": 30}),
    ],
)
def test_what_is_wrong_is_said_in_the_words_of_the_replay(of: object, terms: dict[str, object]) -> None:
    bars, costs = walk(30, seed=2), book_for("EUR_USD")
    said = []
    for run in (run_backtest, replay_backtest):
        try:
            said.append(run(Asks(of, terms), bars, cost_book=costs).outcome)
        except Exception as error:
            said.append((type(error), str(error)))
    fast, slow = said
    if isinstance(slow, tuple):
        assert fast == slow
    else:
        assert fast.digest == slow.digest
        assert len(slow.fills) >= 2
