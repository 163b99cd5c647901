"""A home with a store, the research kernel, and small notebooks."""

from collections.abc import Callable, Iterator
from pathlib import Path

import nbformat
import pytest
import sqlalchemy as sa
from nbformat.v4 import new_code_cell, new_notebook

from workbench.kernel.install import install_kernelspec
from workbench.settings import Settings, load_settings
from workbench.store import open_store
from workbench.tracking import bootstrap

WriteNotebook = Callable[..., Path]


@pytest.fixture(scope="session")
def kernel_prefix(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the research kernel is installed for these tests."""
    prefix = tmp_path_factory.mktemp("kernels")
    install_kernelspec(prefix=prefix)
    return prefix


@pytest.fixture(scope="session")
def mlruns(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """MLflow's store, which takes seconds to make."""
    home = tmp_path_factory.mktemp("mlflow")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", "")
        bootstrap(load_settings(home=home, project=home, mlruns=home / "mlruns"))
    return home / "mlruns"


@pytest.fixture
def settings(tmp_path: Path, mlruns: Path, kernel_prefix: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A home of this test's own."""
    monkeypatch.setenv("JUPYTER_PATH", str(kernel_prefix / "share" / "jupyter"))
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "jupyter"))  # signatures of notebooks
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI", "WORKBENCH_ARTIFACTS"):
        monkeypatch.setenv(name, "")  # set by `bootstrap`, put back afterwards
    project = tmp_path / "project"
    project.mkdir()
    return load_settings(home=tmp_path / "home", project=project, mlruns=mlruns, user="sarah")


@pytest.fixture
def engine(settings: Settings) -> Iterator[sa.Engine]:
    """The home's store."""
    store = open_store(settings.store_url)
    yield store
    store.dispose()


@pytest.fixture
def write_notebook(settings: Settings) -> WriteNotebook:
    """Writes a notebook of a parameters cell and further cells into the project."""

    def write(name: str, parameters: str, *cells: str) -> Path:
        node = new_notebook(
            cells=[
                new_code_cell(parameters, metadata={"tags": ["parameters"]}),
                *(new_code_cell(cell) for cell in cells),
            ]
        )
        path = settings.project / name
        path.parent.mkdir(parents=True, exist_ok=True)
        nbformat.write(node, path)
        return path

    return write
