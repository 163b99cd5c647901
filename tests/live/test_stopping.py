"""Stopping and starting again: what gateway and supervisor are told, whichever of them can not do it."""

from dataclasses import dataclass, field
from typing import Any

import pytest

from workbench.errors import WorkbenchError
from workbench.gateway.errors import (
    GatewayUnreachableError,
    NotAllowedError,
    RefusedError,
    UnknownDeploymentError,
)
from workbench.live.errors import AccountInUseError, StopIncompleteError, SupervisorError
from workbench.live.stopping import start_deployment, stop_deployment


@dataclass
class Processes:
    """A gateway and a supervisor that know one deployment, or refuse."""

    state: str = "running"
    position: int = 0
    gateway_refuses: WorkbenchError | None = None
    supervisor_refuses: WorkbenchError | None = None
    told: list[str] = field(default_factory=list)

    @property
    def gateway(self) -> "Gateway":
        return Gateway(self)

    @property
    def supervisor(self) -> "Supervisor":
        return Supervisor(self)


@dataclass
class Gateway:
    world: Processes

    def status(self) -> dict[str, Any]:
        known = {"deployment_id": "d-1", "state": self.world.state, "position": self.world.position}
        return {"deployments": [known] if self.world.state else []}

    def stop(self, deployment_id: str, *, flatten: bool = False) -> dict[str, Any]:
        if self.world.gateway_refuses:
            raise self.world.gateway_refuses
        self.world.told.append("gateway stop")
        return {"position": self.world.position}

    def resume(self, deployment_id: str) -> dict[str, Any]:
        if self.world.state == "closed":
            raise RefusedError(f"deployment {deployment_id} is closed; open it again")
        self.world.told.append("gateway resume")
        return {}


@dataclass
class Supervisor:
    world: Processes

    def stop(self, deployment_id: str) -> dict[str, Any]:
        if self.world.supervisor_refuses:
            raise self.world.supervisor_refuses
        self.world.told.append("supervisor stop")
        return {}

    def start(self, deployment_id: str) -> dict[str, Any]:
        if self.world.supervisor_refuses:
            raise self.world.supervisor_refuses
        self.world.told.append("supervisor start")
        return {"desired": "running"}


def test_the_gateway_is_told_first_and_a_position_is_mentioned() -> None:
    world = Processes(position=1_000)
    said = stop_deployment(world.gateway, world.supervisor, "d-1", flatten=False)
    assert (world.told, said) == (
        ["gateway stop", "supervisor stop"],
        "d-1 is stopped; its position is kept.",
    )


def test_a_deployment_that_the_gateway_does_not_know_yet_is_stopped_before_it_starts() -> None:
    world = Processes(gateway_refuses=UnknownDeploymentError("unknown deployment 'd-1'"))
    assert "before it was opened" in stop_deployment(world.gateway, world.supervisor, "d-1", flatten=False)
    assert world.told == ["supervisor stop"]


@pytest.mark.parametrize(
    "refusal", [GatewayUnreachableError("expected an answer"), RefusedError("deployment d-1 is frozen")]
)
def test_the_kernel_is_ended_when_the_gateway_does_not_stop(refusal: WorkbenchError) -> None:
    world = Processes(gateway_refuses=refusal)
    with pytest.raises(StopIncompleteError, match=f"its kernel is ended, .* not stopped .*: {refusal}"):
        stop_deployment(world.gateway, world.supervisor, "d-1", flatten=False)
    assert world.told == ["supervisor stop"]


def test_both_reasons_are_given_when_neither_stops() -> None:
    silent = SupervisorError("no supervisor answered")
    world = Processes(gateway_refuses=GatewayUnreachableError("no gateway"), supervisor_refuses=silent)
    with pytest.raises(StopIncompleteError, match=r"no gateway; .* not ended either: no supervisor answered"):
        stop_deployment(world.gateway, world.supervisor, "d-1", flatten=False)


def test_who_may_not_stop_ends_no_kernel() -> None:
    world = Processes(gateway_refuses=NotAllowedError("victor is viewer, which may not stop"))
    with pytest.raises(NotAllowedError):
        stop_deployment(world.gateway, world.supervisor, "d-1", flatten=False)
    assert world.told == []


@pytest.mark.parametrize(
    ("state", "told"),
    [
        ("stopped", ["gateway resume", "supervisor start"]),
        ("frozen", ["gateway resume", "supervisor start"]),
        ("closed", ["supervisor start"]),  # its kernel has ended; the supervisor opens it anew
        ("running", ["supervisor start"]),
        ("", ["supervisor start"]),
    ],
)
def test_a_deployment_starts_again_whatever_it_is_at_the_gateway(state: str, told: list[str]) -> None:
    world = Processes(state=state)
    assert start_deployment(world.gateway, world.supervisor, "d-1") == {"desired": "running"}
    assert world.told == told


def test_a_deployment_that_can_not_start_takes_no_orders_again() -> None:
    world = Processes(state="stopped", supervisor_refuses=AccountInUseError("d-2 trades on the account"))
    with pytest.raises(AccountInUseError):
        start_deployment(world.gateway, world.supervisor, "d-1")
    assert world.told == ["gateway resume", "gateway stop"]
