"""From signals to orders: the one function that backtest and live runtime both decide with."""

import hashlib
import math

from workbench.domain.orders import ClientOrderId
from workbench.errors import BadInputError
from workbench.indicators import compiled

__all__ = ["SIZE_RISK_FRACTION", "SIZE_UNITS", "client_order_id", "decide"]

SIZE_UNITS, SIZE_RISK_FRACTION = 0, 1

_MAX_UNITS = 1_000_000_000
_MAX_DISTANCE = 1e15


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
    nothing = (False, 0, 0, 0)
    if enter_long and enter_short:
        return nothing
    if enter_long or enter_short:
        good = True
        stop_points, target_points = 0, 0
        if has_stop:
            good = math.isfinite(stop) and 0.5 < stop < _MAX_DISTANCE
            if good:
                stop_points = _half_even(stop)
        if has_target and good:
            good = math.isfinite(target) and 0.5 < target < _MAX_DISTANCE
            if good:
                target_points = _half_even(target)
        if good:
            direction = 1 if enter_long else -1
            if position * direction > 0:
                return nothing
            units = 0
            if size_kind == SIZE_UNITS:
                units = int(size_value)
            elif stop_points > 0 and equity_micro > 0:
                most = math.floor(size_value * equity_micro / (float(stop_points) * micro_per_point))
                units = int(min(most, float(_MAX_UNITS)))
            units = units // unit_step * unit_step
            if units < minimum_units or units <= 0:
                return (position != 0, 0, 0, 0)
            return (position != 0, direction * units, stop_points, target_points)
    if (exit_long and position > 0) or (exit_short and position < 0):
        return (True, 0, 0, 0)
    return nothing


@compiled
def _half_even(value: float) -> int:
    whole = math.floor(value)
    rest = value - whole
    result = int(whole)
    if rest > 0.5 or (rest == 0.5 and result % 2 != 0):
        result += 1
    return result


def client_order_id(deployment_id: str, event_seq: int, n: int) -> ClientOrderId:
    """The id of the n-th order decided on an event: the same whenever it is decided again.

    Raises
    ------
    BadInputError
        Negative numbers, or so large that the id would pass 32 characters.
    """
    name = f"{hashlib.sha256(deployment_id.encode()).hexdigest()[:12]}-{event_seq}-{n}"
    if event_seq < 0 or n < 0 or len(name) > 32:
        raise BadInputError(
            f"expected an event number and an order number of 0 or more, found {event_seq}, {n}"
        )
    return ClientOrderId(name)
