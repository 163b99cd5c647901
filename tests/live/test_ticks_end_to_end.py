"""A strategy written with `on_tick`, through notebook, live kernel and gateway: the fills of its backtest."""

import importlib.util
import os
import signal
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.live.desk import eventually
from tests.live.test_end_to_end import House, house
from workbench.domain.instruments import instrument
from workbench.live import add_account, deploy, deployment, released_notebooks
from workbench.live.divergence import compare
from workbench.live.errors import DeploymentRefusedError
from workbench.market import MarketStore
from workbench.market.ticks import Ticks
from workbench.research import run_backtest

pytestmark = pytest.mark.processes

__all__ = ["house"]

SCALPER = """
from workbench.strategy import Param, Strategy

class Scalper(Strategy):
    fast = Param(8, low=2, high=50)
    slow = Param(21, low=5, high=200)

    def __init__(self, **params):
        super().__init__(**params)
        self.last = 0
        self.run = 0

    def on_tick(self, market, account):
        bid = market.quote.bid
        self.run = self.run + 1 if bid > self.last else 0
        self.last = bid
        if self.run >= 3 and account.units == 0:
            account.buy(1_000, stop=60 + self.slow, target=40 + self.fast)
"""


def scalper(folder: Path) -> Any:
    """The notebook's class, from a file, so that its source can be read."""
    path = folder / "scalper_of_the_test.py"
    path.write_text(SCALPER, encoding="utf-8")
    found = importlib.util.spec_from_file_location(path.stem, path)
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    sys.modules[path.stem] = module
    found.loader.exec_module(module)
    return module.Scalper


def quotes_from(house: House, count: int, *, sizes: bool = False) -> Ticks:
    rng = np.random.default_rng(2)
    first = int(house.bars.open_ns[house.first])
    last = int(house.bars.open_ns[house.first + 40])
    bid = int(house.bars.bid_open[house.first]) + np.cumsum(rng.integers(-12, 13, count))
    offered = np.zeros(count, np.int64) if not sizes else rng.integers(0, 700, count)
    return Ticks(
        instrument=instrument("EUR_USD"),
        time_ns=np.sort(rng.integers(first, last, count)),
        bid=bid,
        ask=bid + 8,
        bid_size=offered,
        ask_size=offered[::-1].copy(),
    )


@pytest.mark.parametrize("house", [(SCALPER, ["EUR_USD"])], indirect=True)
def test_a_tick_strategy_with_kernel_and_gateway_killed_has_the_fills_of_its_backtest(
    house: House, tmp_path: Path
) -> None:
    ticks = quotes_from(house, 2_500)
    store = MarketStore(house.settings.market_dir, house.engine)
    pinned = store.add_ticks([ticks], instrument="EUR_USD", source="made up", keep=[])
    house.run("gateway")
    house.run("live")
    add_account(house.engine, "paper-1")
    name = deploy(
        house.engine,
        released_notebooks(house.settings),
        release_id=house.release.id,
        account_id="paper-1",
        feed={
            "kind": "ticks",
            "fingerprint": pinned.fingerprint,
            "start_ns": house.start_ns,
            "end_ns": int(ticks.time_ns[-1]) + 1,
            "bars_per_second": 400.0,
        },
        by="david",
    )
    house.until(name, "running")

    def seen(count: int) -> bool:
        line = next((item for item in house.gateway.status()["deployments"]), {})
        return bool(line.get("decision_seq", 0) >= count)

    eventually(lambda: seen(300), what="quote 300")
    os.kill(deployment(house.engine, name).pid, signal.SIGKILL)
    eventually(lambda: deployment(house.engine, name).state == "restarting", what="the restart")
    house.until(name, "running")
    eventually(lambda: seen(800), what="quote 800")
    house.processes["gateway"].kill()
    house.processes["gateway"].wait()
    house.run("gateway")
    house.until(name, "finished")
    result = run_backtest(
        scalper(tmp_path)(fast=8, slow=21),
        ticks,
        timeframe="H1",
        cost_book=house.release.cost_book,
        balance=Decimal(100_000),
    )
    found = compare(house.fills(name), list(result.fills))
    assert found.equal, found.sentence()
    assert len(found.lines) > 10
    assert house.gateway.verify()["ok"]


@pytest.mark.parametrize("house", [(SCALPER, ["EUR_USD"], {"sizes": True})], indirect=True)
def test_a_release_tested_by_recorded_sizes_is_filled_by_them_and_deployed_on_nothing_else(
    house: House, tmp_path: Path
) -> None:
    with pytest.raises(
        DeploymentRefusedError, match=r"tested with sizes=True.*\(replay\) would fill any size whole"
    ):
        house.deploy("paper-1", bars_per_second=0.0)
    ticks = quotes_from(house, 1_200, sizes=True)
    store = MarketStore(house.settings.market_dir, house.engine)
    pinned = store.add_ticks([ticks], instrument="EUR_USD", source="made up", keep=[])
    house.run("gateway")
    house.run("live")
    name = deploy(
        house.engine,
        released_notebooks(house.settings),
        release_id=house.release.id,
        account_id="paper-1",
        feed={
            "kind": "ticks",
            "fingerprint": pinned.fingerprint,
            "start_ns": house.start_ns,
            "end_ns": int(ticks.time_ns[-1]) + 1,
            "bars_per_second": 0.0,
        },
        by="david",
    )
    house.until(name, "finished")
    backtests = [
        run_backtest(
            scalper(tmp_path)(fast=8, slow=21),
            ticks,
            timeframe="H1",
            cost_book=house.release.cost_book,
            balance=Decimal(100_000),
            sizes=sizes,
        )
        for sizes in (True, False)
    ]
    live = house.fills(name)
    found = compare(live, list(backtests[0].fills))
    assert found.equal, found.sentence()
    assert sum(fill.remaining != 0 for fill in live) > 5, "executions that left a part for a later quote"
    assert not compare(live, list(backtests[1].fills)).equal
