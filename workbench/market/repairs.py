"""Named repairs: each makes new data of old and says what it took away; nothing is changed in place.

A repair works on a stream of ticks or on bars, whole. `MarketStore` keeps what it makes as a dataset
of its own, which names its parent and the rule.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from workbench.domain.calendar import are_open
from workbench.errors import BadInputError
from workbench.market.bars import PRICES, Bars, make_bars
from workbench.market.checks.gaps import closed_bars
from workbench.market.checks.kernels import NEIGHBOURS, find_spikes
from workbench.market.ticks import Ticks

__all__ = ["RULES", "Repair", "repair_bars", "repair_ticks"]

Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Repair:
    """One rule: which rows of ticks, and which bars, it takes away."""

    name: str
    what: str
    ticks: Callable[[Ticks], Flags] | None  # rows to leave out
    bars: Callable[[Bars], Flags] | None


def repair_ticks(
    batches: Iterable[Ticks], rule: str, *, told: Callable[[int], None] | None = None
) -> Iterator[Ticks]:
    """The ticks that a rule leaves, batch by batch; `told` hears how many it took from each.

    Raises
    ------
    BadInputError
        No such rule for ticks.
    """
    chosen = _rule(rule)
    if chosen.ticks is None:
        raise BadInputError(f"rule {rule} is for bars; for ticks: {', '.join(_names('ticks'))}")
    return _without(batches, chosen.ticks, told)


def repair_bars(bars: Bars, rule: str) -> Bars:
    """The bars that a rule leaves.

    Raises
    ------
    BadInputError
        No such rule for bars.
    """
    chosen = _rule(rule)
    if chosen.bars is None:
        raise BadInputError(f"rule {rule} is for ticks; for bars: {', '.join(_names('bars'))}")
    keep = ~chosen.bars(bars)
    return make_bars(
        bars.instrument,
        timeframe=bars.timeframe,
        open_ns=bars.open_ns[keep],
        prices={name: getattr(bars, name)[keep] for name in PRICES},
        sides=bars.sides,
    )


def _without(
    batches: Iterable[Ticks], bad: Callable[[Ticks], Flags], told: Callable[[int], None] | None
) -> Iterator[Ticks]:
    """Each row is judged once, when as many rows have come after it as a rule looks at.

    `held` are rows still to be judged, after up to as many rows that were, which are shown for context.
    """
    held: Ticks | None = None
    judged = 0
    for batch in batches:
        held = batch if held is None else _joined(held, batch)
        until = max(judged, len(held) - NEIGHBOURS)
        yield from _kept(held, judged, until, bad, told)
        low = max(0, until - 2 * NEIGHBOURS)
        held, judged = held.at(low, len(held)), until - low
    if held is not None:
        yield from _kept(held, judged, len(held), bad, told)


def _kept(
    held: Ticks, low: int, high: int, bad: Callable[[Ticks], Flags], told: Callable[[int], None] | None
) -> Iterator[Ticks]:
    if high <= low:
        return
    wrong = bad(held)[low:high]
    if told is not None:
        told(int(wrong.sum()))
    part = held.at(low, high)
    if wrong.any():
        columns = {name: column[~wrong] for name, column in part.columns().items()}
        part = Ticks(instrument=held.instrument, **columns)
    if len(part):
        yield part


def _joined(first: Ticks, second: Ticks) -> Ticks:
    columns = {
        name: np.concatenate([column, getattr(second, name)]) for name, column in first.columns().items()
    }
    return Ticks(instrument=first.instrument, **columns)


def _duplicates(ticks: Ticks) -> Flags:
    """Rows that repeat a row of the same instant; the first stays."""
    wrong = np.zeros(len(ticks), dtype=np.bool_)
    same = np.flatnonzero(np.diff(ticks.time_ns) == 0) + 1
    columns = list(ticks.columns().values())
    for row in same.tolist():
        before = row - 1
        while before >= 0 and ticks.time_ns[before] == ticks.time_ns[row]:
            if all(column[before] == column[row] for column in columns):
                wrong[row] = True
                break
            before -= 1
    return wrong


def _crossed(ticks: Ticks) -> Flags:
    flags: Flags = ticks.bid > ticks.ask
    return flags


def _crossed_or_locked(ticks: Ticks) -> Flags:
    flags: Flags = ticks.bid >= ticks.ask
    return flags


def _spikes(ticks: Ticks) -> Flags:
    wrong = np.zeros(len(ticks), dtype=np.bool_)
    find_spikes(ticks.bid, ticks.ask, wrong, True)
    return wrong


def _closed(ticks: Ticks) -> Flags:
    flags: Flags = ~are_open(ticks.time_ns, ticks.instrument)
    return flags


def _spike_bars(bars: Bars) -> Flags:
    wrong = np.zeros(len(bars), dtype=np.bool_)
    find_spikes(bars.bid_close, bars.ask_close, wrong, False)
    return wrong


def _crossed_bars(bars: Bars) -> Flags:
    return bars.crossed


def _closed_hours_bars(bars: Bars) -> Flags:
    closed, holiday = closed_bars(bars)
    flags: Flags = closed | holiday
    return flags


def _flat_bars(bars: Bars) -> Flags:
    """Bars in which nothing moved, at the price at which the one before closed: a vendor's fillers."""
    flat = (bars.bid_high == bars.bid_low) & (bars.ask_high == bars.ask_low)
    flat[:1] = False
    flat[1:] &= bars.bid_open[1:] == bars.bid_close[:-1]
    flat[1:] &= bars.ask_open[1:] == bars.ask_close[:-1]
    flags: Flags = flat
    return flags


RULES: Mapping[str, Repair] = MappingProxyType(
    {
        item.name: item
        for item in (
            Repair(
                name="drop_exact_duplicates",
                what="quotes that repeat one of the same instant, sizes and all",
                ticks=_duplicates,
                bars=None,
            ),
            Repair(name="drop_crossed", what="bid above ask", ticks=_crossed, bars=_crossed_bars),
            Repair(
                name="drop_crossed_and_locked",
                what="bid above or equal to ask",
                ticks=_crossed_or_locked,
                bars=None,
            ),
            Repair(
                name="drop_spikes",
                what="prices far from the medians of their neighbours before, after and around",
                ticks=_spikes,
                bars=_spike_bars,
            ),
            Repair(
                name="drop_closed_hours",
                what="what bears a time at which the instrument is not traded",
                ticks=_closed,
                bars=_closed_hours_bars,
            ),
            Repair(
                name="drop_flat_bars",
                what="bars in which nothing moved, with which vendors fill gaps",
                ticks=None,
                bars=_flat_bars,
            ),
        )
    }
)


def _rule(name: str) -> Repair:
    if name not in RULES:
        raise BadInputError(f"unknown repair {name!r}; known: {', '.join(RULES)}")
    return RULES[name]


def _names(kind: str) -> list[str]:
    return [name for name, item in RULES.items() if getattr(item, kind) is not None]
