"""Which results no longer follow from the cells above them."""

import pytest

from workbench.kernel.order import ExecutionOrder, names_of


@pytest.mark.parametrize(
    ("source", "defines", "uses"),
    [
        ("a = 1", {"a"}, set()),
        ("a = b + 1", {"a"}, {"b"}),
        ("a = 1\nprint(a)", {"a"}, set()),
        ("a = a + 1", {"a"}, {"a"}),
        ("a += 1", {"a"}, {"a"}),
        ("import numpy as np\nx = np.array(y)", {"np", "x"}, {"y"}),
        ("from m import f", {"f"}, set()),
        ("def f(x):\n    return x * scale", {"f"}, {"scale"}),
        ("class A(Base):\n    n = size\n    def m(self): return other", {"A"}, {"Base", "size", "other"}),
        ("for i in rows:\n    total = i", {"i", "total"}, {"rows"}),
        ("[i for i in rows if i > low]", set(), {"rows", "low"}),
        ("with open(path) as f:\n    text = f.read()", {"f", "text"}, {"path"}),
        ("x = lambda a: a + k", {"x"}, {"k"}),
        ("%time y = f(x)\n!ls", set(), set()),
        ("result = await fetch(url)", {"result"}, {"fetch", "url"}),
        ("a = = 1", set(), set()),
    ],
)
def test_names_that_a_cell_defines_and_uses(source: str, defines: set[str], uses: set[str]) -> None:
    names = names_of(source)
    assert (set(names.defines), set(names.uses)) == (defines, uses)


CELLS = [("one", "fast = 10"), ("two", "slow = fast * 5"), ("three", "print(slow)")]


def _run_all(order: ExecutionOrder) -> int:
    for count, (cell_id, source) in enumerate(CELLS, start=1):
        assert order.ran(cell_id, source, count=count, cells=CELLS) == []
    return len(CELLS)


def test_running_from_top_to_bottom_finds_nothing_also_a_second_time() -> None:
    order = ExecutionOrder()
    _run_all(order)
    assert order.ran("three", "print(slow)", count=4, cells=CELLS) == []


def test_a_cell_changed_after_others_used_it_names_those_to_run_again() -> None:
    order = ExecutionOrder()
    _run_all(order)
    (finding,) = order.ran("one", "fast = 20", count=4, cells=[("one", "fast = 20"), *CELLS[1:]])
    assert finding.kind == "stale"
    assert finding.text == "cells [2] used earlier values of “fast”: run them again"
    assert finding.cells == ("one", "two")


def test_a_name_removed_from_a_changed_cell_is_noticed_too() -> None:
    order = ExecutionOrder()
    _run_all(order)
    (finding,) = order.ran("one", "quick = 20", count=4, cells=[("one", "quick = 20"), *CELLS[1:]])
    assert "“fast”" in finding.text


def test_a_name_from_further_down_is_named() -> None:
    order = ExecutionOrder()
    cells = [("one", "print(fast)"), ("two", "fast = 10")]
    order.ran("two", "fast = 10", count=1, cells=cells)
    (finding,) = order.ran("one", "print(fast)", count=2, cells=cells)
    assert (finding.kind, finding.text) == ("from_below", "“fast” comes from cell [1] further down")


def test_a_name_from_a_cell_that_was_changed_and_not_run_is_named() -> None:
    order = ExecutionOrder()
    order.ran("one", "fast = 10", count=1, cells=CELLS)
    cells = [("one", "fast = 99"), *CELLS[1:]]
    (finding,) = order.ran("two", "slow = fast * 5", count=2, cells=cells)
    assert (finding.kind, finding.cells) == ("changed", ("two", "one"))


def test_a_name_from_a_removed_cell_is_named() -> None:
    order = ExecutionOrder()
    order.ran("one", "fast = 10", count=1, cells=CELLS)
    (finding,) = order.ran("two", "slow = fast * 5", count=2, cells=CELLS[1:])
    assert finding.kind == "deleted"


def test_cells_whose_place_is_not_known_are_judged_by_what_they_used_alone() -> None:
    order = ExecutionOrder()
    order.ran("one", "fast = 10", count=1)
    order.ran("two", "slow = fast", count=2)
    (finding,) = order.ran("one", "fast = 11", count=3)
    assert finding.kind == "stale"


def test_names_that_nobody_used_may_change() -> None:
    order = ExecutionOrder()
    order.ran("one", "fast = 10", count=1, cells=CELLS)
    assert order.ran("one", "fast = 11", count=2, cells=CELLS) == []
