"""The notebook of the search: top to bottom in a fresh kernel, with every trial counted."""

from pathlib import Path

import nbformat
import pytest

from workbench.notebook import cell_results, idea_of, read_notebook, run_notebook
from workbench.settings import Settings
from workbench.store import open_store
from workbench.tracking import count_trials

NOTEBOOK = Path(__file__).parents[2] / "notebooks" / "30_search.ipynb"


def test_the_notebook_keeps_no_outputs_and_has_an_idea() -> None:
    node = nbformat.read(NOTEBOOK, as_version=4)
    nbformat.validate(node)
    code = [cell for cell in node.cells if cell.cell_type == "code"]
    assert all(not cell.outputs and cell.execution_count is None for cell in code)
    assert idea_of(read_notebook(NOTEBOOK))


@pytest.mark.notebooks
def test_it_runs_and_counts_its_trials(
    environment: dict[str, str], settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    given = {"trials_wanted": 12, "draws": 100, "end": "2017-07-01"}
    run = run_notebook(NOTEBOOK, tmp_path / "out.ipynb", parameters=given, env=environment)
    assert run.ok, run.error
    results = cell_results(run.executed_path)
    kinds = [digest.split(":")[0] for cell in results for digest in cell.digests]
    assert {"search", "two_speeds"} <= set(kinds)
    text = "\n".join(item for cell in results for item in cell.text)
    assert "agree to the bit" in text
    assert "deflated Sharpe ratio" in text
    counted = count_trials(open_store(settings.store_url), idea_of(read_notebook(NOTEBOOK)))
    assert 0 < counted <= 12
