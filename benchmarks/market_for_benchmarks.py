"""The market that PERFORMANCE figures are measured on: a fixed random walk of M1 bars or of ticks."""

from collections.abc import Iterator

import numpy as np

from workbench.domain.calendar import is_open
from workbench.domain.instruments import instrument
from workbench.domain.timeframes import NS_PER_MINUTE, Timeframe
from workbench.market import Bars, make_bars
from workbench.market.ticks import Ticks

YEAR_BARS = 371_000
_START_NS = 1_483_308_000_000_000_000  # Sunday 2017-01-01 22:00 UTC, 17:00 New York
_HALF_SPREAD_POINTS = 3
_MS = 1_000_000


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


def synthetic_ticks(
    count: int, *, seed: int = 7, per_day: int = 39_000, name: str = "EUR_USD"
) -> Iterator[Ticks]:
    """Bid and ask quotes of the same kind of walk, stamped in milliseconds, a million at a time."""
    rng = np.random.default_rng(seed)
    record = instrument(name)
    second = 1_000 * _MS
    weeks_from = _START_NS
    mean_gap = 86_400_000 / per_day
    time_ns, level, made = weeks_from, np.log(1.1), 0
    while made < count:
        rows = min(1_000_000, count - made)
        times = time_ns + np.cumsum(np.maximum(1, rng.exponential(mean_gap, rows)).astype(np.int64)) * _MS
        open_days = 5 * 86_400 * second
        elapsed = times - weeks_from
        # the clock runs in open hours only: five days a week
        times = weeks_from + elapsed // open_days * 7 * 86_400 * second + elapsed % open_days
        hour = times // (3_600 * second) % 24
        steps = rng.standard_normal(rows) * 1.2e-5 * (1.0 + 0.5 * np.sin(2 * np.pi * hour / 24))
        path = level + np.cumsum(steps)
        bid = np.rint(1e5 * np.exp(path)).astype(np.int64)
        none = np.zeros(rows, dtype=np.int64)
        yield Ticks(
            instrument=record,
            time_ns=times,
            bid=bid,
            ask=bid + 6 + rng.integers(0, 4, rows),
            bid_size=none,
            ask_size=none,
        )
        time_ns, level, made = weeks_from + int(elapsed[-1]), float(path[-1]), made + rows
