"""Tests of searches against noise, planted skill, published figures and other programs."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.research.strategies_for_tests import FREE, Cross, book, walk, without_spread
from workbench.domain.instruments import instrument
from workbench.domain.timeframes import Timeframe
from workbench.errors import BadInputError
from workbench.market import Bars, make_bars
from workbench.research import run_backtest, sweep
from workbench.research.overfitting_tests import (
    backtest_overfitting,
    effective_trials,
    judge_returns,
    judge_sweep,
    minimum_backtest_years,
    minimum_track_record,
    random_entries,
    reality_check,
    sensitivity,
    stationary_draws,
    superior_ability,
    trade_luck,
    trial_returns,
)


def noise(seed: int, *, periods: int = 500, trials: int = 20) -> np.ndarray:
    """Returns without skill."""
    return np.random.default_rng(seed).normal(size=(periods, trials))


@pytest.fixture(scope="module")
def reference() -> np.ndarray:
    """The matrix for which other programs' figures are known."""
    return np.random.RandomState(42).normal(size=(1024, 100))


# --- probability of backtest overfitting


@pytest.mark.parametrize(("blocks", "expected"), [(8, 61 / 70), (16, 0.8212)])
def test_probability_of_overfitting_agrees_with_purgedcv(
    reference: np.ndarray, blocks: int, expected: float
) -> None:
    found = backtest_overfitting(reference, blocks=blocks)
    assert found.probability == pytest.approx(expected, abs=5e-5)
    assert len(found.logits) == math.comb(blocks, blocks // 2)


@pytest.mark.parametrize(("blocks", "expected"), [(8, 6 / 70), (16, 0.0354)])
def test_a_planted_edge_lowers_the_probability_to_the_known_figure(
    reference: np.ndarray, blocks: int, expected: float
) -> None:
    planted = reference.copy()
    planted[:, 7] += 0.15
    assert backtest_overfitting(planted, blocks=blocks).probability == pytest.approx(expected, abs=5e-5)


def test_returns_without_any_mean_always_turn_round(reference: np.ndarray) -> None:
    assert backtest_overfitting(reference - reference.mean(axis=0), blocks=8).probability == 1.0


def test_noise_is_overfitted_in_about_half_of_the_splits() -> None:
    found = [backtest_overfitting(noise(seed, trials=50), blocks=10).probability for seed in range(40)]
    assert np.mean(found) == pytest.approx(0.5, abs=0.1)


def test_every_split_is_the_one_written_out(reference: np.ndarray) -> None:
    import itertools

    values = reference[:60, :7]
    parts = np.split(values, 6)
    expected = []
    for chosen in itertools.combinations(range(6), 3):
        inside = np.concatenate([parts[at] for at in chosen])
        outside = np.concatenate([parts[at] for at in range(6) if at not in chosen])
        best = np.argmax(inside.mean(0) / inside.std(0, ddof=1))
        ratios = outside.mean(0) / outside.std(0, ddof=1)
        rank = (ratios <= ratios[best]).sum() / 8
        expected.append(math.log(rank / (1 - rank)))
    found = backtest_overfitting(values, blocks=6)
    assert sorted(found.logits) == pytest.approx(sorted(expected))


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), scale=st.sampled_from((1e-6, 1.0, 1e3)))
def test_the_order_and_the_unit_of_trials_change_nothing(seed: int, scale: float) -> None:
    values = noise(seed, periods=120, trials=9)
    order = np.random.default_rng(seed).permutation(9)
    plain, other = (backtest_overfitting(item, blocks=6) for item in (values, values[:, order] * scale))
    assert np.array_equal(np.sort(plain.logits), np.sort(other.logits))
    assert plain.loss_probability == other.loss_probability
    first, second = (
        superior_ability(item, rng=np.random.default_rng(5), draws=200)
        for item in (values, values[:, order] * scale)
    )
    assert first.p_value == second.p_value
    assert order[second.best] == first.best


def test_equal_trials_share_their_ranks() -> None:
    one = noise(1, periods=80, trials=1)
    found = backtest_overfitting(np.repeat(one, 5, axis=1), blocks=4)
    assert np.allclose(found.logits, 0.0)
    assert found.probability == 1.0


def test_trials_that_never_traded_do_no_harm() -> None:
    values = np.concatenate([np.zeros((80, 2)), noise(2, periods=80, trials=3)], axis=1)
    assert np.isfinite(backtest_overfitting(values, blocks=4).logits).all()
    assert 0.0 <= superior_ability(values, rng=np.random.default_rng(1), draws=50).p_value <= 1.0
    assert 1.0 <= effective_trials(values) <= 3.0


