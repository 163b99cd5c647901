"""Recurrences over arrays that indicators are made of: running means, sums, deviations and extremes.

Each continues the recurrence whose state is `state` (zeros at first) over `x` and writes a value for each to
`out`, which must not be `x`: NaN until the lookback is full, and a value that is not finite gives NaN and
starts the warm-up anew. An indicator of several passes runs them block by block (`BLOCK`), with rows of its
state as scratch, so that the blocks stay in the first-level cache.

Where a window lies within `x` it is read from there; else it is read from the ring in the state. Both do the
same operations in the same order, so one value at a time gives the same bits as many.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import extending

from workbench.indicators.compiled import borrowing, borrowing_inline
from workbench.indicators.eight import EIGHT, means_of_eight

__all__ = [
    "BLOCK",
    "all_finite",
    "deviation_pass",
    "deviation_size",
    "extreme_pass",
    "extreme_size",
    "extreme_size_inside",
    "fused",
    "mean_pass",
    "mean_size",
    "share_holes",
    "smooth_next",
    "smooth_pass",
    "weighted_pass",
    "weighted_size",
]

Floats = npt.NDArray[np.float64]
BLOCK = 512
_MOST = 1.7976931348623157e308  # the greatest finite number
_WORTH_IT = 64  # values from which on a faster way is worth its beginning
_MOST_HALVES, _MOST_TOTAL = 2.0**40, 2.0**49  # the sum of these and of `BLOCK` of those has an exact half
_TO_HALVES = 1.5 * 2.0**51  # added and taken away it rounds to halves


def _intrinsic(function: Callable[..., Any]) -> Any:
    return extending.intrinsic(function)


@_intrinsic
def fused(typing: Any, a: Any, b: Any, c: Any) -> Any:
    """a * b + c, rounded once: half the latency of the two, and the same bits on every machine."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return builder.fma(*values)

    return a(a, a, a), generate


@borrowing_inline
def smooth_next(count: int, value: float, n: int, weight: float, new: float) -> Any:
    """One step of an exponential mean seeded with the mean of the first n: count and value after `new`.

    The mean is known where the count is n.
    """
    if not math.isfinite(new):
        return 0, 0.0
    if count >= n:
        return count, fused(value, 1.0 - weight, new * weight)
    count += 1
    value += new
    return count, value / n if count == n else value


@borrowing
def smooth_pass(state: Floats, n: int, weight: float, x: Floats, out: Floats) -> None:
    """Exponential mean of any weight, seeded with the mean of the first n. State: 2 values."""
    count, value = int(state[0]), state[1]
    keep = 1.0 - weight
    for i in range(x.shape[0]):
        new = x[i]
        if not math.isfinite(new):
            count, value = 0, 0.0
            out[i] = np.nan
        elif count >= n:
            value = fused(value, keep, new * weight)
            out[i] = value
        else:
            count += 1
            value += new
            if count == n:
                value /= n
            out[i] = value if count == n else np.nan
    state[0], state[1] = count, value


def mean_size(n: int) -> int:
    """Values of state of `mean_pass`."""
    return 3 + n


@borrowing
def mean_pass(state: Floats, n: int, x: Floats, out: Floats) -> None:
    """Mean of the last n. The sum is divided, so that equal means of two lookbacks are equal."""
    count, position, total = int(state[0]), int(state[1]), state[2]
    ring = state[3 : 3 + n]
    m = x.shape[0]
    i, run = 0, 0  # run: where the values without a hole begin
    careful = 0 if m >= EIGHT else m  # before this one by one: a hole is ahead, or it is not worth more
    halves = 0  # from this on all before `i` passed `_halves`
    while i < m:
        far = i - run >= n  # the last n are in x
        if count >= n and i >= careful:
            stop = min(m, i + BLOCK) if far else min(m, i + BLOCK, i + n - position)
            new, to = x[i:stop], out[i:stop]
            old = x[i - n : stop - n] if far else ring[position : position + stop - i]
            exact = _is_half(total, _MOST_TOTAL) and _is_half(new[0], _MOST_HALVES) and _halves(new)
            if not exact:
                halves = stop
            elif not far or i - n < halves:
                exact = _halves(old)
            after = _window_means(new, old, total, n, exact, to)
            if math.isfinite(after):  # then every value was: a sum does not come back from NaN
                if not far:
                    _copy(new, ring[position : position + stop - i])
                    position += stop - i
                    if position == n:
                        position = 0
                total = after
                i = stop
                continue
            careful = halves = stop
        value = x[i]
        if math.isfinite(value):
            if count >= n:
                total += value - (x[i - n] if far else ring[position])
            else:
                total += value
                count += 1
            if not far:
                ring[position] = value
                position += 1
                if position == n:
                    position = 0
            out[i] = total / n if count >= n else np.nan
        else:
            count, position, total = 0, 0, 0.0
            out[i] = np.nan
            run = i + 1
        i += 1
    if m - run >= n:
        _copy(x[m - n :], ring)
        position = 0
    state[0], state[1], state[2] = count, position, total


@borrowing
def _window_means(new: Floats, old: Floats, total: float, n: int, exact: bool, out: Floats) -> float:
    """Means of windows whose sum was `total`; the sum of the last, not finite if one was not.

    Where `exact`, sums of whole and half numbers are exact in any order, so they are formed eight at a time.
    """
    length = out.shape[0]
    first = 0
    if exact:
        first = length // EIGHT * EIGHT
        for k in range(0, first, EIGHT):
            total = means_of_eight(new, old, out, k, total, n)
    for k in range(first, length):
        total += new[k] - old[k]
        out[k] = total
    _divide(out[first:], n)
    return total


@borrowing
def _halves(x: Floats) -> bool:
    """Whether all are whole or half numbers, so small that adding them up is exact."""
    bad = 0
    for k in range(x.shape[0]):
        bad += not _is_half(x[k], _MOST_HALVES)
    return bad == 0


@borrowing_inline
def _is_half(value: float, most: float) -> Any:
    return abs(value) <= most and (value + _TO_HALVES) - _TO_HALVES == value


@borrowing
def _divide(x: Floats, by: float) -> None:
    for k in range(x.shape[0]):
        x[k] = x[k] / by


def weighted_size(n: int) -> int:
    """Values of state of `weighted_pass`."""
    return 4 + n


@borrowing
def weighted_pass(state: Floats, n: int, x: Floats, out: Floats) -> None:
    """Mean of the last n with weights 1 (oldest) to n."""
    count, position, total, weighted = int(state[0]), int(state[1]), state[2], state[3]
    ring = state[4 : 4 + n]
    divisor = n * (n + 1) / 2.0
    m = x.shape[0]
    i, run = 0, 0
    while i < m:
        if count >= n and i - run >= n:
            new, old, to = x[i:], x[i - n : m - n], out[i:]
            for k in range(old.shape[0]):
                value = new[k]
                if not math.isfinite(value):
                    break
                weighted += n * value - total
                total += value - old[k]
                to[k] = weighted / divisor
                i += 1
            _copy(x[i - n : i], ring)
            position = 0
            if i == m:
                break
        value = x[i]
        if math.isfinite(value):
            if count >= n:
                weighted += n * value - total
                total += value - ring[position]
            else:
                count += 1
                weighted += count * value
                total += value
            ring[position] = value
            position += 1
            if position == n:
                position = 0
            out[i] = weighted / divisor if count >= n else np.nan
        else:
            count, position, total, weighted = 0, 0, 0.0, 0.0
            out[i] = np.nan
            run = i + 1
        i += 1
    state[0], state[1], state[2], state[3] = count, position, total, weighted


def deviation_size(n: int) -> int:
    """Values of state of `deviation_pass`."""
    return 6 + n


@borrowing
def deviation_pass(state: Floats, n: int, x: Floats, mean: Floats, out: Floats) -> None:
    """Mean of the last n, and their population standard deviation.

    The sums of the deviation are of differences from the first value: exact for prices in points.
    """
    count, position, origin = int(state[0]), int(state[1]), state[2]
    plain, total, squares = state[3], state[4], state[5]
    ring = state[6 : 6 + n]
    m = x.shape[0]
    i, run = 0, 0
    while i < m:
        if count >= n and i - run >= n:
            new, oldest, to_mean, to = x[i:], x[i - n : m - n], mean[i:], out[i:]
            for k in range(oldest.shape[0]):
                value = new[k]
                if not math.isfinite(value):
                    break
                gone = oldest[k]
                difference, old = value - origin, gone - origin
                plain += value - gone
                total += difference - old
                squares += difference * difference - old * old
                to_mean[k] = plain / n
                to[k] = n * squares - total * total
                i += 1
            _copy(x[i - n : i], ring)
            position = 0
            if i == m:
                break
        value = x[i]
        if math.isfinite(value):
            if count == 0:
                origin = value
            difference = value - origin
            if count >= n:
                gone = ring[position]
                old = gone - origin
                plain += value - gone
                total += difference - old
                squares += difference * difference - old * old
            else:
                count += 1
                plain += value
                total += difference
                squares += difference * difference
            ring[position] = value
            position += 1
            if position == n:
                position = 0
            mean[i] = plain / n if count >= n else np.nan
            out[i] = n * squares - total * total if count >= n else np.nan
        else:
            count, position, plain, total, squares = 0, 0, 0.0, 0.0, 0.0
            mean[i] = np.nan
            out[i] = np.nan
            run = i + 1
        i += 1
    state[0], state[1], state[2] = count, position, origin
    state[3], state[4], state[5] = plain, total, squares
    inverse = 1.0 / n
    for k in range(m):  # from n * n times the variance
        spread = out[k]
        out[k] = math.sqrt(0.0 if spread <= 0.0 else spread) * inverse


def extreme_size(n: int) -> int:
    """Values of state of `extreme_pass`."""
    return 3 + 2 * n + 2 * (n + max(8 * n, 2 * BLOCK))


extreme_size_inside = borrowing_inline(extreme_size)  # the same for kernels


@borrowing
def extreme_pass(state: Floats, n: int, sign: float, x: Floats, out: Floats) -> None:
    """Greatest of the last n values of ``sign * x``, times sign.

    Many values at once: the greatest of 4, 16, 64, … are formed of one another and the last four
    overlap; the cost does not depend on the data. One by one: values come in blocks of n, a window is the
    end of one block and the beginning of the next; the greatest of the one is looked up (`ends`, worked out
    when a block is full), that of the other is carried along (van Herk 1992). State: count, position in the
    block, greatest of the block so far, n values, n ends, scratch.
    """
    m = x.shape[0]
    start = 0
    if n > 1 and m >= _WORTH_IT and 4 * m >= n:
        wide = max(8 * n, 2 * BLOCK)
        behind = False
        while start < m:
            stop = min(m, start + wide)
            if (
                state[0] < n
                or stop - start < _WORTH_IT
                or not _all_finite(x[start:stop], sign, state[3 + 3 * n : 3 + 3 * n + stop - start])
            ):
                if behind:
                    _work_out_ends(state, n)
                    behind = False
                stop = min(m, start + n) if state[0] < n else stop
                _extremes_one_by_one(state, n, sign, x[start:stop], out[start:stop])
            else:
                _extremes_at_once(state, n, sign, out[start:stop])
                behind = True
            start = stop
        if behind:
            _work_out_ends(state, n)
        return
    _extremes_one_by_one(state, n, sign, x, out)


@borrowing
def _all_finite(x: Floats, sign: float, out: Floats) -> bool:
    """Whether all are finite; `out` gets ``sign * x``, with no minus zero: equal values have equal bits."""
    bad = 0
    for i in range(x.shape[0]):
        out[i] = sign * x[i] + 0.0
        bad += not abs(x[i]) <= _MOST
    return bad == 0


@borrowing
def _extremes_at_once(state: Floats, n: int, sign: float, out: Floats) -> None:
    """The values, signed, stand in the scratch where `_all_finite` wrote them."""
    m = out.shape[0]
    position = int(state[1])
    values = state[3 : 3 + n]
    half = (state.shape[0] - 3 - 2 * n) // 2
    a = state[3 + 2 * n : 3 + 2 * n + half]
    b = state[3 + 2 * n + half : 3 + 2 * n + 2 * half]
    total = n + m
    _copy(values[position:], a[: n - position])  # the last n, oldest first
    _copy(values[:position], a[n - position : n])
    _copy(a[m:total], values)
    reach = 1
    while 4 * reach < n:
        first = 3 * reach
        _greatest_of_4(
            a[: total - first], a[reach : total - 2 * reach], a[2 * reach : total - reach], a[first:total],
            b[first:total], 1.0,
        )  # fmt: skip
        a, b = b, a
        reach *= 4
    second = n - min(reach, n - reach)
    third = n - min(2 * reach, n - reach)
    _greatest_of_4(
        a[reach : reach + m], a[third : third + m], a[second : second + m], a[n : n + m], out, sign
    )
    state[1] = 0.0


@borrowing
def _work_out_ends(state: Floats, n: int) -> None:
    """What comes after many at once: the greatest of each end of the last n."""
    values = state[3 : 3 + n]
    ends = state[3 + n : 3 + 2 * n]
    end = values[n - 1]
    for k in range(n - 1, -1, -1):
        end = values[k] if values[k] > end else end
        ends[k] = end


@borrowing
def all_finite(x: Floats) -> bool:
    """Whether all are finite."""
    bad = 0
    for i in range(x.shape[0]):
        bad += not abs(x[i]) <= _MOST
    return bad == 0


@borrowing
def share_holes(a: Floats, b: Floats, c: Floats, to_a: Floats, to_b: Floats, to_c: Floats) -> None:
    """Copies in which a hole in one is a hole in all, for passes over one of them each."""
    for i in range(a.shape[0]):
        hole = (a[i] + b[i] + c[i]) * 0.0
        to_a[i], to_b[i], to_c[i] = a[i] + hole, b[i] + hole, c[i] + hole


@borrowing
def _copy(x: Floats, out: Floats) -> None:
    for k in range(out.shape[0]):
        out[k] = x[k]


@borrowing
def _greatest_of_4(a: Floats, b: Floats, c: Floats, d: Floats, out: Floats, sign: float) -> None:
    for k in range(out.shape[0]):
        one = a[k] if a[k] > b[k] else b[k]
        two = c[k] if c[k] > d[k] else d[k]
        out[k] = sign * (one if one > two else two)


@borrowing
def _extremes_one_by_one(state: Floats, n: int, sign: float, x: Floats, out: Floats) -> None:
    count, position, best = int(state[0]), int(state[1]), state[2]
    values = state[3 : 3 + n]
    ends = state[3 + n : 3 + 2 * n]
    for i in range(x.shape[0]):
        value = sign * x[i] + 0.0
        if not math.isfinite(value):
            count, position = 0, 0
            out[i] = np.nan
            continue
        best = value if position == 0 or value > best else best
        values[position] = value
        position += 1
        if count < n:
            count += 1
        if position < n:
            end = ends[position]
            out[i] = sign * (best if best > end else end) if count >= n else np.nan
        else:
            out[i] = sign * best if count >= n else np.nan
            position = 0
            end = value
            for j in range(n - 1, -1, -1):
                end = values[j] if values[j] > end else end
                ends[j] = end
    state[0], state[1], state[2] = count, position, best
