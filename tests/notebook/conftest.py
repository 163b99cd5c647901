"""Notebooks written for one test, run by the plain IPython kernel."""

from collections.abc import Callable, Sequence
from pathlib import Path

import nbformat
import pytest

NotebookFile = Callable[..., Path]
PARAMETERS = ("fast = 10", "parameters")


@pytest.fixture(autouse=True)
def jupyter_folders_of_this_test(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Signatures and runtime files stay in the test's folder; kernelspecs come from the environment."""
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "jupyter"))
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / "runtime"))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))


@pytest.fixture
def notebook_file(tmp_path: Path) -> NotebookFile:
    """Write a notebook: each cell is its source, or the source followed by tags."""

    def write(*cells: str | Sequence[str], name: str = "notebook.ipynb") -> Path:
        node = nbformat.v4.new_notebook(
            cells=[
                nbformat.v4.new_code_cell(cell)
                if isinstance(cell, str)
                else nbformat.v4.new_code_cell(cell[0], metadata={"tags": list(cell[1:])})
                for cell in cells
            ]
        )
        path = tmp_path / name
        nbformat.write(node, path)
        return path

    return write