# --- superior predictive ability and reality check


@pytest.mark.parametrize("edge", [0.0, 0.05, 0.1])
def test_superior_ability_agrees_with_arch(reference: np.ndarray, edge: float) -> None:
    arch = pytest.importorskip("arch.bootstrap", reason="arch is not installed: pip install .[test]")
    values = reference[:, :20].copy()
    values[:, 3] += edge
    values[:, 9] -= 0.3  # poor enough to be left out of the consistent one
    other = arch.SPA(np.zeros(len(values)), -values, block_size=10, reps=1_000, seed=1)
    other.compute()
    found = superior_ability(values, rng=np.random.default_rng(2), block=10, draws=4_000, studentized=False)
    for name in ("lower", "consistent", "upper"):
        assert getattr(found, name) == pytest.approx(other.pvalues[name], abs=0.045), name


def test_the_error_of_the_mean_agrees_with_arch() -> None:
    arch = pytest.importorskip("arch.bootstrap", reason="arch is not installed: pip install .[test]")
    from workbench.research.overfitting_tests.bootstrap import long_run_variance

    values = np.cumsum(noise(3, periods=200, trials=4), axis=0)
    other = arch.SPA(np.zeros(200), -values, block_size=7, reps=10, seed=1)
    other.compute()
    assert long_run_variance(values, block=7) == pytest.approx(other._loss_diff_var)


def test_p_values_are_uniform_when_nothing_has_skill() -> None:
    found = [
        superior_ability(
            noise(seed + 5_000, periods=250, trials=5), rng=np.random.default_rng(seed), block=1, draws=200
        ).p_value
        for seed in range(500)
    ]
    for level in (0.05, 0.1, 0.25, 0.5, 0.75):
        assert np.mean(np.array(found) <= level) == pytest.approx(level, abs=0.07)


def test_poor_trials_make_whites_check_cautious_and_leave_hansens_alone() -> None:
    values = noise(4, periods=600, trials=1) + 0.09
    poor = noise(5, periods=600, trials=60) * 3 - 1.0
    among = np.concatenate([values, poor], axis=1)
    alone = superior_ability(values, rng=np.random.default_rng(1), block=5).p_value
    assert superior_ability(among, rng=np.random.default_rng(1), block=5).p_value == pytest.approx(
        alone, abs=0.02
    )
    assert reality_check(among, rng=np.random.default_rng(1), block=5) > alone + 0.2


def test_a_benchmark_equal_to_the_trial_leaves_no_ability() -> None:
    values = noise(6, trials=1) + 1.0
    found = superior_ability(values, rng=np.random.default_rng(1), benchmark=values[:, 0], draws=100)
    assert found.p_value == 1.0


def test_blocks_of_the_stationary_bootstrap_have_the_mean_length_asked_for() -> None:
    found = stationary_draws(1_000, block=20, draws=50, rng=np.random.default_rng(1))
    follows = (np.diff(found, axis=1) % 1_000) == 1
    assert 1.0 / (1.0 - follows.mean()) == pytest.approx(20, rel=0.1)
    assert np.bincount(found.ravel(), minlength=1_000).min() > 0


# --- lengths


def test_five_years_allow_no_more_than_45_trials() -> None:  # Bailey et al. (2014), Notices of the AMS 61(5)
    assert minimum_backtest_years(45) == pytest.approx(4.9981, abs=5e-5)
    assert minimum_backtest_years(45, sharpe=2.0) == pytest.approx(4.9981 / 4, abs=5e-5)


@pytest.mark.parametrize(
    ("periods", "skew", "kurtosis", "years"),
    [(252, 0.0, 3.0, 2.73), (52, 0.0, 3.0, 2.83), (12, 0.0, 3.0, 3.24), (12, -0.72, 5.78, 4.99)],
)
def test_minimum_track_records_are_those_of_the_paper(  # Bailey and Lopez de Prado (2012)
    periods: int, skew: float, kurtosis: float, years: float
) -> None:
    root = math.sqrt(periods)
    found = minimum_track_record(2 / root, benchmark=1 / root, skew=skew, kurtosis=kurtosis)
    assert found / periods == pytest.approx(years, abs=5e-3)


def test_no_track_is_long_enough_for_a_ratio_below_its_benchmark() -> None:
    assert minimum_track_record(0.1, benchmark=0.1) == math.inf


