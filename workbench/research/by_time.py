"""When trades were made: by weekday and by trading session, of those that ended."""

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from workbench.domain.calendar import session_of
from workbench.domain.sessions import SESSIONS
from workbench.strategy.sessions import local_clock

if TYPE_CHECKING:
    import pandas as pd

    from workbench.research.result import BacktestResult

__all__ = ["TIMES", "by_session", "by_weekday"]

Flags = npt.NDArray[np.bool_]
_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday")
OUTSIDE = "none of them"

TIMES = {
    "session": "Trades by the centres that were at business when they were entered (local hours, Monday to "
    "Friday). Hours overlap, so a trade can count in two rows.",
    "weekday": "Trades by the FX day (17:00 to 17:00 New York) they were entered on.",
}


def by_weekday(result: "BacktestResult") -> "pd.DataFrame":
    """Trades, share won, net profit and profit a trade of each FX weekday; rows Monday to Friday."""
    trades = _ended(result)
    days = np.array([session_of(int(at)).weekday() for at in _entries_ns(trades)], np.int64)
    return _table(trades, {name: days == at for at, name in enumerate(_WEEKDAYS)}, "weekday")


def by_session(result: "BacktestResult") -> "pd.DataFrame":
    """The same of each trading session, see `workbench.domain.sessions`, and of the hours outside all."""
    trades = _ended(result)
    at = _entries_ns(trades)
    rows: dict[str, Flags] = {}
    for name, session in SESSIONS.items():
        inside = local_clock(at, part="in_session", zone=session.zone, start=session.start, end=session.end)
        rows[name.replace("_", " ").title()] = inside == 1.0
    rows[OUTSIDE] = ~np.any(list(rows.values()), axis=0)
    return _table(trades, rows, "session")


def _ended(result: "BacktestResult") -> "pd.DataFrame":
    trades = result.trades
    return trades[trades["exit_at"].notna()]


def _entries_ns(trades: "pd.DataFrame") -> Any:
    return np.ascontiguousarray(trades["entry_at"].dt.tz_convert(None).to_numpy("M8[ns]").view(np.int64))


def _table(trades: "pd.DataFrame", rows: dict[str, Flags], name: str) -> "pd.DataFrame":
    import pandas as pd  # takes a while

    net = trades["net_profit"].to_numpy(np.float64)
    found = []
    for chosen in rows.values():
        own = net[chosen]
        share = float(np.mean(own > 0)) if len(own) else np.nan
        found.append((len(own), share, float(own.sum()), float(own.mean()) if len(own) else np.nan))
    columns = ["trades", "win_rate", "net_profit", "average_trade"]
    return pd.DataFrame(found, columns=columns, index=pd.Index(list(rows), name=name))
