"""The live state: pushed to who may see it, never faster than four times a second, and fresh."""

import asyncio
import itertools
import json
import time
from pathlib import Path
from typing import Any

import pytest
import websocket
import yaml
from openapi_schema_validator import OAS31Validator

import workbench.server
from tests.server.conftest import TOKENS, FakeProcess
from tests.server.seeding import DEPLOYMENT, Seeded, add_deployment
from tests.server.serving import API, LabServer
from workbench.server.stream import LiveState, Watch
from workbench.store import open_store

DESCRIPTION = yaml.safe_load((Path(workbench.server.__file__).parent / "openapi.yaml").read_text())
FRAME = OAS31Validator({**DESCRIPTION, "$ref": "#/components/schemas/State"})


def frame_of(watching: websocket.WebSocket) -> dict[str, Any]:
    frame: dict[str, Any] = json.loads(watching.recv())
    FRAME.validate(frame)
    return frame


def test_who_watches_sees_the_state_at_once_and_each_change(
    server: LabServer, seeded: Seeded, gateway: FakeProcess
) -> None:
    watching = server.watch(token=TOKENS["viewer"])
    first = frame_of(watching)
    assert [item["id"] for item in first["deployments"]] == [DEPLOYMENT]
    assert first["status"]["gateway"]["state"] == "running"
    store = open_store(seeded.settings.store_url)
    books = open_store(seeded.settings.gateway_store_url)
    add_deployment(store, books, seeded.approved, deployment_id="second", account_id="paper-2")
    gateway.running = False
    deadline = time.monotonic() + 60
    frame = first
    while time.monotonic() < deadline:
        frame = frame_of(watching)
        if len(frame["deployments"]) == 2 and frame["status"]["gateway"]["state"] == "stopped":
            break
    assert {item["id"] for item in frame["deployments"]} == {DEPLOYMENT, "second"}
    assert frame["status"]["gateway"]["state"] == "stopped"
    assert frame["seq"] > first["seq"]
    watching.close()
    store.dispose()
    books.dispose()


@pytest.mark.parametrize(("token", "origin"), [("", None), ("wrong", None), ("token-of-nobody", None)])
def test_the_stream_is_closed_to_who_may_not_see(server: LabServer, token: str, origin: str | None) -> None:
    with pytest.raises(websocket.WebSocketBadStatusException, match="403"):
        server.watch(token=token, origin=origin)


def test_the_stream_is_closed_to_a_page_of_another_origin(server: LabServer) -> None:
    cookie = server.ask("/api/me", token=TOKENS["admin"]).headers["Set-Cookie"].split(";")[0]
    address = f"ws://127.0.0.1:{server.port}{API}/stream"
    websocket.create_connection(address, header=[f"Cookie: {cookie}"], origin=server.url, timeout=20).close()
    with pytest.raises(websocket.WebSocketBadStatusException, match="403"):
        websocket.create_connection(
            address, header=[f"Cookie: {cookie}"], origin="http://evil.example", timeout=20
        )


async def watched(
    states: list[dict[str, Any]], *, send_s: float, every_s: float, for_s: float
) -> tuple[list[dict[str, Any]], LiveState]:
    """What one watcher gets while the state changes on every read."""
    got: list[dict[str, Any]] = []

    async def read() -> dict[str, Any]:
        states.append({"value": len(states)})
        return states[-1]

    async def send(frame: str) -> None:
        await asyncio.sleep(send_s)
        got.append(json.loads(frame))

    live = LiveState(read, every_s=0.005)
    watch = Watch(live, send, every_s=every_s)
    watch.start()
    await asyncio.sleep(for_s)
    await live.close()
    return got, live


async def test_a_watcher_gets_no_more_frames_than_the_pace_allows() -> None:
    states: list[dict[str, Any]] = []
    got, _ = await watched(states, send_s=0.0, every_s=0.1, for_s=1.05)
    assert len(states) > 50
    assert 5 <= len(got) <= 11


async def test_a_slow_watcher_gets_the_newest_state_and_misses_those_between() -> None:
    states: list[dict[str, Any]] = []
    got, live = await watched(states, send_s=0.3, every_s=0.0, for_s=1.0)
    assert 2 <= len(got) <= 4
    gaps = [later["seq"] - earlier["seq"] for earlier, later in itertools.pairwise(got)]
    assert min(gaps) > 5
    assert live.seq - got[-1]["seq"] < live.seq / 2


async def test_nothing_is_read_while_nobody_watches() -> None:
    states: list[dict[str, Any]] = []
    _, live = await watched(states, send_s=0.0, every_s=0.0, for_s=0.1)
    read = len(states)
    await asyncio.sleep(0.1)
    assert len(states) == read
    assert live.watchers == 0


async def test_a_watcher_whose_socket_is_gone_is_forgotten() -> None:
    from tornado.websocket import WebSocketClosedError

    async def read() -> dict[str, Any]:
        return {}

    async def send(frame: str) -> None:
        raise WebSocketClosedError

    live = LiveState(read, every_s=0.005)
    Watch(live, send).start()
    await asyncio.sleep(0.1)
    assert live.watchers == 0
    await live.close()


async def test_a_store_that_can_not_be_read_is_told_once_and_the_reading_goes_on() -> None:
    told: list[str] = []
    attempts = 0

    async def read() -> dict[str, Any]:
        nonlocal attempts
        attempts += 1
        if attempts < 4:
            raise OSError("disk gone")
        return {"fine": True}

    async def send(frame: str) -> None:
        got.append(json.loads(frame))

    got: list[dict[str, Any]] = []
    live = LiveState(read, every_s=0.005, log_failure=told.append)
    watch = Watch(live, send)
    watch.start()
    await asyncio.sleep(0.2)
    await live.close()
    assert told == ["the live state can not be read: disk gone"]
    assert got == [{"seq": 1, "fine": True}]
