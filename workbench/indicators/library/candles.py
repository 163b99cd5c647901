"""Candlestick patterns: 1 bullish, -1 bearish, 0 none, at the bar that completes them.

Definitions are those of TA-Lib's CDL functions with their usual settings, and so is what is long, short and
equal, by the mean of the bars before: a body is long (short) when above (below) the mean body of 10 bars; a
doji's is up to a tenth of their mean range; a shadow is very short below a tenth of it, long above the body
itself; near, far and equal are 0.2, 0.6 and 0.05 of the mean range of 5 bars. TA-Lib's 100 and 80 are 1 here.
Tweezers, which TA-Lib has not, are defined where they stand. Nison (1991), Japanese Candlestick Charting
Techniques.
"""

import math
from typing import Any

import numpy as np

from workbench.indicators.compiled import borrowing, borrowing_inline
from workbench.indicators.declaring import Floats, Indicator, Number
from workbench.indicators.passes import BLOCK

_MOST = 1.7976931348623157e308  # the greatest finite number
_KEPT = 16  # bars of the past that stay in the rows
_WIDTH = _KEPT + BLOCK
(
    _OPEN, _HIGH, _LOW, _CLOSE, _BODY, _RANGE, _BODY_MEAN, _RANGE_MEAN, _RANGE_5, _FIVES,
) = range(10)  # fmt: skip
_ROWS = 10

(
    _DOJI, _DRAGONFLY, _GRAVESTONE, _LONG_LEGGED, _MARUBOZU, _SPINNING_TOP,
    _HAMMER, _HANGING_MAN, _INVERTED_HAMMER, _SHOOTING_STAR,
    _ENGULFING, _HARAMI, _HARAMI_CROSS, _PIERCING, _DARK_CLOUD, _TWEEZER_TOP, _TWEEZER_BOTTOM,
    _MORNING_STAR, _EVENING_STAR, _WHITE_SOLDIERS, _BLACK_CROWS, _THREE_INSIDE, _THREE_OUTSIDE,
) = range(23)  # fmt: skip


@borrowing
def _candle_kernel(
    state: Floats, parameters: Floats, opens: Floats, high: Floats, low: Floats, close: Floats, out: Floats
) -> None:
    """State: bars without a hole, then ten rows of `_KEPT` bars of the past and a block."""
    last = parameters.shape[0] - 1
    pattern, needed, penetration = int(parameters[last]), int(parameters[last - 1]), parameters[0]
    count = int(state[0])
    rows = state[1 : 1 + _ROWS * _WIDTH].reshape((_ROWS, _WIDTH))
    for start in range(0, close.shape[0], BLOCK):
        m = min(close.shape[0] - start, BLOCK)
        _enter(rows, opens[start:], high[start:], low[start:], close[start:], m, pattern, needed > 5)
        result = out[0, start : start + m]
        if count >= needed and _holes(opens[start:], rows[_RANGE, _KEPT:], close[start:], m) == 0:
            for i in range(m):
                result[i] = 0.0
        else:
            for i in range(m):
                at = _KEPT + i
                good = math.isfinite(opens[start + i] + rows[_RANGE, at] + close[start + i])
                count = min(count + 1, needed) if good else 0
                result[i] = 0.0 if count >= needed else np.nan
        if pattern == _DOJI:
            _short_bodies(rows[_BODY, _KEPT:], rows[_RANGE_MEAN, _KEPT:], result)
        elif pattern <= _SPINNING_TOP:
            for i in range(m):
                result[i] += _one_bar(rows, _KEPT + i, pattern)
        elif pattern <= _SHOOTING_STAR:
            for i in range(m):
                result[i] += _shadowed(rows, _KEPT + i, pattern)
        elif pattern <= _TWEEZER_BOTTOM:
            for i in range(m):
                result[i] += _two_bars(rows, _KEPT + i, pattern, penetration)
        elif pattern <= _EVENING_STAR:
            _stars(
                rows[_OPEN, _KEPT - 2 :],
                rows[_CLOSE, _KEPT - 2 :],
                rows[_BODY, _KEPT - 2 :],
                rows[_BODY_MEAN, _KEPT - 2 :],
                1.0 if pattern == _MORNING_STAR else -1.0,
                penetration,
                result,
            )
        else:
            for i in range(m):
                result[i] += _three_bars(rows, _KEPT + i, pattern)
        for row in range(_ROWS - 1):
            for k in range(_KEPT):
                rows[row, k] = rows[row, k + m]
    state[0] = count


