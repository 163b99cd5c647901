"""Plain rules on one instrument, traded from signal to signal: the fast path of `run_backtest` and `sweep`.

Where an account is netted in the instrument's own currency, pays commission by value and financing by a
yearly rate, and entries are market orders, nothing happens between two signals but exits, rollovers and
valuations, so the bars between need no engine. `trade_plain` does what `workbench.engine.core` does, with the
same whole numbers, and gives up where more than that is needed (margin that runs short, a size that passes
the limits): the caller then runs the engine. The tests hold both to the same bits.

Prices come as a *path*: bars, of which the open is a quote and the rest a range, or ticks, which are quotes
alone. Decisions are made at the closes of bars that consist of one or more elements of the path.
"""

# mypy: disable-error-code="arg-type,assignment,call-overload,operator"
# compiled: an int64 of an array and a plain whole number are one type there
from typing import Any

import numpy as np
import numpy.typing as npt

from workbench.engine.core import (
    C_ORDER,
    C_REASON,
    CANCELED_NOTHING_TO_CLOSE,
    F_BALANCE,
    F_BOOK,
    F_COMMISSION,
    F_LEFT,
    F_ORDER,
    F_POSITION,
    F_PRICE,
    F_REALIZED,
    F_REASON,
    F_SPREAD,
    F_TIME,
    F_TRADE,
    F_UNITS,
    MAX_UNITS,
    MAX_VALUE,
    REASON_MARKET,
    REASON_STOP_LOSS,
    REASON_TAKE_PROFIT,
    scale_half_even,
)
from workbench.indicators.compiled import borrowing, borrowing_inline, compiled
from workbench.research.ahead import EIGHT, scaled
from workbench.research.words import next_truth
from workbench.strategy.decision import SIZE_UNITS, decide_trailing

__all__ = [
    "BLOCK",
    "DONE",
    "GAVE_UP",
    "NEEDS_EXTREMES",
    "ORDERS_PER_EVENT",
    "TERMS",
    "TOTALS",
    "financing",
    "margin_levels",
    "path_extremes",
    "share_of",
    "trade_plain",
    "value_bars",
    "write_fill",
]

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Words = npt.NDArray[np.int64]

DONE, GAVE_UP, NEEDS_EXTREMES = range(3)
BLOCK = 16  # elements of the path looked at together
REASON_TRAILING_STOP = 7
ORDERS_PER_EVENT = 1_024  # as in `workbench.research.outcome`
_PPM = 1_000_000
_YEAR_PPM_DOUBLED = 2 * 365 * _PPM
_FAR = np.int64(1) << 62
_SAFE_VALUE = 9_000_000_000_000  # times 10**6 is below 2**63

# what is fixed: money of one point of one unit, costs, sizes, the lowest bid and highest ask of the path
(
    Q_BALANCE,
    Q_MICRO,
    Q_COMMISSION_PPM,
    Q_LONG_PPM,
    Q_SHORT_PPM,
    Q_MARGIN_PPM,
    Q_SLIPPAGE,
    Q_SLIPPAGE_PPM,
    Q_UNIT_STEP,
    Q_MINIMUM_UNITS,
    Q_RANGES,  # 1 where elements of the path are bars, 0 where they are quotes
    Q_KEEPS_FILLS,
    Q_LOWEST,
    Q_HIGHEST,
) = range(14)
TERMS = 14

# what comes out: counts and sums in micro-units
(
    R_BALANCE,
    R_UNITS,
    R_COST,
    R_FILLS,
    R_REFUSED,
    R_BOOKINGS,
    R_AMBIGUOUS,
    R_TRADES,  # closed
    R_WON_TRADES,
    R_WON,
    R_LOST,
    R_COMMISSION,
    R_FINANCING,
    R_SPREAD_DOUBLED,  # points times units
    R_SLIPPED,  # points times units
    R_BARS_HELD,
    R_EQUITY,
) = range(17)
TOTALS = 17


