"""When orders decided at a bar's close can fill, where ticks are sparse."""

from datetime import datetime

import numpy as np
import pytest

from tests.research.strategies_for_tests import NAME, book
from tests.research.test_paths_agree import assert_same
from workbench.domain.calendar import to_ns
from workbench.domain.instruments import instrument
from workbench.market.ticks import Ticks
from workbench.research import replay_backtest, run_backtest
from workbench.strategy import AccountView, BarExpr, MarketView, Rules, Strategy, Units

SECOND = 1_000_000_000


def ticks(*seconds: int, start: str = "2026-03-03 15:00") -> Ticks:
    """Quotes at some seconds, a point higher each time."""
    begin = to_ns(datetime.fromisoformat(f"{start}+00:00"))
    time_ns = begin + np.array(seconds, np.int64) * SECOND
    bid = 110_000 + np.arange(len(seconds), dtype=np.int64)
    none = np.zeros(len(seconds), np.int64)
    return Ticks(
        instrument=instrument(NAME), time_ns=time_ns, bid=bid, ask=bid + 10, bid_size=none, ask_size=none
    )


class Once(Strategy):
    """Buys at the close of the first bar."""

    def rules(self, bar: BarExpr) -> Rules:
        return Rules(enter_long=bar.mid.close > 0, size=Units(1_000))


class ForTheDay(Strategy):
    """A limit for the day, placed at the close of the first bar."""

    def on_bar(self, market: MarketView, account: AccountView) -> None:
        if len(market) == 1:
            account.buy_limit(1_000, price=200_000, time_in_force="GFD")


@pytest.mark.parametrize(("latency", "second"), [(0, 61), (1, 61), (3, 65), (10, 80)])
def test_latency_counts_from_the_close_of_the_bar_and_not_from_the_tick_before(
    latency: int, second: int
) -> None:
    quotes = ticks(0, 40, 61, 65, 80, 125)
    options = {"timeframe": "M1", "cost_book": book(), "latency_ns": latency * SECOND}
    found = run_backtest(Once(), quotes, **options)
    assert_same(found, replay_backtest(Once(), quotes, **options))
    assert (found.fills[0].time_ns - int(quotes.time_ns[0])) // SECOND == second


def test_an_order_for_the_day_placed_when_the_day_begins_is_good_for_that_day() -> None:
    quotes = ticks(0, 30, 70, 130, start="2026-03-03 21:59")  # 16:59 in New York
    found = run_backtest(ForTheDay(), quotes, timeframe="M1", cost_book=book())
    assert [item.time_ns for item in found.fills] == [int(quotes.time_ns[2])]
