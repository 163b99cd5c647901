"""Fixtures of the research room."""

import os
from datetime import date
from pathlib import Path

import pytest

from workbench.domain.cost_book import CostBook, retail_costs
from workbench.domain.instruments import InstrumentId, instrument
from workbench.market import Bars, sample_files
from workbench.market.importing import bars_from_file


@pytest.fixture(scope="session")
def cost_book() -> CostBook:
    """Retail costs of EUR/USD."""
    name = InstrumentId("EUR_USD")
    return CostBook(broker="retail", valid_from=date(2017, 1, 1), costs={name: retail_costs(name)})


@pytest.fixture(scope="session")
def sample(cost_book: CostBook) -> Bars:
    """EUR/USD hourly, 2017, as shipped."""
    files = sample_files()
    return bars_from_file(
        files.eurusd_h1_2017,
        instrument(files.instrument),
        timezone=files.timezone,
        side=files.side,
        cost_book=cost_book,
    )


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder with vendors' files, which are not part of the repository."""
    default = Path(__file__).parents[2] / ".." / "shared" / "data"
    folder = Path(os.environ.get("WORKBENCH_SAMPLE_DATA", default)).resolve()
    if not (folder / "fxcm_m1").is_dir():
        pytest.skip("no vendors' sample data; set WORKBENCH_SAMPLE_DATA to the folder with MANIFEST.tsv")
    return folder
