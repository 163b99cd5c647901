"""A soak: whole fortnights through a real gateway, over both changes of the clocks, weekends and rollovers.

`WORKBENCH_SOAK=1` runs it on minute bars and many more ticks, which takes a good while.
"""

import os
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from tests.gateway.bench import BALANCE, COSTS, TOKEN, opening
from tests.gateway.processes import Gateway
from tests.gateway.test_streamed_deployment import stored
from tests.gateway.tick_room import QuietLog
from workbench.domain.instruments import instrument
from workbench.domain.timeframes import timeframe
from workbench.live.divergence import compare
from workbench.live.runtime import Ending, StrategyRuntime
from workbench.market import Bars, MarketStore, make_bars
from workbench.market.resampling import bars_from_ticks
from workbench.market.ticks import Ticks
from workbench.research import run_backtest
from workbench.strategy import AccountView, MarketView, Strategy, StrategyRunner

pytestmark = pytest.mark.processes

NEW_YORK = ZoneInfo("America/New_York")
LONG = os.environ.get("WORKBENCH_SOAK") == "1"
FRAME = "M1" if LONG else "M15"
TICKS = 60_000 if LONG else 1_200
FORTNIGHTS = {
    # the Sunday it begins (in November Europe changes on it), and the one on which New York changes
    "March": (datetime(2024, 3, 3, tzinfo=NEW_YORK), datetime(2024, 3, 10, tzinfo=NEW_YORK)),
    "November": (
        datetime(2024, 10, 27, tzinfo=NEW_YORK),
        datetime(2024, 11, 3, tzinfo=NEW_YORK),
    ),
}
SUNDAY_OPEN, FRIDAY_CLOSE = 17, 17


class Holding(Strategy):
    """In and out by the hour, sometimes over the rollover and the weekend, with stops, by its own memory."""

    def __init__(self, **params: object) -> None:
        super().__init__(**params)
        self.decisions = 0

    def on_bar(self, market: MarketView, account: AccountView) -> None:
        self._decide(market.bar.bid_close, account, 7)

    def _decide(self, bid: int, account: AccountView, pace: int) -> None:
        self.decisions += 1
        if self.decisions % pace:
            return
        if account.units == 0:
            side = account.buy if bid % 2 else account.sell
            side(1_000, stop=400, target=300)
        elif self.decisions % (5 * pace) == 0:
            account.close()


class HoldingOnTicks(Holding):
    """The same on every quote."""

    def on_tick(self, market: MarketView, account: AccountView) -> None:
        self._decide(market.quote.bid, account, 23)

    def on_bar(self, market: MarketView, account: AccountView) -> None:
        """Only looks."""


def opens(first: datetime, minutes: int) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Opens of the bars of two weeks of trading, Sunday 17:00 to Friday 17:00 in New York."""
    found: list[int] = []
    for week in range(2):
        begin = (first + timedelta(days=7 * week)).replace(hour=SUNDAY_OPEN)
        end = (first + timedelta(days=7 * week + 5)).replace(hour=FRIDAY_CLOSE)
        found += range(int(begin.timestamp()), int(end.timestamp()), 60 * minutes)
    return np.array(found, np.int64) * 1_000_000_000


def fortnight(first: datetime) -> Bars:
    at = opens(first, 1 if LONG else 15)
    rng = np.random.default_rng(len(at) + first.month)
    close = 108_000 + np.cumsum(rng.integers(-25, 26, len(at)))
    start = np.concatenate(([108_000], close[:-1]))
    bid = {
        "bid_open": start,
        "bid_high": np.maximum(start, close) + rng.integers(0, 20, len(at)),
        "bid_low": np.minimum(start, close) - rng.integers(0, 20, len(at)),
        "bid_close": close,
    }
    ask = {name.replace("bid", "ask"): column + 11 for name, column in bid.items()}
    return make_bars(instrument("EUR_USD"), timeframe=timeframe(FRAME), open_ns=at, prices={**bid, **ask})


def weekend_ticks(changes: datetime) -> Ticks:
    """Quotes from Friday to Monday, none while the market is closed."""
    friday = (changes - timedelta(days=2)).replace(hour=9)
    close = friday.replace(hour=FRIDAY_CLOSE)
    sunday = changes.replace(hour=SUNDAY_OPEN)
    rng = np.random.default_rng(changes.month)
    spans = [(friday, close), (sunday, sunday + timedelta(hours=30))]
    times = np.sort(
        np.concatenate(
            [
                rng.integers(int(low.timestamp() * 1e9), int(high.timestamp() * 1e9), TICKS // 2)
                for low, high in spans
            ]
        )
    )
    bid = 108_000 + np.cumsum(rng.integers(-9, 10, len(times)))
    none = np.zeros(len(times), np.int64)
    return Ticks(
        instrument=instrument("EUR_USD"), time_ns=times, bid=bid, ask=bid + 9, bid_size=none, ask_size=none
    )


def resources(pid: int) -> tuple[int, int, int]:
    """Open files, threads and resident KiB of a process."""
    text = Path(f"/proc/{pid}/status").read_text()
    threads, resident = (int(text.split(f"{name}:")[1].split()[0]) for name in ("Threads", "VmRSS"))
    return len(os.listdir(f"/proc/{pid}/fd")), threads, resident


class Watched:
    """A client that looks at the gateway's process now and then."""

    def __init__(self, client: Any, pid: int, every: int) -> None:
        self._client, self._pid, self._every = client, pid, every
        self._asked = 0
        self.samples: list[tuple[int, int, int]] = []

    def ask(self, request: Any) -> Any:
        self._asked += 1
        if self._asked % self._every == 0:
            self.samples.append(resources(self._pid))
        return self._client.ask(request)

    def close(self) -> None:
        self._client.close()


