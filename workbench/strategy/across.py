"""Values across the instruments traded: all that closed a bar at one time, in the order of their ids."""

import math

import numpy as np

from workbench.indicators import compiled
from workbench.strategy.running import Floats, Ints

__all__ = ["across_groups", "across_values"]

RANK, MEAN, ZSCORE, COUNT = range(4)
CODES = {"rank": RANK, "cross_mean": MEAN, "cross_zscore": ZSCORE, "cross_count": COUNT}


@compiled
def across_values(op: int, values: Floats, out: Floats) -> None:
    """One time's values; an unknown one takes no part and stays unknown, but is told mean and count."""
    known, total = 0, 0.0
    for i in range(values.shape[0]):
        if math.isfinite(values[i]):
            known += 1
            total += values[i]
    mean = total / known if known > 0 else np.nan
    deviation = 0.0
    if op == ZSCORE:
        for i in range(values.shape[0]):
            if math.isfinite(values[i]):
                deviation += (values[i] - mean) * (values[i] - mean)
        deviation = math.sqrt(deviation / known) if known > 0 else np.nan
    for i in range(values.shape[0]):
        if op == COUNT:
            out[i] = known
        elif op == MEAN:
            out[i] = mean
        elif not math.isfinite(values[i]):
            out[i] = np.nan
        elif op == ZSCORE:
            out[i] = (values[i] - mean) / deviation if deviation > 0.0 else 0.0
        else:
            below, equal = 0, 0
            for j in range(values.shape[0]):
                if values[j] < values[i]:
                    below += 1
                elif values[j] == values[i]:
                    equal += 1
            out[i] = below + 0.5 * (equal + 1)


@compiled
def across_groups(op: int, starts: Ints, values: Floats, out: Floats) -> None:
    """The same for many times: group `g` is ``values[starts[g]:starts[g + 1]]``."""
    for group in range(starts.shape[0] - 1):
        across_values(op, values[starts[group] : starts[group + 1]], out[starts[group] : starts[group + 1]])