@compiled
def trade_plain(
    path: Any,
    after: Ints,
    bars: int,
    enter_long: Words,
    enter_short: Words,
    exit_long: Words,
    exit_short: Words,
    stop: Floats,
    target: Floats,
    trail: Floats,
    has_stop: bool,
    has_target: bool,
    has_trail: bool,
    size_kind: int,
    size_value: float,
    terms: Ints,
    roll_at: Ints,
    roll_inside: Ints,
    roll_days: Ints,
    extremes: Any,
    fills: Ints,
    fill_bar: Ints,
    refused: Ints,
    financing_before: Ints,
    financing_amount: Ints,
    equity: Ints,
    totals: Ints,
) -> int:
    """Trade signals; `DONE`, or why not: `GAVE_UP` to the engine, or `NEEDS_EXTREMES` of the path.

    Parameters
    ----------
    path
        Times of opens and closes, then bid and ask open, high, low, close; all of ticks are their time, bid
        and ask.
    after
        For each bar the first element of the path from its close on, strictly ascending; empty where the
        path's elements are the bars.
    enter_long, enter_short, exit_long, exit_short
        Truths of the bars.
    stop, target, trail
        Points by bar, or one number for all; read where declared.
    roll_at, roll_inside, roll_days
        For each rollover the element of the path it is booked at, and whether it lies inside it (1) or
        before its first quote (0).
    extremes
        Of each `BLOCK` elements, see `path_extremes`; empty arrays until they are asked for.
    fills, fill_bar, refused, financing_before, financing_amount, equity
        Room for what happens; equity may be empty, the fills too if `terms` do not ask for them.
    totals
        Receives the sums, ``R_...``.
    """
    open_ns, close_ns = path[0], path[1]
    bid_open, bid_high, bid_low, bid_close = path[2], path[3], path[4], path[5]
    ask_open, ask_high, ask_low, ask_close = path[6], path[7], path[8], path[9]
    lows, highs, bid_highs, ask_lows = extremes[0], extremes[1], extremes[2], extremes[3]
    micro, ranges, keeps = terms[Q_MICRO], terms[Q_RANGES] != 0, terms[Q_KEEPS_FILLS] != 0
    commission_ppm, margin_ppm = terms[Q_COMMISSION_PPM], terms[Q_MARGIN_PPM]
    slippage, slippage_ppm = terms[Q_SLIPPAGE], terms[Q_SLIPPAGE_PPM]
    unit_step, minimum_units = terms[Q_UNIT_STEP], terms[Q_MINIMUM_UNITS]
    lowest, highest = terms[Q_LOWEST], terms[Q_HIGHEST]
    mapped = after.shape[0] > 0
    elements = after[bars - 1] if mapped else bars
    valued = equity.shape[0] > 0
    blocks = lows.shape[0] > 0
    has_levels = has_stop or has_target or has_trail

    balance = terms[Q_BALANCE]
    units, cost = np.int64(0), np.int64(0)
    stop_level, target_level, distance, best = np.int64(0), np.int64(0), np.int64(0), np.int64(0)
    entry_key, entry_bar = np.int64(0), np.int64(0)
    margin_checked = False  # whether the whole path is known to keep the margin of what is held
    mid_least, mid_most = np.int64(0), _FAR
    trade_cash = np.int64(0)  # commission and financing of the open trade, negative is paid
    close_units, open_units, open_key = np.int64(0), np.int64(0), np.int64(0)
    open_stop, open_target, open_trail = np.int64(0), np.int64(0), np.int64(0)
    row, dropped, bookings, ambiguous = 0, 0, 0, 0
    trades, won_trades, won, lost = 0, 0, np.int64(0), np.int64(0)
    paid, financed = np.int64(0), np.int64(0)
    spread_doubled, slipped, held_bars = np.int64(0), np.int64(0), np.int64(0)
    roll = 0
    bar, at, seen = 0, 0, -1  # bar in progress; element of the path to come; bar of the next signal
    waiting = False
    while True:
        decided = -1  # the bar whose close is decided at
        if not waiting:
            if bar >= bars:
                break
            # quietly on to the next signal, exit or rollover
            if seen < bar:
                if units == 0:
                    seen = next_truth(enter_long, enter_short, bar, bars)
                elif units > 0:
                    seen = next_truth(enter_short, exit_long, bar, bars)
                else:
                    seen = next_truth(enter_long, exit_short, bar, bars)
            last = min(seen, bars - 1)
            end = after[last] if mapped else last + 1
            if units == 0:
                if valued:
                    equity[bar : last + 1] = balance
                at, bar = end, last + 1
            else:
                while roll < roll_at.shape[0] and roll_at[roll] < at:
                    roll += 1
                until = end
                if roll < roll_at.shape[0]:
                    until = min(end, roll_at[roll])
                found = at
                if not has_levels and margin_checked:
                    found = until
                else:
                    long = units > 0
                    while found < until:
                        block = found // BLOCK
                        stop_at = min((block + 1) * BLOCK, until) if blocks else until
                        if not margin_checked and not blocks:
                            return NEEDS_EXTREMES
                        if not margin_checked and (
                            2 * lows[block] <= mid_least or 2 * highs[block] >= mid_most
                        ):
                            return GAVE_UP
                        if long:
                            top = max(best, bid_highs[block]) if blocks else best
                            least = max(stop_level, top - distance) if distance != 0 else stop_level
                            if (
                                blocks
                                and lows[block] > least
                                and (target_level == 0 or bid_highs[block] < target_level)
                            ):
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
                            most = _FAR if stop_level == 0 else stop_level
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
                            most = _FAR if stop_level == 0 else stop_level
                            while found < stop_at:
                                if distance != 0:
                                    first = min(best, ask_open[found])
                                    low = min(first, ask_low[found])
                                    loud = max(ask_high[found], ask_open[found]) >= min(
                                        most, first + distance
                                    )
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
                # bars that closed on the way
                worth, base = units * micro, balance - cost
                if not mapped:
                    if valued:
                        value_bars(bid_close if units > 0 else ask_close, equity, bar, found, base, worth)
                    bar = found
                else:
                    while bar < bars and after[bar] <= found and bar <= last:
                        if valued:
                            price = bid_close[after[bar] - 1] if units > 0 else ask_close[after[bar] - 1]
                            equity[bar] = base + worth * price
                        bar += 1
                at = found
            if at == end:
                if seen >= bars:
                    break
                decided = seen
        if decided < 0:
            if bar >= bars:
                break
            # one element of the path, as the engine takes it: its first quote ...
            bid, ask = bid_open[at], ask_open[at]
            slip = slippage
            if slippage_ppm != 0:
                slip += (max(ask - bid, 0) * slippage_ppm + _PPM - 1) // _PPM
            exit_units, exit_price, exit_reason = np.int64(0), np.int64(0), 0
            if units != 0:
                while roll < roll_at.shape[0] and roll_at[roll] < at:
                    roll += 1
                amount = np.int64(0)
                while roll < roll_at.shape[0] and roll_at[roll] == at and roll_inside[roll] == 0:
                    amount += financing(
                        units, bid_close[at - 1] + ask_close[at - 1], micro, terms, roll_days[roll]
                    )
                    roll += 1
                if amount != 0:
                    balance += amount
                    financed += amount
                    trade_cash += amount
                    financing_before[bookings] = row
                    financing_amount[bookings] = amount
                    bookings += 1
                    mid_least, mid_most = margin_levels(balance, units, cost, micro, margin_ppm)
                    margin_checked = 2 * lowest > mid_least and 2 * highest < mid_most
                if has_levels:
                    sign = np.int64(1) if units > 0 else np.int64(-1)
                    first = bid if units > 0 else ask
                    if stop_level != 0 and sign * first <= sign * stop_level:
                        exit_reason = REASON_STOP_LOSS
                    elif distance != 0 and sign * first <= sign * (best - sign * distance):
                        exit_reason = REASON_TRAILING_STOP
                    elif target_level != 0 and sign * first >= sign * target_level:
                        exit_reason = REASON_TAKE_PROFIT
                    if exit_reason != 0:
                        exit_units = -units
                        exit_price = first
                        if exit_reason != REASON_TAKE_PROFIT:
                            exit_price = max(1, first - sign * slip)
                    elif distance != 0:
                        best = max(best, first) if units > 0 else min(best, first)
            for part in range(3):
                # 0: the exit that the quote reached; 1: the order that closes; 2: the exit of the range
                filled_units, price, reason, key = exit_units, exit_price, exit_reason, entry_key
                moment = open_ns[at] if keeps else np.int64(0)
                if part == 1:
                    filled_units = np.int64(0)
                    if close_units != 0:
                        if units == 0:
                            refused[dropped, C_ORDER] = open_key
                            refused[dropped, C_REASON] = CANCELED_NOTHING_TO_CLOSE
                            dropped += 1
                        else:
                            filled_units, reason, key = close_units, REASON_MARKET, open_key
                            price = ask + slip if close_units > 0 else max(1, bid - slip)
                        open_key += 1
                        close_units = np.int64(0)
                elif part == 2:
                    filled_units = np.int64(0)
                    if open_units != 0:
                        # the order that opens, from flat
                        price = ask + slip if open_units > 0 else max(1, bid - slip)
                        dearest = max(price, ask) * micro
                        size = abs(open_units)
                        if size > MAX_UNITS or float(size) * float(dearest) > 0.99 * MAX_VALUE:
                            return GAVE_UP
                        needed = float(size) * float(bid + ask) * micro * margin_ppm * 0.5e-6
                        if not needed * 1.000001 + 1000.0 < float(balance):
                            return GAVE_UP
                        units, cost = open_units, open_units * price * micro
                        commission = share_of(size * price * micro, commission_ppm)
                        paid += commission
                        balance -= commission
                        trade_cash = -commission
                        spread_doubled += size * (ask - bid)
                        slipped += size * slip
                        entry_key, entry_bar = open_key, np.int64(bar)
                        sign = np.int64(1) if units > 0 else np.int64(-1)
                        stop_level = max(0, price - sign * open_stop) if open_stop > 0 else np.int64(0)
                        target_level = max(0, price + sign * open_target) if open_target > 0 else np.int64(0)
                        distance = np.int64(open_trail)
                        best = bid if units > 0 else ask
                        if keeps:
                            write_fill(
                                fills, row, open_key, moment, units, price, REASON_MARKET, commission, 0,
                                units, balance, ask - bid,
                            )  # fmt: skip
                            fill_bar[row] = bar
                        row += 1
                        open_units = np.int64(0)
                        mid_least, mid_most = margin_levels(balance, units, cost, micro, margin_ppm)
                        margin_checked = 2 * lowest > mid_least and 2 * highest < mid_most
                    if units != 0 and not margin_checked:
                        if not blocks:
                            return NEEDS_EXTREMES
                        if bid + ask <= mid_least or bid + ask >= mid_most:
                            return GAVE_UP
                    # ... then its range
                    if ranges and units != 0:
                        while roll < roll_at.shape[0] and roll_at[roll] < at:
                            roll += 1
                        amount = np.int64(0)
                        while roll < roll_at.shape[0] and roll_at[roll] == at:
                            if roll_inside[roll] != 0:
                                amount += financing(units, bid + ask, micro, terms, roll_days[roll])
                            roll += 1
                        if amount != 0:
                            balance += amount
                            financed += amount
                            trade_cash += amount
                            financing_before[bookings] = row
                            financing_amount[bookings] = amount
                            bookings += 1
                            mid_least, mid_most = margin_levels(balance, units, cost, micro, margin_ppm)
                            margin_checked = 2 * lowest > mid_least and 2 * highest < mid_most
                        if has_levels:
                            moment = close_ns[at] if keeps else np.int64(0)
                            sign = np.int64(1) if units > 0 else np.int64(-1)
                            if units > 0:
                                first, worst, top, final = bid, bid_low[at], bid_high[at], bid_close[at]
                            else:
                                first, worst, top, final = ask, ask_high[at], ask_low[at], ask_close[at]
                            level, nearer = stop_level, REASON_STOP_LOSS
                            if distance != 0:
                                trailing = best - sign * distance
                                if level == 0 or sign * trailing > sign * level:
                                    level, nearer = trailing, REASON_TRAILING_STOP
                            loses = level != 0 or nearer == REASON_TRAILING_STOP
                            passed = loses and sign * first <= sign * level
                            gained = target_level != 0 and sign * first >= sign * target_level
                            stopped = loses and sign * worst <= sign * level
                            reached = target_level != 0 and sign * top >= sign * target_level
                            key = entry_key
                            if passed or (stopped and not gained):
                                if reached and stopped and not passed:
                                    ambiguous += 1
                                if passed and stop_level != 0 and sign * first <= sign * stop_level:
                                    nearer = REASON_STOP_LOSS
                                filled_units, reason = -units, nearer
                                price = max(1, (first if passed else level) - sign * slip)
                            elif gained or reached:
                                filled_units, reason = -units, REASON_TAKE_PROFIT
                                price = first if gained else target_level
                            elif distance != 0:
                                best = max(best, top) if units > 0 else min(best, top)
                                trailing = best - sign * distance
                                if sign * final <= sign * trailing:
                                    filled_units, reason = -units, REASON_TRAILING_STOP
                                    price = max(1, trailing - sign * slip)
                if filled_units != 0:
                    size = abs(filled_units)
                    realized = units * price * micro - cost
                    commission = share_of(size * price * micro, commission_ppm)
                    balance += realized - commission
                    paid += commission
                    net = realized - commission + trade_cash
                    trades += 1
                    if net > 0:
                        won_trades += 1
                        won += net
                    else:
                        lost -= net
                    spread_doubled += size * (ask - bid)
                    if reason != REASON_TAKE_PROFIT:
                        slipped += size * slip
                    held_bars += bar - entry_bar
                    if keeps:
                        write_fill(
                            fills, row, key, moment, filled_units, price, reason, commission, realized, 0,
                            balance, ask - bid,
                        )  # fmt: skip
                        fill_bar[row] = bar
                    row += 1
                    units, cost, trade_cash = np.int64(0), np.int64(0), np.int64(0)
                    stop_level, target_level, distance = np.int64(0), np.int64(0), np.int64(0)
            if units != 0 and not margin_checked:
                if not blocks:
                    return NEEDS_EXTREMES
                mids = bid_close[at] + ask_close[at]
                if mids <= mid_least or mids >= mid_most:
                    return GAVE_UP
            waiting = False
            at += 1
            seen = -1
            if (after[bar] if mapped else bar + 1) == at:
                if valued:
                    value = balance
                    if units != 0:
                        price = bid_close[at - 1] if units > 0 else ask_close[at - 1]
                        value = balance - cost + units * micro * price
                    equity[bar] = value
                if units == 0:
                    relevant = _truth(enter_long, bar) or _truth(enter_short, bar)
                elif units > 0:
                    relevant = _truth(enter_short, bar) or _truth(exit_long, bar)
                else:
                    relevant = _truth(enter_long, bar) or _truth(exit_short, bar)
                if relevant:
                    decided = bar
                bar += 1
        if decided >= 0:
            value = balance
            if units != 0 and size_kind != SIZE_UNITS:
                price = bid_close[at - 1] if units > 0 else ask_close[at - 1]
                value = balance - cost + units * micro * price
            closes, opening, open_stop, open_target, open_trail = decide_trailing(
                _truth(enter_long, decided),
                _truth(enter_short, decided),
                _truth(exit_long, decided),
                _truth(exit_short, decided),
                _number(stop, decided, has_stop),
                _number(target, decided, has_target),
                _number(trail, decided, has_trail),
                has_stop,
                has_target,
                has_trail,
                size_kind,
                size_value,
                units,
                value,
                micro,
                unit_step,
                minimum_units,
            )
            close_units = -units if closes else np.int64(0)
            open_units = np.int64(opening)
            waiting = close_units != 0 or open_units != 0
            open_key = np.int64(2 * decided + 2) * ORDERS_PER_EVENT

    value = balance
    if units != 0:
        held_bars += bars - entry_bar
        price = bid_close[elements - 1] if units > 0 else ask_close[elements - 1]
        value = balance - cost + units * micro * price
    totals[R_BALANCE], totals[R_UNITS], totals[R_COST] = balance, units, cost
    totals[R_FILLS], totals[R_REFUSED], totals[R_BOOKINGS] = row, dropped, bookings
    totals[R_AMBIGUOUS], totals[R_TRADES], totals[R_WON_TRADES] = ambiguous, trades, won_trades
    totals[R_WON], totals[R_LOST] = won, lost
    totals[R_COMMISSION], totals[R_FINANCING] = paid, financed
    totals[R_SPREAD_DOUBLED], totals[R_SLIPPED] = spread_doubled, slipped
    totals[R_BARS_HELD], totals[R_EQUITY] = held_bars, value
    return DONE


