"""Entries that were signalled and not placed, because a price that the rules declare for them can not be."""

import math

import numpy as np
import numpy.typing as npt

from workbench.engine.core import F_BOOK, F_POSITION
from workbench.indicators.compiled import compiled
from workbench.research.given import Given
from workbench.research.outcome import Outcome
from workbench.strategy import AtMarket, Rules
from workbench.strategy.decision import (
    ENTER_LONG,
    ENTER_SHORT,
    N_ENTRY_LONG,
    N_STOP_LONG,
    NONE,
    ORDER_SIZE,
    S_STOP_LONG,
    _protects,
)
from workbench.strategy.panel import evaluate_panel

__all__ = ["impossible_entries"]

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


def impossible_entries(rules: Rules, given: Given, outcome: Outcome) -> tuple[int, int]:
    """Signals to enter whose stop, target, trailing stop or level could not be; and all that wanted an order.

    A distance of less than a point, or a level on the wrong side of the price. Where one of these numbers is
    not known yet, as in an indicator's first bars, nothing is counted, nor is a signal in the direction that
    is held already.
    """
    if all(item is None for item in (rules.stop, rules.target, rules.trail)) and _at_market(rules):
        return 0, 0
    found = evaluate_panel(rules, given.decided, others=given.others)
    impossible = wanted = 0
    for place, item in enumerate(given.instruments):
        if item.id not in found:
            continue
        signals, bars, first = found[item.id], given.traded[item.id], given.first[item.id]
        dropped, asked = _count(
            signals.bits[first:].astype(np.int64),
            np.ascontiguousarray(signals.numbers[:, first:]),
            signals.settings.rows,
            signals.settings.settings,
            bars.bid_close,
            bars.ask_close,
            _held(bars.close_ns, outcome, place),
            np.zeros((1, ORDER_SIZE), np.int64),
        )
        impossible, wanted = impossible + int(dropped), wanted + int(asked)
    return impossible, wanted


def _at_market(rules: Rules) -> bool:
    return all(isinstance(rules.side("entry", long=long), AtMarket) for long in (True, False))


def _held(close_ns: Ints, outcome: Outcome, book: int) -> Ints:
    """Units held at each close."""
    own = outcome.fills[:, F_BOOK] == book
    filled_by = outcome.round_ns[np.minimum(outcome.fill_bar[own], len(outcome.round_ns) - 1)]
    known = np.searchsorted(filled_by, close_ns, side="right")
    held: Ints = np.concatenate([np.zeros(1, np.int64), outcome.fills[own, F_POSITION]])[known]
    return held


@compiled
def _count(
    bits: Ints,
    numbers: Floats,
    rows: Ints,
    settings: Ints,
    bid: Ints,
    ask: Ints,
    held: Ints,
    order: Ints,
) -> tuple[int, int]:
    impossible, wanted = 0, 0
    for at in range(bits.shape[0]):
        if bits[at] & ENTER_LONG != 0 and bits[at] & ENTER_SHORT != 0:
            continue  # both at once are no entry
        for direction in (1, -1):
            if bits[at] & (ENTER_LONG if direction > 0 else ENTER_SHORT) == 0 or held[at] * direction > 0:
                continue
            wanted += 1
            if not _protects(order, 0, direction, numbers, at, rows, settings, bid[at], ask[at], False):
                impossible += _known(numbers, at, rows, settings, 0 if direction > 0 else 1)
    return impossible, wanted


@compiled
def _known(numbers: Floats, at: int, rows: Ints, settings: Ints, side: int) -> int:
    """1 where every number that the entry needs is known, 0 elsewhere."""
    entry = rows[N_ENTRY_LONG + side]
    if entry >= 0 and not math.isfinite(numbers[entry, at]):
        return 0
    for part in range(3):
        declared = settings[S_STOP_LONG + 2 * part + side] != NONE
        if declared and not math.isfinite(numbers[rows[N_STOP_LONG + 2 * part + side], at]):
            return 0
    return 1
