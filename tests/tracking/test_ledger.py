"""Trials: every variant counts, and none can be taken back."""

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa

from workbench.errors import BadInputError
from workbench.store import open_store
from workbench.store.schema import ideas, trials
from workbench.tracking import SqlTrialLedger, count_trials, trials_frame


@dataclass
class _Trial:
    parameters: dict[str, Any]
    strategy: str = "SmaCross"
    dataset: str = "f1"
    cost_book: str = "b1"
    result: dict[str, Any] = field(default_factory=lambda: {"sharpe": 0.5})


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


@pytest.mark.parametrize("change", [sa.delete(trials), sa.update(trials).values(idea="none")])
def test_no_trial_can_be_changed_or_removed(engine: sa.Engine, change: sa.Executable) -> None:
    SqlTrialLedger(engine, idea="one", author="sarah").record([_Trial({"fast": 1})])
    with pytest.raises(sa.exc.DBAPIError, match="append-only"), engine.begin() as connection:
        connection.execute(change)
    assert count_trials(engine, "one") == 1


def test_trials_need_an_idea(engine: sa.Engine) -> None:
    with pytest.raises(BadInputError, match="idea"):
        SqlTrialLedger(engine, idea="", author="sarah")
