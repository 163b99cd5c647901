"""A strategy that hangs holding a position and a waiting order, under a real gateway and supervisor."""

import pytest

from tests.live.desk import eventually
from tests.live.house import House
from tests.live.notebook_strategies import HANGING
from workbench.domain.allowance import Allowance
from workbench.live import deployment

pytestmark = pytest.mark.processes


def test_its_waiting_order_is_taken_back_its_position_keeps_its_stop_and_the_second_time_it_has_failed(
    house: House,
) -> None:
    house.run_both()
    tenant = house.take_in(HANGING, allowance=Allowance(decision_s=2.0))
    name = tenant.deploy("paper-1", bars_per_second=20.0)
    eventually(lambda: deployment(house.engine, name).state == "failed", within_s=600.0, what="the end")
    row = deployment(house.engine, name)
    assert row.restarts == 1
    assert row.detail.startswith("Ended twice after event ")
    assert "because its strategy took longer than 2 s to decide event" in row.detail
    eventually(lambda: house.at_gateway(name)["state"] == "closed", what="closing at the gateway")
    books = house.at_gateway(name)
    assert (books["position"], books["waiting"]) == (1_000, 0)
    assert books["positions"][0]["stop"] > 0
    orders = {item["body"]["units"]: item["state"] for item in house.gateway.orders(name)}
    assert orders == {1_000: "FILLED", 2_000: "CANCELED"}
    watched = house.supervisor.status()["deployments"]
    line = next(item for item in watched if item["deployment_id"] == name)
    assert line["allowance"] == "2 s a decision, half of the machine's memory"
    assert house.gateway.verify()["ok"]
