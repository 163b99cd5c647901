"""A home with the shipped sample imported, and one run of a small notebook in it that tests look at."""

import os
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest

from workbench.kernel import cost_book
from workbench.kernel.install import install_kernelspec
from workbench.market import MarketStore, sample_files
from workbench.settings import Settings, load_settings
from workbench.tracking import TrackedRun, bootstrap, run_tracked

STRATEGY = """
from workbench.kernel import backtest, cost_book, deploy, load_bars, sweep, tear_sheet, track
from workbench.strategy import Param, RiskFraction, Rules, Strategy, atr, crosses_above, crosses_below, sma


class SmaCross(Strategy):
    fast = Param(10, low=2, high=200)
    slow = Param(50, low=5, high=400)

    def rules(self, bar):
        fast, slow = sma(bar.mid.close, self.fast), sma(bar.mid.close, self.slow)
        return Rules(
            enter_long=crosses_above(fast, slow),
            enter_short=crosses_below(fast, slow),
            stop=2.0 * atr(bar, 14),
            size=RiskFraction(0.01),
        )
"""
CELLS = (
    ("fast = 10\nslow = 50", "parameters"),
    (STRATEGY,),
    ('bars = load_bars("EUR_USD", "H1", start="2017-03-01", end="2017-06-01")', "research"),
    (
        'result = backtest(SmaCross(fast=fast, slow=slow), bars, cost_book=cost_book("EUR_USD"))\nresult',
        "research",
    ),
    (
        'sweep(SmaCross, bars, {"fast": [5, 10, 20], "slow": [50, 100]}, cost_book=cost_book("EUR_USD"))',
        "research",
    ),
    ("tear_sheet(result)", "research"),
    ('track(score=1.5, word="high")\nprint(fast, slow)',),
    ('deploy(SmaCross(fast=fast, slow=slow), instruments=["EUR_USD"], timeframe="H1")',),
)


def write_notebook_file(path: Path, cells: tuple[tuple[str, ...], ...] = CELLS) -> Path:
    """A notebook of these cells: source, then tags."""
    path.parent.mkdir(parents=True, exist_ok=True)
    node = nbformat.v4.new_notebook(
        cells=[
            nbformat.v4.new_code_cell(source, metadata={"tags": list(tags)} if tags else {})
            for source, *tags in cells
        ],
        metadata={"kernelspec": {"name": "workbench", "display_name": "Workbench", "language": "python"}},
    )
    nbformat.write(node, path)
    return path


@pytest.fixture(autouse=True)
def own_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test is a kernel of its own: sessions of one kernel count for one line of research."""
    monkeypatch.setattr("workbench.kernel.session._current", None)


@pytest.fixture(scope="session")
def jupyter_folders(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Jupyter's own folders for this run, with the kernelspec installed as the command does."""
    folder = tmp_path_factory.mktemp("jupyter")
    patch = pytest.MonkeyPatch()
    patch.setenv("JUPYTER_DATA_DIR", str(folder / "data"))
    patch.setenv("JUPYTER_RUNTIME_DIR", str(folder / "runtime"))
    patch.setenv("IPYTHONDIR", str(folder / "ipython"))
    patch.setenv("JUPYTER_PATH", str(folder / "prefix" / "share" / "jupyter"))
    install_kernelspec(prefix=folder / "prefix")
    yield folder
    patch.undo()


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory, jupyter_folders: Path) -> Iterator[Settings]:
    """A home of this session's own: the sample in its market store, MLflow's store ready."""
    folder = tmp_path_factory.mktemp("home")
    before = dict(os.environ)
    (folder / "notebooks").mkdir()
    settings = load_settings(
        home=folder / "home", project=folder, mlruns=folder / "mlruns", user="sarah", database_url=""
    )
    bootstrap(settings)
    sample = sample_files()
    MarketStore(settings.market_dir, settings.store_url).import_file(
        sample.eurusd_h1_2017,
        sample.instrument,
        timeframe=sample.timeframe,
        timezone=sample.timezone,
        side=sample.side,
        cost_book=cost_book("EUR_USD"),
        show_progress=False,
    )
    yield settings
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture(scope="session")
def finished(home: Settings) -> TrackedRun:
    """The notebook, run once from top to bottom."""
    path = write_notebook_file(home.project / "notebooks" / "cross.ipynb")
    done = run_tracked(
        path,
        settings=home,
        parameters={"fast": 12},
        output=home.project / "cross.out.ipynb",
        timeout_s=280,
    )
    done.run.raise_for_status()
    return done
