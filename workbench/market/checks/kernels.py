"""The compiled parts of the checks: one pass over the quotes, and the search for spikes.

Source of the spike rule: Barndorff-Nielsen, Hansen, Lunde and Shephard (2009), rule T4, in the
one-sided form of `highfrequency::rmOutliersQuotes`: a quote is a spike if it is far from the medians
of its neighbours before, after and around it, so that a jump that stays is none.
"""

import numpy as np
import numpy.typing as npt

from workbench.indicators import compiled
from workbench.market.bars import Ints

__all__ = [
    "BACKWARDS",
    "CROSSED",
    "DUPLICATES",
    "LOCKED",
    "NEIGHBOURS",
    "NOT_POSITIVE",
    "SAME_INSTANT",
    "SPIKE_FACTOR",
    "count_quotes",
    "find_spikes",
]

Flags = npt.NDArray[np.bool_]

NEIGHBOURS = 50
SPIKE_FACTOR = 10
BACKWARDS, SAME_INSTANT, DUPLICATES, CROSSED, LOCKED, NOT_POSITIVE = range(6)
_GROUP = 64  # quotes of one instant that are compared with each other


@compiled
def count_quotes(
    time_ns: Ints, bid: Ints, ask: Ints, bid_size: Ints, ask_size: Ints, first: int, counts: Ints, where: Ints
) -> None:
    """Count what is wrong with each quote from row `first` on; `where` keeps the first rows of each kind.

    Rows before `first` are those seen before, for comparison. `where` has shape (6, examples), -1 for none.
    """
    for i in range(first, time_ns.shape[0]):
        if bid[i] >= ask[i]:
            kind = CROSSED if bid[i] > ask[i] else LOCKED
            if counts[kind] < where.shape[1]:
                where[kind, counts[kind]] = i
            counts[kind] += 1
        if bid[i] <= 0 or ask[i] <= 0:
            if counts[NOT_POSITIVE] < where.shape[1]:
                where[NOT_POSITIVE, counts[NOT_POSITIVE]] = i
            counts[NOT_POSITIVE] += 1
        if i == 0 or time_ns[i] > time_ns[i - 1]:
            continue
        if time_ns[i] < time_ns[i - 1]:
            if counts[BACKWARDS] < where.shape[1]:
                where[BACKWARDS, counts[BACKWARDS]] = i
            counts[BACKWARDS] += 1
            continue
        if counts[SAME_INSTANT] < where.shape[1]:
            where[SAME_INSTANT, counts[SAME_INSTANT]] = i
        counts[SAME_INSTANT] += 1
        j = i - 1
        while j >= 0 and j >= i - _GROUP and time_ns[j] == time_ns[i]:
            if (
                bid[j] == bid[i]
                and ask[j] == ask[i]
                and bid_size[j] == bid_size[i]
                and ask_size[j] == ask_size[i]
            ):
                if counts[DUPLICATES] < where.shape[1]:
                    where[DUPLICATES, counts[DUPLICATES]] = i
                counts[DUPLICATES] += 1
                break
            j -= 1


@compiled
def find_spikes(bid: Ints, ask: Ints, wrong: Flags, at_least_half_spread: bool) -> None:
    """Mark the rows with 50 neighbours on either side whose mid is far from all three medians.

    Far is more than ten mean deviations, each taken as a point at least, or half the spread. A running
    mean rules out almost every row first: the mean of a window is within one deviation of its median.
    """
    n, k = bid.shape[0], NEIGHBOURS
    if n < 2 * k + 1:
        return
    window = np.empty(k, np.float64)
    total = 0.0
    for i in range(k):
        total += bid[i] + ask[i]
    for i in range(k, n - k):
        twice = float(bid[i] + ask[i])
        least = 2.0
        if at_least_half_spread:
            least = max(2.0, float(ask[i] - bid[i]))
        if abs(twice - total / k) > (SPIKE_FACTOR - 1) * least:
            far = True
            for side in range(3):
                if side == 0:
                    low, high = i - k, i
                elif side == 1:
                    low, high = i + 1, i + k + 1
                else:
                    low, high = i - k // 2, i + k // 2 + 1
                m = 0
                for j in range(low, high):
                    if j != i:
                        window[m] = bid[j] + ask[j]
                        m += 1
                middle = np.median(window)
                deviation = 0.0
                for j in range(k):
                    deviation += abs(window[j] - middle)
                if abs(twice - middle) <= SPIKE_FACTOR * max(deviation / k, least):
                    far = False
                    break
            if far:
                wrong[i] = True
        total += bid[i] + ask[i] - bid[i - k] - ask[i - k]
