"""What a backtest took for granted, in sentences: sizes on offer, latency on bars, made-up prices."""

from typing import TYPE_CHECKING

import numpy as np

from workbench.domain.calendar import day_open_ns, session_of
from workbench.engine.core import F_BOOK, F_LEFT, F_TIME, F_UNITS
from workbench.engine.layout import CANCELED_INSUFFICIENT_LIQUIDITY, CANCELED_REST
from workbench.engine.matching import CANCEL_REASONS
from workbench.market import Bars
from workbench.market.bars import SYNTHETIC
from workbench.market.ticks import Ticks
from workbench.research.impossible import impossible_entries

if TYPE_CHECKING:
    from workbench.research.result import BacktestResult

__all__ = ["cautions", "larger_than_offered", "partial_fills", "sizes_meaning"]

_DROPPED = (CANCEL_REASONS[CANCELED_INSUFFICIENT_LIQUIDITY], CANCEL_REASONS[CANCELED_REST])


def sizes_meaning(result: "BacktestResult") -> str:
    """Whether fills were limited by the sizes on offer, in a sentence."""
    given = result.given
    if given is None or not given.sized:
        found = "No sizes were recorded with the prices"
        return f"{found}, so every order was filled whole at one price: fills are never partial."
    names = "" if len(given.sized) == len(given.matched) else f" of {', '.join(sorted(given.sized))}"
    if not given.sizes:
        return (
            f"The ticks{names} carry sizes, which were not used (sizes=False): every order was filled whole "
            "at one price, fills are never partial."
        )
    dropped = sum(reason in _DROPPED for _, reason in result.outcome.refused)
    rests = f"{dropped:,} rests were dropped" if dropped else "their rests waited on"
    return (
        f"Orders took from each tick{names} no more than the size recorded with it: "
        f"{partial_fills(result):,} of {len(result.outcome.fills):,} fills were partial, {rests}."
    )


def partial_fills(result: "BacktestResult") -> int:
    """Fills that left a rest of their order."""
    return int(np.count_nonzero(result.outcome.fills[:, F_LEFT]))


def larger_than_offered(result: "BacktestResult") -> int:
    """Fills of more units than their tick had on offer, where sizes were recorded and not used."""
    given, rows = result.given, result.outcome.fills
    if given is None or given.sizes:
        return 0
    count = 0
    for k, item in enumerate(result.instruments):
        ticks = given.matched[item.id]
        if item.id not in given.sized or not isinstance(ticks, Ticks):
            continue
        own = rows[rows[:, F_BOOK] == k]
        at = np.searchsorted(ticks.time_ns, own[:, F_TIME], side="right") - 1
        offered = np.where(own[:, F_UNITS] > 0, ticks.ask_size[at], ticks.bid_size[at])
        count += int(np.count_nonzero((offered > 0) & (np.abs(own[:, F_UNITS]) > offered)))
    return count


def cautions(result: "BacktestResult") -> list[str]:
    """What a reader must not miss of it."""
    notes = []
    made_up = [name for name, bars in _all_bars(result).items() if bars.sides.startswith(SYNTHETIC)]
    if made_up:
        notes.append(
            f"SYNTHETIC: the prices of {', '.join(made_up)} are made up of random numbers; what is earned or "
            "lost on them says nothing about any market."
        )
    if result.account.latency_ns:
        slow = {
            str(item.timeframe): None
            for item in (_matched(result, name) for name in result.traded)
            if isinstance(item, Bars) and item.timeframe.nanoseconds > result.account.latency_ns
        }
        if slow:
            notes.append(
                f"A latency of {result.account.latency_ns / 1e6:g} ms on bars costs a whole bar: an order "
                f"decided at a close misses the open that comes at once, and the next quote that is known is "
                f"the open of the {' or '.join(slow)} bar after it; match on ticks (finer=) to see less."
            )
    first = min(result.cost_books or (result.cost_book,), key=lambda book: book.valid_from)
    begins = min(bars.open_ns[0] for bars in result.traded.values())
    if begins < day_open_ns(first.valid_from):
        notes.append(
            f"The costs of {first.broker} begin on {first.valid_from}, the prices on "
            f"{session_of(int(begins))}: what is traded before pays costs that held later."
        )
    if larger := larger_than_offered(result):
        notes.append(
            f"{larger:,} of {len(result.outcome.fills):,} fills were larger than the size on offer at their "
            "quote; run it with sizes=True to take no more than that."
        )
    if result.rules is not None and result.given is not None:
        dropped, asked = impossible_entries(result.rules, result.given, result.outcome)
        if dropped:
            notes.append(
                f"{dropped:,} of {asked:,} signals to enter led to no order, because the stop, target, "
                "trailing stop or level they declare could not be: a distance of less than a point, or a "
                "level on the wrong side of the price. Give levels as Level(...), distances in points."
            )
    return notes


def _matched(result: "BacktestResult", name: str) -> object:
    if result.given is None:
        return result.traded[name]  # type: ignore[index]  # an InstrumentId
    return result.given.matched[name]  # type: ignore[index]  # an InstrumentId


def _all_bars(result: "BacktestResult") -> dict[str, Bars]:
    """The bars decided on, matched on and looked at, by instrument."""
    found = {str(name): bars for name, bars in result.traded.items()}
    if result.given is not None:
        found = {
            str(name): item for name, item in result.given.matched.items() if isinstance(item, Bars)
        } | found
    return found
