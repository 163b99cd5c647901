"""The made-up companions of the sample: the same every time, as volatile, and bound to nothing."""

import numpy as np
import pytest

from workbench.domain.instruments import instrument
from workbench.domain.timeframes import Timeframe
from workbench.errors import BadInputError
from workbench.market import Bars, make_bars
from workbench.market.sample import synthetic_companions

HOUR = 3_600_000_000_000
FIRST = 1_483_308_000_000_000_000  # 2017-01-01 22:00 UTC


def hourly(count: int) -> Bars:
    rng = np.random.default_rng(1)
    close = np.rint(105_000 * np.exp(np.cumsum(rng.normal(0, 1e-3, count)))).astype(np.int64)
    bid = {f"bid_{part}": close for part in ("open", "high", "low", "close")}
    ask = {f"ask_{part}": close + 6 for part in ("open", "high", "low", "close")}
    open_ns = FIRST + HOUR * np.arange(count, dtype=np.int64)
    return make_bars(instrument("EUR_USD"), timeframe=Timeframe.H1, open_ns=open_ns, prices=bid | ask)


def returns(bars: Bars) -> np.ndarray:
    return np.diff(np.log(bars.bid_close))


def test_they_are_the_same_every_time_and_others_for_another_seed():
    bars = hourly(100)
    first, again = synthetic_companions(bars), synthetic_companions(bars)
    assert list(first) == ["GBP_USD", "AUD_USD", "NZD_USD"]
    assert [item.fingerprint for item in first.values()] == [item.fingerprint for item in again.values()]
    assert synthetic_companions(bars, seed=1)["GBP_USD"].fingerprint != first["GBP_USD"].fingerprint


def test_they_share_part_of_the_returns_and_are_as_volatile():
    bars = hourly(110)
    for item in synthetic_companions(bars).values():
        assert (item.open_ns == bars.open_ns).all()
        assert (item.ask_close > item.bid_close).all()
        assert 0.4 < np.corrcoef(returns(item), returns(bars))[0, 1] < 0.8
        assert 0.7 < returns(item).std() / returns(bars).std() < 1.4


def test_one_bar_is_refused():
    with pytest.raises(BadInputError, match="two bars or more"):
        synthetic_companions(hourly(1))
