"""A home with the research kernel, an MLflow store, and bars to trade; and a release made by hand."""

import json
import time
from collections.abc import Iterator
from dataclasses import fields
from datetime import date
from pathlib import Path

import nbformat
import numpy as np
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from workbench.domain.cost_book import CostBook, retail_costs
from workbench.domain.instruments import InstrumentId, instrument
from workbench.domain.limits import Limits
from workbench.domain.timeframes import Timeframe
from workbench.kernel.install import install_kernelspec
from workbench.market import MarketStore, make_bars
from workbench.release.bundle import canonical, write_bundle
from workbench.release.evidence import Evidence
from workbench.release.keys import signing_key
from workbench.release.releases import Release, register_release
from workbench.settings import Settings, load_settings
from workbench.strategy import Param, Rules, Strategy, Units, crosses_above, crosses_below, sma, spec
from workbench.tracking import bootstrap

LIMITS = Limits(
    instruments=("EUR_USD",),
    **{item.name: 1_000_000_000 for item in fields(Limits) if item.name != "instruments"},
)


class Cross(Strategy):
    """Follows the crossing of two averages."""

    fast = Param(3, low=2, high=50)

    def rules(self, bar):  # type: ignore[no-untyped-def]  # as people write it
        fast, slow = sma(bar.mid.close, self.fast), sma(bar.mid.close, 12)
        return Rules(
            enter_long=crosses_above(fast, slow), enter_short=crosses_below(fast, slow), size=Units(1_000)
        )


@pytest.fixture(scope="session")
def _world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    root = tmp_path_factory.mktemp("release")
    prefix = root / "kernels"
    install_kernelspec(prefix=prefix)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JUPYTER_PATH", str(prefix / "share" / "jupyter"))
        patch.setenv("JUPYTER_DATA_DIR", str(root / "jupyter"))
        for name in ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI", "WORKBENCH_ARTIFACTS"):
            patch.setenv(name, "")  # set by `bootstrap`, put back afterwards
        (root / "project").mkdir()
        settings = load_settings(
            home=root / "home", project=root / "project", mlruns=root / "mlruns", user="sarah"
        )
        bootstrap(settings)
        yield settings


@pytest.fixture
def world(_world: Settings) -> Settings:
    """A home with what a promotion needs; shared, since it takes seconds to make."""
    return _world


@pytest.fixture(scope="session")
def market(_world: Settings) -> str:
    """800 hourly bars of a random walk; their fingerprint."""
    rng = np.random.default_rng(11)
    hour = 3_600 * 10**9
    first = 1_483_308_000 * 10**9  # Sunday 2017-01-01 22:00 UTC
    open_ns = first + hour * np.arange(800, dtype=np.int64)
    close = 110_000 + np.cumsum(rng.integers(-40, 41, 800))
    opened = np.concatenate([[110_000], close[:-1]])
    high, low = np.maximum(opened, close) + 15, np.minimum(opened, close) - 15
    bid = {"open": opened, "high": high, "low": low, "close": close}
    prices = {
        **{f"bid_{name}": values.astype(np.int64) for name, values in bid.items()},
        **{f"ask_{name}": (values + 13).astype(np.int64) for name, values in bid.items()},
    }
    bars = make_bars(instrument("EUR_USD"), timeframe=Timeframe.H1, open_ns=open_ns, prices=prices)
    report = MarketStore(_world.market_dir, _world.store_url).add(bars, source="random walk of this test")
    return report.fingerprint


@pytest.fixture
def home(tmp_path: Path) -> Settings:
    """An empty home of this test's own."""
    return load_settings(home=tmp_path / "home", project=tmp_path, mlruns=tmp_path / "mlruns", user="sarah")


def manifest_of(author: str = "sarah") -> dict[str, object]:
    """A manifest as promotion writes it."""
    book = CostBook(
        broker="retail",
        valid_from=date(2018, 1, 1),
        costs={InstrumentId("EUR_USD"): retail_costs("EUR_USD")},
    )
    described = spec(Cross(fast=4))
    return {
        "format": 1,
        "name": "cross",
        "run_id": "5f0c",
        "author": author,
        "created_ns": time.time_ns(),
        "idea": "0b7f",
        "trials": 64,
        "notebook_sha256": "ab" * 32,
        "parameters": {"fast": 4, "share": 0.1},
        "instruments": ["EUR_USD"],
        "timeframe": "H1",
        "data": {"EUR_USD H1": "cd" * 32, "EUR_USD D1": "ef" * 32},
        "strategy": {
            "name": described["class"],
            "params": described["params"],
            "digest": described["digest"],
            "spec": described,
        },
        "cost_book": book.to_json(),
        "cost_book_version": book.version,
        "limits": {**LIMITS.to_json(), "instruments": ["EUR_USD"]},
        "environment": {"python": "3.11.7", "sha256": "12" * 32},
        "code": "forex-workbench 0.1.0",
        "evidence": [Evidence(name="complete", passed=True, summary="3 <b>cells</b>").to_json()],
    }


@pytest.fixture
def release(home: Settings) -> Release:
    """A release in `home`, made without going through the gates."""
    node = new_notebook(cells=[new_code_cell("fast = 4", id="cell-001")])
    files = {
        "notebook.ipynb": nbformat.writes(node).encode(),
        "requirements.lock": b"numpy==2.4.6\n",
        "strategy.json": canonical(spec(Cross(fast=4))),
    }
    key = signing_key(home.keys_dir, "release")
    release_id, signature = write_bundle(home.releases_dir, manifest=manifest_of(), files=files, key=key)
    folder = home.releases_dir / release_id
    whole = json.loads((folder / "manifest.json").read_bytes())
    made = Release(id=release_id, signature=signature, manifest=whole, folder=folder)
    register_release(made, settings=home)
    return made
