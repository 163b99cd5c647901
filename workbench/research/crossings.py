"""Strategies that hold a fixed number of units between signals, without stops: the shortest way through them.

What `trade_plain` does for them, with the same whole numbers, and nothing else: two prices and a few products
for each signal that changes the position, and one product for each bar whose equity is asked for.
"""

# mypy: disable-error-code="arg-type,assignment,call-overload,operator"
# compiled: an int64 of an array and a plain whole number are one type there
from typing import Any

import numpy as np
import numpy.typing as npt

from workbench.engine.core import MAX_UNITS, MAX_VALUE, REASON_MARKET
from workbench.indicators.compiled import compiled
from workbench.research import plain_steps as q
from workbench.research.ahead import soon
from workbench.research.plain_steps import (
    DONE,
    GAVE_UP,
    ORDERS_PER_EVENT,
    financing,
    share_of,
    value_bars,
    write_fill,
)
from workbench.research.words import next_truth

__all__ = ["trade_crossings"]

Ints = npt.NDArray[np.int64]
Words = npt.NDArray[np.int64]

_BALANCE, _MICRO, _COMMISSION_PPM, _MARGIN_PPM = q.Q_BALANCE, q.Q_MICRO, q.Q_COMMISSION_PPM, q.Q_MARGIN_PPM
_SLIPPAGE, _SLIPPAGE_PPM, _UNIT_STEP, _MINIMUM = (
    q.Q_SLIPPAGE,
    q.Q_SLIPPAGE_PPM,
    q.Q_UNIT_STEP,
    q.Q_MINIMUM_UNITS,
)
_LOWEST, _HIGHEST = q.Q_LOWEST, q.Q_HIGHEST
_PPM = 1_000_000


