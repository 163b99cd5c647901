"""What the operations of rules compute: one recurrence each, over a block of bars or over one.

The form is that of an indicator's kernel, ``kernel(state, parameters, *inputs, out)``; state starts as zeros.
"""

import math

import numpy as np

from workbench.indicators import borrowing
from workbench.indicators.declaring import Floats

__all__ = [
    "bars_since_kernel",
    "count_true_kernel",
    "function_kernel",
    "known_kernel",
    "power_kernel",
    "rolling_quantile_kernel",
    "rolling_rank_kernel",
    "rolling_sum_kernel",
    "value_when_kernel",
    "where_kernel",
]

LOG, EXP, SQRT, SIGN, FLOOR = range(5)


@borrowing
def function_kernel(state: Floats, parameters: Floats, x: Floats, out: Floats) -> None:
    """A function of one value; NaN where it has none."""
    which, result = int(parameters[0]), out[0]
    for i in range(x.shape[0]):
        value = x[i]
        if value != value:
            result[i] = np.nan
        elif which == LOG:
            result[i] = math.log(value) if value > 0.0 else np.nan
        elif which == EXP:
            result[i] = math.exp(value) if value < 709.0 else np.inf
        elif which == SQRT:
            result[i] = math.sqrt(value) if value >= 0.0 else np.nan
        elif which == SIGN:
            result[i] = 1.0 if value > 0.0 else -1.0 if value < 0.0 else 0.0
        else:
            result[i] = np.floor(value)


@borrowing
def power_kernel(state: Floats, parameters: Floats, x: Floats, out: Floats) -> None:
    """The value to a fixed power; NaN where there is none."""
    exponent, result = parameters[0], out[0]
    for i in range(x.shape[0]):
        result[i] = x[i] ** exponent


@borrowing
def known_kernel(state: Floats, parameters: Floats, x: Floats, out: Floats) -> None:
    """1 where the value is known, 0 where it is not."""
    result = out[0]
    for i in range(x.shape[0]):
        result[i] = 1.0 if x[i] == x[i] else 0.0


@borrowing
def where_kernel(
    state: Floats, parameters: Floats, condition: Floats, a: Floats, b: Floats, out: Floats
) -> None:
    """`a` where the condition is true, `b` where it is false, NaN where it is unknown."""
    result = out[0]
    for i in range(condition.shape[0]):
        if condition[i] == 1.0:
            result[i] = a[i]
        elif condition[i] == 0.0:
            result[i] = b[i]
        else:
            result[i] = np.nan


@borrowing
def bars_since_kernel(state: Floats, parameters: Floats, condition: Floats, out: Floats) -> None:
    """Bars since the condition was last true, 0 where it is; NaN before. State: 1 + that, 0 for never."""
    result, since = out[0], state[0]
    for i in range(condition.shape[0]):
        if condition[i] == 1.0:
            since = 1.0
        elif since > 0.0:
            since += 1.0
        result[i] = since - 1.0 if since > 0.0 else np.nan
    state[0] = since


@borrowing
def value_when_kernel(state: Floats, parameters: Floats, condition: Floats, x: Floats, out: Floats) -> None:
    """The value at the k-th last bar at which the condition was true, 0 for the last; NaN before.

    State: how many there were, the position, the last k + 1 values.
    """
    size, result = int(parameters[0]) + 1, out[0]
    count, position = int(state[0]), int(state[1])
    ring = state[2 : 2 + size]
    for i in range(condition.shape[0]):
        if condition[i] == 1.0:
            ring[position] = x[i]
            position += 1
            if position == size:
                position = 0
            if count < size:
                count += 1
        result[i] = ring[position] if count == size else np.nan
    state[0], state[1] = count, position


@borrowing
def count_true_kernel(state: Floats, parameters: Floats, condition: Floats, out: Floats) -> None:
    """At how many of the last n bars the condition was true. State: count, position, sum, n values."""
    n, result = int(parameters[0]), out[0]
    count, position, total = int(state[0]), int(state[1]), state[2]
    ring = state[3 : 3 + n]
    for i in range(condition.shape[0]):
        value = condition[i]
        if value != value:
            count, position, total = 0, 0, 0.0
            result[i] = np.nan
            continue
        if count >= n:
            total -= ring[position]
        else:
            count += 1
        total += value
        ring[position] = value
        position += 1
        if position == n:
            position = 0
        result[i] = total if count >= n else np.nan
    state[0], state[1], state[2] = count, position, total


@borrowing
def rolling_sum_kernel(state: Floats, parameters: Floats, x: Floats, out: Floats) -> None:
    """Sum of the last n values, added up anew every n bars so that no error grows.

    State: count, position, sum, n values.
    """
    n, result = int(parameters[0]), out[0]
    count, position, total = int(state[0]), int(state[1]), state[2]
    ring = state[3 : 3 + n]
    for i in range(x.shape[0]):
        value = x[i]
        if not math.isfinite(value):
            count, position, total = 0, 0, 0.0
            result[i] = np.nan
            continue
        if count >= n:
            total += value - ring[position]
        else:
            total += value
            count += 1
        ring[position] = value
        position += 1
        if position == n:
            position, total = 0, 0.0
            for j in range(n):
                total += ring[j]
        result[i] = total if count >= n else np.nan
    state[0], state[1], state[2] = count, position, total


@borrowing
def rolling_quantile_kernel(state: Floats, parameters: Floats, x: Floats, out: Floats) -> None:
    """A quantile of the last n values, between two of them on the straight line from one to the other.

    State: count, position, n values in order of time, n in order of size.
    """
    n, q, result = int(parameters[0]), parameters[1], out[0]
    count, position = int(state[0]), int(state[1])
    ring, ordered = state[2 : 2 + n], state[2 + n : 2 + 2 * n]
    place = q * (n - 1)
    low = int(place)
    high, share = min(low + 1, n - 1), place - low
    for i in range(x.shape[0]):
        value = x[i]
        if not math.isfinite(value):
            count, position = 0, 0
            result[i] = np.nan
            continue
        if count >= n:  # the oldest leaves its place, those between move up
            at = np.searchsorted(ordered, ring[position])
            while at + 1 < n and ordered[at + 1] < value:
                ordered[at] = ordered[at + 1]
                at += 1
        else:
            at = count
            count += 1
        while at > 0 and ordered[at - 1] > value:
            ordered[at] = ordered[at - 1]
            at -= 1
        ordered[at] = value
        ring[position] = value
        position += 1
        if position == n:
            position = 0
        if count < n:
            result[i] = np.nan
        else:
            result[i] = ordered[low] + (ordered[high] - ordered[low]) * share
    state[0], state[1] = count, position


@borrowing
def rolling_rank_kernel(state: Floats, parameters: Floats, x: Floats, out: Floats) -> None:
    """Where the newest of the last n values stands among them: 0 the least, 1 the greatest, ties halfway.

    State: count, position, n values.
    """
    n, result = int(parameters[0]), out[0]
    count, position = int(state[0]), int(state[1])
    ring = state[2 : 2 + n]
    for i in range(x.shape[0]):
        value = x[i]
        if not math.isfinite(value):
            count, position = 0, 0
            result[i] = np.nan
            continue
        ring[position] = value
        position += 1
        if position == n:
            position = 0
        if count < n:
            count += 1
        if count < n:
            result[i] = np.nan
            continue
        below, equal = 0, 0
        for j in range(n):
            below += ring[j] < value
            equal += ring[j] == value
        result[i] = (below + 0.5 * (equal - 1)) / (n - 1)
    state[0], state[1] = count, position
