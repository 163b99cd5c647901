"""One deployment's watch when the store or a preparation fails it; no process is started here."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import sqlalchemy as sa

from tests.live.desk import Desk, eventually
from workbench.live.deployments import Deployment, deployment
from workbench.live.liveness import Timing
from workbench.live.prepared import GatewayAbsentError, Prepared
from workbench.live.restarts import RestartPolicy
from workbench.live.watch import Stage, Watch


@pytest.fixture
def executor() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(max_workers=2) as pool:
        yield pool


def watch(desk: Desk, executor: ThreadPoolExecutor, problem: Exception, **options: Any) -> Watch:
    def prepare(row: Deployment, *, places: Any, token: str) -> Prepared:
        raise problem

    row = deployment(desk.engine, desk.deploy())
    return Watch(
        row,
        engine=desk.engine,
        places=desk.places(row.id),
        prepare=prepare,
        release=desk.released.append,
        drive=lambda *_, **__: "",
        executor=executor,
        policy=RestartPolicy(limit=1, first_wait_s=0.0),
        timing=Timing(gateway_again_s=0.0),
        **options,
    )


def tick_until(made: Watch, stage: Stage) -> None:
    def check() -> bool:
        made.tick()
        return made.stage is stage

    eventually(check, within_s=10, what=f"stage {stage}")


def test_a_preparation_that_breaks_is_tried_again_and_then_fails_with_its_reason(
    desk: Desk, executor: ThreadPoolExecutor
) -> None:
    made = watch(desk, executor, OSError("disk full"))
    tick_until(made, Stage.OVER)
    found = deployment(desk.engine, made.row.id)
    assert (found.state, found.restarts, found.desired) == ("failed", 1, "stopped")
    assert "it could not be prepared: OSError: disk full" in found.detail
    eventually(lambda: desk.released == [made.row.id], within_s=5)


def test_an_absent_gateway_is_waited_for_without_counting_a_restart(
    desk: Desk, executor: ThreadPoolExecutor
) -> None:
    made = watch(desk, executor, GatewayAbsentError("none answers"))
    for _ in range(3):
        tick_until(made, Stage.PREPARING)
        tick_until(made, Stage.WAITING)
    found = deployment(desk.engine, made.row.id)
    assert (found.state, found.restarts) == ("starting", 0)
    assert found.detail == "Waits for the gateway: none answers"


def test_what_a_busy_store_did_not_take_is_written_down_later(
    desk: Desk, executor: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = watch(desk, executor, OSError("disk full"))
    from workbench.live import telling as module

    real, busy = module.set_state, [True]

    def set_state(*arguments: Any, **values: Any) -> None:
        if busy[0]:
            raise sa.exc.OperationalError("UPDATE", {}, Exception("database is locked"))
        real(*arguments, **values)

    monkeypatch.setattr(module, "set_state", set_state)
    tick_until(made, Stage.OVER)
    assert deployment(desk.engine, made.row.id).state == "starting"
    busy[0] = False
    made.tick()
    found = deployment(desk.engine, made.row.id)
    assert (found.state, found.restarts) == ("failed", 1)
