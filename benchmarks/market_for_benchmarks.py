"""The market that PERFORMANCE figures are measured on: a fixed random walk of M1 bars."""

import numpy as np

from workbench.domain.calendar import is_open
from workbench.domain.instruments import instrument
from workbench.domain.timeframes import NS_PER_MINUTE, Timeframe
from workbench.market import Bars, make_bars

YEAR_BARS = 371_000
_START_NS = 1_483_308_000_000_000_000  # Sunday 2017-01-01 22:00 UTC, 17:00 New York
_HALF_SPREAD_POINTS = 3


def synthetic_m1(count: int = YEAR_BARS, *, seed: int = 7) -> Bars:
    """A log-normal walk with volatility by hour of the day, open five days a week; half-spread 0.3 pip."""
    rng = np.random.default_rng(seed)
    hours = count // 60 + 1
    first = _START_NS + np.arange(2 * hours, dtype=np.int64) * 60 * NS_PER_MINUTE
    open_hours = first[np.array([is_open(item) for item in first.tolist()])][:hours]
    open_ns = (open_hours[:, None] + np.arange(60, dtype=np.int64) * NS_PER_MINUTE).ravel()[:count]
    volatility = 1e-4 * (1.0 + 0.5 * np.sin(2 * np.pi * (open_ns // (60 * NS_PER_MINUTE) % 24) / 24))
    path = 1.1 * np.exp(np.cumsum(rng.normal(size=(count, 4)) * volatility[:, None] / 2, axis=None))
    quarter = np.rint(path.reshape(count, 4) * 1e5).astype(np.int64)
    closed = quarter[:, 3]
    opened = np.concatenate(([110_000], closed[:-1])) + rng.integers(-1, 2, count)
    high = np.maximum(quarter.max(axis=1), opened)
    low = np.minimum(quarter.min(axis=1), opened)
    mid = {"open": opened, "high": high, "low": low, "close": closed}
    return make_bars(
        instrument("EUR_USD"),
        timeframe=Timeframe.M1,
        open_ns=open_ns,
        prices={
            **{f"bid_{part}": column - _HALF_SPREAD_POINTS for part, column in mid.items()},
            **{f"ask_{part}": column + _HALF_SPREAD_POINTS for part, column in mid.items()},
        },
    )