@borrowing_inline
def _truth(words: Words, bar: int) -> Any:
    return (words[bar >> 6] >> np.int64(bar & 63)) & np.int64(1) != 0


@borrowing_inline
def _number(values: Floats, bar: int, declared: bool) -> Any:
    if not declared:
        return np.nan
    return values[bar] if values.shape[0] > 1 else values[0]


@borrowing_inline
def share_of(value: int, ppm: int) -> Any:
    """Millionths of a value of 0 or more, rounded half to even."""
    if value > _SAFE_VALUE:
        return scale_half_even(value, ppm, _PPM)
    product = value * ppm
    whole = product // 1_000_000
    twice = 2 * (product - whole * 1_000_000)
    return whole + (np.int64(twice > 1_000_000) | (np.int64(twice == 1_000_000) & whole & 1))


@borrowing
def financing(units: int, mid_doubled: int, micro: int, terms: Ints, days: int) -> int:
    """What a rollover brings (or, negative, costs), micro-units."""
    rate = terms[Q_LONG_PPM] if units > 0 else terms[Q_SHORT_PPM]
    amount = scale_half_even(abs(units) * mid_doubled * micro, abs(rate) * days, _YEAR_PPM_DOUBLED)
    return -amount if rate < 0 else amount


@borrowing
def value_bars(close: Ints, equity: Ints, start: int, stop: int, base: int, worth: int) -> None:
    """Equity at the closes of bars from `start` to `stop` (exclusive); what comes after is written over."""
    count = equity.shape[0]
    if worth == 0:
        equity[start:stop] = base
        return
    for k in range(start, stop, EIGHT):
        if k + EIGHT <= count:
            scaled(close, equity, k, base, worth)
        else:
            for last in range(k, stop):
                equity[last] = base + worth * close[last]


