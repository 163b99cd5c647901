"""The compiled loop and the replay through the engine are one backtest."""

import dataclasses
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.research.strategies_for_tests import (
    NAME,
    Bracket,
    Cross,
    CrossByBar,
    book,
    cost_books,
    markets,
    rule_strategies,
    walk,
)
from workbench.domain.cost_book import CostBook
from workbench.domain.orders import FillReason
from workbench.engine import UnsupportedAccountCurrencyError
from workbench.errors import BadInputError
from workbench.market import Bars
from workbench.research import BacktestResult, MemoryLedger, replay_backtest, run_backtest
from workbench.strategy import Strategy


def assert_same(left: BacktestResult, right: BacktestResult) -> None:
    """Every bit of what happened."""
    assert left.fills == right.fills
    for item in dataclasses.fields(left.outcome):
        found, expected = getattr(left.outcome, item.name), getattr(right.outcome, item.name)
        assert np.array_equal(found, expected) if isinstance(found, np.ndarray) else found == expected, (
            item.name
        )
    assert left.digest == right.digest
    assert left.metrics == right.metrics


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(strategy=rule_strategies(), bars=markets(), costs=cost_books(), share=st.floats(0.0, 0.99))
def test_compiled_and_replayed_backtests_are_equal_bit_for_bit(
    strategy: Strategy, bars: Bars, costs: CostBook, share: float
) -> None:
    begin = int(bars.close_ns[int(share * len(bars))]) - 1
    options = {"cost_book": costs, "balance": Decimal(50_000), "trade_from_ns": begin}
    assert_same(run_backtest(strategy, bars, **options), replay_backtest(strategy, bars, **options))


@pytest.mark.parametrize(
    "strategy", [Cross(fast=10, slow=50), Bracket(lookback=20, stop_pips=10.0, target_pips=25.0)]
)
def test_compiled_and_replayed_backtests_are_equal_on_the_shipped_sample(
    strategy: Strategy, sample: Bars, cost_book: CostBook
) -> None:
    compiled = run_backtest(strategy, sample, cost_book=cost_book)
    assert_same(compiled, replay_backtest(strategy, sample, cost_book=cost_book))
    assert len(compiled.fills) > 100
    assert (compiled.path, compiled.outcome.financing_amount.size > 10) == ("compiled", True)


REASONS = (FillReason.MARKET, FillReason.STOP_LOSS, FillReason.TAKE_PROFIT, FillReason.MARGIN_CLOSEOUT)


def test_the_walks_reach_what_the_shortcut_must_not_miss() -> None:
    seen: set[str] = set()
    for seed in range(20):
        wild, tight = walk(250, seed=seed, step=900, spread=120), walk(250, seed=seed, step=900)
        for strategy, bars in (
            (Bracket(stop_pips=60.0, target_pips=90.0, units=400_000), wild),
            (Bracket(stop_pips=0.4, target_pips=20.0, units=10_000, lookback=2), tight),
            (Cross(units=1_000_000), wild),
        ):
            result = run_backtest(strategy, bars, cost_book=book(), balance=Decimal(50_000))
            seen |= {str(item.reason) for item in result.fills}
            seen |= {reason for _, reason in result.outcome.refused}
            seen |= {"ambiguous"} if result.ambiguous_bars else set()
            seen |= {"financing"} if result.outcome.financing_amount.size else set()
    assert {*REASONS, "insufficient margin", "ambiguous", "financing"} <= seen


def test_a_strategy_written_with_on_bar_is_replayed_and_trades_like_its_rules(
    sample: Bars, cost_book: CostBook
) -> None:
    bars = sample.at(0, 1_500)
    by_bar = run_backtest(CrossByBar(fast=5, slow=20), bars, cost_book=cost_book)
    by_rules = run_backtest(Cross(fast=5, slow=20), bars, cost_book=cost_book)
    assert (by_bar.path, by_rules.path) == ("callback", "compiled")
    assert by_bar.fills == by_rules.fills
    assert by_bar.digest == by_rules.digest


def test_trading_from_a_moment_on_decides_first_at_the_bar_that_closes_after_it(cost_book: CostBook) -> None:
    bars = walk(200, seed=4)
    whole = run_backtest(Cross(), bars, cost_book=cost_book)
    begin = int(bars.close_ns[99])
    late = run_backtest(Cross(), bars, cost_book=cost_book, trade_from_ns=begin)
    assert late.warm_up_bars == 100
    assert len(late.equity) == 100
    assert late.starting_balance == late.equity[0] == 100_000_000_000
    assert min(item.time_ns for item in late.fills) > int(bars.close_ns[100]) - 1
    # the crossings are those of the whole series: warmed up, not begun anew
    entries = [item.time_ns for item in whole.fills if item.time_ns > bars.close_ns[101]]
    assert entries
    assert {item.time_ns for item in late.fills} >= set(entries)


