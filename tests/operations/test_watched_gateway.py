"""A real gateway, watched: Prometheus reads it, alerts arrive, traces join up, the watchdog hears it."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.gateway.bench import Kernel, made_up_bars, opening
from tests.gateway.processes import prepared
from tests.operations.receivers import Receiver, program, receiver
from workbench.domain.orders import ClientOrderId, Order
from workbench.gateway.client import GatewayClient, OperatorClient
from workbench.gateway.errors import GatewayUnreachableError
from workbench.operations import AlertTargets, open_tracer
from workbench.settings import Settings

pytestmark = pytest.mark.processes
BARS = made_up_bars(24)


@dataclass
class Watched:
    """The gateway and those who watch it."""

    settings: Settings
    process: "subprocess.Popen[bytes]"
    port: int
    alerts: Receiver
    traces: Receiver
    notices: list[str]
    notify: socket.socket

    def operator(self) -> OperatorClient:
        return OperatorClient(self.settings.operator_socket, user="david", role="admin", timeout_s=60)

    def metric(self, name: str) -> float:
        """The value of a line of the exposition."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=5) as answer:
            text = answer.read().decode()
        (line,) = [line for line in text.splitlines() if line.startswith(f"{name} ")]
        return float(line.rpartition(" ")[2])

    def hear(self, wanted: str, *, within_s: float) -> bool:
        """Whether the service manager is told something in time."""
        deadline = time.monotonic() + within_s
        while not any(wanted in notice for notice in self.notices) and time.monotonic() < deadline:
            self.notify.settimeout(0.2)
            try:
                self.notices.append(self.notify.recv(4_096).decode())
            except TimeoutError:
                continue
        return any(wanted in notice for notice in self.notices)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    """One gateway for all tests here, with a deployment."""
    runtime = Path(tempfile.mkdtemp(prefix="wb-"))
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, runtime, ignore_errors=True)
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        patch.setenv("XDG_RUNTIME_DIR", str(runtime))
        settings = prepared(tmp_path_factory.mktemp("watched") / "home", BARS)
        alerts, traces = stack.enter_context(receiver()), stack.enter_context(receiver())
        AlertTargets(settings.alerts_file).add(f"json://127.0.0.1:{alerts.port}/")
        notify = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
        notify.bind(str(runtime / "notify"))
        port = free_port()
        process = subprocess.Popen(
            [sys.executable, "-m", "workbench.gateway", "--home", settings.home],
            env={
                **os.environ,
                "WORKBENCH_GATEWAY_METRICS_PORT": str(port),
                "WORKBENCH_TRACES_URL": f"http://127.0.0.1:{traces.port}/v1/traces",
                "OTEL_BSP_SCHEDULE_DELAY": "200",
                "NOTIFY_SOCKET": str(runtime / "notify"),
                "WATCHDOG_USEC": "2000000",
            },
        )
        stack.callback(process.wait, 30)
        stack.callback(process.terminate)
        found = Watched(settings, process, port, alerts, traces, [], notify)
        deadline = time.monotonic() + 60
        while True:
            try:
                found.operator().open(**opening("d-1", BARS))
                break
            except GatewayUnreachableError:
                assert time.monotonic() < deadline
                time.sleep(0.1)
        yield found


def trade(watched: Watched, name: str, units: int = 1_000) -> Any:
    """What becomes of an order."""
    with GatewayClient(watched.settings.gateway_socket, timeout_s=5, patience_s=5) as client:
        kernel = Kernel(client.ask)
        kernel.attach()
        kernel.take()
        return kernel.submit(
            Order(client_order_id=ClientOrderId(name), instrument=BARS.instrument.id, units=units)
        )


def test_the_service_manager_hears_that_it_serves_and_goes_on(watched: Watched) -> None:
    assert watched.hear("READY=1", within_s=60)
    watched.notices.clear()
    assert watched.hear("WATCHDOG=1", within_s=60)


def test_a_loop_that_hangs_gives_no_beat(watched: Watched) -> None:
    os.kill(watched.process.pid, signal.SIGSTOP)
    try:
        watched.hear("nothing", within_s=0.5)  # what was told before
        watched.notices.clear()
        assert not watched.hear("WATCHDOG=1", within_s=2.5)
    finally:
        os.kill(watched.process.pid, signal.SIGCONT)
    assert watched.hear("WATCHDOG=1", within_s=60)


def spans_of(client_order_id: str, taken: Receiver) -> dict[str, Any]:
    """The spans of an order that came in, by name."""
    return {
        span.name: span
        for body in list(taken.bodies)
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
        if any(
            item.key == "client_order_id" and item.value.string_value == client_order_id
            for item in span.attributes
        )
    }


def test_orders_and_denials_are_counted_timed_and_traced(watched: Watched) -> None:
    assert trade(watched, "counted").state == "WORKING"
    assert trade(watched, "too-much", 10**9).state == "DENIED"
    assert watched.metric('workbench_gateway_orders_total{state="WORKING"}') == 1
    assert watched.metric('workbench_gateway_orders_total{state="DENIED"}') == 1
    assert watched.metric('workbench_gateway_commit_seconds_count{change="intent"}') == 1
    assert watched.metric("workbench_gateway_send_seconds_count") == 1

    kernel = open_tracer(f"http://127.0.0.1:{watched.traces.port}/v1/traces", service="workbench-live")
    assert kernel is not None
    kernel.on_event(
        None, "info", {"event": "intent", "client_order_id": "counted", "seconds": 60.0, "state": "WORKING"}
    )
    kernel.on_event(None, "info", {"event": "ended"})
    parts = {"gateway", "commit intent", "send to broker", "record answer"}
    assert watched.traces.wait_for(
        lambda taken: {"intent", *parts} <= set(spans_of("counted", taken)), within_s=60
    )
    found = spans_of("counted", watched.traces)
    intent = found["intent"]
    assert not intent.parent_span_id
    assert {(found[name].trace_id, found[name].parent_span_id) for name in parts} == {
        (intent.trace_id, intent.span_id)
    }
    whole = found["gateway"]
    assert all(
        whole.start_time_unix_nano <= found[name].start_time_unix_nano <= found[name].end_time_unix_nano
        for name in parts
    )


