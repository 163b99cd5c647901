"""vectorbt as the engine: the same orders, to the cent, and a refusal of what it can not express."""

from decimal import Decimal

import pytest

from tests.research.markets_for_tests import book_for, finer_walk
from tests.research.strategies_for_tests import Bracket, Cross, CrossByBar, walk, without_spread
from workbench.errors import BadInputError
from workbench.research import run_backtest
from workbench.strategy import BarExpr, Rules, Strategy, Units, highest, lowest, sma

FREE = book_for("EUR_USD", financing_long_ppm=0, financing_short_ppm=0, slippage_points=1)


class Leaves(Strategy):
    """Entries and exits that meet: both at once, exits without a position, entries again."""

    def rules(self, bar: BarExpr) -> Rules:
        mean = sma(bar.mid.close, 5)
        return Rules(
            enter_long=bar.mid.close > highest(bar.mid.high, 4).lag(1),
            enter_short=(bar.mid.close < lowest(bar.mid.low, 4).lag(1)) | (bar.hour == 9),
            exit_long=bar.mid.close < mean,
            exit_short=bar.mid.close > mean,
            size=Units(20_000),
        )


@pytest.mark.parametrize("strategy", [Cross(), Leaves()])
@pytest.mark.parametrize("spread", [True, False])
def test_vectorbt_makes_the_same_orders_and_the_same_money(strategy: Strategy, spread: bool) -> None:
    bars = walk(1_200, seed=6) if spread else without_spread(walk(1_200, seed=6))
    ours = run_backtest(strategy, bars, cost_book=FREE, balance=Decimal(1_000_000))
    theirs = run_backtest(strategy, bars, cost_book=FREE, balance=Decimal(1_000_000), engine="vectorbt")
    assert [(item.units, item.price, item.time_ns) for item in theirs.fills] == [
        (item.units, item.price, item.time_ns) for item in ours.fills
    ]
    assert theirs.digest == ours.digest
    assert theirs.metrics == ours.metrics
    assert (theirs.path, len(ours.fills) > 100) == ("vectorbt", True)
    assert repr(theirs) == repr(ours)
    if not spread:  # it values what is held at mid
        profit = theirs.portfolio.total_profit()  # type: ignore[attr-defined]
        assert profit == pytest.approx(ours.metrics["net_profit"], abs=0.005)


@pytest.mark.parametrize(
    ("strategy", "options", "what"),
    [
        (Bracket(units=10_000), {}, "stop"),
        (CrossByBar(), {}, "on_bar"),
        (Cross(), {"mode": "hedging"}, "netted"),
        (Cross(), {"latency_ns": 1}, "latency"),
        (Cross(), {"cost_book": book_for("EUR_USD")}, "financing"),
        (Cross(), {"finer": finer_walk(30, seed=1)[1]}, "finer"),
    ],
)
def test_what_vectorbt_does_not_have_is_refused_by_name(
    strategy: Strategy, options: dict[str, object], what: str
) -> None:
    bars, _ = finer_walk(30, seed=1)
    with pytest.raises(BadInputError, match=what):
        run_backtest(strategy, bars, **{"cost_book": FREE, **options}, engine="vectorbt")


def test_a_refusal_names_the_way_out_and_that_way_is_one() -> None:
    bars, book = walk(300, seed=6), book_for("EUR_USD")
    with pytest.raises(BadInputError) as refused:
        run_backtest(Cross(), bars, cost_book=book, engine="vectorbt")
    way = "cost_book.with_costs('EUR_USD', financing_long_ppm=0, financing_short_ppm=0)"
    assert f"run it without financing by cost_book={way};" in str(refused.value)
    free = eval(way, {"cost_book": book})  # what a reader would type
    assert run_backtest(Cross(), bars, cost_book=free, engine="vectorbt").path == "vectorbt"
    with pytest.raises(
        BadInputError, match="write the rules without stop=; write the rules without target=; or"
    ):
        run_backtest(Bracket(units=10_000), bars, cost_book=free, engine="vectorbt")
