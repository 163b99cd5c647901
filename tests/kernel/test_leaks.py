"""The leak check of a saved notebook, in a process of its own, on bars of the market store."""

from pathlib import Path

import pytest

from tests.kernel.conftest import CELLS, write_notebook_file
from workbench.errors import BadInputError
from workbench.kernel import check_leaks, current_session, new_session
from workbench.kernel.errors import NotebookFailedError
from workbench.settings import Settings
from workbench.tracking import count_trials, settings_environment


@pytest.fixture(autouse=True)
def session(home: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """A session in the home with the sample."""
    for name, value in settings_environment(home).items():
        monkeypatch.setenv(name, value)
    for name in ("WORKBENCH_MODE", "WORKBENCH_RUN_ID", "WORKBENCH_NOTEBOOK", "WORKBENCH_IDEA"):
        monkeypatch.delenv(name, raising=False)
    new_session()


def test_the_one_cell_that_looks_ahead_is_named_and_nothing_is_counted(tmp_path: Path) -> None:
    """After the cells of the main job and a search, which are clean."""
    searched = (
        "from workbench.kernel import search\n"
        'found = search(SmaCross, bars, {"fast": [5, 10]}, cost_book=cost_book("EUR_USD"), progress=False)\n'
        'swept = sweep(SmaCross, bars, {"fast": [5, 10]}, cost_book=cost_book("EUR_USD"), progress=False)',
    )
    leaking = ("close = bars.to_frame()['bid_close']\nscaled = (close - close.mean()) / close.std()",)
    path = write_notebook_file(tmp_path / "leaking.ipynb", (*CELLS, searched, leaking))
    told: list[tuple[int, int]] = []
    found = check_leaks(path, cuts=2, progress=lambda done, of: told.append((done, of)))
    assert [(item.cell, item.variable) for item in found.leaks] == [(len(CELLS) + 2, "scaled")]
    assert found.compared >= 2 + 2 * 2 * 2  # a result; two variants of each, by equity and fills; the close
    assert not found.failed
    assert told == [(0, 4), (1, 4), (2, 4), (3, 4), (4, 4)]
    session = current_session()
    assert count_trials(session.engine, session.idea) == 0


def test_a_notebook_that_does_not_run_is_refused(tmp_path: Path) -> None:
    broken = write_notebook_file(tmp_path / "broken.ipynb", (("x = 1",), ("1 / 0",)))
    with pytest.raises(NotebookFailedError, match=r"cell 2: ZeroDivisionError"):
        check_leaks(broken, cuts=2)
    with pytest.raises(BadInputError, match="1 or more"):
        check_leaks(broken, cuts=0)
