"""Is this market data any good? Counts, first examples, and nothing repaired.

Some checks are of what no market can have made and refuse an import (`workbench.market.bars`); those
here are also of what a person should look at: gaps, spikes, frozen prices, hidden openings. Ticks are
checked in a stream, batch by batch.
"""

from workbench.market.checks.bar_rules import check_bars, weekly_opens
from workbench.market.checks.comparisons import check_against, check_aggregation
from workbench.market.checks.report import CheckReport, Coverage, Finding
from workbench.market.checks.ticks import TickChecker

__all__ = [
    "CheckReport",
    "Coverage",
    "Finding",
    "TickChecker",
    "check_against",
    "check_aggregation",
    "check_bars",
    "weekly_opens",
]
