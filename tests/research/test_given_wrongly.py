"""What a backtest is given wrongly is refused, with what to do."""

from datetime import UTC, datetime
from typing import Any

import pytest

from tests.research.markets_for_tests import finer_walk, ticks_of
from tests.research.strategies_for_tests import Cross, book, walk
from workbench.errors import BadInputError
from workbench.research import replay_backtest, run_backtest
from workbench.strategy import AccountView, LimitAt, MarketView, Rules, Strategy, Units, bar


def refused(match: str, **options: Any) -> None:
    given: dict[str, Any] = {"data": walk(40, seed=1), "cost_book": book(), **options}
    with pytest.raises(BadInputError, match=match):
        run_backtest(Cross(), given.pop("data"), **given)


@pytest.mark.parametrize("form", ["bars", "ticks"])
def test_finer_prices_that_end_before_the_bars_do_are_refused(form: str) -> None:
    bars, fine = finer_walk(40, seed=1)
    part = fine.at(0, 200)
    refused(
        "expected finer prices for all bars that are traded",
        data=bars,
        finer=part if form == "bars" else ticks_of(part, seed=1),
    )
    whole = fine if form == "bars" else ticks_of(fine, seed=1)
    assert run_backtest(Cross(), bars, finer=whole, cost_book=book()).fills


def test_wrong_terms_are_refused_by_name() -> None:
    refused("latency_ns: expected nanoseconds", latency_ns=1.5)
    refused("latency_ns: expected nanoseconds", latency_ns=-1)
    refused("currency: expected three capital letters", currency="usd")
    refused("cost_book: expected a cost book", cost_book=None)
    refused("cost_book: expected a cost book or several dated ones, found 'retail'", cost_book="retail")
    refused("trade_from_ns: expected nanoseconds", trade_from_ns=datetime(2026, 3, 3, tzinfo=UTC))
    refused(
        "data: expected Bars or Ticks, or several of them, found DataFrame", data=walk(9, seed=1).to_frame()
    )
    refused("data: expected Bars or Ticks, or several of them, found str", data="EUR_USD")


def test_a_class_in_place_of_a_strategy_is_refused() -> None:
    with pytest.raises(BadInputError, match=r"found Cross; write Cross\(\)"):
        run_backtest(Cross, walk(9, seed=1), cost_book=book())  # type: ignore[arg-type]


class Yielding(Strategy):
    def on_bar(self, market: MarketView, account: AccountView) -> Any:
        yield account.buy(1_000)


def test_what_would_never_run_is_refused() -> None:
    for run in (run_backtest, replay_backtest):
        with pytest.raises(
            BadInputError, match=r"Yielding.on_bar: expected a plain function, found one with"
        ):
            run(Yielding(), walk(9, seed=1), cost_book=book())


def test_a_price_where_points_belong_is_refused() -> None:
    with pytest.raises(BadInputError, match="expected a price level in whole points"):
        Rules(enter_long=bar.mid.close > 1, entry=LimitAt(1.05), size=Units(1))
    with pytest.raises(BadInputError, match="expected a distance of a point or more"):
        Rules(enter_long=bar.mid.close > 1, stop=0.005, size=Units(1))


class ByTick(Strategy):
    def on_tick(self, market: MarketView, account: AccountView) -> None:
        if not account.units:
            account.buy(1_000)


def test_a_strategy_of_ticks_is_not_run_on_bars() -> None:
    bars, fine = finer_walk(10, seed=1)
    for run in (run_backtest, replay_backtest):
        with pytest.raises(BadInputError, match="on_tick is asked at every quote, found bars of EUR_USD"):
            run(ByTick(), bars, finer=fine, cost_book=book())
        assert run(ByTick(), bars, finer=ticks_of(fine, seed=1), cost_book=book()).fills
