"""Trials: every variant counts, and none can be taken back."""

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa

from workbench.errors import BadInputError
from workbench.research import Trial
from workbench.research.trial_table import TrialTable
from workbench.store import open_store
from workbench.store.schema import idea_marks, ideas, trial_batches, trials
from workbench.tracking import (
    SqlTrialLedger,
    count_by_run,
    count_trials,
    marks_of,
    one_line,
    sharpe_ratios,
    trials_frame,
)


@dataclass
class _Trial:
    parameters: dict[str, Any]
    strategy: str = "SmaCross"
    dataset: str = "f1"
    cost_book: str = "b1"
    result: dict[str, Any] = field(default_factory=lambda: {"sharpe": 0.5})


def as_trial(item: _Trial) -> Trial:
    """The same as research has it."""
    return Trial(
        strategy=item.strategy,
        parameters=item.parameters,
        dataset=item.dataset,
        cost_book=item.cost_book,
        result=item.result,
    )


@pytest.fixture
def engine(store_url: str) -> sa.Engine:
    """An empty store, on each of the two databases."""
    return open_store(store_url)


def test_every_variant_counts_for_its_idea_alone(engine: sa.Engine) -> None:
    ledger = SqlTrialLedger(engine, idea="one", author="sarah", run_id="r1", name="10_sma_cross")
    ledger.record([_Trial({"fast": fast}) for fast in range(5)])
    ledger.record([_Trial({"fast": 1})])
    SqlTrialLedger(engine, idea="two", author="sarah").record([_Trial({"fast": 1})])
    ledger.record([])
    assert (count_trials(engine, "one"), count_trials(engine, "two"), count_trials(engine, "x")) == (6, 1, 0)
    with engine.connect() as connection:
        known = connection.execute(sa.select(ideas.c.id, ideas.c.name).order_by(ideas.c.id)).all()
    assert [tuple(row) for row in known] == [("one", "10_sma_cross"), ("two", "")]


def test_trials_come_back_as_a_table_with_undefined_figures_empty(engine: sa.Engine) -> None:
    ledger = SqlTrialLedger(engine, idea="one", author="sarah", run_id="r1")
    ledger.record([_Trial({"fast": 3}, result={"sharpe": math.nan, "trades": 2})])
    frame = trials_frame(engine, "one")
    assert frame.loc[0, "param.fast"] == 3
    assert frame.loc[0, "result.trades"] == 2
    assert frame["result.sharpe"].isna().all()
    assert frame.loc[0, ["strategy", "author", "run_id"]].tolist() == ["SmaCross", "sarah", "r1"]


def test_numbers_of_numpy_are_kept_as_plain_ones(engine: sa.Engine) -> None:
    ledger = SqlTrialLedger(engine, idea="one", author="sarah")
    ledger.record([_Trial({"fast": np.int64(3)}, result={"sharpe": np.float64(0.5)})])
    frame = trials_frame(engine, "one")
    assert (frame.loc[0, "param.fast"], frame.loc[0, "result.sharpe"]) == (3, 0.5)


def test_a_batch_is_kept_whole_or_not_at_all(engine: sa.Engine) -> None:
    ledger = SqlTrialLedger(engine, idea="one", author="sarah")
    with pytest.raises((sa.exc.StatementError, TypeError), match="not JSON serializable"):
        ledger.record([_Trial({"fast": 1}), _Trial({"fast": object()})])
    assert count_trials(engine, "one") == 0


@pytest.mark.parametrize(
    "change",
    [
        sa.delete(trials),
        sa.update(trials).values(idea="none"),
        sa.delete(trial_batches),
        sa.update(trial_batches).values(count=1),
        sa.delete(idea_marks),
    ],
)
def test_no_trial_can_be_changed_or_removed(engine: sa.Engine, change: sa.Executable) -> None:
    ledger = SqlTrialLedger(engine, idea="one", author="sarah", marks=["place:x"])
    ledger.record([_Trial({"fast": 1})])
    ledger.record(_many(40))
    with pytest.raises(sa.exc.DBAPIError, match="append-only"), engine.begin() as connection:
        connection.execute(change)
    assert count_trials(engine, "one") == 41


