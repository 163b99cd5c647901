"""The four reasons NautilusTrader's documentation gives against live trading from Jupyter, one test each.

"The event loop of the notebook clashes with ours; cells run out of order and kernels die; workarounds are
not fit for production; there is no proper logging and no graceful shutdown."
"""

import itertools
import json
import os
import re
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from tests.live.desk import ARM, Desk, eventually, write_notebook
from workbench.live.liveness import Timing

pytestmark = pytest.mark.processes

BUSY_LOOP = f"""
import asyncio
async def tick():
    while True:
        await asyncio.sleep(0)
asyncio.get_running_loop().create_task(tick())
{ARM}
"""


@pytest.mark.parametrize(
    "last",
    [
        f"{ARM}\nwhile True: pass",
        f"{ARM}\nimport time; time.sleep(3600)",
        f"import threading; gate = threading.Lock(); gate.acquire()\n{ARM}\ngate.acquire()",
        BUSY_LOOP,
    ],
    ids=["computing for ever", "sleeping", "waiting for a lock", "a busy event loop"],
)
def test_objection_1_the_event_loop_whatever_the_main_thread_does_the_strategy_decides_in_time(
    desk: Desk, last: str
) -> None:
    write_notebook(desk.notebook, last=last)
    desk.timing = Timing(drive_grace_s=0.5)
    deployment = desk.deploy()
    desk.start()
    desk.until(deployment, state="finished")
    asked = [moment for moment, kind in desk.gateway.asked if kind == "NextEvent"]
    gaps = [later - earlier for earlier, later in itertools.pairwise(asked)]
    assert max(gaps) < 1.0  # the feed's own pace is 0.02 s
    assert desk.gateway.acked == 120


def test_objection_2_cells_and_dying_kernels_cells_run_once_in_order_and_a_kill_changes_nothing(
    desk: Desk,
) -> None:
    write_notebook(
        desk.notebook,
        last=f"ran.append(2)\nassert ran == [1, 2]\n{ARM}",
    )
    deployment = desk.deploy()
    desk.start()
    desk.decided(20)
    first = desk.of(deployment)["pid"]
    os.kill(first, signal.SIGKILL)
    desk.until(deployment, state="finished")
    first_attached, *later = desk.gateway.attached
    assert first_attached == first
    assert len(later) == 1
    assert desk.gateway.acked == 120
    orders = list(desk.gateway.intents)
    assert len(orders) == len(set(orders)) == len(desk.gateway.fills)


def test_objection_3_no_workaround_the_kernel_belongs_to_the_supervisor_and_outlives_a_jupyter_server(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JPY_PARENT_PID", str(os.getpid()))  # as in a process that a Jupyter server started
    desk.gateway.endless = True
    deployment = desk.deploy()
    desk.start()
    pid = desk.until(deployment, state="running")["pid"]
    assert os.getsid(pid) == pid
    assert b"JPY_PARENT_PID" not in Path(f"/proc/{pid}/environ").read_bytes()

    runtime = desk.home / "jupyter"
    server = subprocess.Popen(
        [
            *(sys.executable, "-m", "jupyter_server", "--no-browser", "--allow-root", "--port=0"),
            *("--ServerApp.token=t", "--ServerApp.allow_external_kernels=True"),
            f"--ServerApp.external_connection_dir={desk.places(deployment).private}",
            f"--ServerApp.root_dir={desk.home}",
        ],
        env={
            **os.environ,
            "JUPYTER_RUNTIME_DIR": str(runtime),
            "JUPYTER_CONFIG_DIR": str(desk.home / "config"),
            "IPYTHONDIR": str(desk.home / "ipython"),
            "HOME": str(desk.home),
        },
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        info = eventually(lambda: next(iter(runtime.glob("jpserver-*.json")), None), what="the server")
        url = eventually(lambda: json.loads(info.read_text() or "{}").get("url"))

        def kernels() -> list[object] | None:
            try:
                with urllib.request.urlopen(f"{url}api/kernels?token=t", timeout=20) as answer:
                    return list(json.load(answer))
            except urllib.error.URLError:
                return None  # it has written where it is, and does not listen yet

        eventually(lambda: kernels() is not None, what="the server's answer")
        assert kernels() == []  # asked to look into our own folder, it finds nothing
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(30)
    line = desk.of(deployment)
    assert (line["pid"], line["state"], line["restarts"]) == (pid, "running", 0)
    assert line["beat_age_s"] < 2.0


def test_objection_4_logging_and_shutdown_a_stop_finishes_the_decision_and_leaves_a_readable_log(
    desk: Desk,
) -> None:
    deployment = desk.deploy()
    desk.start()
    desk.decided(10)
    pid = desk.of(deployment)["pid"]
    desk.client(role="operator").stop(deployment)
    line = desk.until(deployment, state="stopped")
    assert line["detail"] == "Stopped."
    assert not Path(f"/proc/{pid}").exists()
    lines = [json.loads(text) for text in desk.places(deployment).log.read_text().splitlines()]
    events = [item["event"] for item in lines]
    assert events[:4] == ["starting", "ready", "armed", "attached"]
    assert events[-1] == "ended"
    assert "asked to stop" in events[-4:]  # then the decision at hand, its intent and the end
    assert lines[-1]["code"] == 0
    decided = [item["seq"] for item in lines if item["event"] == "decided"]
    assert decided[-1] <= desk.gateway.acked  # the last decision was told before the end
    assert max(seq for seq, _ in desk.gateway.intents.values()) <= desk.gateway.acked
    assert {item["deployment_id"] for item in lines} == {deployment}
    assert all(re.fullmatch(r"\d{4}-.*Z", item["timestamp"]) for item in lines)
    assert desk.released == [deployment]
