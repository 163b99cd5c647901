"""Giving a one-sided series its other side, from the cost book's spread by hour of the week."""

from dataclasses import dataclass

import numpy as np

from workbench.domain.calendar import session_of
from workbench.domain.cost_book import HOURS_OF_WEEK
from workbench.domain.cost_history import CostHistory, Costs
from workbench.domain.instruments import Instrument
from workbench.domain.timeframes import Timeframe
from workbench.market.bars import BOTH_SIDES, Ints
from workbench.market.errors import CostBookNeededError
from workbench.market.new_york import hours_of_week

__all__ = ["BothSides", "with_both_sides"]

_PARTS = ("open", "high", "low", "close")


@dataclass(frozen=True, slots=True, kw_only=True)
class BothSides:
    """The eight price columns, and how they came to be."""

    prices: dict[str, Ints]
    sides: str


def with_both_sides(
    prices: dict[str, Ints],
    *,
    side: str,
    open_ns: Ints,
    instrument: Instrument,
    timeframe: Timeframe,
    cost_book: Costs | None,
) -> BothSides:
    """Bid and ask of a series that has both, or one of them, or their middle.

    The spread is that of the hour the bar opens in, the mean of its hours when the bar is longer, and
    the same for the bar's open, high, low and close. Of dated costs each bar takes those of its FX day.

    Raises
    ------
    CostBookNeededError
        One side only and no cost book.
    BadInputError
        A bar before the first of dated costs.
    """
    if side == BOTH_SIDES:
        return BothSides(prices=prices, sides=BOTH_SIDES)
    if cost_book is None:
        raise CostBookNeededError(
            f"{instrument.id}: the file has {side} prices only; give a cost_book, its spread by hour of the "
            "week makes the other side"
        )
    spread = _spread_of_bars(open_ns, instrument=instrument, timeframe=timeframe, costs=cost_book)
    below = {"ask": spread, "bid": np.zeros_like(spread), "mid": spread // 2}[side]
    result = {}
    for part in _PARTS:
        bid = prices[part] - below
        result[f"bid_{part}"], result[f"ask_{part}"] = bid, bid + spread
    how = {
        "ask": "ask; bid = ask - spread",
        "bid": "bid; ask = bid + spread",
        "mid": "mid; bid and ask = mid -/+ half the spread",
    }[side]
    since = f"{len(cost_book)} dates" if isinstance(cost_book, CostHistory) else f"{cost_book.valid_from}"
    book = f"{cost_book.broker} of {since} ({cost_book.version[:12]})"
    return BothSides(prices=result, sides=f"{how} by hour of week of cost book {book}")


def _spread_of_bars(open_ns: Ints, *, instrument: Instrument, timeframe: Timeframe, costs: Costs) -> Ints:
    """The spread of each bar in points."""
    hours = hours_of_week(open_ns)
    if not isinstance(costs, CostHistory):
        return _spreads(costs.of(instrument.id).spread_points, timeframe)[hours]
    if len(open_ns):
        costs.at(session_of(int(open_ns[0])))  # refuses what lies before the first book
    tables = np.array([_spreads(book.of(instrument.id).spread_points, timeframe) for book in costs])
    in_force = np.searchsorted(np.array(costs.starts_ns), open_ns, side="right") - 1
    found: Ints = tables[in_force, hours]
    return found


def _spreads(by_hour: tuple[int, ...], timeframe: Timeframe) -> Ints:
    """The spread of a bar by the hour of week it opens in: half to even, when it is a mean."""
    hours = max(1, timeframe.minutes // 60)
    ring = np.array(by_hour, dtype=np.int64)
    total = sum(np.roll(ring, -hour) for hour in range(hours))
    return np.rint(np.asarray(total, dtype=np.float64) / hours).astype(np.int64)[:HOURS_OF_WEEK]