def traded(gateway: Gateway, strategy: Strategy, name: str, spec: dict[str, Any], every: int) -> Watched:
    """Let it trade to the feed's end."""
    gateway.operator().open(**spec)
    pid = gateway.operator().status()["pid"]
    watched = Watched(gateway.client(timeout_s=20, patience_s=60), pid, every)
    runtime = StrategyRuntime(
        gateway=watched,
        decider=StrategyRunner(strategy, instrument("EUR_USD"), timeframe(spec["timeframe"]), name),
        deployment_id=name,
        token=TOKEN,
        pid=1,
        log=QuietLog(),  # type: ignore[arg-type]
        quotes=strategy.form == "on_tick",
    )
    assert runtime.run() is Ending.FINISHED
    watched.close()
    return watched


def check_resources(samples: list[tuple[int, int, int]]) -> None:
    """No file and no thread more than after the first quarter, and no memory that grows on and on."""
    quarter = samples[len(samples) // 4 :]
    files, threads, resident = (np.array(column, float) for column in zip(*quarter, strict=True))
    assert files.max() <= files[0] + 1  # one for whoever asks at the moment
    assert threads.max() <= threads[0]
    first, second = np.array_split(resident, 2)
    assert second.mean() - first.mean() < 16_000, f"grew from {first.mean():.0f} to {second.mean():.0f} KiB"


def dated(costs: Any, first: datetime) -> Any:
    return replace(costs, valid_from=first.date().replace(month=1, day=1))


@pytest.mark.parametrize("season", FORTNIGHTS)
def test_a_fortnight_with_a_change_of_the_clocks_ends_with_the_books_of_the_backtest(
    gateway: Gateway, season: str
) -> None:
    first, changes = FORTNIGHTS[season]
    costs = dated(COSTS, first)
    bars, ticks = fortnight(first), weekend_ticks(changes)
    ends = (first, first + timedelta(days=13))
    assert ends[0].utcoffset() != ends[1].utcoffset()
    store = MarketStore(gateway.settings.market_dir, gateway.settings.store_url)
    store.add(bars, source="made up")
    pinned = store.add_ticks([ticks], instrument="EUR_USD", source="made up", keep=[])
    gateway.start()

    spec = opening("d-1", bars, timeframe=FRAME, cost_book=costs.to_json())
    watched = traded(gateway, Holding(), "d-1", spec, every=max(10, len(bars) // 40))
    result = run_backtest(Holding(), bars, cost_book=costs, balance=Decimal(BALANCE) / 1_000_000)
    found = compare(stored(gateway), list(result.fills))
    assert found.equal, found.sentence()
    assert len(found.lines) > 50
    shown = gateway.operator().status()["deployments"][0]
    assert shown["equity"] == int(result.equity[-1])
    assert int(result.outcome.financing_amount.sum()) != 0  # held over rollovers
    check_resources(watched.samples)
    gateway.operator().close("d-1")

    whole = bars_from_ticks(ticks, "M15")
    spec = opening(
        "d-2",
        whole,
        timeframe="M15",
        cost_book=costs.to_json(),
        account={"id": "paper-2"},
        feed={"kind": "ticks", "fingerprint": pinned.fingerprint},
    )
    watched = traded(gateway, HoldingOnTicks(), "d-2", spec, every=max(10, TICKS // 40))
    result = run_backtest(
        HoldingOnTicks(), ticks, timeframe="M15", cost_book=costs, balance=Decimal(BALANCE) / 1_000_000
    )
    found = compare(stored(gateway, "d-2"), list(result.fills))
    assert found.equal, found.sentence()
    assert len(found.lines) > 10
    check_resources(watched.samples)
    assert gateway.operator().verify()["ok"]
