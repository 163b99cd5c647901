"""Market data: import, check, store, resample, replay."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from workbench.market.bar_builder import BarBuilder
from workbench.market.bars import Bars, make_bars
from workbench.market.checks import (
    CheckReport,
    Coverage,
    Finding,
    TickChecker,
    check_against,
    check_aggregation,
    check_bars,
)
from workbench.market.replay import Feed, FeedEvent, ReplayFeed
from workbench.market.resampling import bars_from_ticks, resample
from workbench.market.ticks import Ticks

if TYPE_CHECKING:
    from workbench.market.reference_rates import ecb_rate
    from workbench.market.sample import SampleFiles, import_sample, sample_files
    from workbench.market.storage.market_store import Dataset, ImportReport, MarketStore

__all__ = [
    "BarBuilder",
    "Bars",
    "CheckReport",
    "Coverage",
    "Dataset",
    "Feed",
    "FeedEvent",
    "Finding",
    "ImportReport",
    "MarketStore",
    "ReplayFeed",
    "SampleFiles",
    "TickChecker",
    "Ticks",
    "bars_from_ticks",
    "check_against",
    "check_aggregation",
    "check_bars",
    "ecb_rate",
    "import_sample",
    "make_bars",
    "resample",
    "sample_files",
]

_LATER = {  # imported when asked for: they bring the database along, which a backtest does not need
    "Dataset": "storage.market_store",
    "ImportReport": "storage.market_store",
    "MarketStore": "storage.market_store",
    "SampleFiles": "sample",
    "ecb_rate": "reference_rates",
    "import_sample": "sample",
    "sample_files": "sample",
}


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(import_module(f"{__name__}.{_LATER[name]}"), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
