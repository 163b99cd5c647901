"""The routes against the real gateway and the real supervisor."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.server.seeding import make_settings
from tests.server.serving import API, LabServer, serving
from workbench.server import extension
from workbench.settings import Settings

pytestmark = pytest.mark.processes


@contextmanager
def process(settings: Settings, module: str) -> Iterator[None]:
    """One of the workbench's processes on this home."""
    environment = {
        **os.environ,
        "WORKBENCH_HOME": str(settings.home),
        "WORKBENCH_PROJECT": str(settings.project),
    }
    started = subprocess.Popen([sys.executable, "-m", module], env=environment, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        started.terminate()
        started.wait(30)


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[LabServer, Settings]]:
    """A server as one person has it on his machine: a token, and everything real behind it."""
    settings = make_settings(tmp_path)
    monkeypatch.setattr(extension, "load_settings", lambda: settings)
    config = {
        "ServerApp": {"jpserver_extensions": {"workbench.server": True}},
        "IdentityProvider": {"token": "secret"},
    }
    with serving(tmp_path, config) as made:
        yield made, settings


def eventually(server: LabServer, name: str, state: str) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        found = server.ask(f"{API}/status", token="secret").json()
        if found[name]["state"] == state:
            return
        time.sleep(0.2)
    raise AssertionError(found)


def test_the_kill_switch_is_thrown_and_released_at_the_real_gateway(
    server: tuple[LabServer, Settings],
) -> None:
    lab, settings = server
    assert lab.ask(f"{API}/me", token="secret").json() | {"verbs": []} == {
        "user": settings.user,
        "role": "admin",
        "verbs": [],
        "sole_user": True,
    }
    kill = {"scope": "all", "reason": "fire drill"}
    before = lab.ask(f"{API}/kill", token="secret", body=kill)
    assert before.status_code == 200
    assert "does not answer" in before.json()["said"]
    status = lab.ask(f"{API}/status", token="secret").json()
    assert [item["reason"] for item in status["kills"]] == ["fire drill"]  # remembered
    with ExitStack() as stack:
        stack.enter_context(process(settings, "workbench.gateway"))
        stack.enter_context(process(settings, "workbench.live"))
        eventually(lab, "gateway", "killed")
        eventually(lab, "supervisor", "running")
        assert lab.ask(f"{API}/kill", token="secret", body=kill).status_code == 200
        status = lab.ask(f"{API}/status", token="secret").json()
        assert status["gateway"] == {"state": "killed", "detail": f"Killed by {settings.user}: fire drill"}
        unknown = {"deployment_id": "nothing-here", "flatten": False}
        refused = lab.ask(f"{API}/stop", token="secret", body=unknown)
        assert refused.status_code == 409
        assert "nothing-here" in refused.json()["error"]
        assert lab.ask(f"{API}/unkill", token="secret", body=kill).status_code == 200
        eventually(lab, "gateway", "running")
        lab.ask(f"{API}/kill", token="secret", body=kill)
    status = lab.ask(f"{API}/status", token="secret").json()
    assert status["gateway"]["state"] == "stopped"
    assert [item["reason"] for item in status["kills"]] == ["fire drill"]
