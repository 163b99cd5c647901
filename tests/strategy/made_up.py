"""Made-up bars, models and expressions for the strategy tests."""

import random
from dataclasses import dataclass

import numpy as np
from hypothesis import strategies as st

from workbench import strategy as ws
from workbench.domain.instruments import Instrument, instrument
from workbench.domain.quotes import Bar

HOUR = 3_600_000_000_000
START = 1_772_409_600_000_000_000  # 2026-03-02 00:00 UTC, a Monday
EUR_USD = instrument("EUR_USD")


@dataclass(frozen=True)
class Linear:
    """A model: a weighted sum of the features."""

    weights: tuple[float, ...]
    feature_names: tuple[str, ...]
    digest: str = "feed" * 16

    def predict_one(self, row: np.ndarray) -> float:
        assert row.dtype == np.float64
        assert row.flags.c_contiguous
        return float(sum(weight * item for weight, item in zip(self.weights, row.tolist(), strict=True)))


MODEL = Linear((0.5, -1.5), ("one", "two"))


@ws.causal(window=4)
def spread_out(values, scale=1.0):
    """A function of the user's that numba compiles."""
    return scale * (values.max() - values.min()) + values[0] / 3.0


@ws.causal(window=3)
def middle_of(values, others):
    """One that it does not."""
    return sorted([*values.tolist(), *others.tolist()], key=lambda item: item)[2]


FUNCTIONS = {item.digest: item for item in (spread_out, middle_of)}


def made_up_bars(count: int, *, seed: int, record: Instrument = EUR_USD, start: int = START) -> list[Bar]:
    """A small random walk, so that comparisons tie and cross often."""
    rng = random.Random(seed)
    bars, bid = [], 110_000
    for step in range(count):
        path = [bid := bid + rng.randint(-4, 4) for _ in range(4)]
        spreads = [rng.randint(0, 3) for _ in range(4)]
        asks = [price + spread for price, spread in zip(path, spreads, strict=True)]
        bars.append(
            Bar(
                instrument=record.id,
                open_ns=start + step * HOUR,
                close_ns=start + (step + 1) * HOUR,
                bid_open=path[0],
                bid_high=max(path),
                bid_low=min(path),
                bid_close=path[-1],
                ask_open=asks[0],
                ask_high=max(asks),
                ask_low=min(asks),
                ask_close=asks[-1],
            )
        )
    return bars


def columns(bars: list[Bar], record: Instrument = EUR_USD) -> ws.BarArrays:
    return ws.BarArrays.of(bars, instrument=record)


bar = ws.bar
sides = st.sampled_from([bar.bid, bar.ask, bar.mid])
longer_sides = st.sampled_from([bar.timeframe("H4").bid, bar.timeframe("H4").mid, bar.timeframe("D1").ask])
lookbacks = st.integers(1, 12)
leaves = st.one_of(
    st.builds(getattr, longer_sides, st.sampled_from(["open", "high", "low", "close"])),
    st.builds(ws.atr, longer_sides, st.integers(1, 3)),
    st.sampled_from(
        [bar.minute, bar.hour_in("tokyo"), bar.weekday_in("Asia/Kolkata"), bar.timeframe("D").hour]
    ),
    st.builds(getattr, sides, st.sampled_from(["open", "high", "low", "close"])),
    st.sampled_from([bar.hour, bar.weekday, ws.price("1.1"), ws.price("1.10003"), ws.pips(2.5)]),
    st.one_of(st.integers(-5, 5), st.floats(-1e6, 1e6)).map(lambda value: ws.maximum(value, value).args[0]),
    st.builds(ws.true_range, sides),
    st.builds(ws.atr, sides, lookbacks),
)


