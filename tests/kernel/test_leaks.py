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


def test_the_notebook_of_the_main_job_is_clean_and_counts_nothing(home: Settings, tmp_path: Path) -> None:
    path = write_notebook_file(tmp_path / "cross.ipynb", CELLS)
    found = check_leaks(path, cuts=2)
    assert found.passed, found.sentence
    assert found.compared >= 2
    assert not found.failed
    session = current_session()
    assert count_trials(session.engine, session.idea) == 0


def test_a_cell_that_looks_ahead_is_named(tmp_path: Path) -> None:
    leaking = ("close = bars.to_frame()['bid_close']\nscaled = (close - close.mean()) / close.std()",)
    found = check_leaks(write_notebook_file(tmp_path / "leaking.ipynb", (*CELLS[:3], leaking)), cuts=2)
    assert found.cell == 4
    assert "scaled" in found.sentence


def test_a_notebook_that_does_not_run_is_refused(tmp_path: Path) -> None:
    broken = write_notebook_file(tmp_path / "broken.ipynb", (("x = 1",), ("1 / 0",)))
    with pytest.raises(NotebookFailedError, match=r"cell 2: ZeroDivisionError"):
        check_leaks(broken, cuts=2)
    with pytest.raises(BadInputError, match="1 or more"):
        check_leaks(broken, cuts=0)
