"""Searches: every method on the figures of single backtests, and the same however it was worked off."""

import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.research.markets_for_tests import book_for, moved, ticks_of
from tests.research.strategies_for_tests import Bracket, Cross, CrossByBar, book, walk
from workbench.errors import BadInputError
from workbench.market import resample
from workbench.research import MemoryLedger, Trial, judge_sweep, run_backtest, sweep
from workbench.research.search import (
    Genetic,
    Grid,
    JoblibWorkers,
    Nsga2,
    OtherSearchError,
    Random,
    SearchResult,
    Tpe,
    search,
)
from workbench.research.search.methods import Method
from workbench.strategy import BarExpr, Param, Rules, Strategy, Units, crosses_above, sma

BARS = walk(900, seed=3)
SPACE = {"fast": range(2, 12), "slow": range(12, 60, 4)}
LEARNING = (
    Tpe(trials=40, at_once=4, seed=1),
    Nsga2(trials=60, population=12, seed=1),
    Genetic(population=12, generations=5, seed=1),
)
METHODS = (Grid(), Random(trials=30, seed=2), *LEARNING)


class Hill(Strategy):
    """Declares parameters of every kind."""

    fast = Param(4, low=2, high=20, step=2)
    share = Param(0.5, low=0.25, high=1.0)
    kind = Param("quick", choices=("quick", "slow"))
    turned = Param(False)

    def rules(self, bar: BarExpr) -> Rules:
        """Anything that takes them all."""
        slow = sma(bar.mid.close, 30 if self.kind == "quick" else 60)
        up = crosses_above(sma(bar.mid.close, self.fast), slow * (1.0 + 1e-4 * self.share))
        down = crosses_above(slow, sma(bar.mid.close, self.fast))
        enter, leave = (down, up) if self.turned else (up, down)
        return Rules(enter_long=enter, exit_long=leave, size=Units(10_000))


def run(method: Method | str, **options: object) -> SearchResult:
    """A search on the same bars."""
    return search(
        Cross,
        BARS,
        SPACE,
        cost_book=book(),
        method=method,
        progress=False,
        **options,  # type: ignore[arg-type]
    )


