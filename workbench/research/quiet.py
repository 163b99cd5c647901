"""The stretches of a path in which a plain run holds a position and nothing happens to it."""

# mypy: disable-error-code="arg-type,assignment,call-overload,operator"
# compiled: an int64 of an array and a plain whole number are one type there
from typing import Any

from workbench.indicators.compiled import borrowing_inline
from workbench.research.plain_steps import BLOCK, DONE, FAR, GAVE_UP, NEEDS_EXTREMES

__all__ = ["quiet_until"]


@borrowing_inline
def quiet_until(
    path: Any,
    extremes: Any,
    found: int,
    until: int,
    long: bool,
    margin_checked: bool,
    mid_least: int,
    mid_most: int,
    stop_level: int,
    target_level: int,
    distance: int,
    best: int,
) -> Any:
    """The first element from `found` to `until` (exclusive) that may reach an exit, `until` if none does.

    With it the best price that the trailing stop has seen by then, and `DONE`, or why not: `GAVE_UP` where
    margin may matter, `NEEDS_EXTREMES` to tell whether it may. A level of 0 is none.
    """
    bid_open, bid_high, bid_low, bid_close = path[2], path[3], path[4], path[5]
    ask_open, ask_high, ask_low, ask_close = path[6], path[7], path[8], path[9]
    lows, highs, bid_highs, ask_lows = extremes[0], extremes[1], extremes[2], extremes[3]
    blocks = lows.shape[0] > 0
    while found < until:
        block = found // BLOCK
        stop_at = min((block + 1) * BLOCK, until) if blocks else until
        if not margin_checked and not blocks:
            return found, best, NEEDS_EXTREMES
        if not margin_checked and (2 * lows[block] <= mid_least or 2 * highs[block] >= mid_most):
            return found, best, GAVE_UP
        if long:
            top = max(best, bid_highs[block]) if blocks else best
            least = max(stop_level, top - distance) if distance != 0 else stop_level
            if blocks and lows[block] > least and (target_level == 0 or bid_highs[block] < target_level):
                if stop_at - found == BLOCK:
                    best = top
                elif distance != 0:
                    for k in range(found, stop_at):
                        best = max(best, bid_high[k], bid_open[k])
                found = stop_at
                continue
            loud = False
            while found < stop_at:
                if distance != 0:
                    first = max(best, bid_open[found])
                    least = max(stop_level, first - distance)
                    top = max(first, bid_high[found])
                    loud = min(bid_low[found], bid_open[found]) <= least
                    loud |= bid_close[found] <= top - distance
                else:
                    loud = min(bid_low[found], bid_open[found]) <= stop_level
                if target_level != 0:
                    loud |= max(bid_high[found], bid_open[found]) >= target_level
                if loud:
                    break
                best = top
                found += 1
        else:
            low = min(best, ask_lows[block]) if blocks else best
            most = FAR if stop_level == 0 else stop_level
            if distance != 0:
                most = min(most, low + distance)
            if blocks and highs[block] < most and ask_lows[block] > target_level:
                if stop_at - found == BLOCK:
                    best = low
                elif distance != 0:
                    for k in range(found, stop_at):
                        best = min(best, ask_low[k], ask_open[k])
                found = stop_at
                continue
            loud = False
            most = FAR if stop_level == 0 else stop_level
            while found < stop_at:
                if distance != 0:
                    first = min(best, ask_open[found])
                    low = min(first, ask_low[found])
                    loud = max(ask_high[found], ask_open[found]) >= min(most, first + distance)
                    loud |= ask_close[found] >= low + distance
                else:
                    loud = max(ask_high[found], ask_open[found]) >= most
                if target_level != 0:
                    loud |= min(ask_low[found], ask_open[found]) <= target_level
                if loud:
                    break
                best = low
                found += 1
        if found < stop_at:
            break
    return found, best, DONE