def test_prometheus_reads_it_and_its_rules_and_our_own_alert_tell_of_a_kill(
    watched: Watched, tmp_path: Path
) -> None:
    prometheus = program("prometheus", package="prometheus")
    files = tmp_path / "files"
    from workbench.operations.files import write_files

    write_files(files, home=watched.settings.home, project=tmp_path, mlruns=tmp_path, user="root")
    configuration = files / "prometheus.yml"
    text = configuration.read_text().replace("127.0.0.1:9471", f"127.0.0.1:{watched.port}")
    configuration.write_text(text.replace("interval: 5s", "interval: 1s"))
    rules = files / "prometheus_rules.yml"
    rules.write_text(rules.read_text().replace("interval: 5s", "interval: 1s"))
    port = free_port()
    server = subprocess.Popen(
        [
            prometheus,
            f"--config.file={configuration}",
            f"--storage.tsdb.path={tmp_path / 'tsdb'}",
            f"--web.listen-address=127.0.0.1:{port}",
            "--log.level=error",
        ]
    )

    def firing() -> set[str]:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v1/alerts", timeout=5) as answer:
                found = json.load(answer)["data"]["alerts"]
        except OSError:
            return set()
        return {item["labels"]["alertname"] for item in found if item["state"] == "firing"}

    try:
        watched.alerts.bodies.clear()
        watched.operator().kill(scope="all", reason="a test")
        assert watched.alerts.wait_for(lambda taken: bool(taken.bodies), within_s=60)
        assert watched.alerts.messages[0]["title"] == "[gateway] Kill switch pressed: all"
        assert "a test" in watched.alerts.messages[0]["message"]
        deadline = time.monotonic() + 120
        while "WorkbenchKillInForce" not in firing() and time.monotonic() < deadline:
            time.sleep(0.2)
        assert firing() == {"WorkbenchKillInForce"}
        watched.operator().unkill(scope="all", reason="a test")
        while firing() and time.monotonic() < deadline:
            time.sleep(0.2)
        assert firing() == set()
    finally:
        server.terminate()
        server.wait(30)


def test_an_order_that_stays_unknown_is_told(tmp_path: Path) -> None:
    from types import SimpleNamespace

    from workbench.gateway.metrics import GatewayMetrics
    from workbench.operations import Alert, AlertSender

    told: list[Alert] = []

    class Sender(AlertSender):
        def tell(self, alert: Alert) -> None:
            told.append(alert)

    now = [0.0]
    metrics = GatewayMetrics(alerts=Sender(urls=("json://x/",), source="gateway"), monotonic=lambda: now[0])
    trading = SimpleNamespace(unknown={"lost-1": None}, archived=object(), state=None)
    desk: Any = SimpleNamespace(
        deployments={"d-1": trading}, kills=set(), ledger=SimpleNamespace(length=3, unsigned=True)
    )
    for second in (0, 5, 6):
        now[0] = second
        metrics.look(desk)
        assert [alert.subject for alert in told] == (["lost-1"] if second == 6 else [])
    trading.unknown.clear()
    now[0] = 119
    metrics.look(desk)
    assert metrics.registry.get_sample_value("workbench_gateway_unknown_age_seconds") == 0
    assert len(told) == 1
    now[0] = 121
    metrics.look(desk)
    assert told[-1].name == "checkpoint late"


def test_the_age_of_quotes_counts_while_the_market_is_open() -> None:
    from types import SimpleNamespace

    from workbench.domain.instruments import instrument
    from workbench.gateway.metrics import GatewayMetrics
    from workbench.operations import AlertSender

    wall = [1_512_432_000_000_000_000]  # Tuesday 5 December 2017, 00:00 UTC
    now = [0.0]
    metrics = GatewayMetrics(
        alerts=AlertSender(urls=(), source="gateway"), monotonic=lambda: now[0], wall_ns=lambda: wall[0]
    )
    record = instrument("EUR_USD")
    trading = SimpleNamespace(
        unknown={},
        archived=None,
        state=None,
        standing=None,
        desk_view=None,
        kernel_seen_ns=0,
        equity=0,
        day_start_equity=0,
        working=[],
        spec=SimpleNamespace(records=(record,)),
        feed=SimpleNamespace(data_age_ns=lambda name: 30_000_000_000),
    )
    desk: Any = SimpleNamespace(
        deployments={"d-1": trading}, kills=set(), ledger=SimpleNamespace(length=3, unsigned=False)
    )

    def age() -> float | None:
        now[0] += 2
        metrics.look(desk)
        labels = {"deployment": "d-1", "instrument": "EUR_USD"}
        return metrics.registry.get_sample_value("workbench_gateway_data_age_seconds", labels)

    assert age() == 30
    wall[0] = 1_512_777_600_000_000_000  # Saturday
    assert age() == 0