@pytest.mark.parametrize("method", METHODS, ids=lambda item: item.name)
def test_every_trial_has_the_figures_of_its_own_backtest_and_is_counted_once(method: Method) -> None:
    ledger = MemoryLedger()
    found = run(method, ledger=ledger)
    points = [found.point(number) for number in range(len(found))]
    assert len(set(points)) == len(points) == len(ledger.trials) > 5
    for number in (0, len(found) // 2, len(found) - 1):
        alone = run_backtest(Cross(**found.parameters(number)), BARS, cost_book=book()).metrics
        row = found.row(number)
        assert {name: row[name] for name in alone} == alone
        assert found.backtest(number).metrics == alone
    counted = sorted((item.parameters["fast"], item.parameters["slow"]) for item in ledger.trials)
    assert counted == sorted(points)


def test_a_grid_is_the_sweep_of_that_grid() -> None:
    found = run("grid")
    swept = sweep(Cross, BARS, SPACE, cost_book=book(), progress=False)
    assert (
        found.frame[["fast", "slow"]].to_numpy().tolist() == swept.frame[["fast", "slow"]].to_numpy().tolist()
    )
    for name in ("net_profit", "sharpe", "trades"):
        assert np.array_equal(found.figure(name), swept.frame[name].to_numpy(np.float64), equal_nan=True)
    assert found.deflated_sharpe == pytest.approx(swept.deflated_sharpe)
    assert found.expected_best_sharpe == pytest.approx(swept.expected_best_sharpe)


@pytest.mark.parametrize("method", METHODS, ids=lambda item: item.name)
def test_equal_seeds_make_equal_searches_and_other_seeds_others(method: Method) -> None:
    before = random.getstate()
    first, second = run(method), run(method)
    assert first.digest == second.digest
    assert random.getstate() == before
    if method.name != "grid":
        assert run(replace(method, seed=99)).digest != first.digest  # type: ignore[type-var]


@pytest.mark.parametrize("method", METHODS, ids=lambda item: item.name)
def test_a_search_that_was_broken_off_ends_as_one_that_was_not(method: Method, tmp_path: Path) -> None:
    """A ledger that stops the search after some trials stands for any end in the middle."""

    class Stops(MemoryLedger):
        def __init__(self, after: int) -> None:
            super().__init__()
            self.after = after

        def record(self, trials: Sequence[Trial]) -> None:
            if len(self.trials) + len(trials) > self.after:
                raise KeyboardInterrupt
            super().record(trials)

    whole = run(method)
    stopped = Stops(len(whole) // 2)
    with pytest.raises(KeyboardInterrupt):
        run(method, folder=tmp_path, ledger=stopped)
    rest = MemoryLedger()
    resumed = run(method, folder=tmp_path, ledger=rest)
    assert 0 < len(stopped.trials) < len(whole)
    assert len(stopped.trials) + len(rest.trials) == len(whole)
    assert resumed.digest == whole.digest
    again = MemoryLedger()
    assert run(method, folder=tmp_path, ledger=again).digest == whole.digest
    assert again.trials == []


@pytest.mark.parametrize(
    ("fewer", "more"),
    [
        (Random(trials=9, seed=1), Random(trials=12, seed=1)),
        (Tpe(trials=10, seed=1), Tpe(trials=14, seed=1)),  # not whole batches
        (
            Nsga2(trials=15, population=10, seed=1),
            Nsga2(trials=24, population=10, seed=1),
        ),
        (
            Genetic(population=8, generations=2, mutation=0.9, seed=1),
            Genetic(population=8, generations=5, mutation=0.9, seed=1),
        ),
    ],
    ids=lambda item: item.name,
)
def test_a_longer_search_goes_on_where_a_shorter_one_ended(
    fewer: Method, more: Method, tmp_path: Path
) -> None:
    counted = MemoryLedger()
    short = run(fewer, folder=tmp_path, ledger=counted)
    long = run(more, folder=tmp_path, ledger=counted)
    assert len(counted.trials) == len(long) > len(short)
    assert long.digest == run(more).digest
    assert [long.point(at) for at in range(len(short))] == [short.point(at) for at in range(len(short))]
    assert run(fewer, folder=tmp_path, ledger=counted).digest == short.digest
    assert len(counted.trials) == len(long)


def test_a_search_takes_no_more_than_is_on_offer() -> None:
    ticks = ticks_of(walk(300, seed=4), seed=4, sizes=4_000)
    found = search(
        Cross, ticks, {"fast": [2, 3]}, cost_book=book(), timeframe="H1", sizes=True, progress=False
    )
    for number in range(len(found)):
        one = run_backtest(
            Cross(**found.parameters(number)), ticks, timeframe="H1", cost_book=book(), sizes=True
        )
        assert found.backtest(number).digest == one.digest
        assert found.row(number)["net_profit"] == one.metrics["net_profit"]
    assert one.digest != run_backtest(Cross(fast=3), ticks, timeframe="H1", cost_book=book()).digest


@pytest.mark.parametrize(
    ("method", "workers"),
    [(Grid(), JoblibWorkers("threading", 2)), (Grid(), JoblibWorkers("sequential")), (LEARNING[2], 2)],
    ids=["grid in threads", "grid in batches", "genetic in processes"],
)
def test_other_workers_find_the_same(method: Method, workers: object) -> None:
    assert run(method, workers=workers).digest == run(method).digest


def test_methods_that_learn_find_the_best_with_a_part_of_the_trials() -> None:
    """On a bowl of 4,000 points, each comes closer than as many at random, in the mean over seeds."""

    class Bowl(CrossByBar):
        """Never traded: the figures are put in its place."""

    from workbench.research.search.space import space_of

    space = space_of(Bowl, {"fast": range(1, 41), "slow": range(2, 402, 4)})

    def worth(method: Method) -> float:
        asker, best, left = method.begin(space, goals=1), -np.inf, 150
        while (points := asker.ask()) and left > 0:
            scores = np.array([[-((fast - 31) ** 2) - ((slow - 262) / 10) ** 2] for fast, slow in points])
            asker.tell(points, scores)
            best = max(best, float(scores[: max(left, 0)].max()))
            left -= len(points)
        return best

    seeds = range(4)
    by_chance = np.mean([worth(Random(trials=150, seed=seed)) for seed in seeds])
    assert np.mean([worth(Tpe(trials=150, seed=seed)) for seed in seeds]) > by_chance
    learnt = [worth(Genetic(population=15, generations=10, seed=seed)) for seed in seeds]
    assert np.mean(learnt) > by_chance


def test_two_goals_leave_a_front_that_nothing_beats() -> None:
    found = run(Nsga2(trials=80, population=16), goals=("sharpe", "-max_drawdown"))
    front = found.front
    assert 1 <= len(front) < len(found)
    for _, row in front.iterrows():
        better = (found.figure("sharpe") >= row["sharpe"]) & (
            found.figure("max_drawdown") <= row["max_drawdown"]
        )
        strictly = (found.figure("sharpe") > row["sharpe"]) | (
            found.figure("max_drawdown") < row["max_drawdown"]
        )
        assert not (better & strictly).any()
    assert found.best("-max_drawdown")["max_drawdown"] == np.nanmin(found.figure("max_drawdown"))


def test_declared_parameters_of_every_kind_can_be_searched() -> None:
    found = search(
        Hill,
        BARS,
        ["fast", "share", "kind", "turned"],
        cost_book=book(),
        method=Random(trials=60),
        progress=False,
    )
    frame = found.frame
    assert len(frame) == 60
    assert set(frame["fast"]) <= set(range(2, 21, 2))
    assert frame["share"].between(0.25, 1.0).all()
    assert frame["share"].nunique() == 60
    assert set(frame["kind"]) == {"quick", "slow"}
    assert set(frame["turned"]) == {False, True}
    for method in (Tpe(trials=20), Genetic(population=8, generations=3)):
        assert (
            len(
                search(Hill, BARS, ["fast", "share", "kind"], cost_book=book(), method=method, progress=False)
            )
            > 8
        )
    cut = search(
        Hill, BARS, {"share": None, "kind": None}, cost_book=book(), method=Grid(points=4), progress=False
    )
    assert sorted(set(cut.frame["share"])) == [0.25, 0.5, 0.75, 1.0]
    assert len(cut) == 8


def test_instruments_and_timeframes_are_axes_too() -> None:
    other = moved("GBP_USD", walk(900, seed=8))
    costs = book_for("EUR_USD", "GBP_USD")
    ledger = MemoryLedger()
    found = search(
        Cross,
        [BARS, other],
        {"fast": [3, 5]},
        instruments=["EUR_USD", "GBP_USD"],
        timeframes=["H1", "H4"],
        cost_book=costs,
        ledger=ledger,
        progress=False,
    )
    assert len(found) == 8
    for number in range(8):
        row = found.row(number)
        bars = resample(BARS if row["instrument"] == "EUR_USD" else other, row["timeframe"])
        alone = run_backtest(Cross(fast=row["fast"]), bars, cost_book=costs).metrics
        assert {name: row[name] for name in alone} == alone
    assert {(item.parameters["instrument"], item.parameters["timeframe"]) for item in ledger.trials} == {
        ("EUR_USD", "H1"),
        ("EUR_USD", "H4"),
        ("GBP_USD", "H1"),
        ("GBP_USD", "H4"),
    }
    with pytest.raises(BadInputError, match="over instrument and timeframe too"):
        found.to_sweep()


def test_a_search_can_be_judged_like_a_sweep() -> None:
    found = run("grid")
    verdict = judge_sweep(
        Cross,
        BARS,
        found.to_sweep(),
        cost_book=book(),
        rng=np.random.default_rng(1),
        draws=50,
        progress=False,
        blocks=4,
    )
    assert verdict.numbers.trials == len(found)


def test_points_that_the_predicate_refuses_are_neither_run_nor_counted() -> None:
    for method in METHODS:
        ledger = MemoryLedger()
        found = run(method, where=lambda fast, slow: slow > 4 * fast, ledger=ledger)
        assert len(ledger.trials) == len(found) > 0
        assert all(slow > 4 * fast for fast, slow in (found.point(n) for n in range(len(found))))


def test_the_result_shows_the_best_and_warns(tmp_path: Path) -> None:
    found = run("grid")
    page = found._repr_html_()
    assert f"{len(found):,} trials by grid" in page
    assert "is optimistic because it was chosen" in page
    assert "data:image/png" in page
    best = found.best()
    assert best["sharpe"] == np.nanmax(found.figure("sharpe"))
    with pytest.raises(BadInputError, match="unknown figure"):
        found.best("sharp")


def test_a_folder_takes_no_other_search(tmp_path: Path) -> None:
    run("grid", folder=tmp_path)
    for change, named in (
        ({"method": Random(trials=5)}, "method"),
        ({"balance": 5}, "balance"),
        ({"goals": "net_profit"}, "goals"),
    ):
        with pytest.raises(OtherSearchError, match=named):
            search(
                Cross,
                BARS,
                SPACE,
                **{"cost_book": book(), "progress": False, "folder": tmp_path, "method": "grid", **change},  # type: ignore[arg-type]
            )
    with pytest.raises(OtherSearchError, match="data"):
        search(Cross, walk(900, seed=4), SPACE, cost_book=book(), progress=False, folder=tmp_path)
    with pytest.raises(OtherSearchError, match=r"strategy|code"):
        search(CrossByBar, BARS, SPACE, cost_book=book(), progress=False, folder=tmp_path)


def test_many_small_parts_become_one(tmp_path: Path) -> None:
    search(
        Bracket,
        walk(60, seed=1),
        {"lookback": range(1, 100)},
        cost_book=book(),
        folder=tmp_path,
        workers=None,
        progress=False,
    )
    folder_before = sorted(tmp_path.glob("part-*"))
    from workbench.research.search.kept import SearchFolder

    kept = SearchFolder(tmp_path, __import__("json").loads((tmp_path / "search.json").read_text()))
    before = kept.load()
    for number in range(70):
        kept.keep(
            {name: column[:1] for name, column in before.items()} | {"number": np.array([1_000 + number])}
        )
    kept.merge()
    assert len(list(tmp_path.glob("part-*"))) == 1 <= len(folder_before)
    after = kept.load()
    assert len(after["number"]) == len(before["number"]) + 70
    assert np.array_equal(after["net_profit"][: len(before["number"])], before["net_profit"], equal_nan=True)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"space": {}}, "found none"),
        ({"space": ["quick"]}, "unknown parameter 'quick'"),
        ({"space": {"fast": [3, 3]}}, "different values"),
        ({"space": {"fast": 3}}, "values to try"),
        ({"space": {"fast": [0]}}, "fast: expected"),
        ({"method": "best"}, "expected one of grid, random"),
        ({"method": "tpe", "goals": ("sharpe", "trades")}, "nsga2"),
        ({"goals": "sharp"}, "unknown figure"),
        ({"goals": "sharpe", "statistics": "trades"}, "not computed"),
        ({"instruments": ["XAU_USD"]}, "expected some of EUR_USD"),
        ({"timeframes": ["H9"]}, "H9"),
        ({"workers": 0}, "1 process or more"),
        ({"workers": "gpu"}, r"Dask scheduler.* no graphics card"),
        ({"where": lambda fast: False}, "refused every point"),
    ],
)
def test_what_can_not_be_searched_is_refused(change: dict[str, object], message: str) -> None:
    given = {"space": {"fast": [3]}, "cost_book": book(), "progress": False, **change}
    with pytest.raises(BadInputError, match=message):
        search(Cross, BARS, **given)  # type: ignore[arg-type]
