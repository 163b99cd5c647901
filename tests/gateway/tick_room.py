"""A desk whose feed is ticks, and live runtimes over it, with neither process nor sockets."""

from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import numpy as np

from tests.gateway.bench import BALANCE, COSTS, START, TOKEN, Room, opening
from workbench.domain.instruments import instrument
from workbench.domain.timeframes import timeframe
from workbench.gateway.messages import KernelReply, KernelRequest
from workbench.live.runtime import StrategyRuntime
from workbench.market.resampling import bars_from_ticks
from workbench.market.ticks import Ticks
from workbench.research import run_backtest
from workbench.strategy import Strategy, StrategyRunner

MINUTE = 60_000_000_000


def made_up_ticks(count: int, *, seed: int = 3, apart_ns: int = 5_000_000_000) -> Ticks:
    """A random walk around 1.18 with several quotes at one instant now and then, and quiet stretches."""
    rng = np.random.default_rng(seed)
    gaps = rng.integers(0, 2 * apart_ns, count)
    gaps[rng.random(count) < 0.05] = 0
    gaps[rng.random(count) < 0.01] = 7 * MINUTE
    gaps[0] = 0
    bid = 118_000 + np.cumsum(rng.integers(-9, 10, count))
    return Ticks(
        instrument=instrument("EUR_USD"),
        time_ns=START + np.cumsum(gaps),
        bid=bid,
        ask=bid + rng.integers(5, 20, count),
        bid_size=np.zeros(count, np.int64),
        ask_size=np.zeros(count, np.int64),
    )


class QuietLog:
    """Where a runtime logs."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, dict[str, Any]]] = []

    def info(self, event: str, **values: Any) -> None:
        self.lines.append((event, values))

    warning = error = info


class Cut(Exception):
    """The kernel is killed here."""


@dataclass
class TickRoom:
    """A deployment of a strategy on ticks."""

    room: Room
    ticks: Ticks
    frame: str
    strategy: Callable[[], Strategy]
    sizes: bool = False  # whether orders take recorded sizes alone
    events_per_second: float = 0.0
    log: QuietLog = field(default_factory=QuietLog)

    def __post_init__(self) -> None:
        self.room.bars = bars_from_ticks(self.ticks, self.frame)
        self.room.ticks = self.ticks
        self.room.act(
            "open",
            **opening(
                "d-1",
                self.room.bars,
                timeframe=self.frame,
                limits={"max_orders_per_minute": 10_000, "max_open_orders": 1_000},
                feed={
                    "kind": "ticks",
                    "fingerprint": "0" * 64,
                    "sizes": self.sizes,
                    "bars_per_second": self.events_per_second,
                },
            ),
        )

    def runtime(self, *, die_at: int = 0, on_ask: Callable[[], None] = lambda: None) -> StrategyRuntime:
        """A live kernel's loop; it dies at its `die_at`-th question."""
        record = instrument("EUR_USD")
        strategy = self.strategy()
        runner = StrategyRunner(strategy, record, timeframe(self.frame), "d-1")
        room, left = self.room, [die_at]

        class Line:
            def ask(self, request: KernelRequest) -> KernelReply:
                left[0] -= 1
                if left[0] == 0:
                    raise Cut
                on_ask()
                return room.ask(request)

            def close(self) -> None:
                pass

        return StrategyRuntime(
            gateway=Line(),
            decider=runner,
            deployment_id="d-1",
            token=TOKEN,
            pid=1,
            log=self.log,  # type: ignore[arg-type]
            quotes=strategy.form == "on_tick",
        )

    def backtest(self) -> Any:
        """The same as a backtest."""
        return run_backtest(
            self.strategy(),
            self.ticks,
            timeframe=self.frame,
            cost_book=COSTS,
            balance=Decimal(BALANCE) / 1_000_000,
            sizes=self.sizes,
        )