@borrowing
def _enter(
    rows: Any, opens: Floats, high: Floats, low: Floats, close: Floats, m: int, pattern: int, means: bool
) -> None:
    """Bodies, ranges and their means over the 10 (and 5) bars before, for m bars."""
    stop = _KEPT + m
    if pattern != _DOJI:  # which looks at bodies and ranges alone
        _copy(opens, rows[_OPEN, _KEPT:stop])
        _copy(high, rows[_HIGH, _KEPT:stop])
        _copy(low, rows[_LOW, _KEPT:stop])
        _copy(close, rows[_CLOSE, _KEPT:stop])
    _distances(close, opens, rows[_BODY, _KEPT:stop])
    _distances(high, low, rows[_RANGE, _KEPT:stop])
    if means:  # those that the pattern looks at
        fives = rows[_FIVES, : m + 5]
        _sums_of_5(rows[_RANGE, _KEPT - 10 : stop], fives)
        _mean_of_10(fives, rows[_RANGE_MEAN, _KEPT:stop])
        if pattern > _SPINNING_TOP:
            _mean_of_5(fives[5:], rows[_RANGE_5, _KEPT:stop])
        if pattern > _LONG_LEGGED:
            _sums_of_5(rows[_BODY, _KEPT - 10 : stop], fives)
            _mean_of_10(fives, rows[_BODY_MEAN, _KEPT:stop])


@borrowing
def _short_bodies(body: Floats, range_mean: Floats, out: Floats) -> None:
    for i in range(out.shape[0]):
        out[i] += 1.0 if body[i] <= 0.1 * range_mean[i] else 0.0


@borrowing
def _stars(
    opens: Floats, close: Floats, body: Floats, mean: Floats, sign: float, penetration: float, out: Floats
) -> None:
    """Morning stars, with sign -1 evening stars; the columns begin two bars before `out`."""
    for i in range(out.shape[0]):
        o, c = sign * opens[i], sign * close[i]
        o1, c1 = sign * opens[i + 1], sign * close[i + 1]
        o2, c2 = sign * opens[i + 2], sign * close[i + 2]
        falls, rises = (c < o) | ((c == o) & (sign < 0.0)), (c2 > o2) | ((c2 == o2) & (sign > 0.0))
        bodies = (body[i] > mean[i]) & (body[i + 1] <= mean[i + 1]) & (body[i + 2] > mean[i + 2])
        gap = (o1 < c) & (c1 < c)  # where the first falls, its close is its lower end
        found = falls & rises & bodies & gap & (c2 > c + body[i] * penetration)
        out[i] += sign if found else 0.0


@borrowing
def _holes(opens: Floats, reach: Floats, close: Floats, m: int) -> int:
    """How many of the bars of a block are not whole."""
    found = 0
    for i in range(m):
        found += not abs(opens[i] + reach[i] + close[i]) <= _MOST
    return found


@borrowing
def _copy(x: Floats, out: Floats) -> None:
    for i in range(out.shape[0]):
        out[i] = x[i]


@borrowing
def _distances(a: Floats, b: Floats, out: Floats) -> None:
    for i in range(out.shape[0]):
        out[i] = abs(a[i] - b[i])


@borrowing
def _sums_of_5(x: Floats, out: Floats) -> None:
    for i in range(out.shape[0]):
        out[i] = (x[i] + x[i + 1]) + (x[i + 2] + x[i + 3]) + x[i + 4]


@borrowing
def _mean_of_10(fives: Floats, out: Floats) -> None:
    for i in range(out.shape[0]):
        out[i] = (fives[i] + fives[i + 5]) / 10.0


@borrowing
def _mean_of_5(fives: Floats, out: Floats) -> None:
    for i in range(out.shape[0]):
        out[i] = fives[i] / 5.0


@borrowing_inline
def _color(rows: Any, i: int) -> Any:
    return 1.0 if rows[_CLOSE, i] >= rows[_OPEN, i] else -1.0


@borrowing_inline
def _top(rows: Any, i: int) -> Any:
    return max(rows[_OPEN, i], rows[_CLOSE, i])


