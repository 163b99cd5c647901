"""Decisions on market entries with a stop, a target and a trailing stop, for a loop that asks once a signal.

The same as `workbench.strategy.decision.decide_bar` where both apply.
"""

import math

import numpy as np

from workbench.indicators import compiled
from workbench.strategy.decision import MAX_UNITS, SIZE_UNITS, whole_points

__all__ = ["SIZE_UNITS", "decide", "decide_trailing"]


@compiled
def decide(
    enter_long: bool,
    enter_short: bool,
    exit_long: bool,
    exit_short: bool,
    stop: float,
    target: float,
    has_stop: bool,
    has_target: bool,
    size_kind: int,
    size_value: float,
    position: int,
    equity_micro: int,
    micro_per_point: int,
    unit_step: int,
    minimum_units: int,
) -> tuple[bool, int, int, int]:
    """What to do at a bar's close: (close the position, units to open, stop distance, target distance).

    Parameters
    ----------
    stop, target
        Points; looked at when `has_stop` (`has_target`) says that the rules declare one. They round half
        to even, and an entry whose declared stop or target is not a finite distance of a point or more is
        no entry.
    size_kind, size_value
        `SIZE_UNITS` and the units, or `SIZE_RISK_FRACTION` and the fraction.

    Notes
    -----
    Both entries at once: nothing. An entry against the position closes it, and opens the other way when
    the size comes to the minimum or more; an entry in its direction does nothing and keeps it. Exits count
    only without an entry. Units are floored to the step.
    """
    close, units, stop_points, target_points, _ = decide_trailing(
        enter_long,
        enter_short,
        exit_long,
        exit_short,
        stop,
        target,
        np.nan,
        has_stop,
        has_target,
        False,
        size_kind,
        size_value,
        position,
        equity_micro,
        micro_per_point,
        unit_step,
        minimum_units,
    )
    return close, units, stop_points, target_points


@compiled
def decide_trailing(
    enter_long: bool,
    enter_short: bool,
    exit_long: bool,
    exit_short: bool,
    stop: float,
    target: float,
    trail: float,
    has_stop: bool,
    has_target: bool,
    has_trail: bool,
    size_kind: int,
    size_value: float,
    position: int,
    equity_micro: int,
    micro_per_point: int,
    unit_step: int,
    minimum_units: int,
) -> tuple[bool, int, int, int, int]:
    """`decide` with a trailing stop, whose distance comes last."""
    nothing = (False, 0, 0, 0, 0)
    if enter_long and enter_short:
        return nothing
    if enter_long or enter_short:
        stop_points, stop_good = whole_points(stop, has_stop)
        target_points, target_good = whole_points(target, has_target)
        trail_points, trail_good = whole_points(trail, has_trail)
        if stop_good and target_good and trail_good:
            direction = 1 if enter_long else -1
            if position * direction > 0:
                return nothing
            units = 0
            if size_kind == SIZE_UNITS:
                units = int(size_value)
            elif stop_points > 0 and equity_micro > 0:
                most = math.floor(size_value * equity_micro / (float(stop_points) * micro_per_point))
                units = int(min(most, float(MAX_UNITS)))
            units = units // unit_step * unit_step
            if units < minimum_units or units <= 0:
                return (position != 0, 0, 0, 0, 0)
            return (position != 0, direction * units, stop_points, target_points, trail_points)
    if (exit_long and position > 0) or (exit_short and position < 0):
        return (True, 0, 0, 0, 0)
    return nothing
