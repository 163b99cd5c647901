"""A home with data, signed releases, and a gateway and a supervisor as processes."""

import linecache
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import nbformat
import numpy as np
import pytest
import sqlalchemy as sa
from nbformat.v4 import new_code_cell, new_notebook

from tests.live.desk import eventually
from tests.live.notebook_strategies import BY_HAND, HEDGED
from workbench.domain.accounts import AccountRules
from workbench.domain.allowance import Allowance
from workbench.domain.calendar import session_of
from workbench.domain.controls import LIMITS as LIMIT_KINDS
from workbench.domain.controls import Sense
from workbench.domain.cost_book import retail_book
from workbench.domain.cost_history import CostHistory, Costs
from workbench.domain.instruments import instrument
from workbench.domain.limits import Limits
from workbench.domain.orders import Fill
from workbench.domain.timeframes import Timeframe
from workbench.errors import WorkbenchError
from workbench.gateway.client import OperatorClient
from workbench.live import SupervisorClient, add_account, deploy, deployment, released_notebooks
from workbench.market import Bars, MarketStore, make_bars, sample_files
from workbench.release.approvals import approve
from workbench.release.bundle import NOTEBOOK, write_bundle
from workbench.release.keys import signing_key
from workbench.release.releases import Release, register_release
from workbench.research import run_backtest
from workbench.settings import Settings, load_settings
from workbench.store import open_store
from workbench.strategy import Strategy, spec, strategy_from_spec

__all__ = ["House", "Tenant", "built_house", "written"]

DEPLOY = """
from workbench.kernel import deploy
deploy({name}(fast=fast, slow=slow), instruments={instruments}, timeframe="H1")
"""
LIMITS = Limits(
    instruments=("AUD_USD", "EUR_GBP", "EUR_USD", "GBP_USD"),
    max_order_units=5_000_000,
    max_order_value=10_000_000_000_000,
    max_position_units=5_000_000,
    max_open_orders=10,
    max_orders_per_minute=60,
    max_margin_use_ppm=1_000_000,
    max_daily_loss=100_000_000_000,
)
BARS = 160  # of each replay
FIRST = 1_000  # the first bar that is replayed
MADE_UP = ("GBP_USD", "AUD_USD", "EUR_GBP")


@dataclass
class House:
    """The home; its data is made once for all releases in it."""

    settings: Settings
    engine: sa.Engine
    store: MarketStore
    made: dict[str, Bars]
    processes: dict[str, "subprocess.Popen[bytes]"] = field(default_factory=dict)

    def bars(self, name: str) -> Bars:
        """The pinned bars of an instrument; those that are not the sample's wander off from them."""
        if name not in self.made:
            seed = MADE_UP.index(name) + 1
            self.store.add(made_up_from(self.made["EUR_USD"], name, seed=seed), source="made up")
            self.made[name] = self.store.bars(name, "H1")
        return self.made[name]

    def take_in(
        self,
        source: str,
        traded: Sequence[str] = ("EUR_USD",),
        *,
        account: AccountRules | None = None,
        others: Sequence[str] = (),
        **terms: Any,
    ) -> "Tenant":
        """A release of the strategy that `source` defines; costs change in its replay where it has rules."""
        names = [*traded, *others]
        costs = {name: item for name in names for item in [retail_book(name).of(name)]}
        book: Costs = replace(retail_book("EUR_USD"), costs=costs)
        series, extra = [self.bars(name) for name in traded], tuple(self.bars(name) for name in others)
        if account is not None:
            book = changing_costs(replace(retail_book("EUR_USD"), costs=costs), series[0])
        found = release(self.settings, series, book.to_json(), source, account, others=extra, **terms)
        return Tenant(self, found, series, extra)

    def run(self, name: str, *options: str) -> None:
        """Start the gateway or the supervisor (`live`), and wait until it answers."""
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
        if name == "gateway":
            self.lift_firm_limits()

    def run_both(self) -> None:
        """Start what does not run yet."""
        for name in ("gateway", "live"):
            if name not in self.processes:
                self.run(name)

    def kill_gateway(self) -> None:
        """End it without a word, and start it again."""
        self.processes["gateway"].kill()
        self.processes["gateway"].wait()
        self.run("gateway")

    def lift_firm_limits(self) -> None:
        """Leave the orders to the limits of the release."""
        found = self.gateway.controls()
        for item in found["in_force"]:
            kind = LIMIT_KINDS[item["name"]]
            if item["scope"] == "firm" and kind.sense is not Sense.FORBIDDEN and item["value"] is not None:
                self.gateway.limits(
                    "set", name=item["name"], text="no limit", reason="those of the release bind"
                )

    @property
    def gateway(self) -> OperatorClient:
        return OperatorClient(self.settings.operator_socket, user="david", role="admin", timeout_s=15.0)

    @property
    def supervisor(self) -> SupervisorClient:
        return SupervisorClient(self.settings.supervisor_socket, user="david", role="admin")

    def at_gateway(self, name: str) -> dict[str, Any]:
        """What the gateway says of a deployment, empty when it does not know it."""
        lines = self.gateway.status()["deployments"]
        return next((item for item in lines if item["deployment_id"] == name), {})

    def until_decided(self, name: str, seq: int) -> None:
        """Wait until the strategy has done with an event."""
        eventually(lambda: self.at_gateway(name).get("decision_seq", 0) >= seq, what=f"event {seq}")

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

    def close(self) -> None:
        for process in reversed(self.processes.values()):
            if process.poll() is None:
                process.terminate()
                process.wait(40)
        self.engine.dispose()


