"""Orders that take the sizes of ticks: all paths and the slow engine agree, and the result tells of it."""

from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.engine.slow_engine import SlowEngine
from tests.engine.test_against_slow_engine import plain
from tests.research.markets_for_tests import book_for, finer_walk, ticks_of
from tests.research.strategies_for_tests import NAME, Cross, book, walk
from tests.research.test_callbacks_agree import ByTick
from tests.research.test_everything_agrees import Everything, accounts, everything, same
from tests.research.test_latency_on_ticks import SECOND, ticks
from tests.research.test_paths_agree import assert_same
from workbench.domain.accounts import AccountRules
from workbench.domain.instruments import instrument
from workbench.domain.orders import ClientOrderId, Fill, Order
from workbench.domain.quotes import Bar, Quote
from workbench.engine import MatchingEngine
from workbench.errors import BadInputError
from workbench.market.ticks import Ticks
from workbench.research import replay, replay_backtest, run_backtest
from workbench.research.assumptions import larger_than_offered, partial_fills
from workbench.strategy import AccountView, BarExpr, MarketView, Rules, Strategy, Units


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    strategy=everything(),
    account=accounts(),
    seed=st.integers(0, 9_999),
    most=st.sampled_from((3, 5_000, 20_000, 2_000_000)),
    alone=st.booleans(),
)
def test_partial_fills_are_replayed_to_the_same_bits(
    strategy: Everything, account: AccountRules, seed: int, most: int, alone: bool
) -> None:
    bars, fine = finer_walk(40, seed=seed)
    quotes = ticks_of(fine, seed=seed, sizes=most)
    options: dict[str, Any] = {"cost_book": book_for("EUR_USD"), "account": account, "sizes": True}
    if alone:
        same(strategy, quotes, timeframe="M15", **options)
    else:
        same(strategy, bars, finer=quotes, **options)


class Recording(MatchingEngine):
    """The engine, and a note of what it was given and what it filled."""

    last: "Recording"

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.given: list[Quote | Order | ClientOrderId] = []
        self.filled: list[Fill] = []
        Recording.last = self

    def submit(self, order: Order, *, at_ns: int | None = None) -> None:
        self.given.append(order)
        super().submit(order, at_ns=at_ns)

    def cancel(self, client_order_id: ClientOrderId) -> bool:
        self.given.append(client_order_id)
        return super().cancel(client_order_id)

    def on_quote(self, quote: Quote) -> list[Fill]:
        self.given.append(quote)
        found = super().on_quote(quote)
        self.filled += found
        return found

    def on_bar(self, bar: Bar) -> list[Fill]:
        raise AssertionError("no bars are matched on here")


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(strategy=everything(), seed=st.integers(0, 9_999), most=st.sampled_from((5_000, 20_000)))
def test_partial_fills_are_those_of_an_engine_written_in_fractions(
    strategy: Everything, seed: int, most: int
) -> None:
    _, fine = finer_walk(30, seed=seed)
    quotes = ticks_of(fine, seed=seed, sizes=most)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(replay, "MatchingEngine", Recording)
        result = replay_backtest(strategy, quotes, timeframe="M15", cost_book=book_for("EUR_USD"), sizes=True)
    fast = Recording.last
    slow = SlowEngine((instrument(NAME),), (book_for("EUR_USD"),), "USD", 100_000 * 1_000_000, AccountRules())
    for item in fast.given:
        if isinstance(item, Quote):
            slow.on_quote(item)
        elif isinstance(item, Order):
            slow.submit(item)
        else:
            slow.cancel(item)
    assert [plain(fill) for fill in fast.filled] == slow.fills
    assert [plain(fill)[2:] for fill in result.fills] == [fill[2:] for fill in slow.fills]
    assert partial_fills(result) == sum(fill.remaining != 0 for fill in fast.filled)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(seed=st.integers(0, 9_999), most=st.sampled_from((5_000, 20_000)))