def test_independent_trials_count_fully_and_copies_once() -> None:
    values = noise(7, periods=4_000, trials=10)
    assert effective_trials(values) == pytest.approx(10, rel=0.01)
    assert effective_trials(np.repeat(values[:, :1], 10, axis=1)) == pytest.approx(1.0)
    assert effective_trials(noise(8, periods=20, trials=300)) <= 20


# --- trades


def test_shuffled_trades_end_where_they_did_and_fall_otherwise() -> None:
    profits = np.array([10.0, -5.0, -5.0, 20.0, -8.0])
    found = trade_luck(profits, balance=100.0, rng=np.random.default_rng(1), method="shuffle", runs=4_000)
    assert np.allclose(found.terminal, 112.0)
    assert found.real_terminal == 112.0
    assert found.real_drawdown == pytest.approx(10 / 110)
    assert found.drawdown.max() == pytest.approx(0.18)  # all three losses first
    first = np.isclose(found.drawdown, 0.18).mean()
    assert first == pytest.approx(1 / math.comb(5, 3), abs=0.02)


def test_drawn_trades_have_the_mean_and_error_of_sampling() -> None:
    profits = np.random.default_rng(2).normal(1.0, 10.0, 50)
    found = trade_luck(profits, balance=1_000.0, rng=np.random.default_rng(1), runs=20_000)
    assert found.terminal.mean() == pytest.approx(1_000 + profits.sum(), abs=2.0)
    assert found.terminal.std() == pytest.approx(profits.std() * math.sqrt(50), rel=0.03)
    assert found.ruin_probability(0.0) == 1.0


def test_skipped_trades_lose_their_share_of_the_profit() -> None:
    found = trade_luck(
        np.full(40, 5.0), balance=100.0, rng=np.random.default_rng(1), method="skip", skipped=0.25
    )
    assert found.terminal.mean() == pytest.approx(100 + 40 * 5 * 0.75, abs=1.0)
    assert found.loss_probability == 0.0


def test_a_backtest_without_trades_is_refused_by_name() -> None:
    with pytest.raises(BadInputError, match="without a closed trade"):
        trade_luck(np.array([]), balance=100.0, rng=np.random.default_rng(1))


# --- random entries


def test_random_entries_find_the_timing_of_a_strategy_that_has_it() -> None:
    bars = trending(1, drift=20)
    found = random_entries(
        run_backtest(Cross(fast=4, slow=15), bars, cost_book=FREE), rng=np.random.default_rng(1), runs=500
    )
    assert found.p_value == pytest.approx(1 / 501)


def test_random_entries_are_uniform_for_a_rule_without_timing() -> None:
    found = [
        random_entries(
            run_backtest(Cross(), trending(seed, drift=0, count=400), cost_book=FREE),
            rng=np.random.default_rng(seed),
            runs=200,
        ).p_value
        for seed in range(60)
    ]
    assert np.mean(found) == pytest.approx(0.5, abs=0.13)
    assert np.mean(np.array(found) < 0.1) < 0.25


def test_random_entries_count_the_rules_trades_by_their_own_prices() -> None:
    result = run_backtest(Cross(), walk(800, seed=3), cost_book=book())
    trades = result.trades[result.round_trips.closed]
    sides = np.where(trades["side"] == "long", 1, -1)
    expected = float((sides * trades["units"] * (trades["exit_price"] - trades["entry_price"])).sum())
    found = random_entries(result, rng=np.random.default_rng(1), runs=50)
    assert found.real == pytest.approx(expected)
    again = random_entries(result, rng=np.random.default_rng(1), runs=50)
    assert found.random.tobytes() == again.random.tobytes()


# --- sweeps


def trending(seed: int, *, drift: int, count: int = 1_500) -> Bars:
    """A random walk without spread whose steps lean to one side for some sixty bars, then to the other."""
    rng = np.random.default_rng(seed)
    times = walk(count, seed=seed, timeframe=Timeframe.H4, gap_share=0.0)
    lean = drift * np.cumprod(np.where(rng.random(count) < 1 / 60, -1, 1))
    closed = 200_000 + np.cumsum(rng.integers(-120, 121, count) + lean)
    opened = np.append(200_000, closed[:-1])
    prices = {
        "open": opened,
        "high": np.maximum(opened, closed) + 20,
        "low": np.minimum(opened, closed) - 20,
        "close": closed,
    }
    return without_spread(
        make_bars(
            instrument("EUR_USD"),
            timeframe=Timeframe.H4,
            open_ns=times.open_ns,
            prices={f"{side}_{part}": column for side in ("bid", "ask") for part, column in prices.items()},
        )
    )