@dataclass
class Tenant:
    """One release in the house."""

    house: House
    release: Release
    series: list[Bars]  # of all traded instruments
    others: tuple[Bars, ...] = ()  # of what is not traded
    first: int = FIRST

    @property
    def bars(self) -> Bars:
        """All of the pinned data, of the first instrument."""
        return self.series[0]

    @property
    def strategy(self) -> Strategy:
        described = self.release.spec
        sources = {"ByHand": BY_HAND, "Hedged": HEDGED}
        return strategy_from_spec(described) if "rules" in described else written(sources[described["class"]])

    @property
    def start_ns(self) -> int:
        return int(self.bars.open_ns[self.first])

    @property
    def end_ns(self) -> int:
        return int(self.bars.open_ns[self.first + BARS])

    def deploy(self, account: str, *, bars_per_second: float = 0.0, **feed: Any) -> str:
        add_account(self.house.engine, account)
        replay = {
            "kind": "replay",
            "start_ns": self.start_ns,
            "end_ns": self.end_ns,
            "bars_per_second": bars_per_second,
        }
        return deploy(
            self.house.engine,
            released_notebooks(self.house.settings),
            release_id=self.release.id,
            account_id=account,
            feed={**replay, **feed},
            by="david",
        )

    def backtest(self, account: AccountRules | None = None) -> list[Fill]:
        result = run_backtest(
            self.strategy,
            [bars.between(None, self.end_ns) for bars in self.series],
            cost_book=self.release.cost_book,
            account=account or self.release.account,
            balance=Decimal(100_000),
            trade_from_ns=self.start_ns,
            also=[bars.between(None, self.end_ns) for bars in self.others] or None,
        )
        return list(result.fills)


@contextmanager
def built_house(folder: Path) -> Iterator[House]:
    """A house in that folder; what runs in it is ended."""
    runtime = tempfile.mkdtemp(prefix="wb-")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_RUNTIME_DIR", runtime)
        settings = load_settings(home=folder / "home", project=folder)
        engine = open_store(settings.store_url)
        store = MarketStore(settings.market_dir, engine)
        store.import_file(
            sample_files().eurusd_h1_2017,
            "EUR_USD",
            cost_book=retail_book("EUR_USD"),
            timezone="UTC",
            show_progress=False,
        )
        house = House(settings, engine, store, {"EUR_USD": store.bars("EUR_USD", "H1")})
        try:
            yield house
        finally:
            house.close()
            shutil.rmtree(runtime, ignore_errors=True)


