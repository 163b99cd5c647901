"""The market of a run: bars, costs, limits, and the opening of its deployment."""

import hashlib
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import Any

import numpy as np

from workbench.domain.cost_book import CostBook, retail_costs
from workbench.domain.instruments import Instrument, InstrumentId, instrument
from workbench.domain.limits import Limits
from workbench.domain.timeframes import Timeframe
from workbench.gateway.feeds import BarReplay
from workbench.gateway.specs import DeploymentSpec
from workbench.market import Bars, make_bars

__all__ = ["LIMITS", "Scene", "scene_of"]

LIMITS = Limits(
    instruments=("EUR_USD",),
    max_order_units=1_000_000,
    max_order_value=10**13,
    max_position_units=14_000,
    max_open_orders=8,
    max_orders_per_minute=12,
    max_margin_use_ppm=1_000_000,
    max_daily_loss=10**12,
)
_HOUR_NS = 3_600_000_000_000
_COUNT = 24
_SCENES = 16
_WEEKENDS = (  # the last bar's open on Friday, the first one's on Sunday: 17:00 New York both times
    (datetime(2018, 3, 9, 21, tzinfo=UTC), datetime(2018, 3, 11, 21, tzinfo=UTC)),  # to summer time
    (datetime(2018, 11, 2, 20, tzinfo=UTC), datetime(2018, 11, 4, 22, tzinfo=UTC)),  # and back
)
_MONDAY = datetime(2017, 12, 4, 14, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Scene:
    """A market and what trades in it."""

    bars: Bars
    cost_book: CostBook
    balance: int = 100_000_000_000  # micro-units

    @property
    def records(self) -> tuple[Instrument, ...]:
        """What is traded."""
        return (self.bars.instrument,)

    def feed(self) -> BarReplay:
        """The events, as fast as they are asked for."""
        return BarReplay([self.bars], bars_per_second=0.0, monotonic=lambda: 0.0)

    def load_bars(self, spec: DeploymentSpec, record: Instrument) -> Bars:
        """What the gateway loads."""
        return self.bars

    def opening(self, deployment_id: str, token: str) -> dict[str, Any]:
        """What the deployment is opened with."""
        return {
            "deployment_id": deployment_id,
            "account": {"id": "account-1", "broker": "paper", "currency": "USD", "balance": self.balance},
            "instruments": [self.bars.instrument.id],
            "timeframe": "H1",
            "feed": {
                "kind": "replay",
                "fingerprint": self.bars.fingerprint,
                "start_ns": int(self.bars.open_ns[0]),
                "end_ns": int(self.bars.close_ns[-1]),
                "bars_per_second": 0,
            },
            "cost_book": self.cost_book.to_json(),
            "limits": LIMITS.to_json(),
            "token_sha256": hashlib.sha256(token.encode()).hexdigest(),
        }


def scene_of(seed: int, *, across_weekend: bool) -> Scene:
    """The market of a seed; there are a few, each of which many seeds share."""
    return _scene(seed % _SCENES, across_weekend)


@lru_cache
def _scene(number: int, across_weekend: bool) -> Scene:
    rng = np.random.default_rng(number)
    hours = np.arange(_COUNT, dtype=np.int64) * _HOUR_NS
    if across_weekend:
        friday, sunday = (round(item.timestamp()) * 1_000_000_000 for item in _WEEKENDS[number % 2])
        before = friday - hours[: _COUNT // 3][::-1]
        open_ns = np.concatenate((before, sunday + hours[: _COUNT - len(before)]))
    else:
        open_ns = round(_MONDAY.timestamp()) * 1_000_000_000 + hours
    closes = 118_000 + np.cumsum(rng.integers(-120, 121, _COUNT))
    opens = np.concatenate(([118_000], closes[:-1])) + rng.integers(-15, 16, _COUNT)
    highs = np.maximum(opens, closes) + rng.integers(0, 80, _COUNT)
    lows = np.minimum(opens, closes) - rng.integers(0, 80, _COUNT)
    bid = {"bid_open": opens, "bid_high": highs, "bid_low": lows, "bid_close": closes}
    ask = {name.replace("bid", "ask"): column + 13 for name, column in bid.items()}
    bars = make_bars(instrument("EUR_USD"), timeframe=Timeframe.H1, open_ns=open_ns, prices={**bid, **ask})
    eur_usd = InstrumentId("EUR_USD")
    costs = CostBook(broker="paper", valid_from=date(2017, 1, 1), costs={eur_usd: retail_costs("EUR_USD")})
    return Scene(bars=bars, cost_book=costs)
