"""Kernels that die, hang, refuse to start or decide otherwise the second time."""

import os
import signal

import pytest

from tests.live.desk import Desk, eventually, write_notebook
from tests.live.fake_gateway import FakeGateway, made_up_bars
from tests.live.kernel_under_test import Swinger
from workbench.live.liveness import Timing
from workbench.live.restarts import RestartPolicy

pytestmark = pytest.mark.processes

ONCE = RestartPolicy(limit=1, first_wait_s=0.05)


def uninterrupted(desk: Desk, deployment: str) -> list[tuple[int, int, int]]:
    """What a run without any process around it fills: time, units and price."""
    gateway = FakeGateway(desk.runtime / "unused.sock", bars=made_up_bars(60))
    strategy, after, decision = Swinger(), 0, {}
    from workbench.gateway.messages import BarClosed, EventReply, NextEvent, SubmitIntent

    while True:
        reply = gateway._next(NextEvent(deployment_id=deployment, token="", after=after, decision=decision))
        if not (isinstance(reply, EventReply) and isinstance(reply.event, BarClosed)):
            return [(fill.time_ns, fill.units, fill.price) for fill in gateway.fills]
        after = reply.event.seq
        for order in strategy.on_bar(reply.event.bar, reply.account, after):
            gateway._take(SubmitIntent(deployment_id=deployment, token="", event_seq=after, order=order))


@pytest.mark.parametrize(
    "moments", [(1,), (20,), (15, 40)], ids=["at the first bar", "in the middle", "twice"]
)
def test_kills_end_with_exactly_the_fills_of_an_uninterrupted_run(
    desk: Desk, moments: tuple[int, ...]
) -> None:
    deployment = desk.deploy()
    desk.start()
    for moment in moments:
        desk.decided(moment)
        os.kill(desk.until(deployment, state="running")["pid"], signal.SIGKILL)
        eventually(lambda: desk.of(deployment)["state"] == "restarting", what="the restart")
    line = desk.until(deployment, state="finished")
    fills = [(fill.time_ns, fill.units, fill.price) for fill in desk.gateway.fills]
    assert fills == uninterrupted(desk, deployment)
    assert len(fills) > 4
    assert line["restarts"] == len(moments)
    assert [item["reason"] for item in line["recoveries"]] == ["its kernel was ended by SIGKILL"] * len(
        moments
    )
    assert all(0 < item["seconds"] < 60 for item in line["recoveries"])


def test_a_decision_that_differs_when_made_again_fails_the_deployment_for_good(desk: Desk) -> None:
    write_notebook(desk.notebook, mood="forgets")  # what it decides depends on its process
    deployment = desk.deploy()
    desk.start()
    desk.decided(30)
    os.kill(desk.of(deployment)["pid"], signal.SIGKILL)
    line = desk.until(deployment, state="failed")
    assert "decision differs at event" in line["detail"]
    assert line["restarts"] == 1
    assert desk.released == [deployment]


def test_a_kernel_that_dies_at_start_fails_with_its_last_words_after_the_restarts(desk: Desk) -> None:
    desk.policy = ONCE
    deployment = desk.deploy()
    folder = desk.places(deployment).folder
    folder.mkdir(parents=True)
    (folder / "dies-at-start").touch()
    desk.start()
    line = desk.until(deployment, state="failed")
    assert line["detail"] == (
        "Ended 2 times within 5 minutes, the last time because its kernel ended with code 1: "
        "no license for this machine; see its log, then start it again."
    )
    (folder / "dies-at-start").unlink()
    desk.client().start(deployment)
    eventually(lambda: desk.of(deployment)["state"] in ("running", "finished"), what="the second start")


def test_a_strategy_that_raises_fails_with_what_it_raised(desk: Desk) -> None:
    desk.policy = ONCE
    write_notebook(desk.notebook, mood="raises")
    deployment = desk.deploy()
    desk.start()
    line = desk.until(deployment, state="failed")
    assert "the strategy raised ZeroDivisionError: no spread" in line["detail"]
    assert line["restarts"] == 1


def test_a_strategy_that_hangs_is_killed_and_started_again(desk: Desk) -> None:
    write_notebook(desk.notebook, mood="hangs")  # once
    desk.timing = Timing(hung_after_s=4.0)
    deployment = desk.deploy()
    desk.start()
    line = desk.until(deployment, state="finished")
    assert [item["reason"] for item in line["recoveries"]] == [
        "its strategy did not come back for 4 s; its waiting orders are taken back"
    ]
    assert desk.released == [deployment]  # the gateway was told before it started again
    assert desk.gateway.acked == 120


def test_a_frozen_process_is_killed_and_started_again(desk: Desk) -> None:
    desk.timing = Timing(hung_after_s=4.0)
    desk.gateway.endless = True
    deployment = desk.deploy()
    desk.start()
    desk.decided(5)
    os.kill(desk.of(deployment)["pid"], signal.SIGSTOP)
    line = eventually(lambda: (line := desk.of(deployment))["recoveries"] and line, what="the recovery")
    assert [item["reason"] for item in line["recoveries"]] == [
        "its kernel gave no sign of life for 4 s; its waiting orders are taken back"
    ]
    desk.decided(60)


def test_a_cell_that_fails_is_named(desk: Desk) -> None:
    desk.policy = ONCE
    write_notebook(desk.notebook, last="raise ValueError('no data for 2019')")
    deployment = desk.deploy()
    desk.start()
    line = desk.until(deployment, state="failed")
    assert "cell 4" in line["detail"]
    assert "ValueError: no data for 2019" in line["detail"]


def test_a_notebook_that_hands_over_another_strategy_than_the_released_one_never_trades(desk: Desk) -> None:
    write_notebook(
        desk.notebook,
        last='arming.current().arm(Swinger(units=9_000), instruments=["EUR_USD"], timeframe="H1")',
    )
    deployment = desk.deploy()
    desk.start()
    line = desk.until(deployment, state="failed")
    assert "it depends on something that is not in the release" in line["detail"]
    assert line["restarts"] == 0
    assert desk.gateway.attached == []


def test_a_release_that_was_altered_is_refused_with_the_reason(desk: Desk) -> None:
    (desk.home / "refused").write_text("notebook.ipynb was altered")
    deployment = desk.deploy()
    desk.start()
    line = desk.until(deployment, state="failed")
    assert line["detail"] == "Refused: notebook.ipynb was altered"
    assert line["restarts"] == 0
    assert not desk.places(deployment).folder.exists()


def test_a_gateway_that_is_away_for_a_while_costs_no_restart(desk: Desk) -> None:
    deployment = desk.deploy()
    desk.start()
    desk.decided(5)
    desk.gateway.silent.set()
    eventually(lambda: desk.of(deployment)["waiting"] == "the gateway does not answer", what="noticing")
    desk.gateway.silent.clear()
    line = desk.until(deployment, state="finished")
    assert (line["restarts"], desk.gateway.acked) == (0, 120)
