"""A deployment whose kernel and gateway are killed on the way, held against its backtest."""

import os
import signal

from tests.live.desk import eventually
from tests.live.house import Tenant
from workbench.live import deployment
from workbench.live.divergence import compare

__all__ = ["kill_child", "kill_kernel", "killed_run"]


def killed_run(tenant: Tenant, *, reasons: set[str]) -> None:
    """Run it, and compare; `reasons` are those of executions that must be among them."""
    house = tenant.house
    house.run_both()
    name = tenant.deploy(f"paper-{len(house.gateway.status()['deployments'])}", bars_per_second=40.0)
    house.until(name, "running")
    house.until_decided(name, 60)
    kill_kernel(tenant, name)
    house.until(name, "running")
    house.until_decided(name, 160)
    house.kill_gateway()
    house.until(name, "finished")
    found = compare(house.fills(name), tenant.backtest())
    assert found.sentence() == f"all {len(found.lines)} executions are equal to the last digit"
    assert len(found.lines) > 5
    assert {line.live.reason.value for line in found.lines if line.live} >= reasons
    assert {line.live.instrument for line in found.lines if line.live} == set(tenant.release.instruments)
    watched = house.supervisor.status()["deployments"]
    line = next(item for item in watched if item["deployment_id"] == name)
    assert line["restarts"] == 1
    assert line["recoveries"][0]["seconds"] < 60
    assert house.gateway.verify()["ok"]


def kill_kernel(tenant: Tenant, name: str) -> None:
    """End its guard without a word; the system ends the strategy's process with it."""
    os.kill(deployment(tenant.house.engine, name).pid, signal.SIGKILL)
    until_restarting(tenant, name)


def kill_child(tenant: Tenant, name: str) -> None:
    """End the strategy's process without a word; its guard goes on."""
    guard = deployment(tenant.house.engine, name).pid
    with open(f"/proc/{guard}/task/{guard}/children") as file:
        for child in file.read().split():
            os.kill(int(child), signal.SIGKILL)
    until_restarting(tenant, name)


def until_restarting(tenant: Tenant, name: str) -> None:
    """Wait until the supervisor has seen the end."""
    eventually(lambda: deployment(tenant.house.engine, name).state == "restarting", what="the restart")
