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
    MAX_UNITS,
    MAX_VALUE,
    REASON_MARKET,
    REASON_STOP_LOSS,
    REASON_TAKE_PROFIT,
)
from workbench.indicators.compiled import compiled
from workbench.research.plain_steps import (
    DONE,
    FAR,
    GAVE_UP,
    NEEDS_EXTREMES,
    ORDERS_PER_EVENT,
    PPM,
    Q_BALANCE,
    Q_COMMISSION_PPM,
    Q_HIGHEST,
    Q_KEEPS_FILLS,
    Q_LOWEST,
    Q_MARGIN_PPM,
    Q_MICRO,
    Q_MINIMUM_UNITS,
    Q_RANGES,
    Q_SLIPPAGE,
    Q_SLIPPAGE_PPM,
    Q_UNIT_STEP,
    R_AMBIGUOUS,
    R_BALANCE,
    R_BARS_HELD,
    R_BOOKINGS,
    R_COMMISSION,
    R_COST,
    R_EQUITY,
    R_FILLS,
    R_FINANCING,
    R_LOST,
    R_REFUSED,
    R_SLIPPED,
    R_SPREAD_DOUBLED,
    R_TRADES,
    R_UNITS,
    R_WON,
    R_WON_TRADES,
    booked_at,
    margin_levels,
    number_at,
    share_of,
    truth_at,
    value_bars,
    write_fill,
)
from workbench.research.quiet import quiet_until
from workbench.research.words import next_truth
from workbench.strategy.simple_decision import SIZE_UNITS, decide_trailing

__all__ = ["trade_plain"]

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Words = npt.NDArray[np.int64]

REASON_TRAILING_STOP = 7


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
    micro, ranges, keeps = terms[Q_MICRO], terms[Q_RANGES] != 0, terms[Q_KEEPS_FILLS] != 0
    commission_ppm, margin_ppm = terms[Q_COMMISSION_PPM], terms[Q_MARGIN_PPM]
    slippage, slippage_ppm = terms[Q_SLIPPAGE], terms[Q_SLIPPAGE_PPM]
    unit_step, minimum_units = terms[Q_UNIT_STEP], terms[Q_MINIMUM_UNITS]
    lowest, highest = terms[Q_LOWEST], terms[Q_HIGHEST]
    mapped = after.shape[0] > 0
    elements = after[bars - 1] if mapped else bars
    valued = equity.shape[0] > 0
    blocks = extremes[0].shape[0] > 0
    has_levels = has_stop or has_target or has_trail

    balance = terms[Q_BALANCE]
    units, cost = np.int64(0), np.int64(0)
    stop_level, target_level, distance, best = np.int64(0), np.int64(0), np.int64(0), np.int64(0)
    entry_key, entry_bar = np.int64(0), np.int64(0)
    margin_checked = False  # whether the whole path is known to keep the margin of what is held
    mid_least, mid_most = np.int64(0), FAR
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
                    found, best, answer = quiet_until(
                        path, extremes, found, until, long, margin_checked, mid_least, mid_most,
                        stop_level, target_level, distance, best,
                    )  # fmt: skip
                    if answer != DONE:
                        return int(answer)
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
                slip += (max(ask - bid, 0) * slippage_ppm + PPM - 1) // PPM
            exit_units, exit_price, exit_reason = np.int64(0), np.int64(0), 0
            if units != 0:
                mids = bid_close[at - 1] + ask_close[at - 1] if at > 0 else np.int64(0)
                amount, roll = booked_at(
                    roll, at, 0, roll_at, roll_inside, roll_days, units, mids, micro, terms
                )
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
                        amount, roll = booked_at(
                            roll, at, 1, roll_at, roll_inside, roll_days, units, bid + ask, micro, terms
                        )
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
                    relevant = truth_at(enter_long, bar) or truth_at(enter_short, bar)
                elif units > 0:
                    relevant = truth_at(enter_short, bar) or truth_at(exit_long, bar)
                else:
                    relevant = truth_at(enter_long, bar) or truth_at(exit_short, bar)
                if relevant:
                    decided = bar
                bar += 1
        if decided >= 0:
            value = balance
            if units != 0 and size_kind != SIZE_UNITS:
                price = bid_close[at - 1] if units > 0 else ask_close[at - 1]
                value = balance - cost + units * micro * price
            closes, opening, open_stop, open_target, open_trail = decide_trailing(
                truth_at(enter_long, decided),
                truth_at(enter_short, decided),
                truth_at(exit_long, decided),
                truth_at(exit_short, decided),
                number_at(stop, decided, has_stop),
                number_at(target, decided, has_target),
                number_at(trail, decided, has_trail),
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
