"""A backtest as a vectorbt portfolio: for its plots, and as an independent check of the engine.

vectorbt's licence adds the Commons Clause, so nothing in the order path imports it.
"""

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd

from workbench.domain.money import MICRO
from workbench.engine.core import F_COMMISSION, F_PRICE, F_UNITS

if TYPE_CHECKING:
    import vectorbt

    from workbench.research.result import BacktestResult

__all__ = ["to_portfolio"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


def to_portfolio(result: "BacktestResult") -> "vectorbt.Portfolio":
    """The fills of `result` through ``Portfolio.from_orders``, valued at mid closes.

    One row a bar, stamped by its close. A bar with several fills is one order where they go the same
    way; where they do not (an entry stopped out within its bar), the bar has a row for each, a
    nanosecond apart.

    Notes
    -----
    vectorbt knows neither financing nor margin. Its profit at the end is the engine's without financing,
    an open position valued at mid instead of the closing side. Where the balance does not pay a
    position in full, the portfolio starts with the cash that does: profits in money stay the same,
    figures in percent then refer to that cash.
    """
    import vectorbt

    times, close, size, price, fees = _orders(result)
    cash = result.starting_balance / MICRO
    dearest = float(np.max(np.abs(result.positions), initial=0)) * float(np.max(close, initial=0.0))
    largest = float(np.nanmax(np.abs(size), initial=0.0)) * float(np.max(close, initial=0.0))
    needed = max(dearest, largest) * 2.0
    index = pd.DatetimeIndex(times.view("M8[ns]"), tz="UTC", name="close_at")
    return vectorbt.Portfolio.from_orders(
        pd.Series(close, index=index, name=result.instrument.id),
        size=size,
        price=price,
        fixed_fees=fees,
        size_type="amount",
        direction="both",
        init_cash=cash if cash >= needed else cash + needed,
        freq=pd.Timedelta(result.bars.timeframe.nanoseconds, unit="ns"),
        raise_reject=True,
        allow_partial=False,
    )


def _orders(result: "BacktestResult") -> tuple[Ints, Floats, Floats, Floats, Floats]:
    """Time, mid close, size (NaN for none), price and fees of each row."""
    scale = 10.0**-result.instrument.digits
    bars, rows = result.bars, result.outcome.fills
    mid = (bars.bid_close + bars.ask_close) / 2 * scale
    bar, units, price = result.outcome.fill_bar, rows[:, F_UNITS], rows[:, F_PRICE] * scale
    fees = rows[:, F_COMMISSION] / MICRO
    fresh = np.ones(len(rows), np.bool_)  # fills that start an order of their own
    fresh[1:] = (np.diff(bar) != 0) | (np.sign(units[1:]) != np.sign(units[:-1]))
    starts = np.flatnonzero(fresh)
    if not len(starts):
        empty = np.full(len(mid), np.nan)
        return bars.close_ns, mid, empty, mid, np.zeros(len(mid))
    order_bar = bar[starts]
    order_units = np.add.reduceat(units, starts).astype(np.float64)
    order_price = np.add.reduceat(units * price, starts) / order_units
    order_fees = np.add.reduceat(fees, starts)

    per_bar = np.maximum(np.bincount(order_bar, minlength=len(mid)), 1)  # rows of each bar
    row_bar = np.repeat(np.arange(len(mid)), per_bar)
    last_row = np.cumsum(per_bar) - 1
    behind = last_row[row_bar] - np.arange(len(row_bar))  # the bar's last row is stamped by its close
    among = np.arange(len(order_bar)) - np.searchsorted(order_bar, order_bar, side="left")
    at = (last_row - per_bar + 1)[order_bar] + among
    size, paid, cost = np.full(len(row_bar), np.nan), mid[row_bar], np.zeros(len(row_bar))
    size[at], paid[at], cost[at] = order_units, order_price, order_fees
    return bars.close_ns[row_bar] - behind, mid[row_bar], size, paid, cost
