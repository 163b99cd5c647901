"""Memory for results goes to one holder at a time."""

import numpy as np
import pytest

from workbench.indicators import momentum
from workbench.indicators.spare import spare_column


def address(column: np.ndarray) -> int:
    return int(column.__array_interface__["data"][0])


def test_a_column_that_is_held_is_not_given_again():
    first = spare_column(1_000)
    others = [spare_column(1_000) for _ in range(20)]
    assert len({address(item) for item in (first, *others)}) == 21


@pytest.mark.parametrize(
    "view",
    [
        lambda column: column[3:5],
        lambda column: column[:100].view(np.uint64).reshape(10, 10)[4],
        lambda column: memoryview(column)[:7],
        lambda column: np.asarray(column[:9]).T[::2],
    ],
)
def test_a_view_of_a_view_holds_it_too(view):
    column = spare_column(54_321)
    where = address(column)
    held = view(column)
    del column
    again = spare_column(54_321)
    assert address(again) != where
    assert len(held)


def test_what_nobody_holds_is_used_again():
    column = spare_column(77_777)
    where = address(column)
    del column
    assert address(spare_column(77_777)) == where


def test_two_results_of_an_indicator_are_two():
    values = np.arange(5_000.0)
    first = momentum(values, 10)
    kept = first.copy()
    second = momentum(values * 3.0, 10)
    np.testing.assert_array_equal(first, kept)
    assert second[-1] == 30.0


@pytest.mark.parametrize("count", [0, 1, 9 * 2**20])
def test_every_size_is_given(count):
    assert spare_column(count).shape == (count,)
