"""The leak check of a saved notebook, in a process of its own, on bars of the market store."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.kernel.conftest import CELLS, write_notebook_file
from workbench.cli import main
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


def test_the_command_says_what_it_found_and_ends_with_a_code_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    leaking = "import numpy as np, pandas as pd\nindex = pd.date_range('2024-01-01', periods=60, tz='UTC')"
    cells = (
        (leaking + "\npd.DataFrame({'at': index, 'x': np.arange(60.0) ** 2}).to_csv('x.csv', index=False)",),
        ("x = pd.read_csv('x.csv', index_col='at', parse_dates=True)['x']",),
        ("z = x - x.mean()",),
    )
    write_notebook_file(tmp_path / "leaking.ipynb", cells)
    monkeypatch.chdir(tmp_path.parent)
    given = str(Path(tmp_path.name) / "leaking.ipynb")  # not from the root
    done = CliRunner().invoke(main, ["leaks", given, "--cuts", "2", "--json"])
    assert done.exit_code == 2, done.output
    assert json.loads(done.stdout)["leaks"][0]["variable"] == "z"
    missing = CliRunner().invoke(main, ["leaks", str(tmp_path / "none.ipynb")])
    assert missing.exit_code == 1
    assert "expected a notebook" in missing.stderr


def test_a_notebook_that_does_not_run_is_refused(tmp_path: Path) -> None:
    broken = write_notebook_file(tmp_path / "broken.ipynb", (("x = 1",), ("1 / 0",)))
    with pytest.raises(NotebookFailedError, match=r"cell 2: ZeroDivisionError"):
        check_leaks(broken, cuts=2)
    with pytest.raises(BadInputError, match="1 or more"):
        check_leaks(broken, cuts=0)