def test_trials_need_an_idea(engine: sa.Engine) -> None:
    with pytest.raises(BadInputError, match="idea"):
        SqlTrialLedger(engine, idea="", author="sarah")


def _many(count: int, *, dataset: str = "f1") -> list[_Trial]:
    return [
        _Trial(
            {"fast": number, "kind": "slow" if number % 2 else "quick"},
            dataset=dataset,
            result={"sharpe": number / 7, "trades": number} | ({} if number else {"sharpe": math.nan}),
        )
        for number in range(count)
    ]


def test_many_trials_are_kept_as_columns_and_read_like_single_ones(engine: sa.Engine) -> None:
    ledger = SqlTrialLedger(engine, idea="one", author="sarah", run_id="r1")
    ledger.record([_Trial({"fast": 900})])
    ledger.record([*_many(100), *_many(50, dataset="f2")])
    ledger.record(TrialTable.of([as_trial(item) for item in _many(40)]))
    assert count_trials(engine, "one") == 191
    with engine.connect() as connection:
        counted = connection.execute(
            sa.select(trial_batches.c.dataset, trial_batches.c["count"]).order_by(trial_batches.c.id)
        ).all()
        by_run = connection.execute(count_by_run(["r1", "none"])).all()
    assert [tuple(row) for row in counted] == [("f1", 100), ("f2", 50), ("f1", 40)]
    assert [(run, int(count)) for run, count in by_run] == [("r1", 191)]
    frame = trials_frame(engine, "one")
    assert len(frame) == 191
    assert frame["param.fast"].tolist() == [900, *range(100), *range(50), *range(40)]
    assert frame["param.kind"].tolist()[1:4] == ["quick", "slow", "quick"]
    assert np.isnan(frame["result.sharpe"].iloc[1])
    assert frame["result.sharpe"].iloc[8] == 1.0


def test_the_sharpe_ratios_of_a_line_are_summed_up_right(engine: sa.Engine) -> None:
    rng = np.random.default_rng(1)
    values = rng.normal(0.3, 2.0, 300)
    ledger = SqlTrialLedger(engine, idea="one", author="sarah")
    for part in (values[:3], values[3:100], values[100:]):
        ledger.record([_Trial({"n": n}, result={"sharpe": float(item)}) for n, item in enumerate(part)])
    ledger.record([_Trial({"n": 1}, result={"trades": 0})])
    found = sharpe_ratios(engine, "one")
    assert found.count == 300
    assert found.mean == pytest.approx(np.mean(values))
    assert found.variance == pytest.approx(np.var(values, ddof=1))
    assert found.best == values.max()
    assert sharpe_ratios(engine, "none").count == 0


def test_ideas_that_share_a_mark_are_one_line_of_research(engine: sa.Engine) -> None:
    """A notebook whose idea was taken out, or replaced, or whose code was copied, keeps its count."""

    def ledger(idea: str, *marks: str) -> SqlTrialLedger:
        return SqlTrialLedger(engine, idea=idea, author="sarah", marks=marks)

    ledger("one", "place:a", "kernel:1").record([_Trial({"fast": 1})])
    ledger("two", "place:b", "code:x").record(_many(40))
    ledger("other", "place:z").record([_Trial({"fast": 1})])
    assert [count_trials(engine, idea) for idea in ("one", "two", "other")] == [1, 40, 1]
    ledger("three", "place:c", "kernel:1", "code:x").record([_Trial({"fast": 2})])
    assert [count_trials(engine, idea) for idea in ("one", "two", "three", "other")] == [42, 42, 42, 1]
    assert set(one_line(engine, "one")) == {"one", "two", "three"}
    assert len(trials_frame(engine, "two")) == 42


def test_a_notebook_is_known_by_its_place_and_its_code(tmp_path: Path) -> None:
    code = "class SmaCross(Strategy): ...\n" * 20
    here = marks_of(place=tmp_path / "cross.ipynb", code=code, author="sarah")
    moved = marks_of(place=tmp_path / "moved.ipynb", code=code, author="sarah")
    assert len(set(here) & set(moved)) == 1
    assert not set(here) & set(marks_of(place=tmp_path / "b.ipynb", code=code, author="alex"))
    assert marks_of(place=tmp_path / "Untitled3.ipynb", code="x = 1", author="sarah") == ()
