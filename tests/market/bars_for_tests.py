"""Bars made up for tests."""

from datetime import UTC, datetime

import numpy as np
from hypothesis import strategies as st

from workbench.domain.calendar import to_ns
from workbench.domain.instruments import instrument
from workbench.domain.timeframes import Timeframe
from workbench.market import Bars, make_bars

MONDAY = to_ns(datetime(2026, 3, 2, tzinfo=UTC))
MINUTE = 60_000_000_000


def bars_at(
    open_ns: list[int],
    timeframe: Timeframe = Timeframe.M1,
    *,
    name: str = "EUR_USD",
    level: int = 110_000,
    spread: int = 13,
    seed: int = 1,
) -> Bars:
    """A random walk that opens bars at the given times."""
    rng = np.random.default_rng(seed)
    size = len(open_ns)
    opened = level + np.cumsum(rng.integers(-20, 21, size))
    closed = opened + rng.integers(-15, 16, size)
    prices = {
        "open": opened,
        "high": np.maximum(opened, closed) + rng.integers(0, 9, size),
        "low": np.minimum(opened, closed) - rng.integers(0, 9, size),
        "close": closed,
    }
    return make_bars(
        instrument(name),
        timeframe=timeframe,
        open_ns=np.array(open_ns, dtype=np.int64),
        prices={
            **{f"bid_{part}": column for part, column in prices.items()},
            **{f"ask_{part}": column + spread for part, column in prices.items()},
        },
    )


def minutes(count: int, *, start_ns: int = MONDAY) -> Bars:
    """`count` M1 bars without a gap."""
    return bars_at([start_ns + index * MINUTE for index in range(count)])


@st.composite
def m1_bars(draw: st.DrawFn) -> Bars:
    """M1 bars with gaps, around a change to or from daylight saving half of the time."""
    starts = (
        MONDAY,
        to_ns(datetime(2026, 3, 6, 20, tzinfo=UTC)),
        to_ns(datetime(2026, 10, 30, 20, tzinfo=UTC)),
    )
    start = draw(st.sampled_from(starts))
    steps = draw(st.lists(st.one_of(st.integers(1, 3), st.integers(1, 2_000)), min_size=1, max_size=120))
    times = (start + MINUTE * np.cumsum(steps)).tolist()
    return bars_at(times, seed=draw(st.integers(0, 1_000)))