@borrowing_inline
def _bottom(rows: Any, i: int) -> Any:
    return min(rows[_OPEN, i], rows[_CLOSE, i])


@borrowing_inline
def _upper(rows: Any, i: int) -> Any:
    return rows[_HIGH, i] - _top(rows, i)


@borrowing_inline
def _lower(rows: Any, i: int) -> Any:
    return _bottom(rows, i) - rows[_LOW, i]


@borrowing_inline
def _tenth(rows: Any, i: int) -> Any:
    """What a shadow is very short below, and a doji's body reaches at most."""
    return 0.1 * rows[_RANGE_MEAN, i]


@borrowing_inline
def _one_bar(rows: Any, i: int, pattern: int) -> float:
    body, upper, lower = rows[_BODY, i], _upper(rows, i), _lower(rows, i)
    tenth = _tenth(rows, i)
    if pattern == _MARUBOZU:
        return _color(rows, i) if body > rows[_BODY_MEAN, i] and upper < tenth and lower < tenth else 0.0
    if pattern == _SPINNING_TOP:
        return _color(rows, i) if body < rows[_BODY_MEAN, i] and upper > body and lower > body else 0.0
    if body > tenth:
        return 0.0
    if pattern == _DRAGONFLY:
        return 1.0 if upper < tenth and lower > tenth else 0.0
    if pattern == _GRAVESTONE:
        return 1.0 if lower < tenth and upper > tenth else 0.0
    return 1.0 if lower > body or upper > body else 0.0


@borrowing_inline
def _shadowed(rows: Any, i: int, pattern: int) -> float:
    """A short body at one end of a long shadow."""
    body, upper, lower = rows[_BODY, i], _upper(rows, i), _lower(rows, i)
    tenth = _tenth(rows, i)
    if body >= rows[_BODY_MEAN, i]:
        return 0.0
    if pattern in (_HAMMER, _HANGING_MAN):
        if lower <= body or upper >= tenth:
            return 0.0
        near = 0.2 * rows[_RANGE_5, i - 1]
        if pattern == _HAMMER:
            return 1.0 if _bottom(rows, i) <= rows[_LOW, i - 1] + near else 0.0
        return -1.0 if _bottom(rows, i) >= rows[_HIGH, i - 1] - near else 0.0
    if upper <= body or lower >= tenth:
        return 0.0
    if pattern == _INVERTED_HAMMER:
        return 1.0 if _top(rows, i) < _bottom(rows, i - 1) else 0.0
    return -1.0 if _bottom(rows, i) > _top(rows, i - 1) else 0.0


@borrowing_inline
def _two_bars(rows: Any, i: int, pattern: int, penetration: float) -> float:
    color, before = _color(rows, i), _color(rows, i - 1)
    o, c = rows[_OPEN, i], rows[_CLOSE, i]
    o1, c1 = rows[_OPEN, i - 1], rows[_CLOSE, i - 1]
    if pattern == _ENGULFING:
        top, bottom, top1, bottom1 = _top(rows, i), _bottom(rows, i), _top(rows, i - 1), _bottom(rows, i - 1)
        over, under = top > top1, bottom < bottom1
        return color if (color != before) & ((over & (bottom <= bottom1)) | ((top >= top1) & under)) else 0.0
    if pattern in (_HARAMI, _HARAMI_CROSS):
        most = _tenth(rows, i) if pattern == _HARAMI_CROSS else rows[_BODY_MEAN, i]
        inside = (_top(rows, i) <= _top(rows, i - 1)) & (_bottom(rows, i) >= _bottom(rows, i - 1))
        long = rows[_BODY, i - 1] > rows[_BODY_MEAN, i - 1]
        return -before if long & (rows[_BODY, i] <= most) & inside else 0.0
    if pattern in (_TWEEZER_TOP, _TWEEZER_BOTTOM):
        sign = 1.0 if pattern == _TWEEZER_TOP else -1.0
        row = _HIGH if pattern == _TWEEZER_TOP else _LOW
        if (
            before != sign
            or color == sign
            or abs(rows[row, i] - rows[row, i - 1]) > 0.05 * rows[_RANGE_5, i - 1]
        ):
            return 0.0
        for back in range(2, 6):  # the two are the extreme of six bars
            if sign * rows[row, i - back] > sign * rows[row, i - 1]:
                return 0.0
        return -sign
    if rows[_BODY, i - 1] <= rows[_BODY_MEAN, i - 1]:
        return 0.0
    if pattern == _PIERCING:
        good = before < 0.0 and color > 0.0 and rows[_BODY, i] > rows[_BODY_MEAN, i]
        deep = o < rows[_LOW, i - 1] and c < o1 and c > c1 + rows[_BODY, i - 1] * 0.5
        return 1.0 if good and deep else 0.0
    good = before > 0.0 and color < 0.0
    deep = o > rows[_HIGH, i - 1] and c > o1 and c < c1 - rows[_BODY, i - 1] * penetration
    return -1.0 if good and deep else 0.0


