"""A home with the sample imported, and what a notebook's kernel is given."""

import pytest

from workbench.kernel import cost_book
from workbench.kernel.install import install_kernelspec
from workbench.market import MarketStore, sample_files
from workbench.settings import Settings
from workbench.store import open_store


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A home of its own with the sample imported."""
    home = tmp_path_factory.mktemp("home")
    found = Settings(home=home, project=home, mlruns=home / "mlruns", user="sarah")
    files = sample_files()
    MarketStore(found.market_dir, open_store(found.store_url)).import_file(
        files.eurusd_h1_2017,
        files.instrument,
        timezone=files.timezone,
        side=files.side,
        cost_book=cost_book(files.instrument),
    )
    return found


@pytest.fixture(scope="module")
def environment(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What the kernel is given: the home, and where the kernelspec is."""
    prefix = tmp_path_factory.mktemp("prefix")
    install_kernelspec(prefix=prefix)
    return {
        "JUPYTER_DATA_DIR": str(prefix / "share" / "jupyter"),
        "JUPYTER_RUNTIME_DIR": str(prefix / "runtime"),
        "IPYTHONDIR": str(prefix / "ipython"),
        "WORKBENCH_HOME": str(settings.home),
        "WORKBENCH_PROJECT": str(settings.project),
        "WORKBENCH_MLRUNS": str(settings.mlruns),
        "WORKBENCH_USER": settings.user,
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }
