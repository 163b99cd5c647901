"""Pivot points of the last completed FX day."""

import math

import numpy as np

from workbench.indicators.compiled import borrowing
from workbench.indicators.declaring import Choice, Floats, Indicator

__all__ = ["pivots"]

_CLASSIC, _FIBONACCI = 0, 1


@borrowing
def _pivots_kernel(
    state: Floats, parameters: Floats, high: Floats, low: Floats, close: Floats, session: Floats, out: Floats
) -> None:
    """Pivot, three resistances and three supports, of the high, low and close of the last completed FX day.

    The day ends at 17:00 in New York. With P = (H + L + C) / 3 and R = H - L:
    classic: r1 = 2P - L, r2 = P + R, r3 = H + 2 (P - L), and mirrored (Person 2004, A Complete Guide to
    Technical Trading Tactics); fibonacci: P + 0.382 R, P + 0.618 R, P + R; camarilla: C + 1.1 R / 12,
    C + 1.1 R / 6, C + 1.1 R / 4 (Stott 1989). A day counts once its first bar was seen, so values begin with
    the second day change; a hole in the data spoils its day and what is known.
    """
    kind = int(parameters[0])
    day, whole = state[0], state[1]
    top, bottom, last = state[2], state[3], state[4]
    known = state[5]
    levels = state[6:13]
    for i in range(close.shape[0]):
        h, l, c, now = high[i], low[i], close[i], session[i]
        if not math.isfinite(h + l + c + now):
            day, whole, known = 0.0, 0.0, 0.0
            for k in range(7):
                out[k, i] = np.nan
            continue
        if now != day:
            if whole == 1.0:
                width = top - bottom
                pivot = (top + bottom + last) / 3.0
                levels[0] = pivot
                if kind == _CLASSIC:
                    levels[1], levels[4] = 2.0 * pivot - bottom, 2.0 * pivot - top
                    levels[2], levels[5] = pivot + width, pivot - width
                    levels[3], levels[6] = top + 2.0 * (pivot - bottom), bottom - 2.0 * (top - pivot)
                elif kind == _FIBONACCI:
                    levels[1], levels[4] = pivot + 0.382 * width, pivot - 0.382 * width
                    levels[2], levels[5] = pivot + 0.618 * width, pivot - 0.618 * width
                    levels[3], levels[6] = pivot + width, pivot - width
                else:
                    levels[1], levels[4] = last + 1.1 * width / 12.0, last - 1.1 * width / 12.0
                    levels[2], levels[5] = last + 1.1 * width / 6.0, last - 1.1 * width / 6.0
                    levels[3], levels[6] = last + 1.1 * width / 4.0, last - 1.1 * width / 4.0
                known = 1.0
            whole = 1.0 if day != 0.0 else 0.0
            day, top, bottom = now, h, l
        top, bottom, last = max(top, h), min(bottom, l), c
        for k in range(7):
            out[k, i] = levels[k] if known == 1.0 else np.nan
    state[0], state[1], state[2], state[3], state[4], state[5] = day, whole, top, bottom, last, known


pivots = Indicator(
    "pivots",
    _pivots_kernel,
    inputs=["high", "low", "close", "session"],
    parameters=[Choice(name="kind", choices=("classic", "fibonacci", "camarilla"), default="classic")],
    outputs=["pivot", "r1", "r2", "r3", "s1", "s2", "s3"],
    state=13,
    warm_up=2,  # two changes of the day, however many bars a day has
)