@borrowing_inline
def _three_bars(rows: Any, i: int, pattern: int) -> float:
    first, second, third = _color(rows, i - 2), _color(rows, i - 1), _color(rows, i)
    o1, c1 = rows[_OPEN, i - 1], rows[_CLOSE, i - 1]
    o2, c2 = rows[_OPEN, i - 2], rows[_CLOSE, i - 2]
    o, c = rows[_OPEN, i], rows[_CLOSE, i]
    body, body1, body2 = rows[_BODY, i], rows[_BODY, i - 1], rows[_BODY, i - 2]
    long2, short1 = body2 > rows[_BODY_MEAN, i - 2], body1 <= rows[_BODY_MEAN, i - 1]
    if pattern == _THREE_INSIDE:
        inside = (_top(rows, i - 1) < _top(rows, i - 2)) & (_bottom(rows, i - 1) > _bottom(rows, i - 2))
        through = ((first > 0.0) & (third < 0.0) & (c < o2)) | ((first < 0.0) & (third > 0.0) & (c > o2))
        return -first if long2 & short1 & inside & through else 0.0
    if pattern == _THREE_OUTSIDE:
        up = (second > 0.0) & (first < 0.0) & (c1 > o2) & (o1 < c2) & (c > c1)
        down = (second < 0.0) & (first > 0.0) & (o1 > c2) & (c1 < o2) & (c < c1)
        return second if up | down else 0.0
    if pattern == _WHITE_SOLDIERS:
        if not (first > 0.0 and second > 0.0 and third > 0.0 and c > c1 and c1 > c2):
            return 0.0
        for back in range(3):
            if _upper(rows, i - back) >= _tenth(rows, i - back):
                return 0.0
        if not (o1 > o2 and o1 <= c2 + 0.2 * rows[_RANGE_5, i - 2] and o > o1):
            return 0.0
        if not (o <= c1 + 0.2 * rows[_RANGE_5, i - 1] and body1 > body2 - 0.6 * rows[_RANGE_5, i - 2]):
            return 0.0
        return 1.0 if body > body1 - 0.6 * rows[_RANGE_5, i - 1] and body > rows[_BODY_MEAN, i] else 0.0
    if not (_color(rows, i - 3) > 0.0 and first < 0.0 and second < 0.0 and third < 0.0):
        return 0.0
    for back in range(3):
        if _lower(rows, i - back) >= _tenth(rows, i - back):
            return 0.0
    falls = rows[_HIGH, i - 3] > c2 and c2 > c1 and c1 > c
    return -1.0 if falls and o1 < o2 and o1 > c2 and o < o1 and o > c1 else 0.0


def _pattern(name: str, number: int, doc: str, *, bars: int, penetration: float | None = None) -> Indicator:
    """A member of the family; `bars` before the first value, as many as its means and its bars need."""
    return Indicator(
        name,
        _candle_kernel,
        inputs=["open", "high", "low", "close"],
        parameters=[]
        if penetration is None
        else [Number(name="penetration", low=0.0, high=1.0, default=penetration)],
        state=1 + _ROWS * _WIDTH,
        warm_up=bars,
        constants=[bars + 1, number],
        doc=doc,
    )


