"""Gateway and supervisor as processes, a signed release, real bars: live is the backtest, killed or not."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import nbformat
import pytest
import sqlalchemy as sa
from nbformat.v4 import new_code_cell, new_notebook

from tests.live.desk import eventually
from workbench.domain.cost_book import retail_book
from workbench.domain.limits import Limits
from workbench.domain.orders import Fill
from workbench.errors import WorkbenchError
from workbench.gateway.client import OperatorClient
from workbench.live import SupervisorClient, add_account, deploy, deployment, released_notebooks
from workbench.live.divergence import compare
from workbench.market import Bars, MarketStore, sample_files
from workbench.release.approvals import approve
from workbench.release.bundle import NOTEBOOK, write_bundle
from workbench.release.keys import signing_key
from workbench.release.releases import Release, register_release
from workbench.research import run_backtest
from workbench.settings import Settings, load_settings
from workbench.store import open_store
from workbench.strategy import spec, strategy_from_spec

pytestmark = pytest.mark.processes

DEFINE = """
from workbench.strategy import Param, RiskFraction, Rules, Strategy, atr, crosses_above, crosses_below, sma

class SmaCross(Strategy):
    fast = Param(8, low=2, high=50)
    slow = Param(21, low=5, high=200)

    def rules(self, bar):
        fast, slow = sma(bar.mid.close, self.fast), sma(bar.mid.close, self.slow)
        return Rules(
            enter_long=crosses_above(fast, slow),
            enter_short=crosses_below(fast, slow),
            stop=3.0 * atr(bar, 14),
            size=RiskFraction(0.01),
        )
