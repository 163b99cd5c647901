"""Accounts in other currencies and hedged ones: what rules and `on_bar` do there."""

from datetime import date

import numpy as np
import pytest

from tests.research.markets_for_tests import book_for, moved, ticks_of
from tests.research.strategies_for_tests import book, walk
from tests.research.test_paths_agree import assert_same
from workbench.domain.cost_book import CostBook
from workbench.domain.instruments import InstrumentId
from workbench.errors import BadInputError
from workbench.research import BacktestResult, replay_backtest, run_backtest
from workbench.strategy import (
    AccountView,
    BarExpr,
    BySide,
    Cash,
    MarketView,
    Rules,
    StopAt,
    Strategy,
    Units,
    crosses_above,
    crosses_below,
    sma,
)


class Straddle(Strategy):
    """A stop entry on each side, both of which may fill within a bar."""

    def rules(self, bar: BarExpr) -> Rules:
        return Rules(
            enter_long=bar.hour == 8,
            enter_short=bar.hour == 8,
            entry=BySide(long=StopAt(bar.ask.close + 5), short=StopAt(bar.bid.close - 5)),
            expires_bars=6,
            max_bars=4,
            size=Units(1_000),
        )


class Swing(Strategy):
    """Worth so much money of the account."""

    def rules(self, bar: BarExpr) -> Rules:
        mean = sma(bar.mid.close, 3)
        return Rules(
            enter_long=crosses_above(bar.mid.close, mean),
            enter_short=crosses_below(bar.mid.close, mean),
            size=Cash(5_000),
        )


class Held(Strategy):
    """Buys once and holds."""

    def rules(self, bar: BarExpr) -> Rules:
        return Rules(enter_long=bar.mid.close > 0, size=Units(1_000))


class BothSides(Strategy):
    """Long and short at once, then flat."""

    def on_bar(self, market: MarketView, account: AccountView) -> None:
        if len(market) == 5:
            account.buy(1_000)
            account.sell(1_000)
        if len(market) == 9:
            account.close()


class PartOfBoth(BothSides):
    """Asks for a part where it is not clear of what."""

    def on_bar(self, market: MarketView, account: AccountView) -> None:
        super().on_bar(market, account)
        if len(market) == 7:
            account.close(units=500)


def same(strategy: Strategy, data: object, **options: object) -> BacktestResult:
    found = run_backtest(strategy, data, **options)
    assert_same(found, replay_backtest(strategy, data, **options))
    return found


def test_rules_turn_what_is_held_on_every_kind_of_account() -> None:
    bars = walk(400, seed=3)
    results = [same(Straddle(), bars, cost_book=book(), mode=mode) for mode in ("NETTING", "HEDGING", "FIFO")]
    assert results[0].metrics["trades"] > 5
    assert {item.metrics["open_trades"] for item in results} == {0}
    assert {item.net_profit_micro for item in results} == {results[0].net_profit_micro}


def test_closing_closes_longs_and_shorts_of_a_hedged_account() -> None:
    found = same(BothSides(), walk(30, seed=1), cost_book=book(), mode="HEDGING")
    assert found.trades["side"].tolist() == ["long", "short"]
    assert found.metrics["open_trades"] == 0


def test_closing_a_part_of_longs_and_shorts_is_refused() -> None:
    with pytest.raises(BadInputError, match=r"longs \(1,000\) and shorts \(1,000\) of EUR_USD are held"):
        run_backtest(PartOfBoth(), walk(30, seed=1), cost_book=book(), mode="HEDGING")


@pytest.mark.parametrize("form", ["bars", "ticks"])
def test_an_account_is_converted_by_bars_or_ticks_of_a_pair(form: str) -> None:
    pair = moved("GBP_USD", walk(120, seed=2))
    also = pair if form == "bars" else ticks_of(pair, seed=2)
    found = same(
        Swing(), walk(120, seed=1), also=also, cost_book=book_for("EUR_USD", "GBP_USD"), currency="GBP"
    )
    first = found.fills[0]
    assert abs(first.units) == pytest.approx(5_000, rel=0.05)  # both pairs stand at about 1.10
    assert found.metrics["spread_cost"] > 0


def test_costs_are_told_before_a_bar_of_the_converting_pair_has_closed() -> None:
    bars = walk(60, seed=1)
    pair = moved("GBP_USD", walk(15, seed=2, timeframe=bars.timeframe, gap_share=0.0))
    late = pair.at(0, 1)  # one bar, which the first fills come before the end of
    begun = int(late.open_ns[0])
    found = run_backtest(
        Swing(),
        bars,
        also=late,
        cost_book=book_for("EUR_USD", "GBP_USD"),
        currency="GBP",
        trade_from_ns=begun,
    )
    assert np.isfinite(found.metrics["spread_cost"])


def test_financing_that_cancels_out_is_still_told_apart() -> None:
    paying, earning = (
        book_for("EUR_USD", "GBP_USD", financing_long_ppm=rate).costs for rate in (-25_000, 25_000)
    )
    costs = CostBook(
        broker="test",
        valid_from=date(2020, 1, 1),
        costs={**paying, InstrumentId("GBP_USD"): earning[InstrumentId("GBP_USD")]},
    )
    bars = walk(120, seed=4)
    found = same(Held(), [bars, moved("GBP_USD", bars)], cost_book=costs)
    assert found.metrics["financing"] == 0.0
    assert len(found.outcome.financing_amount) > 2
