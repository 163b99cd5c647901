"""Fixtures of the market data room."""

import os
from datetime import date
from pathlib import Path

import pytest

from tests.market.bars_for_tests import minutes
from workbench.domain.cost_book import CostBook, retail_costs
from workbench.domain.instruments import InstrumentId
from workbench.market import BarBuilder, MarketStore, resample


@pytest.fixture(scope="session", autouse=True)
def compiled_once() -> None:
    """Compile what makes bars before a test is timed."""
    resample(minutes(2), "M2")
    BarBuilder(minutes(1).instrument, "M1").quote(0, 1, 2)


@pytest.fixture(scope="session")
def cost_book() -> CostBook:
    """Retail costs of two instruments."""
    return CostBook(
        broker="retail",
        valid_from=date(2017, 1, 1),
        costs={InstrumentId(name): retail_costs(name) for name in ("EUR_USD", "GBP_USD")},
    )


@pytest.fixture
def market(tmp_path: Path, store_url: str) -> MarketStore:
    """An empty market store, its catalogue on each of the two databases."""
    return MarketStore(tmp_path / "market", store_url)


@pytest.fixture
def sqlite_market(tmp_path: Path, sqlite_url: str) -> MarketStore:
    """An empty market store with its catalogue on SQLite."""
    return MarketStore(tmp_path / "market", sqlite_url)


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder with vendors' files, which are not part of the repository."""
    default = Path(__file__).parents[2] / ".." / "shared" / "data"
    folder = Path(os.environ.get("WORKBENCH_SAMPLE_DATA", default)).resolve()
    if not (folder / "MANIFEST.tsv").is_file():
        pytest.skip("no vendors' sample data; set WORKBENCH_SAMPLE_DATA to the folder with MANIFEST.tsv")
    return folder
