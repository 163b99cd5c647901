"""The gateway as a process: one a home, two private sockets, and nothing that comes in ends it."""

import json
import os
import socket
import stat
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest
import sqlalchemy as sa
import zmq

from tests.gateway.bench import TOKEN, buy, expected_fills, opening
from tests.gateway.processes import Gateway, open_little
from workbench.domain.roles import VERBS, Role, allowed
from workbench.gateway.errors import (
    GatewayUnreachableError,
    NotAllowedError,
    RefusedError,
    UnknownDeploymentError,
)
from workbench.gateway.messages import OperatorReply, OperatorRequest, Refused
from workbench.market import Bars
from workbench.store import open_store

pytestmark = pytest.mark.processes


def _start_another(gateway: Gateway) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "workbench.gateway", "--home", str(gateway.settings.home)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_second_gateway_is_refused_and_told_which_process_runs(gateway: Gateway) -> None:
    gateway.start()
    pid = gateway.operator().status()["pid"]
    second = _start_another(gateway)
    assert second.returncode == 1
    assert f"found one running as process {pid}" in second.stderr
    assert "Traceback" not in second.stderr
    assert gateway.operator().status()["pid"] == pid


def test_two_homes_on_one_postgresql_have_one_gateway(
    gateway: Gateway, postgresql_url: str, bars: Bars
) -> None:
    settings = gateway.settings.model_copy(update={"gateway_database_url": postgresql_url})
    first = Gateway(settings)
    other = Gateway(settings.model_copy(update={"home": settings.home.with_name("other")}))
    first.start()
    try:
        other.start(wait=False)
        assert other.process is not None
        other.process.join(60)
        assert other.process.exitcode == 1
        first.operator().open(**opening("d-1", bars))
        with first.client() as client:
            kernel = first.kernel(client)
            kernel.run(most=20)
            first.kill()
            first.start()
            kernel.run()
            assert kernel.fills == expected_fills(bars)
        assert first.operator().verify()["ok"]
    finally:
        first.kill()


def test_after_a_kill_the_next_one_takes_over_the_lease_and_the_sockets(gateway: Gateway) -> None:
    gateway.start()
    first = gateway.operator().status()["pid"]
    gateway.kill()
    assert gateway.settings.gateway_socket.exists()
    gateway.start()
    assert gateway.operator().status()["pid"] != first


def test_the_sockets_are_for_their_owner_alone_and_gone_after_an_orderly_end(gateway: Gateway) -> None:
    gateway.start()
    paths = (gateway.settings.gateway_socket, gateway.settings.operator_socket)
    for path in paths:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert gateway.terminate() == 0
    assert not any(path.exists() for path in paths)
    last = json.loads((gateway.settings.logs_dir / "gateway.jsonl").read_text().splitlines()[-1])
    assert last["event"] == "ended"


def test_shutdown_is_an_administrators_verb(gateway: Gateway) -> None:
    gateway.start()
    with pytest.raises(NotAllowedError):
        gateway.operator(role="approver").shutdown()
    gateway.operator().shutdown()
    assert gateway.process is not None
    gateway.process.join(20)
    assert gateway.process.exitcode == 0


def test_without_a_gateway_a_client_says_how_to_start_one(gateway: Gateway) -> None:
    with pytest.raises(GatewayUnreachableError, match=r"python -m workbench\.gateway"):
        gateway.operator(timeout_s=0.2).status()


