"""An MLflow store for each test, copied from one that is created once."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from workbench.settings import Settings, load_settings
from workbench.tracking import bootstrap


@pytest.fixture(scope="session")
def mlflow_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """MLflow's database at the installed version's schema; creating it takes seconds, copying it none."""
    folder = tmp_path_factory.mktemp("mlflow")
    before = dict(os.environ)
    bootstrap(load_settings(home=folder / "home", project=folder, mlruns=folder / "mlruns"))
    os.environ.clear()
    os.environ.update(before)
    return folder / "mlruns"


@pytest.fixture
def settings(tmp_path: Path, mlflow_template: Path) -> Iterator[Settings]:
    """A home and a project of this test's own, its MLflow store ready."""
    before = dict(os.environ)
    mlruns = tmp_path / "mlruns"
    shutil.copytree(mlflow_template, mlruns)
    found = load_settings(home=tmp_path / "home", project=tmp_path, mlruns=mlruns, user="sarah")
    bootstrap(found)
    yield found
    os.environ.clear()
    os.environ.update(before)
