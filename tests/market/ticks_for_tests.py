"""Ticks made up for tests."""

import numpy as np
from hypothesis import strategies as st

from tests.market.bars_for_tests import MONDAY
from workbench.domain.instruments import instrument
from workbench.market.ticks import Ticks

MS = 1_000_000
HOUR = 3_600_000_000_000
DAY = 24 * HOUR


def ticks_at(times_ns: list[int], *, name: str = "EUR_USD", seed: int = 1, sizes: bool = False) -> Ticks:
    """A random walk quoted at the given times."""
    rng = np.random.default_rng(seed)
    rows = len(times_ns)
    bid = 110_000 + np.cumsum(rng.integers(-3, 4, rows))
    size = rng.integers(1, 50, (2, rows)) * 100_000 if sizes else np.zeros((2, rows), dtype=np.int64)
    return Ticks(
        instrument=instrument(name),
        time_ns=np.array(times_ns, dtype=np.int64),
        bid=bid,
        ask=bid + rng.integers(1, 15, rows),
        bid_size=size[0],
        ask_size=size[1],
    )


def walk(
    rows: int, *, start_ns: int = MONDAY, step_ms: int = 2_000, seed: int = 1, name: str = "EUR_USD"
) -> Ticks:
    """`rows` ticks at uneven distances of about `step_ms`."""
    rng = np.random.default_rng(seed + 1_000)
    steps = rng.integers(0, 2 * step_ms, rows) * MS
    return ticks_at((start_ns + np.cumsum(steps)).tolist(), name=name, seed=seed)


@st.composite
def ticks(draw: st.DrawFn, *, max_size: int = 200) -> Ticks:
    """Ticks with ties, pauses of days, sizes or none, in milliseconds or finer."""
    unit = draw(st.sampled_from([MS, 1_000, 1]))
    steps = draw(
        st.lists(
            st.one_of(st.just(0), st.integers(0, 90_000), st.integers(0, 3 * 86_400_000)),
            min_size=1,
            max_size=max_size,
        )
    )
    finer = draw(st.integers(0, MS // unit)) * unit
    times = (MONDAY + finer + np.cumsum(steps) * MS).tolist()
    return ticks_at(times, seed=draw(st.integers(0, 1_000)), sizes=draw(st.booleans()))


def same(left: Ticks, right: Ticks) -> bool:
    """Whether both have the same rows."""
    return left.instrument.id == right.instrument.id and all(
        np.array_equal(left.columns()[name], right.columns()[name]) for name in left.columns()
    )