def _numbers(children: st.SearchStrategy) -> st.SearchStrategy:
    pairs = st.tuples(children, children)
    return st.one_of(
        pairs.map(lambda two: two[0] + two[1]),
        pairs.map(lambda two: two[0] - two[1]),
        pairs.map(lambda two: two[0] * two[1]),
        pairs.map(lambda two: two[0] / two[1]),
        pairs.map(lambda two: ws.minimum(*two)),
        pairs.map(lambda two: ws.maximum(*two)),
        pairs.map(lambda two: ws.predict(MODEL, list(two))),
        pairs.map(lambda two: ws.where(two[0] > two[1], two[0], -two[1])),
        pairs.map(lambda two: ws.value_when(two[0] > two[1], two[0])),
        pairs.map(lambda two: ws.value_when(two[0] <= two[1], two[1], 2)),
        pairs.map(lambda two: ws.bars_since(ws.crosses_above(*two))),
        pairs.map(lambda two: (two[0] < two[1]).rolling(5).sum()),
        pairs.map(lambda two: middle_of(*two)),
        children.map(lambda one: spread_out(one, scale=0.5)),
        children.map(lambda one: ws.log(abs(one) + 1)),
        children.map(lambda one: ws.sqrt(abs(one))),
        children.map(ws.sign),
        st.builds(ws.rolling_sum, children, lookbacks),
        st.builds(ws.rolling_rank, children, st.integers(2, 12)),
        st.builds(ws.rolling_quantile, children, lookbacks, st.sampled_from([0.0, 0.25, 0.9, 1.0])),
        children.map(lambda one: -one),
        children.map(abs),
        st.builds(lambda one, n: one.lag(n), children, lookbacks),
        st.builds(ws.sma, children, lookbacks),
        st.builds(ws.wma, children, lookbacks),
        st.builds(ws.ema, children, lookbacks),
        st.builds(lambda one, n: ws.ema(one, n, seed="first"), children, lookbacks),
        st.builds(ws.rsi, children, lookbacks),
        st.builds(ws.stdev, children, st.integers(2, 12)),
        st.builds(ws.highest, children, lookbacks),
        st.builds(ws.lowest, children, lookbacks),
    )


numbers = st.recursive(leaves, _numbers, max_leaves=8)
comparisons = st.builds(
    lambda make, left, right: make(left, right),
    st.sampled_from(
        [
            lambda a, b: a < b,
            lambda a, b: a <= b,
            lambda a, b: a > b,
            lambda a, b: a >= b,
            lambda a, b: a == b,
            lambda a, b: a != b,
            ws.crosses_above,
            ws.crosses_below,
        ]
    ),
    numbers,
    numbers,
)
conditions = st.recursive(
    st.one_of(
        comparisons,
        comparisons,
        st.sampled_from([ws.in_session("london"), ws.in_session("sydney"), bar.timeframe("H4").just_closed]),
        numbers.map(ws.is_known),
    ),
    lambda children: st.one_of(
        st.builds(lambda a, b: a & b, children, children),
        st.builds(lambda a, b: a | b, children, children),
        children.map(lambda a: ~a),
        st.builds(lambda a, n: a.lag(n), children, lookbacks),
    ),
    max_leaves=4,
)
plain_numbers = st.recursive(
    st.one_of(
        st.builds(getattr, sides, st.sampled_from(["open", "high", "low", "close"])),
        st.sampled_from([bar.hour, bar.weekday, ws.price("1.1"), ws.price("1.10003"), ws.pips(2.5)]),
        st.integers(-5, 5).map(lambda value: ws.maximum(value, value).args[0]),
    ),
    lambda children: st.one_of(
        st.builds(lambda a, b: a + b, children, children),
        st.builds(lambda a, b: a - b, children, children),
        st.builds(lambda a, b: a * b, children, children),
        st.builds(ws.minimum, children, children),
        st.builds(ws.maximum, children, children),
        children.map(lambda one: -one),
        children.map(abs),
        st.builds(lambda one, n: one.lag(n), children, lookbacks),
    ),
    max_leaves=8,
)
plain_conditions = st.recursive(
    st.builds(
        lambda make, left, right: make(left, right),
        st.sampled_from(
            [
                lambda a, b: a < b,
                lambda a, b: a <= b,
                lambda a, b: a > b,
                lambda a, b: a >= b,
                lambda a, b: a == b,
                lambda a, b: a != b,
                ws.crosses_above,
                ws.crosses_below,
            ]
        ),
        plain_numbers,
        plain_numbers,
    ),
    lambda children: st.one_of(
        st.builds(lambda a, b: a & b, children, children),
        st.builds(lambda a, b: a | b, children, children),
        children.map(lambda a: ~a),
        st.builds(lambda a, n: a.lag(n), children, lookbacks),
    ),
    max_leaves=4,
)
sizes = st.one_of(st.integers(1, 10**6).map(ws.Units), st.floats(0.0001, 1.0).map(ws.RiskFraction))


@st.composite
def rules(draw: st.DrawFn) -> ws.Rules:
    """Rules of any kind."""
    size = draw(sizes)
    stop = draw(numbers.filter(lambda item: item.op not in ("const", "pips")))
    keeps_stop = isinstance(size, ws.RiskFraction) or draw(st.booleans())
    return ws.Rules(
        enter_long=draw(conditions),
        enter_short=draw(st.none() | conditions),
        exit_long=draw(st.none() | conditions),
        exit_short=draw(st.none() | conditions),
        stop=stop if keeps_stop else None,
        target=draw(st.none() | st.just(abs(stop) + 1.0)),
        size=size,
    )