@borrowing
def margin_levels(balance: int, units: int, cost: int, micro: int, margin_ppm: int) -> Any:
    """Sums of bid and ask between which equity at mid is well above the margin used."""
    least, most = np.int64(0), _FAR
    worth = 2.0 * (float(balance) - float(cost))  # doubled equity if the price were 0
    share = margin_ppm * 1.0e-6
    slack = 1.0e-6 * (abs(worth) + 1.0e9)  # far more than rounding of either kind
    if units > 0:
        if margin_ppm < _PPM:
            level = (slack - worth) / (float(units) * micro * (1.0 - share))
            least = np.int64(min(max(level, -4.0e18), 4.0e18)) + 2
        elif worth <= slack:
            least = _FAR
    else:
        level = (worth - slack) / (float(-units) * micro * (1.0 + share))
        most = np.int64(min(max(level, -4.0e18), 4.0e18)) - 2
    return least, most


@borrowing
def write_fill(
    fills: Ints,
    row: int,
    order: int,
    time_ns: int,
    units: int,
    price: int,
    reason: int,
    commission: int,
    realized: int,
    position: int,
    balance: int,
    spread: int,
) -> None:
    fills[row, F_ORDER] = order
    fills[row, F_BOOK] = 0
    fills[row, F_TIME] = time_ns
    fills[row, F_UNITS] = units
    fills[row, F_PRICE] = price
    fills[row, F_REASON] = reason
    fills[row, F_COMMISSION] = commission
    fills[row, F_REALIZED] = realized
    fills[row, F_POSITION] = position
    fills[row, F_BALANCE] = balance
    fills[row, F_SPREAD] = spread
    fills[row, F_TRADE] = 0
    fills[row, F_LEFT] = 0


@compiled
def path_extremes(path: Any) -> Any:
    """Of each `BLOCK` elements: lowest bid, highest ask, highest bid, lowest ask."""
    bid_open, bid_high, bid_low, bid_close = path[2], path[3], path[4], path[5]
    ask_open, ask_high, ask_low, ask_close = path[6], path[7], path[8], path[9]
    n = bid_open.shape[0]
    count = (n + BLOCK - 1) // BLOCK
    lows, highs = np.empty(count, np.int64), np.empty(count, np.int64)
    bid_highs, ask_lows = np.empty(count, np.int64), np.empty(count, np.int64)
    for block in range(count):
        least, most, top, low = _FAR, np.int64(0), np.int64(0), _FAR
        for i in range(block * BLOCK, min((block + 1) * BLOCK, n)):
            least = min(least, bid_low[i], bid_open[i], bid_close[i])
            most = max(most, ask_high[i], ask_open[i], ask_close[i])
            top = max(top, bid_high[i], bid_open[i])
            low = min(low, ask_low[i], ask_open[i])
        lows[block], highs[block], bid_highs[block], ask_lows[block] = least, most, top, low
    return lows, highs, bid_highs, ask_lows
