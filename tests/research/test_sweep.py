"""Sweeps: the numbers of single backtests, every combination counted, the best put in its place."""

import itertools

import numpy as np
import pytest

from tests.research.strategies_for_tests import Bracket, Cross, CrossByBar, book, walk
from workbench.domain.cost_book import CostBook
from workbench.errors import BadInputError
from workbench.market import Bars
from workbench.research import MemoryLedger, SweepResult, Trial, run_backtest, sweep
from workbench.research.sweep import _chunk_size
from workbench.strategy import evaluate
from workbench.strategy.many_signals import evaluate_many

GRID = {"fast": range(2, 10, 2), "slow": [4, 10, 20]}


def ordered(fast: int, slow: int) -> bool:
    """The fast average must be the faster one."""
    return fast < slow


@pytest.fixture(scope="module")
def swept(sample: Bars, cost_book: CostBook) -> SweepResult:
    """A small sweep on the sample."""
    return sweep(Cross, sample, GRID, cost_book=cost_book, where=ordered, progress=False)


def test_each_trial_has_the_figures_of_its_own_backtest(
    swept: SweepResult, sample: Bars, cost_book: CostBook
) -> None:
    for trial in swept.trials:
        assert trial.result == run_backtest(Cross(**trial.parameters), sample, cost_book=cost_book).metrics


def test_all_combinations_that_the_predicate_accepts_are_run_in_the_order_of_the_grid(
    swept: SweepResult,
) -> None:
    expected = [item for item in itertools.product(*GRID.values()) if ordered(*item)]
    assert [(item.parameters["fast"], item.parameters["slow"]) for item in swept.trials] == expected
    assert swept.frame[["fast", "slow"]].to_numpy().tolist() == [list(item) for item in expected]
    assert swept.frame["net_profit"].tolist() == [item.result["net_profit"] for item in swept.trials]


def test_every_combination_is_counted_once_and_in_one_batch(sample: Bars, cost_book: CostBook) -> None:
    class Batches(MemoryLedger):
        def __init__(self) -> None:
            super().__init__()
            self.sizes: list[int] = []

        def record(self, trials: list[Trial]) -> None:
            self.sizes.append(len(trials))
            super().record(trials)

    ledger = Batches()
    result = sweep(
        Cross, sample, GRID, cost_book=cost_book, where=ordered, ledger=ledger, workers=2, progress=False
    )
    assert ledger.sizes == [len(result)]
    assert tuple(ledger.trials) == result.trials


def test_threads_and_chunks_do_not_change_the_result(
    swept: SweepResult, sample: Bars, cost_book: CostBook
) -> None:
    threaded = sweep(Cross, sample, GRID, cost_book=cost_book, where=ordered, workers=3, progress=False)
    assert threaded.digest == swept.digest


def test_trials_done_before_an_interruption_are_counted() -> None:
    class Interrupted(MemoryLedger):
        pass

    calls = 0

    class Stops(CrossByBar):
        def on_bar(self, market: object, account: object) -> None:
            nonlocal calls
            calls += 1
            if calls > 100:
                raise KeyboardInterrupt

    ledger = Interrupted()
    with pytest.raises(KeyboardInterrupt):
        sweep(Stops, walk(60, seed=1), {"fast": [2, 3, 4]}, cost_book=book(), ledger=ledger, progress=False)
    assert [item.parameters["fast"] for item in ledger.trials] == [2]


def test_a_strategy_written_with_on_bar_sweeps_to_the_same_figures() -> None:
    bars = walk(300, seed=2)
    by_bar = sweep(CrossByBar, bars, {"fast": [2, 3]}, cost_book=book(), progress=False)
    by_rules = sweep(Cross, bars, {"fast": [2, 3]}, cost_book=book(), progress=False)
    assert [item.result for item in by_bar.trials] == [item.result for item in by_rules.trials]


def test_shared_indicators_give_the_bits_of_each_variant_alone() -> None:
    bars = walk(700, seed=9)
    rules = [
        Bracket(lookback=lookback, target_pips=target, units=units).traced()
        for lookback in (3, 5)
        for target in (4.0, 8.0)
        for units in (0, 500)
    ]
    rules.append(Cross().traced())
    for alone, shared in zip(
        (evaluate(item, bars) for item in rules), evaluate_many(rules, bars), strict=True
    ):
        for name in ("enter_long", "enter_short", "exit_long", "exit_short", "stop", "target"):
            assert getattr(alone, name).tobytes() == getattr(shared, name).tobytes(), name
        for name in ("has_stop", "has_target", "size_kind", "size_value"):
            assert getattr(alone, name) == getattr(shared, name)


