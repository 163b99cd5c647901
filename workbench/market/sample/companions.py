"""SYNTHETIC companions of a real series, for templates that need several instruments and no more data.

They are made up: random numbers, correlated with the bars given, with nothing in them to be found. What a
strategy earns or loses on them says nothing about any market.
"""

from collections.abc import Mapping

import numpy as np

from workbench.domain.instruments import instrument
from workbench.errors import BadInputError
from workbench.market.bars import SYNTHETIC, Bars, make_bars

__all__ = ["synthetic_companions"]

_LEVELS = {"GBP_USD": 1.25, "AUD_USD": 0.76, "NZD_USD": 0.71}  # about where they were in 2017
_SPREADS = {"GBP_USD": 10, "AUD_USD": 9, "NZD_USD": 14}  # points
_SHARED = 0.6  # correlation of the returns with those of the bars given


def synthetic_companions(bars: Bars, *, seed: int = 2017) -> Mapping[str, Bars]:
    """SYNTHETIC bars of GBP/USD, AUD/USD and NZD/USD at the times of `bars`, the same for the same seed.

    Each close moves by 0.6 of the return of `bars` and noise of its own, so that it is as volatile; the noise
    is a random walk, and no pair of them is bound to come back together.

    Raises
    ------
    BadInputError
        Fewer than two bars.
    """
    if len(bars) < 2:
        raise BadInputError(f"synthetic_companions: expected two bars or more, found {len(bars)}")
    mid = 0.5 * (bars.bid_close + bars.ask_close)
    returns = np.diff(np.log(mid), prepend=np.log(mid[0]))
    deviation = float(returns.std())
    rng = np.random.default_rng(seed)
    found: dict[str, Bars] = {}
    for name, level in _LEVELS.items():
        noise = rng.normal(0.0, deviation, len(bars))
        moved = _SHARED * returns + np.sqrt(1.0 - _SHARED**2) * noise
        record = instrument(name)
        close = np.rint(level * 10**record.digits * np.exp(np.cumsum(moved))).astype(np.int64)
        opened = np.concatenate((close[:1], close[:-1]))
        reach = np.rint(np.abs(rng.normal(0.0, 0.5 * deviation, (2, len(bars)))) * close).astype(np.int64)
        bid = {
            "open": opened,
            "high": np.maximum(opened, close) + reach[0],
            "low": np.minimum(opened, close) - reach[1],
            "close": close,
        }
        prices = {f"bid_{part}": column for part, column in bid.items()}
        prices |= {f"ask_{part}": column + _SPREADS[name] for part, column in bid.items()}
        found[name] = make_bars(
            record, timeframe=bars.timeframe, open_ns=bars.open_ns, prices=prices, sides=SYNTHETIC
        )
    return found
