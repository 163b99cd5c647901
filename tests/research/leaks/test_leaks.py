"""The leak check finds planted leaks, names their cell, and leaves clean notebooks alone."""

import numpy as np
import pytest

from tests.research.leaks.bank import CLEAN, LEAKS, TAGGED
from tests.research.strategies_for_tests import walk
from workbench.kernel.leak_run import check_cells
from workbench.market import Bars
from workbench.notebook.document import CodeCell
from workbench.research.leaks import LeakReport, Timed, first_change

CUTS = 6
RARE = {"peaks found in all": 12}  # leaks that show at few moments, and the cuts it takes to find them


@pytest.fixture(scope="module")
def bars() -> Bars:
    """Two months of hours."""
    return walk(900, seed=11)


def checked(
    sources: "list[str] | list[tuple[str, tuple[str, ...]]]", bars: Bars, cuts: int = CUTS
) -> LeakReport:
    """The report on cells that find `bars`."""
    pairs = [(item, ()) if isinstance(item, str) else item for item in sources]
    cells = [
        CodeCell(number=number, position=number, source=source, tags=tags)
        for number, (source, tags) in enumerate(pairs, 1)
    ]
    return check_cells(cells, name="bank.ipynb", cuts=cuts, variables={"bars": bars})


@pytest.mark.parametrize("name", LEAKS)
def test_a_planted_leak_is_found_and_its_cell_named(name: str, bars: Bars) -> None:
    sources, cell = LEAKS[name]
    found = checked(sources, bars, RARE.get(name, CUTS))
    assert not found.passed
    assert found.cell == cell, found.sentence
    assert f"first in cell {cell}" in found.sentence


@pytest.mark.parametrize("name", CLEAN)
def test_a_clean_notebook_raises_no_alarm(name: str, bars: Bars) -> None:
    found = checked(CLEAN[name], bars)
    assert found.leaks == (), found.sentence
    assert found.passed
    assert not found.failed


def test_a_label_may_speak_of_the_future_and_what_follows_from_it_may_not(bars: Bars) -> None:
    found = checked(TAGGED, bars)
    assert [(item.cell, item.variable) for item in found.leaks] == [(4, "wrong")]


def test_what_differs_from_run_to_run_is_said_and_not_judged(bars: Bars) -> None:
    found = checked(CLEAN["noise without a seed"], bars)
    assert found.unsteady == ("noisy",)
    assert "seed" in " ".join(found.notes)


def test_a_check_that_saw_nothing_does_not_pass(bars: Bars) -> None:
    found = checked(["x = 3"], bars)
    assert not found.passed
    assert "nothing could be compared" in found.sentence


def test_the_first_moment_that_changed_is_told() -> None:
    times = np.arange(10, dtype=np.int64) * 10
    whole = Timed(at_ns=times, rows=np.arange(10.0)[:, None])
    changed = np.arange(6.0)[:, None].copy()
    changed[4] += 1.0
    assert first_change(whole, Timed(at_ns=times[:6], rows=changed), cut_ns=50) == 40
    assert first_change(whole, Timed(at_ns=times[:6], rows=changed), cut_ns=30) is None
    assert first_change(whole, Timed(at_ns=times[:5], rows=np.arange(5.0)[:, None]), cut_ns=50) == 50
    shorter = Timed(at_ns=times[:5], rows=np.arange(5.0)[:, None])
    assert first_change(whole, shorter, cut_ns=50, may_end_early=True) is None


def test_a_report_survives_json_and_shows_what_it_found(bars: Bars) -> None:
    found = checked(LEAKS["next close as a feature"][0], bars)
    again = LeakReport.from_json(found.to_json())
    assert again == found
    assert "feature" in again._repr_html_()
