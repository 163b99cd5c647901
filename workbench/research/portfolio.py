"""A backtest as a vectorbt portfolio: for its plots, and as an independent check of the engine.

vectorbt's licence adds the Commons Clause, so nothing in the order path imports it.
"""

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from workbench.domain.money import MICRO
from workbench.engine.core import F_BOOK, F_COMMISSION, F_PRICE, F_UNITS
from workbench.errors import BadInputError

if TYPE_CHECKING:
    import vectorbt

    from workbench.market import Bars
    from workbench.research.result import BacktestResult

__all__ = ["to_portfolio"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


def to_portfolio(result: "BacktestResult") -> "vectorbt.Portfolio":
    """The fills of `result` through ``Portfolio.from_orders``, valued at mid closes.

    One row a decision, stamped by its time; of several instruments a column each, on one account. Fills
    of an instrument between two decisions are one order where they go the same way; where they do not (an
    entry stopped out within its bar), there is a row for each, a nanosecond apart.

    Notes
    -----
    vectorbt knows neither financing nor margin. Its profit at the end is the engine's without financing,
    an open position valued at mid instead of the closing side. Where the balance does not pay a
    position in full, the portfolio starts with the cash that does: profits in money stay the same,
    figures in percent then refer to that cash.

    Raises
    ------
    BadInputError
        An instrument is not quoted in the account currency: vectorbt does not convert.
    """

    import pandas as pd  # takes a while

    strange = [str(bars.instrument.id) for bars in result.traded.values() if _foreign(result, bars)]
    if strange:
        raise BadInputError(
            f"to_vectorbt: expected instruments quoted in {result.currency}, found {', '.join(strange)}; "
            "vectorbt does not convert currencies, so its amounts would mean nothing: run it on an account "
            "in the quote currency, or use the tear sheet"
        )
    import vectorbt

    times, orders = _orders(result)
    index = pd.DatetimeIndex(times.view("M8[ns]"), tz="UTC", name="close_at")
    names = [str(name) for name in result.traded]
    close, size, price, fees = (
        pd.DataFrame(dict(zip(names, part, strict=True)), index=index) for part in zip(*orders, strict=True)
    )
    cash = result.starting_balance / MICRO
    needed = 0.0
    for name in names:
        held = float(np.max(np.abs(result.positions_of(name)), initial=0))
        largest = float(np.nanmax(np.abs(size[name].to_numpy()), initial=0.0))
        needed += 2.0 * max(held, largest) * float(np.max(close[name].to_numpy(), initial=0.0))
    several = len(names) > 1
    return vectorbt.Portfolio.from_orders(
        close if several else close[names[0]],
        size=size if several else size[names[0]],
        price=price if several else price[names[0]],
        fixed_fees=fees if several else fees[names[0]],
        size_type="amount",
        direction="both",
        init_cash=cash if cash >= needed else cash + needed,
        group_by=several or None,
        cash_sharing=several,
        freq=pd.Timedelta(result.bars.timeframe.nanoseconds, unit="ns"),
        raise_reject=True,
        allow_partial=False,
    )


def _foreign(result: "BacktestResult", bars: "Bars") -> bool:
    return bars.instrument.quote != result.currency


def _orders(result: "BacktestResult") -> tuple[Ints, list[tuple[Floats, Floats, Floats, Floats]]]:
    """Times of the rows, and for each instrument mid close, size (NaN for none), price and fees."""
    rows, round_ns = result.outcome.fills, result.round_ns
    books = {item.id: k for k, item in enumerate(result.instruments)}
    found = []
    for name, bars in result.traded.items():
        own = rows[:, F_BOOK] == books[name] if len(books) > 1 else np.ones(len(rows), np.bool_)
        scale = 10.0**-bars.instrument.digits
        known = np.maximum(np.searchsorted(bars.close_ns, round_ns, side="right") - 1, 0)
        mid = ((bars.bid_close + bars.ask_close) / 2 * scale)[known]
        found.append((mid, *_together(rows[own], result.outcome.fill_bar[own], scale=scale)))
    per_round = np.ones(len(round_ns), np.int64)  # rows of each decision
    for _, at, *_ in found:
        per_round = np.maximum(per_round, np.bincount(at, minlength=len(round_ns)))
    row_round = np.repeat(np.arange(len(round_ns)), per_round)
    last_row = np.cumsum(per_round) - 1
    behind = last_row[row_round] - np.arange(len(row_round))  # a decision's last row is stamped by its time
    columns = []
    for mid, at, units, price, fees in found:
        among = np.arange(len(at)) - np.searchsorted(at, at, side="left")
        row = (last_row - per_round + 1)[at] + among
        size, paid, cost = np.full(len(row_round), np.nan), mid[row_round], np.zeros(len(row_round))
        size[row], paid[row], cost[row] = units, price, fees
        columns.append((mid[row_round], size, paid, cost))
    return round_ns[row_round] - behind, columns


def _together(rows: Ints, fill_bar: Ints, *, scale: float) -> tuple[Ints, Floats, Floats, Floats]:
    """Round, units, mean price and fees of the orders that an instrument's fills make."""
    if not len(rows):
        return np.empty(0, np.int64), np.empty(0), np.empty(0), np.empty(0)
    units, price, fees = rows[:, F_UNITS], rows[:, F_PRICE] * scale, rows[:, F_COMMISSION] / MICRO
    fresh = np.ones(len(rows), np.bool_)  # fills that start an order of their own
    fresh[1:] = (np.diff(fill_bar) != 0) | (np.sign(units[1:]) != np.sign(units[:-1]))
    starts = np.flatnonzero(fresh)
    total = np.add.reduceat(units, starts).astype(np.float64)
    mean = np.add.reduceat(units * price, starts) / total
    return fill_bar[starts], total, mean, np.add.reduceat(fees, starts)