def answers(client: Any) -> bool:
    try:
        return bool(client.status())
    except WorkbenchError:
        return False


def changing_costs(book: Any, bars: Bars) -> CostHistory:
    """Dearer from the middle of what is replayed."""
    dearer = replace(retail_book("EUR_USD").of("EUR_USD"), commission_ppm=90, financing_long_ppm=-400_000)
    changed = session_of(int(bars.open_ns[FIRST + BARS // 2]))
    first = book.replace(valid_from=session_of(int(bars.open_ns[0])))
    return CostHistory([first, book.with_costs("EUR_USD", dearer).replace(valid_from=changed)])


def made_up_from(bars: Bars, name: str, *, seed: int) -> Bars:
    """Bars of another instrument that wander off from `bars`, some of them missing."""
    rng = np.random.default_rng(seed)
    kept = np.flatnonzero(rng.random(len(bars)) > 0.03)
    away = np.concatenate(([0], np.cumsum(rng.integers(-40, 41, len(bars)))))
    opens, closes = away[:-1], away[1:]
    prices = {}
    for column, shift in (
        ("open", opens),
        ("high", np.maximum(opens, closes)),
        ("low", np.minimum(opens, closes)),
        ("close", closes),
    ):
        for side in ("bid", "ask"):
            wide = 2 * seed if side == "ask" else 0
            prices[f"{side}_{column}"] = (getattr(bars, f"{side}_{column}") + shift + wide)[kept]
    return make_bars(instrument(name), timeframe=Timeframe.H1, open_ns=bars.open_ns[kept], prices=prices)


def written(source: str) -> Strategy:
    """The strategy that a cell's source defines; the source is found again as that of a cell is."""
    name = next(line for line in source.splitlines() if line.startswith("class "))[6:].partition("(")[0]
    cell = f"<cell of {name}>"
    linecache.cache[cell] = (len(source), None, source.splitlines(keepends=True), cell)
    scope: dict[str, Any] = {"__name__": "__main__"}  # as in a kernel
    exec(compile(source, cell, "exec"), scope)
    made = scope[name](fast=8, slow=21)
    assert isinstance(made, Strategy)
    return made


def release(
    settings: Settings,
    series: list[Bars],
    book: dict[str, Any],
    source: str,
    account: AccountRules | None = None,
    *,
    others: Sequence[Bars] = (),
    sizes: bool = False,
    allowance: Allowance | None = None,
) -> Release:
    """A release signed by sarah and approved by david, as a promotion leaves it."""
    strategy = written(source)
    name = strategy.name
    names = [str(bars.instrument.id) for bars in series]
    described = spec(strategy)
    notebook = new_notebook(
        cells=[
            new_code_cell("fast = 5\nslow = 50", metadata={"tags": ["parameters"]}),
            new_code_cell("1 / 0", metadata={"tags": ["research"]}),
            new_code_cell(source),
            new_code_cell(DEPLOY.format(name=name, instruments=names)),
        ]
    )
    manifest = {
        "name": "sma_cross",
        "run_id": "",
        "author": "sarah",
        "created_ns": time.time_ns(),
        "parameters": {"fast": 8, "slow": 21},
        "strategy": {"name": name, "digest": described["digest"], "spec": described},
        "instruments": names,
        "timeframe": "H1",
        "data": {f"{bars.instrument.id} H1": bars.fingerprint for bars in (*series, *others)},
        "others": [str(bars.instrument.id) for bars in others],
        "currency": "USD",
        "sizes": sizes,
        "cost_book": book,
        **({} if account is None else {"account": asdict(account)}),
        "limits": LIMITS.to_json(),
        **({} if allowance is None else {"allowance": allowance.to_json()}),
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