@settings(max_examples=25, deadline=None)
@given(bars=markets(), strategy=rule_strategies(), data=st.data())
def test_what_comes_later_does_not_change_what_happened(
    bars: Bars, strategy: Strategy, data: st.DataObject
) -> None:
    known = data.draw(st.integers(1, len(bars)))
    whole = run_backtest(strategy, bars, cost_book=book())
    prefix = run_backtest(strategy, bars.at(0, known), cost_book=book())
    assert np.array_equal(whole.equity[:known], prefix.equity)
    assert whole.fills[: len(prefix.fills)] == prefix.fills


@settings(max_examples=50, deadline=None)
@given(bars=markets(), strategy=rule_strategies(), costs=cost_books())
def test_profits_costs_and_fills_add_up_to_the_equity(
    bars: Bars, strategy: Strategy, costs: CostBook
) -> None:
    result = run_backtest(strategy, bars, cost_book=costs)
    cash = sum(-item.units * item.price * bars.instrument.micro_per_point for item in result.fills)
    held = int(result.positions[-1])
    price = int(bars.bid_close[-1] if held > 0 else bars.ask_close[-1])
    value = held * price * bars.instrument.micro_per_point
    paid = result.cost_micro
    expected = result.starting_balance + cash + value - paid["commission"] - paid["financing"]
    assert int(result.equity[-1]) == expected
    assert result.trades["net_profit"].sum() == pytest.approx(result.metrics["net_profit"], abs=1e-5)


def test_every_backtest_is_a_trial(sample: Bars, cost_book: CostBook) -> None:
    ledger = MemoryLedger()
    result = run_backtest(Cross(fast=7), sample, cost_book=cost_book, ledger=ledger)
    replay_backtest(Cross(fast=8), sample.at(0, 500), cost_book=cost_book, ledger=ledger)
    run_backtest(CrossByBar(fast=9), sample.at(0, 500), cost_book=cost_book, ledger=ledger)
    assert [item.parameters["fast"] for item in ledger.trials] == [7, 8, 9]
    assert ledger.trials[0].strategy == "Cross"
    assert ledger.trials[0].dataset == sample.fingerprint
    assert ledger.trials[0].cost_book == cost_book.version
    assert ledger.trials[0].result == result.metrics


def test_a_result_says_which_side_is_modelled(sample: Bars, cost_book: CostBook) -> None:
    modelled = run_backtest(Cross(), sample, cost_book=cost_book)
    recorded = run_backtest(Cross(), walk(50, seed=1), cost_book=cost_book)
    assert "ask" in str(modelled.data["sides"])
    assert "Only one side was recorded" in modelled._repr_html_()
    assert "as recorded" in recorded._repr_html_()


def test_a_result_on_crossed_bars_says_so(cost_book: CostBook) -> None:
    plain = walk(400, seed=1)
    at = np.arange(len(plain)) % 50 == 3
    raised = {
        f"bid_{part}": np.where(at, plain.ask_high + 2, getattr(plain, f"bid_{part}"))
        for part in ("open", "high", "low", "close")
    }
    crossed = dataclasses.replace(plain, **raised)
    result = run_backtest(Cross(), crossed, cost_book=cost_book)
    assert result.crossed_prices == result.data["crossed"] == int(at.sum())
    assert "have the bid above the ask" in result._repr_html_()
    assert "8 crossed prices" in repr(result)
    assert replay_backtest(Cross(), crossed, cost_book=cost_book).digest == result.digest
    assert "bid above the ask" not in run_backtest(Cross(), plain, cost_book=cost_book)._repr_html_()


def test_nothing_is_guessed_about_money(sample: Bars, cost_book: CostBook) -> None:
    with pytest.raises(UnsupportedAccountCurrencyError, match="GBP"):
        run_backtest(Cross(), sample, cost_book=cost_book, currency="GBP")
    with pytest.raises(BadInputError, match="above 0"):
        run_backtest(Cross(), sample, cost_book=cost_book, balance=Decimal(0))
    with pytest.raises(BadInputError, match="start earlier"):
        run_backtest(Cross(), sample, cost_book=cost_book, trade_from_ns=int(sample.close_ns[-1]))
    empty = CostBook(broker="none", valid_from=cost_book.valid_from)
    with pytest.raises(BadInputError, match=f"no costs for {NAME}"):
        run_backtest(Cross(), sample, cost_book=empty)
