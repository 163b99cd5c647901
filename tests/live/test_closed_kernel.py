"""Once armed, a live kernel executes nothing that is asked of it, by whoever holds its connection file."""

import json
import os
import signal
import socket
import subprocess
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from jupyter_client import BlockingKernelClient

from tests.live.desk import ARM, KERNEL, eventually, launch_for, places_of, write_notebook
from tests.live.fake_gateway import FakeGateway, made_up_bars, tell_token
from workbench.live.children import kernel_environment, start_kernel
from workbench.live.driving import drive
from workbench.live.launch import Launch, Places
from workbench.live.prepared import Prepared

pytestmark = pytest.mark.processes

TOKEN = "canary-" + "5e" * 16


@dataclass
class Alone:
    """A live kernel that nobody supervises, so that the time before it is cut off can be looked at."""

    child: "subprocess.Popen[bytes]"
    launch: Launch
    places: Places
    gateway: FakeGateway
    info: dict[str, Any]

    @property
    def mark(self) -> Path:
        """Written by any code that a test gets executed."""
        return self.places.folder / "executed"

    @property
    def code(self) -> str:
        return f"open({str(self.mark)!r}, 'w').close()"

    def trades_on(self) -> None:
        """It is alive and decides."""
        before = self.gateway.acked
        eventually(lambda: self.gateway.acked > before, within_s=10, what="the next decision")
        assert self.child.poll() is None
        assert not self.mark.exists()

    @contextmanager
    def client(self) -> Iterator[BlockingKernelClient]:
        client = BlockingKernelClient()
        client.load_connection_info(self.info)
        client.start_channels(hb=False)
        try:
            yield client
        finally:
            client.stop_channels()


@contextmanager
def started(home: Path, runtime: Path, gateway: FakeGateway, *, last: str = ARM) -> Iterator[Alone]:
    places = places_of(home, runtime, "alone")
    places.prepare()
    tell_token(gateway.path, TOKEN)
    launch = launch_for(home, runtime, "alone", token=TOKEN)
    environment = kernel_environment(os.environ, deployment_id="alone", folder=places.folder)
    child = start_kernel(KERNEL, launch, places=places, environment=environment)
    info = json.loads(places.connection_file.read_text())
    try:
        notebook = write_notebook(home / "alone.ipynb", last=last)
        prepared = Prepared(launch=launch, notebook=notebook, parameters={})
        stop = threading.Event()
        assert drive(prepared, places=places, kernel_pid=child.pid, stop=stop) == ""
        yield Alone(child=child, launch=launch, places=places, gateway=gateway, info=info)
    finally:
        child.kill()
        child.wait()


@pytest.fixture
def alone(tmp_path: Path, runtime: Path) -> Iterator[Alone]:
    bars = made_up_bars(100_000)
    with (
        FakeGateway(runtime / "gateway.sock", bars=bars, pace_s=0.02) as gateway,
        started(tmp_path, runtime, gateway) as kernel,
    ):
        yield kernel


def send(
    client: BlockingKernelClient,
    channel: str,
    kind: str,
    content: dict[str, Any],
    *,
    within_s: float = 5.0,
    **header: str,
) -> Any:
    """Send a raw request; its reply, None for none."""
    found = getattr(client, f"{channel}_channel")
    message = client.session.msg(kind, content)
    message["header"].update(header)
    found.send(message)
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        try:
            reply = found.get_msg(timeout=0.5)
        except Exception:  # queue.Empty
            if not kind.endswith("_request"):
                return None
            continue
        if reply["parent_header"].get("msg_id") == message["header"]["msg_id"]:
            return reply["content"]
    return None


EXECUTE = {"silent": False, "store_history": True, "user_expressions": {}, "allow_stdin": False}
REQUESTS: list[tuple[str, dict[str, Any]]] = [
    ("execute_request", {**EXECUTE, "code": "CODE"}),
    ("execute_request", {**EXECUTE, "code": "", "user_expressions": {"x": "CODE"}}),
    ("complete_request", {"code": "CODE.", "cursor_pos": 5}),
    ("inspect_request", {"code": "open", "cursor_pos": 2, "detail_level": 1}),
    ("is_complete_request", {"code": "CODE"}),
    ("history_request", {"hist_access_type": "tail", "n": 10, "output": False, "raw": True}),
    ("comm_info_request", {}),
    ("connect_request", {}),
    ("shutdown_request", {"restart": False}),
    ("interrupt_request", {}),
]
CONTROL_ONLY: list[tuple[str, dict[str, Any]]] = [
    ("create_subshell_request", {}),
    ("list_subshell_request", {}),
    ("delete_subshell_request", {"subshell_id": "x"}),
    ("usage_request", {}),
    ("debug_request", {"type": "request", "seq": 1, "command": "initialize", "arguments": {}}),
    (
        "debug_request",
        {"type": "request", "seq": 2, "command": "evaluate", "arguments": {"expression": "CODE"}},
    ),
]


