"""Trials as columns are the trials."""

import math

import numpy as np
import pytest

from workbench.research.ledger import Trial
from workbench.research.trial_table import TrialRows, TrialTable, number_column


def trial(number: int, **result: float) -> Trial:
    return Trial(
        strategy="Cross",
        parameters={"fast": number, "band": number / 4, "mixed": number if number % 2 else 0.5},
        dataset="data",
        cost_book="book",
        result=result,
    )


TRIALS = [
    trial(1, net_profit=1.5, trades=3, sharpe=0.25),
    trial(2, net_profit=-2.0, trades=0),
    trial(3, net_profit=0.0, trades=7, sharpe=-1.0),
    trial(4, net_profit=4.0, trades=1, drawdown_bars=9),
]


def test_what_goes_in_comes_out():
    table = TrialTable.of(TRIALS)
    assert list(table) == TRIALS
    assert table == TRIALS
    assert tuple(TRIALS) == table
    assert table[-1] == TRIALS[-1]
    assert list(table[1:3]) == TRIALS[1:3]
    assert [type(value) for value in table[0].result.values()] == [float, int, float]
    assert [type(value) for value in table[0].parameters.values()] == [int, float, int]
    with pytest.raises(IndexError):
        table[4]


@pytest.mark.parametrize("parts", [(1, 1, 1, 1), (2, 2), (1, 3), (3, 1)])
def test_parts_joined_are_the_whole(parts):
    rows, at = TrialRows(10), 0
    for count in parts:
        rows.add(TrialTable.of(TRIALS[at : at + count]))
        at += count
        assert list(rows.table()) == TRIALS[:at]  # as after an interruption
    assert list(TrialTable.joined([TrialTable.of([item]) for item in TRIALS])) == TRIALS


def test_a_figure_that_is_not_defined_is_nan_in_its_column():
    column = TrialTable.of(TRIALS).column("sharpe")
    np.testing.assert_array_equal(column, [0.25, math.nan, -1.0, math.nan])
    assert np.isnan(TrialTable.of(TRIALS).column("skew")).all()


def test_numbers_keep_their_kind():
    assert number_column([1, 2]).dtype == np.int64
    assert number_column([1.0, 2.0]).dtype == np.float64
    assert number_column([1, 2.0]).tolist() == [1, 2.0]
    assert number_column([2**80]).tolist() == [2**80]
