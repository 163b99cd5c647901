"""What a backtest takes for granted stands in its result."""

from datetime import date

import numpy as np
import pytest

from tests.research.markets_for_tests import book_for, finer_walk, moved, ticks_of
from tests.research.strategies_for_tests import Cross, book, walk
from tests.research.test_paths_agree import assert_same
from workbench.domain.calendar import session_of
from workbench.domain.cost_book import CostBook
from workbench.domain.cost_history import CostHistory
from workbench.errors import BadInputError
from workbench.market import Bars
from workbench.market.sample import synthetic_companions
from workbench.research import replay_backtest, run_backtest, tear_sheet
from workbench.strategy import (
    BarExpr,
    Level,
    Param,
    Rules,
    Strategy,
    Units,
    crosses_above,
    crosses_below,
    highest,
    lowest,
    sma,
)

MILLISECOND = 1_000_000


def first_fill(bars: Bars, latency_ns: int) -> int:
    """How many bars after its decision the first order was filled."""
    result = run_backtest(Cross(), bars, cost_book=book(), latency_ns=latency_ns)
    decided = int(result.round_ns[result.outcome.fill_bar[0] - 1])
    at_once = run_backtest(Cross(), bars, cost_book=book())
    return int(result.outcome.fill_bar[0] - at_once.outcome.fill_bar[0]) if decided else -1


def test_latency_on_bars_costs_a_whole_bar_and_the_result_warns_of_it() -> None:
    bars = walk(200, seed=3, gap_share=0.0)
    assert (first_fill(bars, 0), first_fill(bars, 50 * MILLISECOND)) == (0, 1)
    result = run_backtest(Cross(), bars, cost_book=book(), latency_ns=50 * MILLISECOND)
    (note,) = result.cautions
    assert note.startswith("A latency of 50 ms on bars costs a whole bar")
    assert "the open of the H1 bar after it" in note
    for shown in (result._repr_html_(), tear_sheet(result)._repr_html_()):
        assert "costs a whole bar" in shown
    assert run_backtest(Cross(), bars, cost_book=book()).cautions == []


def test_on_ticks_latency_costs_what_it_is_and_nothing_is_said() -> None:
    bars, fine = finer_walk(40, seed=2)
    options = {"cost_book": book_for("EUR_USD"), "latency_ns": 50 * MILLISECOND}
    assert run_backtest(Cross(), bars, finer=ticks_of(fine, seed=2), **options).cautions == []
    (note,) = run_backtest(Cross(), bars, finer=fine, **options).cautions
    assert "the open of the M1 bar" in note


def test_prices_from_before_the_cost_book_are_told() -> None:
    bars = walk(200, seed=3)
    late = CostBook(broker="late", valid_from=date(2040, 1, 9), costs=book().costs)
    (note,) = run_backtest(Cross(), bars, cost_book=late).cautions
    assert note.startswith("The costs of late begin on 2040-01-09, the prices on ")
    early = CostBook(broker="late", valid_from=session_of(int(bars.open_ns[0])), costs=book().costs)
    assert run_backtest(Cross(), bars, cost_book=CostHistory([early, late])).cautions == []


@pytest.mark.parametrize("looked_at", [False, True])
def test_made_up_companions_are_marked(looked_at: bool) -> None:
    bars = walk(60, seed=4)
    others = synthetic_companions(bars)
    costs = book_for("EUR_USD", *others)
    if looked_at:
        result = run_backtest(Cross(), bars, also=others, cost_book=costs)
    else:
        result = run_backtest(Cross(), {"EUR_USD": bars, **others}, cost_book=costs)
    (note,) = result.cautions
    assert note.startswith("SYNTHETIC: the prices of AUD_USD, GBP_USD, NZD_USD are made up")
    assert "SYNTHETIC" in result._repr_html_()
    if not looked_at:
        assert "Of AUD_USD, GBP_USD, NZD_USD: the prices are SYNTHETIC" in result.data["sides_meaning"]
    assert all("SYNTHETIC" in item.describe() for item in others.values())


def test_bars_and_ticks_of_different_timeframes_trade_together() -> None:
    bars, fine = finer_walk(60, seed=5)
    quotes = ticks_of(moved("GBP_USD", fine), seed=5)
    options = {"cost_book": book_for("EUR_USD", "GBP_USD"), "timeframe": "M5"}
    result = run_backtest(Cross(fast=2, slow=3), [bars, quotes], **options)
    assert {str(name): str(item.timeframe) for name, item in result.traded.items()} == {
        "EUR_USD": "M15",
        "GBP_USD": "M5",
    }
    assert set(result.by_instrument.index) == {"EUR_USD", "GBP_USD", "all"}
    assert (result.by_instrument["trades"] > 3).all()
    assert_same(result, replay_backtest(Cross(fast=2, slow=3), [bars, quotes], **options))
    with pytest.raises(BadInputError, match="timeframe= says which bars to make of ticks"):
        run_backtest(Cross(), bars, **options)


class WrongSide(Strategy):
    """Buys each rise, with a stop that lies above all prices of late, or below them."""

    above = Param(1, low=0, high=1)

    def rules(self, bar: BarExpr) -> Rules:
        stop = highest(bar.bid.high, 5) + 1_000 if self.above else lowest(bar.bid.low, 5) - 10
        return Rules(
            enter_long=crosses_above(bar.mid.close, sma(bar.mid.close, 10)),
            exit_long=crosses_below(bar.mid.close, sma(bar.mid.close, 10)),
            stop=Level(stop),
            size=Units(1_000),
        )


def test_entries_whose_stop_can_not_be_are_told() -> None:
    bars = walk(400, seed=3)
    mid = (bars.bid_close + bars.ask_close) / 2.0
    mean = np.convolve(mid, np.ones(10) / 10.0, "valid")
    rises = int(((mid[10:] > mean[1:]) & (mid[9:-1] <= mean[:-1])).sum())
    assert rises > 5
    result = run_backtest(WrongSide(), bars, cost_book=book())
    assert len(result.outcome.fills) == 0
    (note,) = [item for item in result.cautions if "led to no order" in item]
    assert note.startswith(f"{rises:,} of {rises:,} signals to enter")
    assert replay_backtest(WrongSide(), bars, cost_book=book()).cautions == result.cautions
    good = run_backtest(WrongSide(above=0), bars, cost_book=book())
    assert len(good.outcome.fills) > 5
    assert not any("led to no order" in item for item in good.cautions)


class Negative(Strategy):
    """A distance that is known and below a point at every bar."""

    def rules(self, bar: BarExpr) -> Rules:
        up = crosses_above(bar.mid.close, sma(bar.mid.close, 10))
        return Rules(enter_long=up, stop=bar.bid.low - bar.ask.high, size=Units(1_000))


def test_distances_below_a_point_are_told_on_the_fast_path_too() -> None:
    result = run_backtest(Negative(), walk(400, seed=3), cost_book=book())
    assert len(result.outcome.fills) == 0
    (note,) = [item for item in result.cautions if "led to no order" in item]
    dropped, asked = note.split(" signals")[0].split(" of ")
    assert int(dropped) == int(asked) > 5
