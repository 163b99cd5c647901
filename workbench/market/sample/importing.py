"""Importing the shipped bars with what is known of them."""

from datetime import date

from workbench.domain.cost_book import CostBook, retail_costs
from workbench.domain.instruments import InstrumentId
from workbench.market.market_store import ImportReport, MarketStore
from workbench.market.sample.files import sample_files

__all__ = ["import_sample"]

_RETAIL_SINCE = date(2018, 1, 1)  # the year of the quotes that `retail_costs` was measured on


def import_sample(store: MarketStore, *, cost_book: CostBook | None = None) -> ImportReport:
    """Import the shipped EUR/USD bars; the bid comes from retail costs when no cost book is given."""
    sample = sample_files()
    book = cost_book or CostBook(
        broker="retail",
        valid_from=_RETAIL_SINCE,
        costs={InstrumentId(sample.instrument): retail_costs(sample.instrument)},
    )
    return store.import_file(
        sample.eurusd_h1_2017,
        sample.instrument,
        timeframe=sample.timeframe,
        timezone=sample.timezone,
        side=sample.side,
        cost_book=book,
    )
