"""What the fills of a backtest paid, instrument by instrument, and what each instrument earned."""

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from workbench.domain.calendar import day_open_ns
from workbench.domain.instruments import Instrument, InstrumentId
from workbench.domain.money import MICRO
from workbench.engine.core import (
    F_BOOK,
    F_COMMISSION,
    F_REASON,
    F_SPREAD,
    F_TIME,
    F_UNITS,
    REASON_LIMIT,
    REASON_TAKE_PROFIT,
)

if TYPE_CHECKING:
    import pandas as pd

    from workbench.research.result import BacktestResult

__all__ = ["COSTS", "by_instrument", "costs_of", "home_rates"]

COSTS = ("spread", "slippage", "commission", "financing")

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
_WITHOUT_SLIPPAGE = (REASON_TAKE_PROFIT, REASON_LIMIT)


def costs_of(result: "BacktestResult", name: InstrumentId) -> dict[str, int]:
    """Micro-units that an instrument cost, by kind; financing is negative when it was received."""
    k = [item.id for item in result.instruments].index(name)
    item = result.instruments[k]
    rows, outcome = result.outcome.fills, result.outcome
    financing = outcome.financing_amount
    if len(result.instruments) > 1:
        rows, financing = rows[rows[:, F_BOOK] == k], financing[outcome.financing_book == k]
    units = np.abs(rows[:, F_UNITS])
    paid = units * rows[:, F_SPREAD] * item.micro_per_point
    slipped = np.where(np.isin(rows[:, F_REASON], _WITHOUT_SLIPPAGE), 0, units)
    slips = slipped * _slippage_points(result, item, rows) * item.micro_per_point
    rates = home_rates(result, item, rows[:, F_TIME])
    return {
        # micro per point is even
        "spread": int(np.sum(paid)) // 2 if rates is None else int(np.rint(np.sum(paid * rates) / 2)),
        "slippage": int(np.sum(slips)) if rates is None else int(np.rint(np.sum(slips * rates))),
        "commission": int(np.sum(rows[:, F_COMMISSION])),
        "financing": -int(np.sum(financing)),
    }


def by_instrument(result: "BacktestResult") -> "pd.DataFrame":
    """What each instrument did, in the account currency, and all of them together in the last row."""

    import pandas as pd  # takes a while

    trades = result.trades
    rows = {}
    for name in result.traded:
        own = trades[trades["instrument"] == name] if "instrument" in trades else trades
        costs = costs_of(result, name)
        net = float(own["net_profit"].sum())
        closed = own[own["exit_at"].notna()]
        rows[str(name)] = {
            "trades": len(closed),
            "win_rate": float((closed["net_profit"] > 0).mean()) if len(closed) else np.nan,
            "before_costs": net + sum(costs.values()) / MICRO,
            **{kind: costs[kind] / MICRO for kind in COSTS},
            "net_profit": net,
        }
    frame = pd.DataFrame.from_dict(rows, orient="index")
    ended = trades[trades["exit_at"].notna()]
    together = frame.sum()
    together["win_rate"] = float((ended["net_profit"] > 0).mean()) if len(ended) else np.nan
    frame.loc["all"] = together
    frame["trades"] = frame["trades"].astype(np.int64)
    frame.index.name = "instrument"
    return frame


def home_rates(result: "BacktestResult", item: Instrument, time_ns: Ints) -> Floats | None:
    """What the quote currency was worth in the account's, by the last quotes; None if it is."""
    if item.quote == result.currency or result.given is None or item.id not in result.traded:
        return None
    return result.given.quoted_rates(item, result.currency, time_ns)


def _slippage_points(result: "BacktestResult", item: Instrument, rows: Ints) -> Ints:
    """Points of slippage by the costs in force at each fill."""
    books = result.cost_books or (result.cost_book,)
    starts = np.array([day_open_ns(book.valid_from) for book in books], np.int64)
    which = np.maximum(np.searchsorted(starts, rows[:, F_TIME], side="right") - 1, 0)
    points = np.array([book.of(item.id).slippage_points for book in books], np.int64)[which]
    shares = np.array([book.of(item.id).slippage_spread_ppm for book in books], np.int64)[which]
    return points - (-np.maximum(rows[:, F_SPREAD], 0) * shares // 1_000_000)