@pytest.mark.parametrize("sealed", [False, True], ids=["before it is cut off", "after it is cut off"])
def test_nothing_is_executed_and_the_kernel_trades_on(alone: Alone, sealed: bool) -> None:
    def filled(content: dict[str, Any]) -> dict[str, Any]:
        return json.loads(json.dumps(content).replace("CODE", json.dumps(alone.code)[1:-1]))

    with alone.client() as client:
        assert send(client, "shell", "kernel_info_request", {})["status"] == "ok"
        if sealed:
            alone.places.seal.touch()
            eventually(lambda: not alone.places.connection_file.exists(), what="cutting off")
            eventually(lambda: '"sealed"' in alone.places.log.read_text(), what="cutting off")
        asked = [(channel, *item) for channel in ("shell", "control") for item in REQUESTS]
        asked += [("control", *item) for item in CONTROL_ONLY]
        if sealed:  # each waits for an answer that never comes: the ones that could execute are enough
            asked = [item for item in asked if item[1] in ("execute_request", "create_subshell_request")]
        for channel, kind, content in asked:
            reply = send(client, channel, kind, filled(content), within_s=1.0 if sealed else 5.0)
            if sealed:
                assert reply is None, (channel, kind)
            else:
                assert (reply["status"], reply["ename"]) == ("error", "Refused"), (channel, kind)
        comm = {"comm_id": uuid.uuid4().hex, "target_name": "jupyter.widget", "data": {}}
        for kind in ("comm_open", "comm_msg", "comm_close"):
            assert send(client, "shell", kind, comm) is None
        subshell = send(
            client,
            "shell",
            "execute_request",
            filled(REQUESTS[0][1]),
            within_s=1.0,
            subshell_id=uuid.uuid4().hex,
        )
        assert subshell is None or subshell["status"] == "error"
    alone.trades_on()


def test_after_it_is_cut_off_nobody_can_connect_any_more(alone: Alone) -> None:
    alone.places.seal.touch()
    eventually(lambda: not alone.places.connection_file.exists(), what="cutting off")
    eventually(lambda: not list(alone.places.private.glob("k-*")), what="removing the sockets")
    for number in range(1, 6):
        with socket.socket(socket.AF_UNIX) as caller, pytest.raises(FileNotFoundError):
            caller.connect(f"{alone.info['ip']}-{number}")
    alone.trades_on()


def test_interrupts_do_nothing(alone: Alone) -> None:
    for _ in range(3):
        os.kill(alone.child.pid, signal.SIGINT)
    alone.trades_on()


def test_what_waited_in_the_queue_when_it_was_armed_is_refused(tmp_path: Path, runtime: Path) -> None:
    last_cell, waiting = tmp_path / "last-cell", tmp_path / "waiting"
    arm_late = (
        f"import time, pathlib\npathlib.Path({str(last_cell)!r}).touch()\n"
        f"while not pathlib.Path({str(waiting)!r}).exists(): time.sleep(0.05)\n{ARM}"
    )
    replies: list[Any] = []

    def ask_while_it_is_busy() -> None:
        places = places_of(tmp_path, runtime, "alone")
        eventually(last_cell.exists)
        client = BlockingKernelClient()
        client.load_connection_file(str(places.connection_file))
        client.start_channels(hb=False)
        message = client.session.msg("execute_request", {**EXECUTE, "code": "leak = 1"})
        client.shell_channel.send(message)
        time.sleep(0.3)  # it is in the kernel's queue
        waiting.touch()
        replies.append(client.shell_channel.get_msg(timeout=20)["content"])
        client.stop_channels()

    thread = threading.Thread(target=ask_while_it_is_busy)
    thread.start()
    with (
        FakeGateway(runtime / "gateway.sock", bars=made_up_bars(100_000), pace_s=0.02) as gateway,
        started(tmp_path, runtime, gateway, last=arm_late) as kernel,
    ):
        thread.join(60)
        kernel.trades_on()
    assert [(item["status"], item["ename"]) for item in replies] == [("error", "Refused")]


def test_the_session_secret_is_in_no_argument_environment_or_file(alone: Alone) -> None:
    folder = Path(f"/proc/{alone.child.pid}")
    assert TOKEN.encode() not in (folder / "cmdline").read_bytes()
    assert TOKEN.encode() not in (folder / "environ").read_bytes()
    kept = [*alone.places.folder.rglob("*"), *alone.places.private.rglob("*")]
    files = [path for path in kept if path.is_file()]
    assert alone.places.log in files
    assert not [path for path in files if TOKEN.encode() in path.read_bytes()]


def test_its_files_are_its_owners_alone(alone: Alone) -> None:
    assert alone.places.private.stat().st_mode & 0o777 == 0o700
    assert alone.places.connection_file.stat().st_mode & 0o777 == 0o600
    assert alone.places.log.stat().st_mode & 0o777 == 0o600
    assert alone.info["transport"] == "ipc"


def test_it_keeps_no_history_and_loads_no_debugger(alone: Alone) -> None:
    maps = Path(f"/proc/{alone.child.pid}/maps").read_text()
    assert "pydevd" not in maps
    assert not list(alone.places.folder.rglob("history.sqlite"))
