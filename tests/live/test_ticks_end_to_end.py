"""A strategy written with `on_tick`, through notebook, live kernel and gateway: the fills of its backtest."""

import importlib.util
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.live.house import House, Tenant
from tests.live.killed_run import kill_child, kill_kernel
from tests.live.notebook_strategies import SCALPER
from workbench.domain.instruments import instrument
from workbench.domain.orders import Fill
from workbench.live.divergence import compare
from workbench.live.errors import DeploymentRefusedError
from workbench.market.ticks import Ticks
from workbench.research import run_backtest

pytestmark = pytest.mark.processes


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


def quotes_from(tenant: Tenant, count: int, *, sizes: bool = False) -> Ticks:
    rng = np.random.default_rng(2)
    first = int(tenant.bars.open_ns[tenant.first])
    last = int(tenant.bars.open_ns[tenant.first + 40])
    bid = int(tenant.bars.bid_open[tenant.first]) + np.cumsum(rng.integers(-12, 13, count))
    offered = np.zeros(count, np.int64) if not sizes else rng.integers(0, 700, count)
    return Ticks(
        instrument=instrument("EUR_USD"),
        time_ns=np.sort(rng.integers(first, last, count)),
        bid=bid,
        ask=bid + 8,
        bid_size=offered,
        ask_size=offered[::-1].copy(),
    )


def deployed(tenant: Tenant, ticks: Ticks, account: str, *, speed: float) -> str:
    """A deployment on those ticks, which are pinned first."""
    pinned = tenant.house.store.add_ticks([ticks], instrument="EUR_USD", source="made up", keep=[])
    return tenant.deploy(
        account,
        kind="ticks",
        fingerprint=pinned.fingerprint,
        end_ns=int(ticks.time_ns[-1]) + 1,
        bars_per_second=speed,
    )


def backtest(tenant: Tenant, ticks: Ticks, folder: Path, *, sizes: bool = False) -> list[Fill]:
    result = run_backtest(
        scalper(folder)(fast=8, slow=21),
        ticks,
        timeframe="H1",
        cost_book=tenant.release.cost_book,
        balance=Decimal(100_000),
        sizes=sizes,
    )
    return list(result.fills)


def test_a_tick_strategy_with_child_kernel_and_gateway_killed_has_the_fills_of_its_backtest(
    house: House, tmp_path: Path
) -> None:
    house.run_both()
    tenant = house.take_in(SCALPER)
    ticks = quotes_from(tenant, 2_500)
    name = deployed(tenant, ticks, "killed", speed=400.0)
    house.until(name, "running")
    for seq, kill in ((300, kill_child), (800, kill_kernel)):
        house.until_decided(name, seq)
        kill(tenant, name)
        house.until(name, "running")
    house.until_decided(name, 1_300)
    house.kill_gateway()
    house.until(name, "finished")
    found = compare(house.fills(name), backtest(tenant, ticks, tmp_path))
    assert found.equal, found.sentence()
    assert len(found.lines) > 10
    line = next(item for item in house.supervisor.status()["deployments"] if item["deployment_id"] == name)
    assert [item["reason"].partition(" while ")[0] for item in line["recoveries"][:2]] == [
        "its strategy's process was ended by SIGKILL",
        "its kernel was ended by SIGKILL",
    ]
    assert house.gateway.verify()["ok"]


def test_a_release_tested_by_recorded_sizes_is_filled_by_them_and_deployed_on_nothing_else(
    house: House, tmp_path: Path
) -> None:
    house.run_both()
    tenant = house.take_in(SCALPER, sizes=True)
    with pytest.raises(
        DeploymentRefusedError, match=r"tested with sizes=True.*\(replay\) would fill any size whole"
    ):
        tenant.deploy("not-by-size")
    ticks = quotes_from(tenant, 1_200, sizes=True)
    name = deployed(tenant, ticks, "by-size", speed=0.0)
    house.until(name, "finished")
    live = house.fills(name)
    found = compare(live, backtest(tenant, ticks, tmp_path, sizes=True))
    assert found.equal, found.sentence()
    assert sum(fill.remaining != 0 for fill in live) > 5, "executions that left a part for a later quote"
    assert not compare(live, backtest(tenant, ticks, tmp_path)).equal