doji = _pattern("doji", _DOJI, "Doji: hardly a body. 1 where found; TA-Lib's CDLDOJI.", bars=10)
dragonfly_doji = _pattern(
    "dragonfly_doji", _DRAGONFLY, "Doji with a lower shadow alone; CDLDRAGONFLYDOJI.", bars=10
)
gravestone_doji = _pattern(
    "gravestone_doji",
    _GRAVESTONE,
    "Doji with an upper shadow alone: 1 where found; CDLGRAVESTONEDOJI.",
    bars=10,
)
long_legged_doji = _pattern(
    "long_legged_doji", _LONG_LEGGED, "Doji with a shadow longer than its body; CDLLONGLEGGEDDOJI.", bars=10
)
marubozu = _pattern(
    "marubozu", _MARUBOZU, "A long body with hardly a shadow: 1 white, -1 black; CDLMARUBOZU.", bars=10
)
spinning_top = _pattern(
    "spinning_top",
    _SPINNING_TOP,
    "A short body with two longer shadows: 1 white, -1 black; CDLSPINNINGTOP.",
    bars=10,
)
hammer = _pattern("hammer", _HAMMER, "A long lower shadow near the low before: 1; CDLHAMMER.", bars=11)
hanging_man = _pattern(
    "hanging_man", _HANGING_MAN, "A long lower shadow near the high before: -1; CDLHANGINGMAN.", bars=11
)
inverted_hammer = _pattern(
    "inverted_hammer",
    _INVERTED_HAMMER,
    "A long upper shadow, the body below that before: 1; CDLINVERTEDHAMMER.",
    bars=11,
)
shooting_star = _pattern(
    "shooting_star",
    _SHOOTING_STAR,
    "A long upper shadow, the body above that before: -1; CDLSHOOTINGSTAR.",
    bars=11,
)
engulfing = _pattern(
    "engulfing",
    _ENGULFING,
    "A body of the other colour that covers the one before: 1 white, -1 black; CDLENGULFING.",
    bars=2,
)
harami = _pattern(
    "harami",
    _HARAMI,
    "A short body within the long one before: 1 after black, -1 after white; CDLHARAMI.",
    bars=11,
)
harami_cross = _pattern("harami_cross", _HARAMI_CROSS, "Harami with a doji; CDLHARAMICROSS.", bars=11)
piercing = _pattern(
    "piercing",
    _PIERCING,
    "A long white body from below a long black one to above its middle: 1; CDLPIERCING.",
    bars=11,
)
dark_cloud = _pattern(
    "dark_cloud",
    _DARK_CLOUD,
    "A black body from above a long white one's high into it: -1; CDLDARKCLOUDCOVER.",
    bars=11,
    penetration=0.5,
)
tweezer_top = _pattern(
    "tweezer_top",
    _TWEEZER_TOP,
    """Two equal highs, the first bar white and the second black, that no high of four bars before passes: -1.

    Equal: within 0.05 of the mean range of 5 bars. Nison (1991), chapter 6, put in numbers by us.
    """,
    bars=6,
)
tweezer_bottom = _pattern(
    "tweezer_bottom",
    _TWEEZER_BOTTOM,
    """Two equal lows, the first bar black and the second white, that no low of four bars before passes: 1.

    Equal: within 0.05 of the mean range of 5 bars. Nison (1991), chapter 6, put in numbers by us.
    """,
    bars=6,
)
morning_star = _pattern(
    "morning_star",
    _MORNING_STAR,
    "Long black, a short body that gaps below, white back into the first: 1; CDLMORNINGSTAR.",
    bars=12,
    penetration=0.3,
)
evening_star = _pattern(
    "evening_star",
    _EVENING_STAR,
    "Long white, a short body that gaps above, black back into the first: -1; CDLEVENINGSTAR.",
    bars=12,
    penetration=0.3,
)
three_white_soldiers = _pattern(
    "three_white_soldiers", _WHITE_SOLDIERS, "Three white bodies, each higher: 1; CDL3WHITESOLDIERS.", bars=12
)
three_black_crows = _pattern(
    "three_black_crows",
    _BLACK_CROWS,
    "After a white body three black ones, each lower: -1; CDL3BLACKCROWS.",
    bars=13,
)
three_inside = _pattern(
    "three_inside",
    _THREE_INSIDE,
    "A harami and a close beyond its first open: 1 up, -1 down; CDL3INSIDE.",
    bars=12,
)
three_outside = _pattern(
    "three_outside",
    _THREE_OUTSIDE,
    "An engulfing bar and a close beyond it: 1 up, -1 down; CDL3OUTSIDE.",
    bars=3,
)