GRID = {"fast": range(1, 9), "slow": range(9, 41, 4)}


def test_returns_of_trials_have_the_sharpe_ratios_of_the_sweep() -> None:
    bars = walk(900, seed=5)
    swept = sweep(Cross, bars, GRID, cost_book=book(), progress=False)
    found = trial_returns(
        Cross, bars, [item.parameters for item in swept.trials], cost_book=book(), progress=False
    )
    assert found.sharpe == pytest.approx(swept.frame["daily_sharpe"].to_numpy())
    assert found.returns.shape == (len(found.sessions), len(swept))
    assert found.parameters == tuple(item.parameters for item in swept.trials)


@pytest.mark.parametrize(("drift", "holds"), [(0, 0), (20, 8)])
def test_searches_over_random_walks_are_called_overfitted_and_planted_edges_pass(
    drift: int, holds: int
) -> None:
    passed = []
    for seed in range(8):
        bars = trending(seed, drift=drift)
        swept = sweep(Cross, bars, GRID, cost_book=FREE, progress=False)
        verdict = judge_sweep(
            Cross, bars, swept, cost_book=FREE, rng=np.random.default_rng(seed), draws=300, progress=False
        )
        assert verdict.overfitted is not verdict.holds
        passed.append(verdict.holds)
    assert sum(passed) == pytest.approx(holds, abs=1)


def test_the_verdict_is_one_sentence_with_the_figures_behind_it() -> None:
    bars = trending(1, drift=0)
    swept = sweep(Cross, bars, GRID, cost_book=FREE, progress=False)
    verdict = judge_sweep(
        Cross,
        bars,
        swept,
        cost_book=FREE,
        rng=np.random.default_rng(1),
        trials=5_000,
        draws=200,
        progress=False,
    )
    assert verdict.sentence.startswith("The best of 5,000 trials")
    assert verdict.result is not None
    assert dict(verdict.result.parameters).items() >= dict(swept.best().parameters).items()
    assert verdict.numbers.sharpe == pytest.approx(float(swept.best().result["sharpe"]))
    assert set(verdict.frame.index) >= {"random_entries", "loss_by_bootstrap", "neighbours_keep"}
    assert verdict.sentence.split(".")[0] in verdict._repr_html_()


def test_more_trials_counted_make_the_same_best_worth_less() -> None:
    values = noise(9, periods=700, trials=30)
    values[:, 4] += 0.25
    few, many = (
        judge_returns(values, rng=np.random.default_rng(1), draws=100, trials=count)
        for count in (None, 10**6)
    )
    assert few.best == many.best == 4
    assert many.numbers.deflated_sharpe < few.numbers.deflated_sharpe
    assert many.numbers.minimum_years > few.numbers.minimum_years


def test_slices_go_through_the_chosen_parameters() -> None:
    swept = sweep(Cross, trending(2, drift=20), GRID, cost_book=FREE, progress=False)
    found = sensitivity(swept, around={"fast": 3, "slow": 21})
    by = {(item.parameters["fast"], item.parameters["slow"]): item.result["sharpe"] for item in swept.trials}
    assert found.slices["fast"].to_dict() == {fast: by[fast, 21] for fast in GRID["fast"]}
    assert found.slices["slow"].to_dict() == {slow: by[3, slow] for slow in GRID["slow"]}
    near = [by[2, 21], by[4, 21], by[3, 17], by[3, 25]]
    assert found.plateau == pytest.approx(np.mean(near) / by[3, 21])
    assert found.stable_share == np.mean([item >= 0.5 * by[3, 21] for item in near])
    assert found.at_edge == ()
    assert sensitivity(swept, around={"fast": 1, "slow": 21}).at_edge == ("fast",)
    assert len(found.picture().axes) == 2


@pytest.mark.parametrize(
    ("returns", "match"),
    [
        (np.zeros(5), "shape"),
        (np.zeros((5, 1)), "2 trials or more"),
        (np.full((40, 3), np.nan), "row 0, column 0"),
        (np.zeros((7, 3)), "2 periods or more in each of 16 blocks"),
    ],
)
def test_matrices_that_can_not_be_judged_are_refused(returns: np.ndarray, match: str) -> None:
    with pytest.raises(BadInputError, match=match):
        backtest_overfitting(returns)