def test_on_tick_takes_the_sizes_as_the_replay_does(seed: int, most: int) -> None:
    _, fine = finer_walk(10, seed=seed)
    quotes = ticks_of(fine, seed=seed, sizes=most)
    options: dict[str, Any] = {"cost_book": book_for("EUR_USD"), "timeframe": "M15", "sizes": True}
    first = run_backtest(ByTick(on_levels=True), quotes, **options)
    assert_same(first, replay_backtest(ByTick(on_levels=True), quotes, **options))
    assert not [
        fill for fill in first.fills if abs(fill.units) > max(quotes.ask_size.max(), quotes.bid_size.max())
    ]


class Large(Strategy):
    """Buys 1,000 units at the close of the first bar."""

    def rules(self, bar: BarExpr) -> Rules:
        return Rules(enter_long=bar.mid.close > 0, size=Units(1_000))


def sized(sizes: list[int]) -> Ticks:
    quotes = ticks(0, 40, 61, 65, 80, 125)
    return Ticks(
        **{
            **{name: getattr(quotes, name) for name in ("instrument", "time_ns", "bid", "ask", "bid_size")},
            "ask_size": np.array(sizes, np.int64),
        }
    )


def test_a_market_order_fills_over_the_ticks_that_have_it_on_offer() -> None:
    # 300 at the tick of second 61, 450 at that of 65, the last 250 of the 5,000 at that of 80
    quotes = sized([9, 9, 300, 450, 5_000, 5_000])
    result = run_backtest(Large(), quotes, timeframe="M1", cost_book=book(), sizes=True)
    begin = int(quotes.time_ns[0])
    assert [((fill.time_ns - begin) // SECOND, fill.units, fill.remaining) for fill in result.fills] == [
        (61, 300, 700),
        (65, 450, 250),
        (80, 250, 0),
    ]
    assert [fill.price for fill in result.fills] == [110_012, 110_013, 110_014]
    assert partial_fills(result) == 2
    assert "2 of 3 fills were partial, their rests waited on" in str(result.data["sizes_meaning"])


class AtOnce(Strategy):
    """A limit far above the market that may not wait."""

    def __init__(self, force: str) -> None:
        super().__init__()
        self.force = force

    def on_bar(self, market: MarketView, account: AccountView) -> None:
        if len(market) == 1:
            account.buy_limit(1_000, price=120_000, time_in_force=self.force)

    def fresh(self) -> "AtOnce":
        return AtOnce(self.force)


@pytest.mark.parametrize(("force", "filled"), [("IOC", [300]), ("FOK", []), ("GTC", [300, 450, 250])])
def test_what_may_not_wait_is_dropped_with_its_rest(force: str, filled: list[int]) -> None:
    quotes = sized([9, 9, 300, 450, 5_000, 5_000])
    result = run_backtest(AtOnce(force), quotes, timeframe="M1", cost_book=book(), sizes=True)
    assert [fill.units for fill in result.fills] == filled
    assert len(result.outcome.refused) == (force != "GTC")
    if force != "GTC":
        assert "1 rests were dropped" in str(result.data["sizes_meaning"])


def test_sizes_that_were_not_used_are_told_of() -> None:
    quotes = sized([9, 9, 300, 450, 5_000, 5_000])
    result = run_backtest(Large(), quotes, timeframe="M1", cost_book=book())
    assert [fill.units for fill in result.fills] == [1_000]
    assert larger_than_offered(result) == 1
    assert any("1 of 1 fills were larger than the size on offer" in item for item in result.cautions)
    assert "not used" in str(result.data["sizes_meaning"])
    assert "larger than the size on offer" in result._repr_html_()


def test_without_sizes_fills_are_never_partial_and_the_result_says_so() -> None:
    for data, options in ((walk(40, seed=1), {}), (ticks(0, 40, 61, 65), {"timeframe": "M1"})):
        result = run_backtest(
            Cross(fast=2, slow=3), data, cost_book=book(), balance=Decimal(9_000), **options
        )
        assert "fills are never partial" in str(result.data["sizes_meaning"])
        with pytest.raises(BadInputError, match="sizes=True: expected ticks with sizes"):
            run_backtest(Cross(), data, cost_book=book(), sizes=True, **options)