def test_a_damaged_database_is_not_traded_on(gateway: Gateway, bars: Bars) -> None:
    gateway.start()
    gateway.operator().open(**opening("d-1", bars))
    assert gateway.terminate() == 0
    path = gateway.settings.home / "gateway.db"
    content = bytearray(path.read_bytes())
    for page in range(1, len(content) // 4096):
        content[page * 4096 : page * 4096 + 64] = os.urandom(64)
    path.write_bytes(content)
    second = _start_another(gateway)
    assert second.returncode == 1
    assert "Traceback" not in second.stderr
    assert not gateway.settings.gateway_socket.exists()


def test_a_changed_journal_is_not_traded_on(gateway: Gateway, bars: Bars) -> None:
    gateway.start()
    gateway.operator().open(**opening("d-1", bars))
    assert gateway.terminate() == 0
    engine = open_store(gateway.settings.gateway_store_url)
    with engine.begin() as connection:
        guards = "SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'journal'"
        for name in connection.scalars(sa.text(guards)).all():
            connection.execute(sa.text(f"DROP TRIGGER {name}"))
        connection.execute(sa.text("UPDATE journal SET body = replace(body, '1000000', '9000000')"))
    engine.dispose()
    second = _start_another(gateway)
    assert second.returncode == 1
    assert "record 2 (deployment.opened) was changed after it was written" in second.stderr


def test_garbage_and_giants_do_not_end_it(gateway: Gateway, bars: Bars) -> None:
    gateway.start()
    gateway.operator().open(**opening("d-1", bars))
    context = zmq.Context.instance()
    frames = [
        b"",
        b"\x00\xff" * 100,
        b"{",
        b"[]",
        b'{"type":"Attach"}',
        b'{"type":"Nobody"}',
        b'{"type":"NextEvent","deployment_id":"d-1","token":"x","after":1e400,"decision":{}}',
        b'{"type":"Heartbeat","deployment_id":"' + b"x" * 100_000 + b'","token":""}',
        b"[" * 50_000,
        json.dumps({"type": "SubmitIntent", "order": {"units": 10**400}}).encode(),
    ]
    for path, kind in (
        (gateway.settings.gateway_socket, Refused),
        (gateway.settings.operator_socket, OperatorReply),
    ):
        with context.socket(zmq.DEALER) as line:
            line.setsockopt(zmq.LINGER, 0)
            line.connect(f"ipc://{path}")
            for frame in frames:
                line.send(frame)
                assert line.poll(5_000), frame[:50]
                reply = msgspec.json.decode(line.recv(), type=kind)
                assert (reply.reason if isinstance(reply, Refused) else reply.error) != ""
            line.send_multipart([b"", b"more", b"frames", b"\xfe"])
            assert line.poll(5_000)
            line.recv_multipart()
            line.send(b"x" * (1 << 21))  # larger than what is read: the connection ends, not the gateway
            assert not line.poll(200)
        with socket.socket(socket.AF_UNIX) as raw:
            raw.connect(str(path))
            raw.sendall(os.urandom(4_096))
    assert gateway.operator().status()["deployments"][0]["state"] == "running"
    with gateway.client() as client:
        kernel = gateway.kernel(client)
        kernel.run()
        assert kernel.fills == expected_fills(bars)


def test_numbers_no_database_can_hold_do_not_end_it(gateway: Gateway, bars: Bars) -> None:
    gateway.start()
    gateway.operator().open(**opening("d-1", bars))
    with gateway.client() as client:
        kernel = gateway.kernel(client)
        kernel.take()
        for number in (2**63, 2**64, -(2**63) - 1, 10**30):
            body = msgspec.to_builtins(buy(1, f"n-{abs(number) % 97}"))
            body["units"] = number
            request = {
                "type": "SubmitIntent",
                "deployment_id": "d-1",
                "token": TOKEN,
                "event_seq": 2,
                "order": body,
            }
            with zmq.Context.instance().socket(zmq.DEALER) as line:
                line.setsockopt(zmq.LINGER, 0)
                line.connect(f"ipc://{gateway.settings.gateway_socket}")
                line.send(json.dumps(request).encode())
                assert line.poll(5_000)
                assert b"WORKING" not in line.recv()
    shown = gateway.operator().status()["deployments"][0]
    assert (shown["orders"], shown["state"]) == (0, "running")


def test_every_verb_is_for_its_roles_alone(gateway: Gateway) -> None:
    gateway.start()
    verbs = ("status", "open", "stop", "close", "resume", "kill", "unkill", "verify", "fills", "orders")
    for role in (*(item.value for item in Role), "", "root"):
        for verb in (*verbs, "equity", "decisions", "shutdown"):
            if verb == "shutdown" and allowed(role, verb):
                continue
            assert verb in VERBS
            try:
                gateway.operator(role=role).ask(verb, **({} if verb != "kill" else {"scope": "?"}))
                refused = False
            except NotAllowedError:
                refused = True
            except (RefusedError, UnknownDeploymentError):
                refused = False
            assert refused is not allowed(role, verb), (role, verb)


def test_another_protocol_version_is_refused_by_the_operators_socket(gateway: Gateway) -> None:
    gateway.start()
    with zmq.Context.instance().socket(zmq.DEALER) as line:
        line.setsockopt(zmq.LINGER, 0)
        line.connect(f"ipc://{gateway.settings.operator_socket}")
        request = OperatorRequest(version=99, verb="status", user="david", role="admin", arguments={})
        line.send(msgspec.json.encode(request))
        assert line.poll(5_000)
        reply = msgspec.json.decode(line.recv(), type=OperatorReply)
    assert "found 99" in reply.error


def test_people_can_read_what_happened(gateway: Gateway, bars: Bars) -> None:
    gateway.start()
    operator = gateway.operator(role="viewer")
    gateway.operator().open(**opening("d-1", bars))
    with gateway.client() as client:
        kernel = gateway.kernel(client)
        kernel.run()
    found = operator.fills("d-1")
    assert [item["price"] for item in found] == [fill.price for fill in expected_fills(bars)]
    assert operator.fills("d-1", after=found[3]["event_seq"], limit=2) == found[4:6]
    curve = operator.equity("d-1")
    assert len(curve["equity"]) == len(curve["time_ns"]) == len(curve["units"]) == 97
    status = operator.status()["deployments"][0]
    assert curve["equity"][-1] == status["equity"] == found[-1]["balance"] or status["position"]
    thin = operator.equity("d-1", points=10)
    assert 10 <= len(thin["equity"]) <= 12
    assert thin["equity"][-1] == curve["equity"][-1]
    orders = operator.orders("d-1")
    assert len(orders) == status["orders"] == len(kernel.results)
    assert {item["state"] for item in orders} <= {"FILLED", "CANCELED"}
    decisions = operator.decisions("d-1")
    assert sum(len(item["decision"].get("orders", ())) for item in decisions) == len(orders)
    with pytest.raises(UnknownDeploymentError):
        operator.fills("d-2")
    checked = operator.verify()
    assert checked["ok"]
    assert checked["length"] == operator.status()["journal_length"]


def test_flatten_closes_the_position_while_no_kernel_asks(gateway: Gateway, bars: Bars) -> None:
    gateway.start()
    gateway.operator().open(**opening("d-1", bars))
    with gateway.client() as client:
        kernel = gateway.kernel(client)
        kernel.take()
        kernel.submit(buy(1_000))
        kernel.take()
    operator = gateway.operator(role="operator")
    operator.stop("d-1", flatten=True)
    deadline = time.monotonic() + 60
    while operator.status()["deployments"][0]["position"] and time.monotonic() < deadline:
        time.sleep(0.02)
    shown = operator.status()["deployments"][0]
    assert (shown["position"], shown["waiting"], shown["state"]) == (0, 0, "stopped")


@pytest.mark.parametrize("limit", ["pages", "file size"])
def test_a_full_disk_sends_nothing_and_nothing_is_lost(gateway: Gateway, bars: Bars, limit: str) -> None:
    gateway.start()
    gateway.operator().open(**opening("d-1", bars))
    gateway.terminate()
    size = (gateway.settings.home / "gateway.db").stat().st_size
    if limit == "pages":
        gateway.start(open_engine=open_little)
    else:
        gateway.start(limit_bytes=size + 60_000)
    with gateway.client() as client:
        kernel = gateway.kernel(client)
        kernel.attach()
        reply = kernel.run()
        assert isinstance(reply, Refused)
        assert "nothing was sent" in reply.reason
        sent = [item.client_order_id for item in kernel.results]
        if limit == "pages":
            shown = gateway.operator().status()["deployments"][0]
            assert shown["state"] == "frozen"
            assert isinstance(kernel.submit(buy(1, "later")), Refused)
    # a write that failed may have been half done: only a new process knows what is on the disk
    assert gateway.terminate() == (0 if limit == "pages" else 1)
    gateway.start()
    assert {item["client_order_id"] for item in gateway.operator().orders("d-1")} >= set(sent)
    if gateway.operator().status()["deployments"][0]["state"] == "frozen":  # that had still found room
        gateway.operator(role="admin").resume("d-1")
    with gateway.client() as client:
        kernel = gateway.kernel(client)
        kernel.attach()
        kernel.run()
        assert kernel.fills == expected_fills(bars)
    assert gateway.operator().verify()["ok"]


def test_the_log_is_json_with_client_order_ids_and_without_the_session_secret(
    gateway: Gateway, bars: Bars
) -> None:
    gateway.start()
    gateway.operator().open(**opening("d-1", bars))
    with gateway.client() as client:
        kernel = gateway.kernel(client)
        kernel.attach()
        kernel.take()
        kernel.submit(buy(1_000, "seen-in-the-log"))
        gateway.kernel(client, token="guessed-secret").attach()
    gateway.terminate()
    text = (gateway.settings.logs_dir / "gateway.jsonl").read_text()
    lines = [json.loads(line) for line in text.splitlines()]
    (order,) = [line for line in lines if line["event"] == "order"]
    assert order["client_order_id"] == "seen-in-the-log"
    assert TOKEN not in text
    assert "guessed-secret" not in text


def test_the_key_of_the_journal_stays_in_the_home(gateway: Gateway) -> None:
    gateway.start()
    keys: Path = gateway.settings.keys_dir
    assert stat.S_IMODE((keys / "gateway.key").stat().st_mode) == 0o600
    assert stat.S_IMODE(keys.stat().st_mode) == 0o700
