"""Gateway and supervisor as processes, a signed release, real bars: live is the backtest, killed or not."""

import linecache
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
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
from workbench.domain.accounts import AccountMode, AccountRules, HedgedMargin
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
from workbench.live.divergence import compare
from workbench.market import Bars, MarketStore, make_bars, sample_files
from workbench.release.approvals import approve
from workbench.release.bundle import NOTEBOOK, write_bundle
from workbench.release.keys import signing_key
from workbench.release.releases import Release, register_release
from workbench.research import run_backtest
from workbench.settings import Settings, load_settings
from workbench.store import open_store
from workbench.strategy import Strategy, spec, strategy_from_spec

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
BREAKOUT = """
from workbench.strategy import BySide, LimitAt, Param, RiskFraction, Rules, StopAt, Strategy, atr

class Breakout(Strategy):
    fast = Param(8, low=2, high=50)
    slow = Param(21, low=5, high=200)

    def rules(self, bar):
        return Rules(
            enter_long=bar.mid.close > bar.mid.open,
            enter_short=bar.mid.close < bar.mid.open,
            entry=BySide(
                long=StopAt(bar.ask.high.rolling(self.fast).max()),
                short=LimitAt(bar.bid.high.rolling(3).max()),
            ),
            expires_bars=3,
            stop=2.0 * atr(bar, 14),
            target=1.5 * atr(bar, self.slow),
            size=RiskFraction(0.01),
        )
"""
TRAILING = """
from workbench.strategy import Param, RiskFraction, Rules, Strategy, atr, crosses_above, crosses_below, sma

class Trailing(Strategy):
    fast = Param(8, low=2, high=50)
    slow = Param(21, low=5, high=200)

    def rules(self, bar):
        fast, slow = sma(bar.mid.close, 3), sma(bar.timeframe("H4").mid.close, self.fast)
        return Rules(
            enter_long=crosses_above(fast, slow),
            enter_short=crosses_below(fast, slow),
            stop=3.0 * atr(bar, self.slow),
            trail=1.0 * atr(bar, 14),
            size=RiskFraction(0.01),
        )
"""
RANKED = """
from workbench.strategy import Param, Rules, Strategy, Units, cross_mean, pips, rank, sma

class Ranked(Strategy):
    fast = Param(8, low=2, high=50)
    slow = Param(21, low=5, high=200)

    def rules(self, bar):
        move = bar.mid.close - sma(bar.mid.close, self.fast)
        place, euro = rank(move), bar.of("EUR_USD").mid.close
        return Rules(
            enter_long=(place > 2.5) & (move > cross_mean(move)),
            enter_short=(place < 1.5) & (euro > sma(euro, self.slow) - pips(20)),
            exit_long=place < 2.5,
            exit_short=place > 1.5,
            stop=300,
            size=Units(10_000),
        )
"""
FOLLOWER = """
from workbench.strategy import Param, RiskFraction, Rules, Strategy, atr, crosses_above
from workbench.strategy import crosses_below, pips, sma

class Follower(Strategy):
    fast = Param(8, low=2, high=50)
    slow = Param(21, low=5, high=200)

    def rules(self, bar):
        fast, slow = sma(bar.mid.close, 3), sma(bar.mid.close, self.fast)
        pound = bar.of("GBP_USD").mid.close
        return Rules(
            enter_long=crosses_above(fast, slow) & (pound > sma(pound, self.slow) - pips(30)),
            enter_short=crosses_below(fast, slow) & (pound < sma(pound, self.slow) + pips(30)),
            stop=3.0 * atr(bar, 14),
            target=2.0 * atr(bar, self.slow),
            size=RiskFraction(0.01),
        )
"""
BY_HAND = """
from workbench.strategy import Param, Strategy, atr, bar, sma

class ByHand(Strategy):
    fast = Param(8, low=2, high=50)
    slow = Param(21, low=5, high=200)

    def on_bar(self, market, account):
        mean, reach = market.value(sma(bar.mid.close, self.slow)), market.value(atr(bar, self.fast))
        if reach != reach or mean != mean:
            return
        reach, held, bid = min(300, max(20, int(reach))), account.position(), market.quote.bid
        for order in account.waiting:
            near = market.quote.ask if order.units > 0 else bid
            account.replace(order.client_order_id, price=near + reach // 3)
        if held is None and not account.waiting:
            if bid > mean:
                account.buy_stop(10_000, price=market.quote.ask + reach // 2, stop=2 * reach)
            else:
                account.sell_limit(10_000, price=bid + reach // 2, stop=2 * reach, target=4 * reach)
        if held is not None:
            level = bid - reach if held.units > 0 else market.quote.ask + reach
            if (level > held.stop) == (held.units > 0):
                account.change_exits(stop_price=level)
            if abs(bid - held.average_price) > 3 * reach and not held.trailing:
                account.change_exits(trailing=reach // 2, target=0)
"""
HEDGED = """
from workbench.strategy import Param, Strategy, atr, bar

class Hedged(Strategy):
    fast = Param(8, low=2, high=50)
    slow = Param(21, low=5, high=200)

    def on_bar(self, market, account):
        reach, number = market.value(atr(bar, self.slow)), len(market)
        if reach != reach:
            return
        reach, trades = min(300, max(20, int(reach))), account.trades
        if number % self.fast == 0:
            account.buy(3_000, stop=3 * reach)
        if number % 11 == 0:
            account.sell(2_000, target=2 * reach)
        if len(trades) > 3:
            account.close_trade(trades[0].client_order_id)
        elif number % 13 == 0 and trades:
            account.change_exits(trade=trades[-1].client_order_id, trailing=reach)
        if number % 60 == 0:
            account.close()
"""
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
BARS = 240


