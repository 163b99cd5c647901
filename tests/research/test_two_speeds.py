"""The fast path against event by event on finer prices."""

import math
from types import SimpleNamespace
from typing import cast

import pytest

from tests.research.markets_for_tests import finer_walk, ticks_of
from tests.research.strategies_for_tests import Bracket, Cross, book
from workbench.errors import BadInputError
from workbench.research import replay_backtest, run_backtest
from workbench.research.result import BacktestResult
from workbench.research.two_speeds import TwoSpeeds, two_speeds


@pytest.mark.parametrize("strategy", [Cross(), Bracket(stop_pips=2.0, target_pips=3.0, units=10_000)])
@pytest.mark.parametrize("ticks", [False, True])
def test_both_speeds_agree_on_the_same_bars_and_the_optimism_is_the_difference(
    strategy: Cross | Bracket, ticks: bool
) -> None:
    bars, fine = finer_walk(300, seed=4)
    finest = ticks_of(fine, seed=1) if ticks else fine
    found = two_speeds(strategy, bars, finer=finest, cost_book=book())
    assert found.equal
    fast = run_backtest(strategy, bars, cost_book=book())
    slow = replay_backtest(strategy, bars, finer=finest, cost_book=book())
    assert (found.fast.digest, found.finest.digest) == (fast.digest, slow.digest)
    assert found.optimism == fast.metrics["net_profit"] - slow.metrics["net_profit"]
    assert found.frame.loc["net_profit", "optimism"] == found.optimism
    for cost in ("spread_cost", "commission"):  # whoever paid less on the fast path was shown too much
        paid = [float(run.metrics[cost]) for run in (slow, fast)]
        assert found.frame.loc[cost, "optimism"] == paid[0] - paid[1]
    assert math.isnan(found.frame.loc["trades", "optimism"])
    assert f"<td>trades</td><td>{fast.metrics['trades']:,}</td>" in found._repr_html_()
    assert "agree to the bit" in found.sentence
    assert ("optimistic by" if found.optimism > 0 else "fast path was") in found.sentence
    assert "M1" in found.sentence or "ticks" in found.sentence
    assert "optimism" in found._repr_html_()


def test_a_difference_too_small_to_be_written_is_called_so() -> None:
    bars, fine = finer_walk(300, seed=4)
    found = two_speeds(Cross(), bars, finer=fine, cost_book=book())
    less = SimpleNamespace(
        **{name: getattr(found.finest, name) for name in ("data", "currency", "name")},
        metrics={**found.finest.metrics, "net_profit": found.fast.metrics["net_profit"] + 0.004},
    )
    told = TwoSpeeds(fast=found.fast, replayed=found.replayed, finest=cast(BacktestResult, less)).sentence
    assert "the two differ by less than 0.01 USD" in told
    assert "by 0.00" not in told


def test_bars_that_reach_stop_and_target_make_the_fast_path_differ() -> None:
    bars, fine = finer_walk(600, seed=9)
    strategy = Bracket(stop_pips=0.5, target_pips=0.5, units=10_000)
    found = two_speeds(strategy, bars, finer=fine, cost_book=book())
    assert found.fast.metrics["ambiguous_bars"] > 0
    assert found.optimism != 0.0
    assert "reached stop and target both" in found.sentence


def test_finer_prices_of_all_that_is_traded_are_asked_for() -> None:
    bars, _ = finer_walk(50, seed=4)
    with pytest.raises(BadInputError, match="found none of EUR_USD"):
        two_speeds(Cross(), bars, finer=[], cost_book=book())
