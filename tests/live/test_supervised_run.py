"""From deployment to the end of the feed."""

import pytest

from tests.live.desk import Desk

pytestmark = pytest.mark.processes


def test_a_deployment_runs_its_notebook_and_trades_to_the_end_of_its_feed(desk: Desk) -> None:
    deployment = desk.deploy()
    desk.start()
    line = desk.until(deployment, state="finished")
    assert line["detail"] == "The feed has ended."
    assert desk.gateway.acked == 120
    assert len(desk.gateway.fills) > 4