"""
DEPLOY = """
from workbench.kernel import deploy
deploy(SmaCross(fast=fast, slow=slow), instruments=["EUR_USD"], timeframe="H1")
"""
LIMITS = Limits(
    instruments=("EUR_USD",),
    max_order_units=5_000_000,
    max_order_value=10_000_000_000_000,
    max_position_units=5_000_000,
    max_open_orders=10,
    max_orders_per_minute=60,
    max_margin_use_ppm=1_000_000,
    max_daily_loss=100_000_000_000,
)
BARS = 240


@dataclass
class House:
    """A home with data, a release, a gateway and a supervisor."""

    settings: Settings
    engine: sa.Engine
    release: Release
    bars: Bars  # all of the pinned data
    first: int  # the first bar that is replayed
    processes: dict[str, "subprocess.Popen[bytes]"]

    @property
    def start_ns(self) -> int:
        return int(self.bars.open_ns[self.first])

    @property
    def end_ns(self) -> int:
        return int(self.bars.open_ns[self.first + BARS])

    def run(self, name: str, *options: str) -> None:
        environment = {**os.environ, "WORKBENCH_PROJECT": str(self.settings.project)}
        self.settings.logs_dir.mkdir(parents=True, exist_ok=True)
        with (self.settings.logs_dir / f"{name}.out").open("ab") as output:
            self.processes[name] = subprocess.Popen(
                [sys.executable, "-m", f"workbench.{name}", "--home", str(self.settings.home), *options],
                env=environment,
                stdout=output,
                stderr=output,
            )
        client: Any = self.gateway if name == "gateway" else self.supervisor
        eventually(lambda: answers(client), what=f"the {name}'s start")

    @property
    def gateway(self) -> OperatorClient:
        return OperatorClient(self.settings.operator_socket, user="david", role="admin", timeout_s=15.0)

    @property
    def supervisor(self) -> SupervisorClient:
        return SupervisorClient(self.settings.supervisor_socket, user="david", role="admin")

    def deploy(self, account: str, *, bars_per_second: float) -> str:
        add_account(self.engine, account)
        feed = {
            "kind": "replay",
            "start_ns": self.start_ns,
            "end_ns": self.end_ns,
            "bars_per_second": bars_per_second,
        }
        return deploy(
            self.engine,
            released_notebooks(self.settings),
            release_id=self.release.id,
            account_id=account,
            feed=feed,
            by="david",
        )

    def until(self, name: str, state: str) -> None:
        def check() -> bool:
            found = deployment(self.engine, name)
            assert found.state == state or found.state not in ("failed", "stopped"), found.detail
            return found.state == state

        eventually(check, what=f"{name} {state}")

    def fills(self, name: str) -> list[Fill]:
        names = set(Fill.__dataclass_fields__)
        return [
            msgspec.convert({key: value for key, value in row.items() if key in names}, Fill)
            for row in self.gateway.fills(name)
        ]

    def backtest(self) -> list[Fill]:
        result = run_backtest(
            strategy_from_spec(self.release.spec),
            self.bars.between(None, self.end_ns),
            cost_book=self.release.cost_book,
            balance=Decimal(100_000),
            trade_from_ns=self.start_ns,
        )
        return list(result.fills)


def answers(client: Any) -> bool:
    try:
        return bool(client.status())
    except WorkbenchError:
        return False


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    runtime = tempfile.mkdtemp(prefix="wb-")
    monkeypatch.setenv("XDG_RUNTIME_DIR", runtime)
    settings = load_settings(home=tmp_path / "home", project=tmp_path)
    engine = open_store(settings.store_url)
    book = retail_book("EUR_USD")
    store = MarketStore(settings.market_dir, engine)
    store.import_file(
        sample_files().eurusd_h1_2017, "EUR_USD", cost_book=book, timezone="UTC", show_progress=False
    )
    bars = store.bars("EUR_USD", "H1")
    made = House(settings, engine, release(settings, bars, book.to_json()), bars, 1_000, {})
    try:
        yield made
    finally:
        for process in reversed(made.processes.values()):
            if process.poll() is None:
                process.terminate()
                process.wait(40)
        engine.dispose()
        shutil.rmtree(runtime, ignore_errors=True)


def release(settings: Settings, bars: Bars, book: dict[str, Any]) -> Release:
    """A release signed by sarah and approved by david, as a promotion leaves it."""
    scope: dict[str, Any] = {"__name__": "notebook"}
    exec(DEFINE, scope)
    described = spec(scope["SmaCross"](fast=8, slow=21))
    notebook = new_notebook(
        cells=[
            new_code_cell("fast = 5\nslow = 50", metadata={"tags": ["parameters"]}),
            new_code_cell("1 / 0", metadata={"tags": ["research"]}),
            new_code_cell(DEFINE),
            new_code_cell(DEPLOY),
        ]
    )
    manifest = {
        "name": "sma_cross",
        "run_id": "",
        "author": "sarah",
        "created_ns": time.time_ns(),
        "parameters": {"fast": 8, "slow": 21},
        "strategy": {"name": "SmaCross", "digest": described["digest"], "spec": described},
        "instruments": ["EUR_USD"],
        "timeframe": "H1",
        "data": {"EUR_USD H1": bars.fingerprint},
        "cost_book": book,
        "limits": LIMITS.to_json(),
        "evidence": [],
        "idea": "i",
        "trials": 1,
    }
    key = signing_key(settings.keys_dir, "release")
    manifest = msgspec.json.decode(msgspec.json.encode(manifest))
    release_id, signature = write_bundle(
        settings.releases_dir,
        manifest=manifest,
        files={NOTEBOOK: nbformat.writes(notebook).encode()},
        key=key,
    )
    folder = settings.releases_dir / release_id
    made = Release(
        id=release_id,
        signature=signature,
        manifest=msgspec.json.decode((folder / "manifest.json").read_bytes()),
        folder=folder,
    )
    register_release(made, settings=settings)
    approve(made.id, settings=settings, approver="david", reason="looks right", role="approver")
    return made


def test_a_run_with_killed_kernels_and_a_killed_gateway_has_exactly_the_fills_of_the_backtest(
    house: House,
) -> None:
    house.run("gateway")
    house.run("live")
    name = house.deploy("paper-1", bars_per_second=40.0)
    house.until(name, "running")

    def decided(count: int) -> bool:
        line = next((item for item in house.gateway.status()["deployments"]), {})
        return bool(line.get("decision_seq", 0) >= 2 * count)

    eventually(lambda: decided(40), what="decision 40")
    os.kill(deployment(house.engine, name).pid, signal.SIGKILL)
    eventually(lambda: deployment(house.engine, name).state == "restarting", what="the restart")
    house.until(name, "running")
    eventually(lambda: decided(120), what="decision 120")
    house.processes["gateway"].kill()
    house.processes["gateway"].wait()
    house.run("gateway")
    house.until(name, "finished")
    found = compare(house.fills(name), house.backtest())
    assert found.sentence() == f"all {len(found.lines)} executions are equal to the last digit"
    assert len(found.lines) > 5
    line = house.supervisor.status()["deployments"][0]
    assert line["restarts"] == 1
    assert line["recoveries"][0]["seconds"] < 60
    assert house.gateway.verify()["ok"]


def test_a_release_with_one_altered_byte_is_refused_and_named(house: House) -> None:
    name = house.deploy("paper-1", bars_per_second=0.0)
    notebook = house.release.notebook
    content = bytearray(notebook.read_bytes())
    content[100] ^= 1
    notebook.chmod(0o600)
    notebook.write_bytes(content)
    house.run("gateway")
    house.run("live")
    eventually(lambda: deployment(house.engine, name).state == "failed", what="the refusal")
    detail = deployment(house.engine, name).detail
    assert detail.startswith("Refused: release")
    assert "notebook.ipynb was altered" in detail
    assert house.gateway.status()["deployments"] == []


def test_a_release_that_was_refused_after_its_deployment_does_not_start(house: House) -> None:
    from workbench.release.approvals import refuse

    name = house.deploy("paper-1", bars_per_second=0.0)
    refuse(house.release.id, settings=house.settings, approver="alex", reason="no", role="approver")
    house.run("gateway")
    house.run("live")
    eventually(lambda: deployment(house.engine, name).state == "failed", what="the refusal")
    assert "is not approved any more" in deployment(house.engine, name).detail


def test_a_deployment_waits_for_a_gateway_that_is_not_there_yet(house: House) -> None:
    house.run("live")
    name = house.deploy("paper-1", bars_per_second=0.0)
    eventually(lambda: "Waits for the gateway" in deployment(house.engine, name).detail, what="waiting")
    house.run("gateway")
    house.until(name, "finished")
    assert compare(house.fills(name), house.backtest()).equal
