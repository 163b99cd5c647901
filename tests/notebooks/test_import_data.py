"""The notebook that brings data in runs from top to bottom with the sample."""

import os
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from workbench.kernel.install import install_kernelspec

NOTEBOOK = Path(__file__).parents[2] / "notebooks" / "01_import_data.ipynb"


@pytest.mark.notebooks
def test_the_notebook_imports_the_sample(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    prefix = tmp_path / "prefix"
    install_kernelspec(prefix=prefix)
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(prefix / "share" / "jupyter"))
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / "runtime"))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.setenv("WORKBENCH_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("WORKBENCH_MLRUNS", str(tmp_path / "mlruns"))
    monkeypatch.setenv("WORKBENCH_USER", "sarah")
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    client = NotebookClient(
        notebook,
        timeout=120,
        kernel_name=notebook.metadata.kernelspec.name,
        resources={"metadata": {"path": os.fspath(tmp_path)}},
    )
    client.execute()
    shown = [
        output.get("data", {}).get("text/plain", "")
        for cell in notebook.cells
        if cell.cell_type == "code"
        for output in cell.outputs
    ]
    assert any("6,225 bars" in text for text in shown)


def test_the_notebook_is_kept_without_outputs() -> None:
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    assert not any(cell.outputs for cell in notebook.cells if cell.cell_type == "code")
