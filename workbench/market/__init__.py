"""Market data: import, check, store, resample, replay."""

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
from workbench.market.market_store import Dataset, ImportReport, MarketStore
from workbench.market.reference_rates import ecb_rate
from workbench.market.replay import Feed, FeedEvent, ReplayFeed
from workbench.market.resampling import bars_from_ticks, resample
from workbench.market.sample import SampleFiles, import_sample, sample_files
from workbench.market.ticks import Ticks

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
