"""Backtests with costs and prices other than recorded."""

import numpy as np
import pytest

from tests.research.strategies_for_tests import NAME, Cross, book, walk
from workbench.errors import BadInputError
from workbench.market.bars import impossible
from workbench.research import run_backtest
from workbench.research.overfitting_tests import perturbed
from workbench.research.overfitting_tests.perturbation import (
    with_dearer_costs,
    with_shaken_prices,
    with_wider_spread,
)

BARS = walk(600, seed=4)


def test_without_any_change_every_run_is_the_backtest() -> None:
    found = perturbed(
        Cross(),
        BARS,
        cost_book=book(),
        rng=np.random.default_rng(1),
        runs=2,
        costs=(1.0, 1.0),
        prices=0.0,
        progress=False,
    )
    real = run_backtest(Cross(), BARS, cost_book=book()).metrics
    assert found.real == real
    assert (found.frame["net_profit"] == real["net_profit"]).all()
    assert np.isnan(found.cost_slope)


def test_spreads_are_multiplied_about_their_middle() -> None:
    wide = with_wider_spread(BARS, 3.0)
    for part in ("open", "close"):
        before = getattr(BARS, f"ask_{part}") - getattr(BARS, f"bid_{part}")
        after = getattr(wide, f"ask_{part}") - getattr(wide, f"bid_{part}")
        assert np.array_equal(after, 3 * before)
        middle = [getattr(item, f"ask_{part}") + getattr(item, f"bid_{part}") for item in (BARS, wide)]
        assert np.abs(middle[0] - middle[1]).max() <= 1
    assert wide.fingerprint != BARS.fingerprint


def test_shaken_bars_are_still_bars() -> None:
    shaken = with_shaken_prices(BARS, 0.5, rng=np.random.default_rng(1))
    assert not any(wrong.any() for _, wrong in impossible(shaken))
    moved = shaken.bid_close - BARS.bid_close
    assert moved.std() == pytest.approx(0.5 * (BARS.bid_high - BARS.bid_low).mean(), rel=0.1)
    assert np.array_equal(moved, shaken.ask_close - BARS.ask_close)


def test_dearer_books_scale_what_is_paid_for_a_trade() -> None:
    dear = with_dearer_costs(book(slippage_points=3), NAME, 2.0).of(NAME)
    assert (dear.commission_ppm, dear.slippage_points, dear.margin_rate_ppm) == (40, 6, 33_333)


def test_dearer_runs_earn_less() -> None:
    found = perturbed(
        Cross(),
        BARS,
        cost_book=book(),
        rng=np.random.default_rng(1),
        runs=30,
        prices=0.0,
        progress=False,
    )
    assert found.cost_slope < 0
    assert found.frame["cost_factor"].between(0.5, 2.0).all()
    assert np.corrcoef(found.frame["cost_factor"], found.frame["net_profit"])[0, 1] < -0.99
    assert found.loss_probability == (found.frame["net_profit"] < 0).mean()


def test_costs_below_nothing_are_refused() -> None:
    with pytest.raises(BadInputError, match="costs from above 0"):
        perturbed(Cross(), BARS, cost_book=book(), rng=np.random.default_rng(1), costs=(0.0, 1.0))