@compiled
def trade_crossings(
    path: Any,
    bars: int,
    enter_long: Words,
    enter_short: Words,
    exit_long: Words,
    exit_short: Words,
    size: int,
    terms: Ints,
    roll_at: Ints,
    roll_inside: Ints,
    roll_days: Ints,
    fills: Ints,
    fill_bar: Ints,
    financing_before: Ints,
    financing_amount: Ints,
    equity: Ints,
    totals: Ints,
) -> int:
    """Write what `trade_plain` writes; `GAVE_UP` where margin or the limits may matter.

    `equity` may be empty, the fills too if `terms` do not ask for them.
    """
    open_ns = path[0]
    bid_open, bid_close, ask_open, ask_close = path[2], path[5], path[6], path[9]
    micro, ppm = terms[_MICRO], terms[_COMMISSION_PPM]
    slippage, slippage_ppm = terms[_SLIPPAGE], terms[_SLIPPAGE_PPM]
    size = size // terms[_UNIT_STEP] * terms[_UNIT_STEP]
    if size <= 0 or size < terms[_MINIMUM] or size > MAX_UNITS:
        return GAVE_UP
    lowest, highest = terms[_LOWEST], terms[_HIGHEST]
    worth = size * micro
    if float(worth) * (highest + slippage + 1) * 2.0 > 0.99 * MAX_VALUE or slippage_ppm > _PPM:
        return GAVE_UP
    # what the account must be worth at the entry so that no price of the path can bring it near its margin
    needed = float(worth) * (highest - lowest + highest * terms[_MARGIN_PPM] * 1.00001e-6) + 1.0e6
    balance = terms[_BALANCE]
    units, entry, cash, entry_bar = np.int64(0), np.int64(0), np.int64(0), 0
    paid, financed, spreads, slips = np.int64(0), np.int64(0), np.int64(0), np.int64(0)
    fills_done, bookings, trades, won_trades, held = 0, 0, 0, 0, 0
    won, lost = np.int64(0), np.int64(0)
    roll, bar = 0, 0
    keeps, valued = terms[q.Q_KEEPS_FILLS] != 0, equity.shape[0] > 0
    valued_to = 0  # equity is known before this bar
    while bar < bars:
        if units == 0:
            seen = next_truth(enter_long, enter_short, bar, bars)
        elif units > 0:
            seen = next_truth(enter_short, exit_long, bar, bars)
        else:
            seen = next_truth(enter_long, exit_short, bar, bars)
        at = seen + 1  # its open is where the orders fill
        if at < bars:
            soon(bid_open, at)
            soon(ask_open, at)
            if keeps:
                soon(open_ns, at)
        if units != 0:
            while roll < roll_at.shape[0] and (
                roll_at[roll] < at or (roll_at[roll] == at and roll_inside[roll] == 0)
            ):
                here, inside = roll_at[roll], roll_inside[roll]
                if here >= bars:
                    break
                amount = np.int64(0)
                while roll < roll_at.shape[0] and roll_at[roll] == here and roll_inside[roll] == inside:
                    mids = bid_open[here] + ask_open[here]
                    if inside == 0:
                        mids = bid_close[here - 1] + ask_close[here - 1]
                    amount += financing(units, mids, micro, terms, roll_days[roll])
                    roll += 1
                if amount != 0:
                    if valued:
                        close = bid_close if units > 0 else ask_close
                        value_bars(
                            close, equity, valued_to, here, balance - units * micro * entry, units * micro
                        )
                        valued_to = here
                    financing_before[bookings], financing_amount[bookings] = fills_done, amount
                    bookings += 1
                    balance += amount
                    financed += amount
                    cash += amount
            if float(balance) < needed:
                return GAVE_UP
        if at >= bars:
            break
        word, bit = seen >> 6, np.int64(seen & 63)
        up = (enter_long[word] >> bit) & 1 != 0
        down = (enter_short[word] >> bit) & 1 != 0
        bar = at
        if up and down:
            continue
        leaves = up or down
        if not leaves and units > 0:
            leaves = (exit_long[word] >> bit) & 1 != 0
        elif not leaves and units < 0:
            leaves = (exit_short[word] >> bit) & 1 != 0
        if (up and units > 0) or (down and units < 0) or not leaves:
            continue
        if valued:
            close = bid_close if units > 0 else ask_close
            value_bars(close, equity, valued_to, at, balance - units * micro * entry, units * micro)
            valued_to = at
        bid, ask = bid_open[at], ask_open[at]
        key = np.int64(2 * seen + 2) * ORDERS_PER_EVENT
        moment = open_ns[at] if keeps else np.int64(0)
        slip = slippage
        if slippage_ppm != 0:
            slip += (max(ask - bid, 0) * slippage_ppm + _PPM - 1) // _PPM
        if units != 0:
            price = max(1, bid - slip) if units > 0 else ask + slip
            realized = units * micro * (price - entry)
            commission = share_of(worth * price, ppm)
            balance += realized - commission
            paid += commission
            net = realized - commission + cash
            trades += 1
            won_trades += np.int64(net > 0)  # without branches: nobody can foresee which it will be
            won += max(net, 0)
            lost += max(-net, 0)
            spreads += size * (ask - bid)
            slips += size * slip
            held += at - entry_bar
            if keeps:
                write_fill(
                    fills, fills_done, key, moment, -units, price, REASON_MARKET, commission, realized, 0,
                    balance, ask - bid,
                )  # fmt: skip
                fill_bar[fills_done] = at
                key += 1
            fills_done += 1
            units = np.int64(0)
        if up or down:
            if float(balance) < needed:
                return GAVE_UP
            entry = ask + slip if up else max(1, bid - slip)
            units = np.int64(size) if up else np.int64(-size)
            commission = share_of(worth * entry, ppm)
            paid += commission
            balance -= commission
            cash = -commission
            entry_bar = at
            spreads += size * (ask - bid)
            slips += size * slip
            if keeps:
                write_fill(
                    fills, fills_done, key, moment, units, entry, REASON_MARKET, commission, 0, units,
                    balance, ask - bid,
                )  # fmt: skip
                fill_bar[fills_done] = at
            fills_done += 1
            while roll < roll_at.shape[0] and (
                roll_at[roll] < at or (roll_at[roll] == at and roll_inside[roll] == 0)
            ):
                roll += 1
    if valued:
        close = bid_close if units > 0 else ask_close
        value_bars(close, equity, valued_to, bars, balance - units * micro * entry, units * micro)
    value = balance
    if units != 0:
        held += bars - entry_bar
        price = bid_close[bars - 1] if units > 0 else ask_close[bars - 1]
        value = balance + units * micro * (price - entry)
    totals[q.R_BALANCE], totals[q.R_UNITS], totals[q.R_COST] = balance, units, units * micro * entry
    totals[q.R_FILLS], totals[q.R_REFUSED], totals[q.R_BOOKINGS] = fills_done, 0, bookings
    totals[q.R_AMBIGUOUS], totals[q.R_TRADES], totals[q.R_WON_TRADES] = 0, trades, won_trades
    totals[q.R_WON], totals[q.R_LOST] = won, lost
    totals[q.R_COMMISSION], totals[q.R_FINANCING] = paid, financed
    totals[q.R_SPREAD_DOUBLED], totals[q.R_SLIPPED] = spreads, slips
    totals[q.R_BARS_HELD], totals[q.R_EQUITY] = held, value
    return DONE