@dataclass
class House:
    """A home with data, a release, a gateway and a supervisor."""

    settings: Settings
    engine: sa.Engine
    release: Release
    bars: Bars  # all of the pinned data, of the first instrument
    series: list[Bars]  # of all instruments
    first: int  # the first bar that is replayed
    processes: dict[str, "subprocess.Popen[bytes]"]
    others: tuple[Bars, ...] = ()  # of what is not traded

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
        if name == "gateway":
            self.lift_firm_limits()

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


def answers(client: Any) -> bool:
    try:
        return bool(client.status())
    except WorkbenchError:
        return False


@pytest.fixture
def house(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    source, traded, *account = getattr(request, "param", (DEFINE, ["EUR_USD"]))
    terms: dict[str, Any] = account.pop() if account and isinstance(account[-1], dict) else {}
    names = [*traded, *terms.get("others", [])]
    runtime = tempfile.mkdtemp(prefix="wb-")
    monkeypatch.setenv("XDG_RUNTIME_DIR", runtime)
    settings = load_settings(home=tmp_path / "home", project=tmp_path)
    engine = open_store(settings.store_url)
    costs = {name: item for name in names for item in [retail_book(name).of(name)]}
    book = replace(retail_book("EUR_USD"), costs=costs)
    store = MarketStore(settings.market_dir, engine)
    store.import_file(
        sample_files().eurusd_h1_2017, "EUR_USD", cost_book=book, timezone="UTC", show_progress=False
    )
    bars = store.bars("EUR_USD", "H1")
    series = [bars]
    for number, name in enumerate(names[1:], start=1):
        store.add(made_up_from(bars, name, seed=number), source="made up")
        series.append(store.bars(name, "H1"))
    priced: Costs = book
    if account:  # then the costs change in the middle of what is replayed
        dearer = replace(retail_book("EUR_USD").of("EUR_USD"), commission_ppm=90, financing_long_ppm=-400_000)
        changed = session_of(int(bars.open_ns[1_000 + BARS // 2]))
        first = book.replace(valid_from=session_of(int(bars.open_ns[0])))
        priced = CostHistory([first, book.with_costs("EUR_USD", dearer).replace(valid_from=changed)])
    others, series = tuple(series[len(traded) :]), series[: len(traded)]
    found = release(settings, series, priced.to_json(), source, *account, **{**terms, "others": others})
    made = House(settings, engine, found, bars, series, 1_000, {}, others)
    try:
        yield made
    finally:
        for process in reversed(made.processes.values()):
            if process.poll() is None:
                process.terminate()
                process.wait(40)
        engine.dispose()
        shutil.rmtree(runtime, ignore_errors=True)


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
    scope: dict[str, Any] = {"__name__": "notebook"}
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


@pytest.mark.parametrize(
    ("house", "reasons"),
    [
        ((DEFINE, ["EUR_USD"]), {"MARKET"}),
        ((BREAKOUT, ["EUR_USD"]), {"STOP", "LIMIT", "STOP_LOSS", "TAKE_PROFIT"}),
        ((TRAILING, ["EUR_USD"]), {"MARKET", "TRAILING_STOP"}),
        ((BY_HAND, ["EUR_USD"]), {"STOP", "LIMIT", "STOP_LOSS", "TRAILING_STOP"}),
        ((RANKED, ["EUR_USD", "GBP_USD", "AUD_USD"]), {"MARKET", "STOP_LOSS"}),
        ((FOLLOWER, ["EUR_USD", "EUR_GBP"], {"others": ["GBP_USD"]}), {"MARKET", "TAKE_PROFIT"}),
    ],
    indirect=["house"],
    ids=["crossing", "breakout", "trailing", "by hand", "three ranked", "converted"],
)
def test_a_run_with_killed_kernels_and_a_killed_gateway_has_exactly_the_fills_of_the_backtest(
    house: House, reasons: set[str]
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
    undisturbed = house.deploy("paper-2", bars_per_second=0.0)
    house.until(undisturbed, "finished")
    assert compare(house.fills(name), house.fills(undisturbed)).equal
    found = compare(house.fills(name), house.backtest())
    assert found.sentence() == f"all {len(found.lines)} executions are equal to the last digit"
    assert len(found.lines) > 5
    assert {line.live.reason.value for line in found.lines if line.live} >= reasons
    assert {line.live.instrument for line in found.lines if line.live} == set(house.release.instruments)
    watched = house.supervisor.status()["deployments"]
    line = next(item for item in watched if item["deployment_id"] == name)
    assert line["restarts"] == 1
    assert line["recoveries"][0]["seconds"] < 60
    assert house.gateway.verify()["ok"]


@pytest.mark.parametrize(
    "house",
    [
        (BREAKOUT, ["EUR_USD"], AccountRules()),
        (TRAILING, ["EUR_USD"], AccountRules(mode=AccountMode.FIFO, latency_ns=250_000_000)),
        (
            HEDGED,
            ["EUR_USD"],
            AccountRules(mode=AccountMode.HEDGING, hedged_margin=HedgedMargin.MAXIMAL_SIDE),
        ),
    ],
    indirect=True,
    ids=["dated costs", "first in first out, late", "hedged"],
)
def test_dated_costs_and_the_account_of_the_backtest_are_those_of_the_live_run(house: House) -> None:
    house.run("gateway")
    house.run("live")
    name = house.deploy("paper-1", bars_per_second=0.0)
    house.until(name, "finished")
    live, backtest = house.fills(name), house.backtest()
    found = compare(live, backtest)
    assert found.sentence() == f"all {len(found.lines)} executions are equal to the last digit"
    assert isinstance(house.release.cost_book, CostHistory)
    rates = {
        round(fill.commission * 1e6 / (abs(fill.units) * fill.price * 10)) for fill in live if fill.commission
    }
    assert len(rates) == 2, "executions before and after the change of costs"
    usual = house.backtest(AccountRules())
    assert ([fill.time_ns for fill in usual] == [fill.time_ns for fill in live]) == (
        house.release.account == AccountRules()
    )


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