def test_the_best_is_the_highest_and_comes_with_a_warning(swept: SweepResult) -> None:
    sharpes = [float(item.result["sharpe"]) for item in swept.trials]
    assert swept.best().result["sharpe"] == max(sharpes)
    assert swept.best("net_profit").result["net_profit"] == swept.frame["net_profit"].max()
    assert f"best of {len(swept)} trials is optimistic" in swept.warning
    assert f"{swept.expected_best_sharpe:.2f} on average" in swept.warning
    assert "no evidence of skill" in swept.warning
    assert swept.warning.replace("'", "&#x27;") in swept._repr_html_()


def test_variants_without_skill_are_not_called_skilled() -> None:
    """Over many random walks the best is about the expected maximum, not above it each time."""
    found = [
        sweep(
            Cross,
            walk(600, seed=seed, spread=0, gap_share=0.0),
            {"fast": [1, 2, 3], "slow": [5, 8, 12, 20]},
            cost_book=book(commission_ppm=0, financing_long_ppm=0, financing_short_ppm=0),
            progress=False,
        )
        for seed in range(12)
    ]
    called = sum(item.deflated_sharpe >= 0.95 for item in found)
    assert called <= 2
    assert 0.2 < np.mean([item.deflated_sharpe for item in found]) < 0.8


def test_the_heatmap_shows_the_grid(swept: SweepResult) -> None:
    axes = swept.heatmap(value="net_profit").axes[0]
    assert axes.get_xlabel() == "slow"
    assert axes.get_ylabel() == "fast"
    assert [item.get_text() for item in axes.get_xticklabels()] == ["4", "10", "20"]
    texts = {item.get_position(): item.get_text() for item in axes.texts}
    assert len(texts) == len(swept)
    assert float(texts[(1, 0)].replace(",", "")) == pytest.approx(
        float(swept.frame.set_index(["fast", "slow"]).loc[(2, 10), "net_profit"]), abs=1.0
    )
    turned = swept.heatmap("fast", "slow").axes[0]
    assert (turned.get_xlabel(), turned.get_ylabel()) == ("fast", "slow")


@pytest.mark.parametrize(
    ("grid", "message"),
    [
        ({}, "found none"),
        ({"fast": []}, "grid fast"),
        ({"fast": [3, 3]}, "different values"),
        ({"quick": [3]}, "quick"),
        ({"fast": [0]}, "fast"),
        ({"fast": [9], "slow": [4]}, "refused all 1"),
    ],
)
def test_a_grid_that_can_not_be_run_is_refused(grid: dict[str, list[int]], message: str) -> None:
    def accept(fast: int = 0, slow: int = 100) -> bool:
        return fast < slow

    with pytest.raises(BadInputError, match=message):
        sweep(
            Cross,
            walk(20, seed=1),
            grid,
            cost_book=book(),
            where=accept if "slow" in grid else None,
            progress=False,
        )


def test_a_sweep_without_trades_says_so() -> None:
    result = sweep(Cross, walk(30, seed=1), {"slow": [200, 300]}, cost_book=book(), progress=False)
    assert "None of the 2 trials" in result.warning
    with pytest.raises(BadInputError, match="not defined"):
        result.best()
    with pytest.raises(BadInputError, match="two parameters"):
        result.heatmap()
    assert "None of the 2 trials" in result._repr_html_()


def test_the_figures_of_the_trades_alone_are_those_of_the_whole_backtest(
    sample: Bars, cost_book: CostBook
) -> None:
    swept = sweep(
        Cross, sample, {"fast": (2, 5, 9), "slow": (12, 40)}, cost_book=cost_book, statistics="trades"
    )
    for trial in swept.trials:
        whole = run_backtest(Cross(**trial.parameters), sample, cost_book=cost_book).metrics
        assert "sharpe" not in trial.result
        assert trial.result == {name: whole[name] for name in trial.result}


@pytest.mark.parametrize(
    ("count", "most", "threads"),
    [(1_024, 360, 2), (1_024, 360, 1), (7, 1_024, 2), (1, 5, 4), (1_000_000, 1_024, 2)],
)
def test_threads_have_as_much_to_do(count: int, most: int, threads: int) -> None:
    size = _chunk_size(count, most=most, threads=threads)
    chunks = [min(size, count - start) for start in range(0, count, size)]
    assert 1 <= size <= most
    assert sum(chunks) == count
    shares = [sum(chunks[thread::threads]) for thread in range(threads)]
    assert max(shares) - min(shares) <= max(1, size if count < threads else count // 50)
