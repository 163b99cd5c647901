"""Importing the shipped bars with what is known of them."""

from workbench.domain.cost_book import retail_book
from workbench.domain.cost_history import Costs
from workbench.market.sample.files import sample_files
from workbench.market.storage.market_store import ImportReport, MarketStore

__all__ = ["import_sample"]


def import_sample(store: MarketStore, *, cost_book: Costs | None = None) -> ImportReport:
    """Import the shipped EUR/USD bars; the bid comes from retail costs when no cost book is given."""
    sample = sample_files()
    return store.import_file(
        sample.eurusd_h1_2017,
        sample.instrument,
        timeframe=sample.timeframe,
        timezone=sample.timezone,
        side=sample.side,
        cost_book=cost_book or retail_book(sample.instrument),
    )
